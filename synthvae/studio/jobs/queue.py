"""Matching queue: one recording at a time in a separate process, with progress events."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.core.files import save_tensors, temporary_folder
from synthvae.studio.errors import ConflictError, NotFoundError
from synthvae.studio.jobs.process import Worker

if TYPE_CHECKING:
    from synthvae.matching.target import Target

__all__ = ["Found", "Job", "Jobs"]

#: Jobs that wait for their turn, and jobs that are remembered when they are over.
WAITING, REMEMBERED = 16, 64
#: Nice value of search workers: requests have priority.
NICENESS = 2
#: Seconds after which a job that was asked to stop is stopped.
PATIENCE = 10.0


@dataclass(frozen=True)
class Found:
    """A preset that sounds like the recording.

    Attributes:
        distance: distance from the target, as the engine measures it.
        unit: ``(P,)`` in [0, 1].
    """

    distance: float
    unit: NDArray[np.float32]


@dataclass
class Job:
    """One recording to be matched.

    Attributes:
        id: random, not guessable.
        name: name of the recording.
        seconds_asked: duration of the search in seconds, as asked for.
        state: waiting, running, done, failed or stopped.
        progress: 0 to 1.
        seconds: seconds that the search has taken.
        renders: sounds it has tried.
        best: so far.
        results: results, the best first; empty until the end.
        confidence: confidence of the best, 0 to 1; set at the end.
        error: why it failed.
        version: changes with every change of the others.
    """

    id: str
    name: str
    seconds_asked: float
    state: str = "waiting"
    progress: float = 0.0
    seconds: float = 0.0
    renders: int = 0
    best: Found | None = None
    results: list[Found] = field(default_factory=list)
    confidence: float | None = None
    error: str = ""
    version: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "stopped")


class Jobs:
    """A queue of jobs, and the worker that does them.

    Args:
        run_path: path of the run.
        cache: the folder of what is kept of the map.
        key: key of the map's collection.
    """

    def __init__(self, run_path: Path, cache: Path, key: str) -> None:
        self._arguments = ("--run", str(run_path), "--cache", str(cache), "--key", key)
        self._folder = Path(tempfile.mkdtemp(prefix="match-", dir=temporary_folder()))
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: list[Job] = []
        self._current: Job | None = None
        self._worker: Worker | None = None
        self._stop_at: float | None = None
        self._lock = threading.RLock()

    def submit(self, recording: Target, seconds: float) -> Job:
        """Queue a recording that is prepared for the engine; the search may take so many seconds.

        Raises:
            ConflictError: if too many wait already.
        """
        with self._lock:
            if len(self._queue) >= WAITING:
                raise ConflictError("recordings", WAITING, "stop one, or wait", f"{WAITING} are queued already")
            job = Job(secrets.token_urlsafe(12), recording.name, seconds)
            state = {"name": recording.name, "sample_rate": recording.sample_rate}
            save_tensors(self._file(job), {"audio": recording.audio}, state)
            self._jobs[job.id] = job
            self._queue.append(job)
            self._forget()
            self._next()
            return replace(job)

    def get(self, identity: str) -> Job:
        """A job as it is now: the worker's messages, which arrive on another thread, do not change what is returned.

        Raises:
            NotFoundError: if there is none.
        """
        self._force()
        with self._lock:
            return replace(self._find(identity))

    def stop(self, identity: str) -> Job:
        """Stop a job and keep the best it has found.

        Raises:
            NotFoundError: if there is none.
        """
        with self._lock:
            job = self._find(identity)
            if job in self._queue:
                self._queue.remove(job)
                self._end(job, "stopped")
            elif job is self._current and self._worker is not None and self._stop_at is None:
                self._worker.tell({"stop": job.id})
                self._stop_at = time.monotonic() + PATIENCE
            return replace(job)

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            self._queue.clear()
            worker, self._worker = self._worker, None
            if worker is not None:
                worker.end()
            for path in self._folder.glob("*"):
                path.unlink(missing_ok=True)
            if self._folder.exists():
                self._folder.rmdir()

    def _find(self, identity: str) -> Job:
        job = self._jobs.get(identity)
        if job is None:
            raise NotFoundError("job", identity, "POST a recording to /api/v1/match", "no such job")
        return job

    def _next(self) -> None:
        if self._current is not None or not self._queue:
            return
        if self._worker is None or not self._worker.running:
            self._worker = Worker(
                "match",
                *self._arguments,
                on_message=self._read,
                on_end=self._ended,
                niceness=NICENESS,
                threads=_threads(),
            )
        job = self._current = self._queue.pop(0)
        job.state, self._stop_at = "running", None
        job.version += 1
        self._worker.tell({"job": job.id, "file": str(self._file(job)), "seconds": job.seconds_asked})

    def _read(self, message: dict[str, Any]) -> None:
        with self._lock:
            job = self._current
            if job is None or message.get("job") != job.id:
                return
            job.version += 1
            for name in ("progress", "seconds", "renders", "confidence"):
                if name in message:
                    setattr(job, name, message[name])
            if message.get("best"):
                job.best = _found(message["best"])
            if "results" in message:
                job.results = [_found(result) for result in message["results"]]
                job.best = job.results[0] if job.results else job.best
            if "state" in message:
                job.error = message.get("error", "")
                self._end(job, message["state"])
                self._current = None
                self._next()

    def _ended(self) -> None:
        """The worker is gone: done for, or stopped by force."""
        with self._lock:
            job, worker = self._current, self._worker
            self._current = None
            if worker is None:
                return
            self._worker = None
            if job is not None:
                if self._stop_at is None:
                    job.error = f"the search ended early ({worker.complaint or 'no reason given'})"
                self._end(job, "failed" if self._stop_at is None else "stopped")
            self._next()

    def _end(self, job: Job, state: str) -> None:
        job.state = state
        if state == "done":
            job.progress = 1.0
        if not job.results and job.best is not None:
            job.results = [job.best]
        job.version += 1
        self._file(job).unlink(missing_ok=True)

    def _force(self) -> None:
        with self._lock:
            if self._stop_at is not None and time.monotonic() > self._stop_at and self._worker is not None:
                worker = self._worker
            else:
                return
        worker.end()

    def _forget(self) -> None:
        over = [job for job in self._jobs.values() if job.over]
        for job in over[: max(0, len(over) - REMEMBERED)]:
            del self._jobs[job.id]

    def _file(self, job: Job) -> Path:
        return self._folder / f"{job.id}.safetensors"


def _threads() -> int:
    """All cores but one: a thread team runs at the speed of its slowest thread, which would share the server's core."""
    return max(1, (os.cpu_count() or 1) - 1)


def _found(message: dict[str, Any]) -> Found:
    return Found(float(message["distance"]), torch.tensor(message["unit"], dtype=torch.float32).numpy())
