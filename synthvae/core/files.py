"""Atomic file writing."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import functools
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from synthvae.core.errors import UserError, reason

if sys.platform != "win32":
    import fcntl

__all__ = [
    "LOCK",
    "PREVIOUS",
    "alone_in",
    "atomic_open",
    "atomic_write",
    "copy_rights",
    "ensure_directory",
    "exchange",
    "is_leftover",
    "load_tensors",
    "move_into_place",
    "remove_directory",
    "replace_directory",
    "save_tensors",
    "staging_folder",
    "temporary_folder",
    "user_cache",
    "user_home",
    "why_no_locks",
]

_log = logging.getLogger(__name__)

#: Errors of a lock held by another process; others mean that the file system has no locks, as Lustre without ``flock``.
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
#: Errors of operations that a file system does not support, such as changing modes on a Windows drive.
_UNABLE = (errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES)
#: Errors of a full disk.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PART = re.compile(r"\..*\.[0-9a-f]{8}\.part")
#: Number of characters of its ending: eight digits and the extension.
_PART_ENDING = 13
#: Seconds during which a writer's temporary file, or a folder without a lock, is never considered abandoned.
_FRESH = 60.0
#: Characters of a file's name used in the name of its temporary file, so that the longest names still fit.
_STEM = 40

#: AT_FDCWD and RENAME_EXCHANGE of renameat2(2).
_HERE, _EXCHANGE = -100, 2

#: Prefix of the name of a process's temporary directory.
_TEMPORARY = "synthvae-"
#: Name of the lock file in a directory that one process at a time works in.
LOCK = ".lock"
#: Name, in a `staging_folder`, of the directory that is being replaced.
PREVIOUS = "previous"


def user_cache() -> Path:
    """The user's cache directory: ``synthvae`` in ``$XDG_CACHE_HOME`` or ``~/.cache``.

    For a user without a home directory, a temporary one that is removed when the process ends.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(cache):
        return Path(cache) / "synthvae"
    home = user_home()
    return temporary_folder() if home is None else home / ".cache" / "synthvae"


def user_home() -> Path | None:
    """The user's home directory; None where neither ``$HOME`` nor the user database has one, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return None


@functools.cache
def temporary_folder() -> Path:
    """Temporary directory of this process, removed at exit; those of killed processes are removed first."""
    for abandoned in _abandoned_folders(Path(tempfile.gettempdir()), _TEMPORARY):
        shutil.rmtree(abandoned, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _lock_folder(folder)  # until the process ends, however it ends
    return folder


@contextlib.contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """A new directory beside a directory, for files that are renamed into place; it is removed at the end.

    What killed processes left is removed first. If one was killed while it replaced the target, the earlier directory,
    which it had moved to `PREVIOUS` in its own, is put back.

    Args:
        target: the directory that is written or replaced.
    """
    # A digest in place of the rest of a long name, to which nothing could be added.
    name = target.name if len(target.name) <= _STEM else f"{target.name[:_STEM]}-{_digest(target.name)}"
    stem = f".{name}."
    for abandoned in _abandoned_folders(target.parent, stem):
        if not _PART.fullmatch(abandoned.name) or abandoned.name[:-_PART_ENDING] != stem:
            continue  # that of a target whose name goes on after a full stop
        with contextlib.suppress(OSError):
            if not target.exists():
                os.rename(abandoned / PREVIOUS, target)
        shutil.rmtree(abandoned, ignore_errors=True)
    # Not mkdtemp, whose directories are accessible to their owner only.
    folder = target.parent / f"{stem}{secrets.token_hex(4)}.part"
    folder.mkdir()
    lock = _lock_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def replace_directory(new: Path, target: Path, aside: Path) -> None:
    """Rename a directory to that of an earlier one, whose mode and group it takes over.

    Where the system can exchange two names, as Linux can, there is no moment without a directory of that name. The
    earlier one ends in the place of the new one, or else as `aside`; its caller removes it.

    Args:
        new: the directory, on the file system of `target`.
        target: its name; the earlier directory is there.
        aside: another name on that file system.
    """
    copy_rights(target, new)
    if not exchange(new, target):
        os.rename(target, aside)
        os.rename(new, target)


def exchange(first: Path, second: Path) -> bool:
    """Exchange the names of two files or directories at once; returns whether that was possible here."""
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):  # musl
        return False
    return bool(rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0)


def remove_directory(path: Path) -> None:
    """Remove a directory so that a killed process leaves all of it or none under its name.

    What such a process leaves under a temporary name is removed by the next call for the same directory.
    """
    with staging_folder(path) as folder:
        os.rename(path, folder / "removed")


def _digest(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def _lock_folder(folder: Path) -> int | None:
    """Lock a directory for as long as the returned file is open, by default until the process ends."""
    if sys.platform == "win32":
        return None
    lock = folder / LOCK
    # It is locked before it is renamed, or it would look abandoned.
    file = os.open(f"{lock}.new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(f"{lock}.new", lock)
    return file


def _abandoned_folders(directory: Path, prefix: str) -> list[Path]:
    """Directories of this user whose names begin so, and whose lock no process holds any more.

    One without a lock was just created by another process, or one was killed while it created or removed it.
    """
    found: list[Path] = []
    if sys.platform == "win32":
        return found
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(directory)):
            if not entry.name.startswith(prefix) or not entry.is_dir(follow_symlinks=False):
                continue
            with contextlib.suppress(OSError):
                state, lock = entry.stat(), os.path.join(entry.path, LOCK)
                old = time.time() - state.st_mtime > _FRESH
                if state.st_uid == os.getuid() and (_is_abandoned(lock) if os.path.exists(lock) else old):
                    found.append(Path(entry.path))
    return found


def ensure_directory(path: Path, argument: str = "out") -> Path:
    """Create `path` as a writable directory if missing, and return it.

    Args:
        path: the directory; its parents are created too.
        argument: name of the argument that gave it, for the message.

    Raises:
        UserError: if it cannot be created or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(path, path, f"choose another `{argument}`", f"cannot write there ({reason(error)})") from None
    return path


