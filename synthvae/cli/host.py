"""Set-up of the process: standard streams, unencodable characters, environment variables."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import threading
from collections.abc import Iterator

__all__ = ["expand_home", "lose_output", "prepare_process", "silent_beside_first"]

_HOME = re.compile(r"(--[a-z][a-z0-9-]*=)(~(?:/.*)?)", re.DOTALL)


def prepare_process() -> None:
    """Open closed streams, escape unencodable characters, override ``MPLBACKEND`` and ignore ``NUMBA_DISABLE_JIT``.

    If a stream is closed (``2>&-``), the next opened file would take its descriptor. A terminal's character set may
    lack characters of a name or of the help, which are then printed as escapes. ``MPLBACKEND`` may be inherited from a
    notebook, and name a module that is not installed. ``NUMBA_DISABLE_JIT`` is meant for debugging other programs.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(nowhere)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - open until the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    os.environ["MPLBACKEND"] = "agg"
    os.environ.pop("NUMBA_DISABLE_JIT", None)
    threading.excepthook = _tell_thread


def _tell_thread(ended: threading.ExceptHookArgs) -> None:
    """Print uncaught exceptions of threads, except a full disk in TensorBoard's writer, which the run's log reports."""
    if not (type(ended.thread).__name__ == "_AsyncWriterThread" and isinstance(ended.exc_value, OSError)):
        threading.__excepthook__(ended)


@contextlib.contextmanager
def silent_beside_first() -> Iterator[None]:
    """Suppress output in all but the first of several processes that do the same work.

    torchrun and Lightning number their processes in ``RANK`` and ``LOCAL_RANK``, ``srun`` in ``SLURM_PROCID``.
    """
    numbers = [os.environ.get(name, "") for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")]
    if not any(number.isdecimal() and int(number) > 0 for number in numbers):
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def expand_home(arguments: list[str]) -> list[str]:
    """Arguments with the home folder in ``--out=~/x``, which shells expand only at the start of a word."""
    found = []
    for argument in arguments:
        option = _HOME.fullmatch(argument)
        found.append(option[1] + os.path.expanduser(option[2]) if option else argument)
    return found


def lose_output(end: str = "") -> OSError | None:
    """Flush standard output, after writing `end`; if that fails, discard the rest and return the error."""
    try:
        print(end=end, flush=True)
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None
