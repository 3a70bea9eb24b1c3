"""Operations of a command on the files below its directory, and its end right before one of them.

They are those that Python announces to audit hooks: not those of other processes, nor of SQLite and other libraries
that call the operating system themselves.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

__all__ = ["record_operations"]

#: Audit events of operations that change a directory, besides opening a file to write to it.
_CHANGES = ("chmod", "link", "mkdir", "remove", "rename", "rmdir", "symlink", "utime")
_EVENTS = frozenset(f"os.{name}" for name in _CHANGES)
#: Flags of a file that is opened to be written to.
_WRITING = os.O_WRONLY | os.O_RDWR


def record_operations(log: Path, last: int | None = None) -> None:
    """Write each operation of this process on files below the working directory to a file, a line each, from here on.

    Args:
        log: the file, which is replaced.
        last: number of the operation, counted from 1, before which the process is killed; by default none.
    """
    place, numbers = f"{Path.cwd()}{os.sep}", itertools.count(1)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if not (isinstance(arguments[2], int) and arguments[2] & _WRITING):
                return
        elif event not in _EVENTS:
            return
        if not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return  # a file that is open already
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.startswith(place):
            os.write(file, os.fsencode(f"{event} {path[len(place) :]}\n"))
            if next(numbers) == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
