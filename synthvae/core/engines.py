"""Distributed execution of one function over many tasks, with Ray or SLURM.

The function writes its output to a file on a shared file system and returns a digest, never data. A task whose node
died is restarted.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from synthvae.core.errors import UserError
from synthvae.core.executor import Stopped, run_tasks

__all__ = ["ENGINES", "RETRIES", "run_on"]

ENGINES = ("local", "ray", "slurm")
#: Number of retries of a task whose process or node died.
RETRIES = 3
POLL_SECONDS = 0.2
Task = TypeVar("Task")
Outcome = tuple[str, UserError | None]


def run_on(
    engine: str,
    function: Callable[[Task], str],
    tasks: Sequence[Task],
    jobs: int,
    logs: Path,
    address: str | None = None,
    on_done: Callable[[Task], object] = lambda task: None,
) -> None:
    """Call a function for each task, and wait for all.

    Args:
        engine: one of `ENGINES`: local processes, a Ray cluster, or SLURM through submitit.
        function: module-level function, so that another process can import it; returns a digest.
        tasks: arguments of the function.
        jobs: number of concurrent local processes or SLURM array tasks.
        logs: directory for submitit's output.
        address: address of a Ray cluster (``auto`` for the one that this machine is part of), or a SLURM partition.
        on_done: called in this process with each finished task.

    Raises:
        UserError: if a package is missing or no cluster responds; for a task that raised one, after all others ended;
            or for a task whose process died repeatedly.
        Stopped: on SIGINT, after running tasks have been cancelled.
    """
    failed: list[UserError] = []
    if engine == "local":
        failed = _run_here(function, tasks, jobs, on_done)
    else:
        start = _on_ray if engine == "ray" else _on_slurm
        with _own_signals(), start(function, jobs, logs, address) as (submit, poll, cancel):
            failed = _follow(tasks, submit, poll, cancel, on_done)
    if failed:
        raise failed[0]


def _run_here(
    function: Callable[[Task], str], tasks: Sequence[Task], jobs: int, on_done: Callable[[Task], object]
) -> list[UserError]:
    left, deaths = list(tasks), 0

    def done(task: Task) -> None:
        left.remove(task)
        on_done(task)

    while True:
        try:
            return [error for _, error in run_tasks(function, list(left), jobs, lambda name, count: None, done)]
        except UserError:  # a process was killed, which ends the pool
            deaths += 1
            if deaths > RETRIES:
                raise


def _follow(
    tasks: Sequence[Task],
    submit: Callable[[Task], Any],
    poll: Callable[[Sequence[Any]], list[tuple[Any, Outcome | Exception]]],
    cancel: Callable[[Sequence[Any]], object],
    on_done: Callable[[Task], object],
) -> list[UserError]:
    """Submit tasks and wait for them; resubmit those whose process died."""
    running: dict[Any, int] = {}
    failed: list[UserError] = []
    deaths: Counter[int] = Counter()
    try:
        for number, task in enumerate(tasks):
            running[submit(task)] = number
        while running:
            for handle, outcome in poll(list(running)):
                number = running.pop(handle)
                if isinstance(outcome, Exception):
                    deaths[number] += 1
                    if deaths[number] > RETRIES:
                        problem = " ".join(str(outcome).split())[:200]
                        remedy = "look at its logs, and run the same command again: what is done is kept"
                        raise UserError("launcher", number, remedy, f"a task died {RETRIES + 1} times ({problem})")
                    running[submit(tasks[number])] = number
                elif outcome[1] is not None:
                    failed.append(outcome[1])
                else:
                    on_done(tasks[number])
    except BaseException as error:
        cancel(list(running))
        if isinstance(error, KeyboardInterrupt):
            raise Stopped("stopped") from None
        raise
    return failed


def _attempt(function: Callable[[Task], str], task: Task) -> Outcome:
    """Run a task on a worker: the digest, or the input error, which is not retried."""
    try:
        return function(task), None
    except UserError as error:
        return "", error


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Restore this program's handlers of SIGINT and SIGTERM if a package replaces them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        _restore(before)


def _restore(before: dict[signal.Signals, Any]) -> None:
    with contextlib.suppress(ValueError):  # not in the main thread
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _on_ray(function: Callable[[Task], str], jobs: int, logs: Path, address: str | None) -> Iterator[tuple[Any, ...]]:
    ray = _package("ray", "ray")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    own = not ray.is_initialized()
    try:
        if own:
            more = {"include_dashboard": False} if address is None else {}
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False, **more)
    except (ConnectionError, ValueError) as error:
        problem = " ".join(str(error).split())[:120]
        raise UserError(
            "address",
            address,
            "start the cluster's head with Ray's own command 'ray start', or leave it out",
            why=f"no Ray there ({problem})",
        ) from None
    _restore(before)
    # Retries are counted here rather than by Ray, so that restarts after a node failure are visible.
    attempt = ray.remote(max_retries=0, num_cpus=1)(_attempt)

    def poll(handles: Sequence[Any]) -> list[tuple[Any, Outcome | Exception]]:
        done, _ = ray.wait(list(handles), num_returns=len(handles), timeout=POLL_SECONDS)
        found: list[tuple[Any, Outcome | Exception]] = []
        for handle in done:
            try:
                found.append((handle, ray.get(handle)))
            except ray.exceptions.RayError as error:
                found.append((handle, error))
        return found

    def cancel(handles: Sequence[Any]) -> None:
        for handle in handles:
            ray.cancel(handle, force=True)

    try:
        yield lambda task: attempt.remote(function, task), poll, cancel
    finally:
        if own:
            ray.shutdown()


@contextlib.contextmanager
def _on_slurm(function: Callable[[Task], str], jobs: int, logs: Path, address: str | None) -> Iterator[tuple[Any, ...]]:
    submitit = _package("submitit", "slurm")
    # Without SLURM, submitit starts processes on this machine.
    here = shutil.which("sbatch") is None
    executor = submitit.AutoExecutor(folder=logs, cluster="local" if here else "slurm")
    executor.update_parameters(name="synthvae", cpus_per_task=1, timeout_min=24 * 60)
    if not here:
        executor.update_parameters(slurm_array_parallelism=jobs)
        if address:
            executor.update_parameters(slurm_partition=address)

    def poll(handles: Sequence[Any]) -> list[tuple[Any, Outcome | Exception]]:
        time.sleep(POLL_SECONDS)
        found: list[tuple[Any, Outcome | Exception]] = []
        for job in handles:
            if job.done():
                error = job.exception()
                found.append((job, job.result() if error is None else error))
        return found

    def cancel(handles: Sequence[Any]) -> None:
        for job in handles:
            job.cancel()

    yield lambda task: executor.submit(_attempt, function, task), poll, cancel


def _package(name: str, launcher: str) -> Any:  # noqa: ANN401
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        remedy = "install it with pip install 'synthvae[scale]', or choose local"
        raise UserError("launcher", launcher, remedy, why=f"which needs the package {name}") from None
