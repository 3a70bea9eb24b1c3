"""Commands as children of a process that has imported synthvae already: one starts within milliseconds, not seconds."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["IMPORTED", "start_forked"]

#: What commands import while they run.
IMPORTED = (
    "hdbscan",
    "librosa",
    "lightning_fabric",
    "matplotlib.backends.backend_agg",
    "pandas",
    "scipy.stats",
    "synthvae.bank",
    "synthvae.cli",
    "synthvae.experiments.report",
    "synthvae.matching.engine",
    "synthvae.report.analysis",
    "synthvae.scale.works",
    "torch.utils.tensorboard",
    "umap",
)

_context = multiprocessing.get_context("forkserver")


class _Forked:
    """A forked process as `benchmarks.jobs.Started`."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid: int = process.pid

    def wait(self, timeout: float | None = None) -> int:
        """As `subprocess.Popen.wait`."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("synthvae", timeout or 0.0)
        return self._process.exitcode


def _nothing() -> None:
    pass


def start_forked(
    arguments: Sequence[str],
    place: Path,
    errors: Path,
    imported: Sequence[str] = IMPORTED,
    before: Callable[[], object] = _nothing,
) -> _Forked:
    """Start ``synthvae ARGUMENTS`` in a directory, as the leader of a process group.

    Args:
        arguments: arguments of the command line.
        place: directory to start in.
        errors: file for its error messages.
        imported: modules that the process it is forked from has imported, the same in all calls.
        before: called in the process and the directory, before the command.
    """
    _context.set_forkserver_preload(list(imported))
    leads, told = _context.Pipe(duplex=False)
    process = _context.Process(target=_run, args=(list(arguments), place, errors, told, before))
    process.start()
    told.close()
    with contextlib.suppress(EOFError):
        leads.recv()
    return _Forked(process)


def _run(
    arguments: Sequence[str],
    place: Path,
    errors: Path,
    told: multiprocessing.connection.Connection,
    before: Callable[[], object],
) -> None:
    os.setsid()
    told.send(None)
    os.chdir(place)
    with errors.open("wb") as stream, open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.argv = ["synthvae", *arguments]
    from synthvae.cli import main

    before()
    main()
