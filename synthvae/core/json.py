"""Reading and writing of JSON documents, and the check of output paths."""

from __future__ import annotations

import codecs
import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from synthvae.core.errors import UserError, reason

__all__ = ["check_target", "dump_json", "load_json", "read_record", "require_fields"]

Record = TypeVar("Record")

#: Number of characters from which an integer may not fit 64 bits; orjson reads those as floats.
LONG_INTEGER = 19


def load_json(content: bytes | str, source: str, remedy: str) -> Any:  # noqa: ANN401
    """Parse a JSON document.

    ``NaN`` and ``Infinity``, which JSON does not have but many programs write, are accepted: the caller's checks can
    name the wrong value, which is more helpful than a line number. A byte-order mark, which Windows editors write, is
    skipped.

    Args:
        content: content of the file.
        source: file name for the message.
        remedy: what to do if the document is incomplete or invalid.

    Raises:
        UserError: if it is not a complete JSON document.
    """
    if isinstance(content, bytes):
        content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(content, parse_int=_integer)
        except UnicodeDecodeError:
            raise UserError(source, source, remedy, "not JSON, which is text in UTF-8") from None
        except (ValueError, RecursionError):
            raise UserError(
                source, source, remedy, f"not a whole JSON document ({error.msg} at line {error.lineno})"
            ) from None


def read_record(kind: type[Record], path: Path, remedy: str) -> Record:
    """Read a dataclass of plain values from a JSON object of its fields.

    Args:
        kind: the dataclass.
        path: the file.
        remedy: what to do if the file is damaged.

    Raises:
        UserError: if the file cannot be read, or has other fields.
    """
    try:
        document = load_json(path.read_bytes(), str(path), remedy)
    except OSError as error:
        raise UserError(path, path, remedy, f"cannot be read ({reason(error)})") from None
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if not isinstance(document, dict) or document.keys() != names:
        raise UserError(path, path, remedy, f"not the fields of {kind.__name__}")
    return kind(**document)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < LONG_INTEGER else float(digits)


def require_fields(document: Any, names: Iterable[str], source: str, remedy: str) -> None:  # noqa: ANN401
    """Reject a document that is no object or lacks a field.

    Args:
        document: the parsed JSON document.
        names: the fields that it must have, of any value.
        source: file name for the message.
        remedy: what to do about it.

    Raises:
        UserError: naming the first field that is missing.
    """
    if not isinstance(document, Mapping):
        raise UserError(source, source, remedy, "not a JSON object")
    for name in names:
        if name not in document:
            raise UserError(source, source, remedy, f"{name} is missing")


def dump_json(document: Mapping[str, Any], path: Path) -> str:
    """A document as indented JSON without a newline at the end.

    Raises:
        UserError: if a number in it is not finite, which JSON cannot represent.
    """
    try:
        return json.dumps(document, indent=1, allow_nan=False)
    except ValueError:
        raise UserError(
            path, path, "nothing was written, check the input", "a number to be written is not finite"
        ) from None


def check_target(path: Path, overwrite: bool, argument: str = "out") -> None:
    """Reject a target that exists, except a regular file if `overwrite`.

    Args:
        path: the file to be written.
        overwrite: whether to replace a regular file.
        argument: name of the argument that gave `path`.

    Raises:
        UserError: if `path` exists and must not be replaced.
    """
    try:
        there, plain = path.exists(), path.is_file()
    except OSError as error:
        raise UserError(path, path, f"choose another `{argument}`", f"cannot write there ({reason(error)})") from None
    if there and not plain:
        raise UserError(path, path, f"choose another `{argument}`", "is a directory or a device, not a plain file")
    if there and not overwrite:
        raise UserError(path, path, f"add `overwrite` to replace it, or choose another `{argument}`", "exists already")
