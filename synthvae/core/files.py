"""Atomic file writing."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from synthvae.core.errors import UserError

__all__ = [
    "LOCK",
    "alone_in",
    "atomic_open",
    "atomic_write",
    "ensure_directory",
    "is_leftover",
    "load_tensors",
    "save_tensors",
    "user_cache",
]

#: Name of the lock file in a directory that one process at a time works in.
LOCK = ".lock"


def user_cache() -> Path:
    """The user's folder for what can be made again: ``synthvae`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "synthvae"


def ensure_directory(path: Path, argument: str = "out") -> Path:
    """Make `path` a writable directory and return it, or say why it cannot be one.

    Args:
        path: the directory; parents are made too.
        argument: that chose it.

    Raises:
        UserError: if it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(path, path, f"choose another `{argument}`", f"cannot write there ({error.strerror})") from None
    return path


@contextlib.contextmanager
def alone_in(directory: Path, doing: str) -> Iterator[None]:
    """Hold a directory's lock, which the operating system frees at the end of the process.

    Args:
        directory: that exists.
        doing: what another process does that holds the lock, for the message.

    Raises:
        UserError: if another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        yield
        return
    with (directory / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            problem = f"another process is {doing} there"
            raise UserError(directory, directory, "wait for it or choose another `out`", problem) from None
        yield


@contextlib.contextmanager
def atomic_open(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary binary file beside `path` that takes its name only when the block ends without an error.

    Raises:
        UserError: if the directory cannot be written to.
    """
    ensure_directory(path.parent)
    if path.is_dir():
        raise UserError(path, path, "choose a file name", "is a directory")
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
            raise UserError(
                path, path, "make room or choose another place", f"cannot write ({error.strerror})"
            ) from None
        raise


def is_leftover(path: Path) -> bool:
    """Whether a file is what a process killed in the middle of a write leaves, or the lock."""
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(".part"))


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write bytes, or text as UTF-8, to `path` whole or not at all; its directory is made where missing.

    Raises:
        UserError: if the directory cannot be written to.
    """
    with atomic_open(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any] | None = None) -> None:
    """Write tensors, and a state as JSON in the file's metadata, as one atomic whole.

    Raises:
        UserError: if `path` cannot be written.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    atomic_write(path, save(contiguous, metadata={"state": json.dumps(dict(state or {}))}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Raises:
        UserError: if the file is missing, cut short or not safetensors.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(
            path, path, "train again, or copy the file from where it is whole", f"cannot read ({error})"
        ) from None
