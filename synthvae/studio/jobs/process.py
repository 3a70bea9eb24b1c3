"""Worker processes for work that takes minutes, so that it does not delay requests.

A worker is ``python -P -m synthvae.studio.jobs.worker``, which imports nothing from the current folder: it is
told what to do by its arguments, says how far it is by lines of JSON on its standard output, and leaves its results as
files. It ends itself when its standard input ends, so that none outlives the server, however that ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Worker"]

_LIMITS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
#: Number of last lines of a worker's standard error that are kept.
_KEPT = 20


class Worker:
    """A process that works in the background.

    Args:
        arguments: arguments of `synthvae.studio.jobs.worker`.
        on_message: called, on a thread of its own, with each message.
        niceness: nice value of the process; the server has 0.
        threads: threads of its libraries; None for one per core.
        on_end: called once when it has ended and all messages are read.
    """

    def __init__(
        self,
        *arguments: str,
        on_message: Callable[[dict[str, Any]], object] = lambda message: None,
        niceness: int = 5,
        threads: int | None = 1,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        limits = {} if threads is None else dict.fromkeys(_LIMITS, str(threads))
        self.started = time.monotonic()
        self._on_message, self._on_end = on_message, on_end
        self._complaints: deque[str] = deque(maxlen=_KEPT)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "synthvae.studio.jobs.worker", f"--nice={niceness}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | limits,
        )
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._collect)]
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self._process.poll() is None

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.started

    @property
    def complaint(self) -> str:
        """Why it failed, in one line; empty while it runs and where it did not."""
        if self.running or self._process.returncode == 0:
            return ""
        self._threads[1].join(1.0)
        return self._complaints[-1] if self._complaints else f"ended with code {self._process.returncode}"

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send it a message, if it still listens."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # gone, or closed
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def end(self) -> None:
        """Stop it now."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def wait(self, seconds: float) -> bool:
        """Wait until the process has ended and all messages are read; return whether it has."""
        self._threads[0].join(seconds)
        return not self._threads[0].is_alive()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue  # something that a library printed
            if isinstance(message, dict):
                self._on_message(message)
        self._process.wait()
        self._on_end()

    def _collect(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.strip():
                self._complaints.append(line.strip())
