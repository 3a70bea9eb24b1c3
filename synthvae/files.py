"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from synthvae.errors import UserError

__all__ = ["atomic_open", "atomic_write", "ensure_directory"]


def ensure_directory(path: Path, option: str = "--out") -> Path:
    """Make `path` a writable directory, or say why it cannot be one.

    Args:
        path: the directory; parents are made too.
        option: the name of the setting that chose it, for the message.

    Returns:
        `path` itself.

    Raises:
        UserError: if it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot write there ({error.strerror}); choose another {option}") from None
    return path


@contextlib.contextmanager
def atomic_open(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its name only when the block ends without an error.

    Args:
        path: where the finished file shall be.

    Yields:
        A binary file to write to.

    Raises:
        UserError: if the directory cannot be written to.
    """
    ensure_directory(path.parent)
    if path.is_dir():
        raise UserError(f"{path}: is a directory; choose a file name")
    # Not mkstemp, whose files only their owner can read: giving others their rights takes the umask, and reading that
    # sets it for all threads.
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise UserError(f"{path}: cannot write ({error.strerror}); make room or choose another place") from None
        raise


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write `content` to `path` whole, or not at all.

    Args:
        path: the file; its directory is made where missing.
        content: bytes, or text that is written as UTF-8.

    Raises:
        UserError: if the directory cannot be written to.
    """
    with atomic_open(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
