"""Parallel execution on threads and processes, and its interruption.

PyTorch parallelises single operations, and its threads busy-wait for the next one: with tensors of a few megabytes and
Python code between the operations, two threads are slower than one. So each thread here runs whole parts with
PyTorch's own parallelism off.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import shutil
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import torch

from synthvae.core.errors import UserError
from synthvae.core.files import temporary_folder
from synthvae.core.memory import keep_freed_memory

__all__ = [
    "Stopped",
    "compute_all",
    "compute_in_processes",
    "isolated_spawn",
    "on_threads",
    "report",
    "run_tasks",
    "stop_on_sigint",
    "stop_requested",
    "usual_jobs",
]

Part = TypeVar("Part")
Result = TypeVar("Result")


POLL_SECONDS = 0.2
#: Default limit on worker processes: each holds a dataset and the sounds of a batch.
MOST_JOBS = 8
Task = TypeVar("Task")


def on_threads(function: Callable[[Part], Result], parts: Iterable[Part]) -> Generator[Result, None, None]:
    """Apply a function to independent parts, on as many threads as PyTorch uses, and yield results in their order.

    Nested calls run on one thread.

    Raises:
        BaseException: exception of the first part that fails; parts that have not started are dropped.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield from map(function, parts)
        return
    pool = ThreadPoolExecutor(threads, "synthvae-analysis", torch.set_num_threads, (1,))
    begun: deque[Future[Result]] = deque()
    try:
        for part in parts:
            begun.append(pool.submit(function, part))
            if len(begun) > 2 * threads:  # the parts may be sounds that are rendered lazily
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # also the initial value for threads started later


@contextlib.contextmanager
def stop_on_sigint() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT into a flag, so that the current step is completed; the second one stops at once."""
    asked: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        before = signal.signal(signal.SIGINT, handle)
    except ValueError:  # not in the main thread, which alone receives SIGINT
        yield lambda: False
        return
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def isolated_spawn() -> Iterator[SpawnContext]:
    """A context for processes that import nothing from the current directory during their start.

    A spawned process is ``python -c ...``, which searches the current directory first for the modules that it imports
    at startup, such as ``pickle``. Processes must be started within the block. Fork is not used, because a forked
    process inherits the locks of running threads.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield multiprocessing.get_context("spawn")
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """Raised on SIGINT after completed work has been saved."""


@dataclass
class _Channel:
    """A worker's connections to its parent process.

    Attributes:
        messages: queue of what it reports.
        stop: pipe that the parent closes to stop the work; an event would block the parent if a worker that waits for
            it had been killed.
    """

    messages: Any = None
    stop: Any = None


_channel = _Channel()


def usual_jobs() -> int:
    """One process per core, up to `MOST_JOBS`; a single one where a GPU does the work."""
    return 1 if torch.cuda.is_available() else min(os.cpu_count() or 1, MOST_JOBS)


def report(name: str, done: int) -> None:
    """In a worker: report the progress of a task."""
    if _channel.messages is not None:
        _channel.messages.put((name, done))


def stop_requested() -> bool:
    """In a worker: whether the user has interrupted the work."""
    return _channel.stop is not None and bool(_channel.stop.poll())