@contextlib.contextmanager
def alone_in(directory: Path, doing: str) -> Iterator[None]:
    """Hold a directory's lock, which the operating system releases when the process ends.

    Where the file system has no locks, this is logged and the work continues without one.

    Args:
        directory: existing directory.
        doing: activity of a process that holds the lock, for the message.

    Raises:
        UserError: if another process holds the lock, or it is not a regular file.
    """
    if sys.platform == "win32":
        yield
        return
    path = directory / LOCK
    try:
        # Not truncated, and links are not followed: the target of a link may be another program's file.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if path.is_symlink() or path.exists():
            raise UserError(path, path, "remove it", f"cannot be opened as a lock ({reason(error)})") from None
        raise UserError(path, path, "choose another `out`", f"cannot write there ({reason(error)})") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UserError(path, path, "remove it", "cannot be opened as a lock (not a plain file)")
        if not _lock(file):
            problem = f"another process is {doing} there"
            raise UserError(directory, directory, "wait for it or choose another `out`", problem)
        yield
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    """Try to lock an open file until it is closed; returns whether the lock was acquired."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        _log.warning("the file system has no locks (%s): do not start a second process there", error.strerror)
    return True


def why_no_locks(directory: Path) -> str:
    """Why files in a directory do not support byte-range locks, which SQLite needs; empty where they do."""
    if sys.platform != "win32":
        try:
            with tempfile.TemporaryFile(dir=directory) as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
                return os.strerror(error.errno)
    return ""


@functools.lru_cache(maxsize=1024)
def _remove_abandoned(directory: str) -> None:
    """Remove the temporary files of killed writers, once per directory and process."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(directory)):
            if not _PART.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            with contextlib.suppress(OSError):
                if time.time() - entry.stat().st_mtime > _FRESH and _is_abandoned(entry.path):
                    os.unlink(entry.path)


def _is_abandoned(path: str) -> bool:
    """Whether a file's lock, held by every active writer, is free."""
    if sys.platform == "win32":
        return False
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where there are no locks: the file is left
    finally:
        os.close(file)
    return True


