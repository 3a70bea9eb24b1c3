"""Parallel execution on threads and processes, and its interruption.

PyTorch shares out single operations, and its threads wait busily for the next: with tensors of a few megabytes, and
Python between them, two threads take longer than one. So each thread takes a part of its own and shares nothing out.
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
#: Processes at most, unless somebody asks for more: each holds a dataset and the sounds of a batch.
MOST_JOBS = 8
Task = TypeVar("Task")


def on_threads(function: Callable[[Part], Result], parts: Iterable[Part]) -> Generator[Result, None, None]:
    """Apply a function to independent parts, on as many threads as PyTorch uses, and yield results in their order.

    The function may itself call this, and is then on one thread.

    Raises:
        BaseException: what the function raises for the first part that fails; what has not begun is left.
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
            if len(begun) > 2 * threads:  # the parts may be sounds that are rendered as they are asked for
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # also what threads begin with that come later


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
    except ValueError:  # not in the main thread, where nobody presses Ctrl-C
        yield lambda: False
        return
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def isolated_spawn() -> Iterator[SpawnContext]:
    """A context for processes that import nothing from the current folder while they start.

    A spawned process is ``python -c ...``, which looks for the modules of its start, such as ``pickle``, in the current
    folder first. Processes are to be started within the block. Not by a fork, which would inherit the locks of running
    threads.
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
    """The user stopped the work; what was done is kept."""


@dataclass
class _Channel:
    """A worker's line to the process that started it."""

    messages: Any = None
    stop: Any = None


_channel = _Channel()


def usual_jobs() -> int:
    """One process per core, up to `MOST_JOBS`; a single one where a GPU does the work."""
    return 1 if torch.cuda.is_available() else min(os.cpu_count() or 1, MOST_JOBS)


def report(name: str, done: int) -> None:
    """From a worker: say how far a task is."""
    if _channel.messages is not None:
        _channel.messages.put((name, done))


def stop_requested() -> bool:
    """From a worker: whether the user has stopped the work."""
    return _channel.stop is not None and _channel.stop.is_set()


def run_tasks(
    function: Callable[[Task], object],
    tasks: Sequence[Task],
    jobs: int,
    on_message: Callable[[str, int], object],
    on_done: Callable[[Task], object] = lambda task: None,
) -> list[tuple[Task, UserError]]:
    """Call a function for each task, in processes of their own.

    Args:
        function: of a module, so that another process finds it; may call `report` and `stop_requested`.
        tasks: its arguments, started in this order.
        jobs: processes at once, at least 1.
        on_message: called here with what a worker reports.
        on_done: called here with each task that is finished.

    Returns:
        The tasks that ended with a `UserError`, with it. Others raise.

    Raises:
        Stopped: after Ctrl-C, when all workers have ended.
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
    """Set a worker up: its share of the cores, and no Ctrl-C but the one that `stop_requested` passes on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()
    keep_freed_memory()
    torch.set_num_threads(threads)
    _channel.messages, _channel.stop = messages, stop
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, by a signal for instance that let it end nothing.

    At once, in the middle of a step: a run goes on from its last whole checkpoint.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(3)
