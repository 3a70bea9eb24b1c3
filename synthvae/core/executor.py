"""Parallel execution on threads and processes, and its interruption.

PyTorch parallelises single operations, and its threads busy-wait for the next one: with tensors of a few megabytes and
Python code between the operations, two threads are slower than one. So each thread here runs whole parts with
PyTorch's own parallelism off.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from types import FrameType
from typing import Any, TypeVar

import torch

from synthvae.core.errors import UserError
from synthvae.core.memory import keep_freed_memory

__all__ = [
    "Stopped",
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
    """A worker's connection to its parent process."""

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
    return _channel.stop is not None and _channel.stop.is_set()


def run_tasks(
    function: Callable[[Task], object],
    tasks: Sequence[Task],
    jobs: int,
    on_message: Callable[[str, int], object],
    on_done: Callable[[Task], object] = lambda task: None,
) -> list[tuple[Task, UserError]]:
    """Call a function for each task, in worker processes.

    Args:
        function: module-level function, so that a worker can import it; may call `report` and `stop_requested`.
        tasks: arguments of the function, started in this order.
        jobs: number of concurrent processes, at least 1.
        on_message: called in this process with what a worker reports.
        on_done: called in this process with each finished task.

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
        messages, stop = context.Queue(), context.Event()
        pool = stack.enter_context(ProcessPoolExecutor(workers, context, _begin, (threads, messages, stop)))
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
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                raise Stopped("stopped") from None
            raise
    return failed


def _drain(messages: Any, on_message: Callable[[str, int], object]) -> None:  # noqa: ANN401
    with contextlib.suppress(queue.Empty):
        while True:
            on_message(*messages.get_nowait())


def _begin(threads: int, messages: Any, stop: Any) -> None:  # noqa: ANN401
    """Initialise a worker: its share of the cores, and SIGINT ignored in favour of `stop_requested`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()
    keep_freed_memory()
    torch.set_num_threads(threads)
    _channel.messages, _channel.stop = messages, stop
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent has ended, for instance killed by a signal before it could stop its workers.

    It ends immediately, in the middle of a step: a run resumes from its last complete checkpoint.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(3)