def _name_new(temporary: Path, target: Path) -> None:
    """Rename a file to an unused name; raise if the name is taken."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        remedy = "add `overwrite` to replace it, or choose another `out`"
        raise UserError(target, target, remedy, "exists already, from another process") from None
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
        if target.exists():  # the file system has no hard links: best effort, not atomic
            raise UserError(target, target, "choose another `out`", "exists already, from another process") from None
        os.replace(temporary, target)
        return
    temporary.unlink()


def _sync(file: int) -> None:
    """Flush a file to disk (fsync), where the file system supports it."""
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise


def copy_rights(replaced: Path, new: Path) -> None:
    """Copy mode and group of a file or directory to the one that will replace it, where the file system supports it."""
    if sys.platform == "win32":
        return
    before = replaced.stat()
    with contextlib.suppress(OSError):
        if new.stat().st_gid != before.st_gid:
            os.chown(new, -1, before.st_gid)
    with contextlib.suppress(OSError):
        os.chmod(new, stat.S_IMODE(before.st_mode))


def move_into_place(new: Path, target: Path) -> None:
    """Rename a file to that of an earlier one, or a new name; as in `atomic_open`, mode, group and links are kept.

    Args:
        new: the file, beside or below the directory of `target`.
        target: its name.
    """
    if target.is_symlink():
        atomic_write(target, new.read_bytes())  # what it points to may be on another disk
        new.unlink()
        return
    if target.exists():
        copy_rights(target, new)
    os.replace(new, target)


@contextlib.contextmanager
def atomic_open(path: Path, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary binary file beside `path` that is renamed to `path` only when the block ends without an error.

    The mode and group of a replaced file are preserved; for a symbolic link, its target is replaced. Temporary files
    left in the directory by killed writers are removed.

    Raises:
        UserError: if the directory cannot be written to, `path` is a directory or a device, or it exists at the end,
            for instance from another process, and `overwrite` is False.
    """
    try:
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        replaced = target.stat() if target.exists() else None
    except OSError as error:
        raise UserError(path, path, "choose another name", f"cannot write there ({reason(error)})") from None
    ensure_directory(target.parent)
    if replaced is not None and not stat.S_ISREG(replaced.st_mode):
        raise UserError(path, path, "choose a file name", "is a directory or a device, not a plain file")
    _remove_abandoned(str(target.parent.absolute()))
    # Not mkstemp, whose files are readable by their owner only: default permissions depend on the umask, and reading it
    # means setting it for all threads.
    temporary = target.parent / f".{target.name[:_STEM]}.{secrets.token_hex(4)}.part"
    try:
        with temporary.open("xb") as file:
            if sys.platform != "win32":
                with contextlib.suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # marks the writer as alive
            if replaced is not None:
                copy_rights(target, temporary)
            yield file
            file.flush()
            _sync(file.fileno())
        if overwrite:
            os.replace(temporary, target)
        else:
            _name_new(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            remedy = "make room or choose another place" if error.errno in _FULL else "choose another place"
            raise UserError(path, path, remedy, f"cannot write ({reason(error)})") from None
        raise


def is_leftover(path: Path) -> bool:
    """Whether a file is the temporary file of a killed writer, or the lock."""
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(".part"))


def atomic_write(path: Path, content: bytes | str, overwrite: bool = True) -> None:
    """Write bytes, or text as UTF-8, to `path` completely or not at all; its directory is created if missing.

    Lone surrogates, which occur in file names that are not UTF-8, are written as JSON escapes.

    Raises:
        UserError: as `atomic_open`.
    """
    with atomic_open(path, overwrite) as file:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any] | None = None) -> None:
    """Write tensors, and a state as JSON in the file's metadata, atomically.

    Raises:
        UserError: if `path` cannot be written.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    atomic_write(path, save(contiguous, metadata={"state": json.dumps(dict(state or {}))}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Raises:
        UserError: if the file is missing, truncated or not safetensors.
    """
    try:
        content = path.read_bytes()  # safetensors opens no paths that are not UTF-8
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        state = json.loads(header.get("__metadata__", {}).get("state", "{}"))
        if not isinstance(state, dict):
            raise ValueError("its state is not an object")
        return tensors, state
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise UserError(
            path, path, "train again, or copy the file from where it is whole", f"cannot read ({reason(error)})"
        ) from None
