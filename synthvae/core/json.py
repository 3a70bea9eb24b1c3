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

__all__ = ["check_target", "dump_json", "load_json", "parse_json", "read_record", "require_fields"]

Record = TypeVar("Record")

#: Number of characters from which an integer may not fit 64 bits; orjson reads those as floats.
LONG_INTEGER = 19
#: Levels of arrays and objects in a document: fewer than Python's recursion limit allows in messages and on writing.
DEEPEST = 100


def load_json(content: bytes | str, source: str, remedy: str) -> Any:  # noqa: ANN401
    """Parse a JSON document that is nested at most `DEEPEST` levels deep.

    ``NaN`` and ``Infinity``, which JSON does not have but many programs write, are accepted: the caller's checks can
    name the wrong value, which is more helpful than a line number. A byte-order mark, which Windows editors write, is
    skipped.

    Args:
        content: content of the file.
        source: file name for the message.
        remedy: what to do if the document is incomplete or invalid.

    Raises:
        UserError: if it is not a complete JSON document, or is nested too deeply.
    """
    document = parse_json(content, source, remedy)
    if _is_deeper(document, DEEPEST):
        raise UserError(source, source, remedy, f"nested more than {DEEPEST} levels deep")
    return document


def parse_json(content: bytes | str, source: str, remedy: str) -> Any:  # noqa: ANN401
    """As `load_json` without the check of depth, by which reading many numbers would take a quarter longer."""
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


def _is_deeper(document: Any, levels: int) -> bool:  # noqa: ANN401
    """Whether arrays and objects are nested more than `levels` deep."""
    level = [document] if isinstance(document, (dict, list)) else []
    for _ in range(levels):
        values = [one.values() if isinstance(one, dict) else one for one in level]
        # Types first, in a set: most arrays are long and hold numbers alone.
        values = [one for one in values if not {dict, list}.isdisjoint(map(type, one))]
        level = [value for one in values for value in one if isinstance(value, (dict, list))]
        if not level:
            return False
    return True


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
