"""Progress bars; plain lines if standard error is not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar", "spoken"]

QUIET_SECONDS = 10.0


def spoken(seconds: float) -> str:
    """A duration in words, with two figures: ``0.8 s``, ``45 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        value = seconds / size
        if value < most:
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"
    return f"{seconds / 86400:.2g} days"


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """Show the progress of a task on standard error.

    Args:
        label: what is being done.
        total: how many steps there are.

    Yields:
        A function that takes the number of steps done and a remark.
    """
    if not sys.stderr.isatty():
        yield _lines(label, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=total, remark="")
        yield lambda done, remark: bars.update(task, completed=done, remark=remark)


def _lines(label: str, total: int) -> Callable[[int, str], None]:
    last = time.monotonic()

    def update(done: int, remark: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > QUIET_SECONDS:
            last = now
            print(f"{label}: {done}/{total} {remark}".rstrip(), file=sys.stderr, flush=True)

    return update