def run_tasks(
    function: Callable[[Task], object],
    tasks: Sequence[Task],
    jobs: int,
    on_message: Callable[[str, int], object],
    on_done: Callable[[Task], object] = lambda task: None,
    at_once: bool = False,
) -> list[tuple[Task, UserError]]:
    """Call a function for each task, in worker processes.

    Args:
        function: module-level function, so that a worker can import it; may call `report` and `stop_requested`.
        tasks: arguments of the function, started in this order.
        jobs: number of concurrent processes, at least 1.
        on_message: called in this process with what a worker reports.
        on_done: called in this process with each finished task.
        at_once: whether workers are ended on SIGINT in the middle of a task; otherwise they end with `stop_requested`.

    Returns:
        Tasks that ended with a `UserError`, each with its error. Other exceptions are raised.

    Raises:
        Stopped: on SIGINT, after all workers have ended.
        UserError: if a worker was killed.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    workers = min(jobs, len(tasks)) or 1
    failed: list[tuple[Task, UserError]] = []
    with isolated_spawn() as context, contextlib.ExitStack() as stack:
        messages = context.Queue()
        stop, working = (stack.enter_context(end) for end in context.Pipe(duplex=False))
        pool = stack.enter_context(ProcessPoolExecutor(workers, context, _begin, (threads, messages, stop, at_once)))
        with _sigint_blocked():  # in the workers as well, from their start on
            waiting: dict[Future[object], Task] = {pool.submit(function, task): task for task in tasks}
        try:
            while waiting:
                _drain(messages, on_message)
                for future in [future for future in waiting if future.done()]:
                    task = waiting.pop(future)
                    try:
                        future.result()
                    except UserError as error:
                        failed.append((task, error))
                    except BrokenProcessPool:
                        raise UserError(
                            "jobs",
                            jobs,
                            "run again with `jobs` 1: finished work is stored",
                            "a process was killed, most likely out of memory",
                        ) from None
                    on_done(task)
                time.sleep(POLL_SECONDS)
        except BaseException as error:
            working.close()
            pool.shutdown(wait=True, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                raise Stopped("stopped") from None
            raise
    return failed


def compute_all(
    function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, on_done: Callable[[Task], object]
) -> list[Result]:
    """Results of a function for each task: with one job from this process, else as `compute_in_processes`."""
    if jobs > 1:
        return compute_in_processes(function, tasks, jobs, on_done)
    found = []
    for task in tasks:
        found.append(function(task))
        on_done(task)
    return found


def compute_in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, on_done: Callable[[Task], object]
) -> list[Result]:
    """Results of a function for each task, from worker processes that SIGINT ends at once.

    Tasks and results are passed in files: a pipe that is full of them blocks the parent for good if the workers have
    died (https://github.com/python/cpython/issues/94777).

    Args:
        function: module-level function, so that a worker can import it.
        tasks: arguments of the function.
        jobs: number of concurrent processes, at least 1.
        on_done: called in this process with each finished task.

    Raises:
        KeyboardInterrupt: on SIGINT.
        UserError: that of the function, or if a worker was killed.
    """
    folder = Path(tempfile.mkdtemp(dir=temporary_folder()))
    try:
        calls = [_Call(number, folder / f"{number}") for number in range(len(tasks))]
        for call, task in zip(calls, tasks, strict=True):
            call.file.write_bytes(pickle.dumps((function, task)))
        failed = run_tasks(
            _Call.run, calls, jobs, lambda name, done: None, lambda call: on_done(tasks[call.number]), at_once=True
        )
        if failed:
            raise failed[0][1]
        return [pickle.loads(call.file.read_bytes()) for call in calls]
    except Stopped:
        raise KeyboardInterrupt from None
    except UserError as error:
        if error.argument != "jobs":
            raise
        why = "a process was killed, most likely out of memory"
        raise UserError("workers", jobs, "use one worker", why=why) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Call:
    """A call in a worker process: its file holds function and task and, at the end, the result."""

    number: int
    file: Path

    def run(self) -> None:
        function, task = pickle.loads(self.file.read_bytes())
        self.file.write_bytes(pickle.dumps(function(task)))


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Delay SIGINT until the end of the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _drain(messages: Any, on_message: Callable[[str, int], object]) -> None:  # noqa: ANN401
    with contextlib.suppress(queue.Empty):
        while True:
            on_message(*messages.get_nowait())


def _begin(threads: int, messages: Any, stop: Any, at_once: bool) -> None:  # noqa: ANN401
    """Initialise a worker: its share of the cores, and SIGINT ignored in favour of `stop_requested`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()
    keep_freed_memory()
    torch.set_num_threads(threads)
    _channel.messages, _channel.stop = messages, stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if at_once:
        threading.Thread(target=_end_when_stopped, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent has ended, for instance killed by a signal before it could stop its workers.

    It ends immediately, in the middle of a step: a run resumes from its last complete checkpoint.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(3)


def _end_when_stopped() -> None:
    """End this process when the user has interrupted the work, in the middle of its task."""
    _channel.stop.poll(None)
    os._exit(3)
