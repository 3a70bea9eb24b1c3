"""Folders of files that belong together: all of them are there, or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write, ensure_directory

__all__ = ["write_folder"]


def write_folder(folder: Path, files: Mapping[str, bytes], is_ours: Callable[[Path], bool]) -> None:
    """Write files into a folder that takes its name only when all of them are in it.

    Where the folder is there already, the files are written beside it first and then moved in, so that a full disk or
    a key stroke leaves the old ones; what else is in it stays, but for files of ours that are no longer among them.

    Args:
        folder: where to.
        files: contents by path within the folder; the last one names the others, and is there only while they are.
        is_ours: whether a file that is in the way of none was written here, and may go.

    Raises:
        UserError: if it cannot be written.
    """
    ensure_directory(folder.parent)
    stage = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    try:
        stage.chmod(folder.parent.stat().st_mode & 0o777)  # mkdtemp makes folders that only the owner can read
        for name, content in files.items():
            atomic_write(stage / name, content)
        if folder.exists():
            _move_in(stage, folder, list(files))
            _remove_old(folder, files, is_ours)
        else:
            os.rename(stage, folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot write ({error.strerror}); make room or choose another --out") from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _move_in(stage: Path, folder: Path, names: list[str]) -> None:
    (folder / names[-1]).unlink(missing_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(stage / name, folder / name)


def _remove_old(folder: Path, files: Mapping[str, bytes], is_ours: Callable[[Path], bool]) -> None:
    """From the folders that files were written to, not from folders that somebody else made in them."""
    for place in {(folder / name).parent for name in files}:
        for path in place.iterdir():
            if path.is_file() and path.relative_to(folder).as_posix() not in files and is_ours(path):
                path.unlink()
