"""Progress bars; plain lines if standard error is not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from synthvae.cli.logs import tell, writes_json
from synthvae.core.counts import counted

__all__ = ["progress_bar", "spoken"]

QUIET_SECONDS = 10.0
#: If the first report comes within this share of a task, the time before it does not count for the estimate. There is
#: no estimate until as large a share of the rest is done or, where steps are of one kind, `TIMED` seconds of it.
WARM_UP, TIMED = 0.05, 60.0


def spoken(seconds: float) -> str:
    """A duration with two significant figures: ``0.8 s``, ``45 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        value = seconds / size
        if value < most:
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"
    return f"{seconds / 86400:.2g} days"


@contextmanager
def progress_bar(label: str, total: int, unit: str = "") -> Iterator[Callable[[float, str], None]]:
    """Show the progress of a task on standard error: ``training: 3/8 epochs, about 40 s left``.

    Args:
        label: name of the task.
        total: number of steps.
        unit: name of a step, in the plural; if empty, progress is shown in per cent.

    Yields:
        A function that takes the number of steps done, including the fraction of the current one, and a remark.
    """
    shown = _Shown(label, total, unit)
    if not sys.stderr.isatty() or writes_json():
        yield shown.print_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    # The time passed goes on while a long step reports nothing.
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[remark]}"))
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=total, remark=shown.text(0, ""))
        yield lambda done, remark: bars.update(task, completed=done, remark=shown.text(done, remark))


class _Shown:
    """State of a task as text; the time left is extrapolated from the time between the first and the latest step."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._first: tuple[float, float] = (time.monotonic(), 0)
        self._latest: tuple[float, float] = self._first
        self._reported = False
        self._printed = self._first[0]

    def text(self, done: float, remark: str) -> str:
        """Steps done, time left and remark."""
        state = f"{int(done):,}/{counted(self._total, self._unit.removesuffix('s'), self._unit)}"
        state = state if self._unit else f"{100 * done // max(self._total, 1):.0f} %"
        return ", ".join(filter(None, (state, self._left(done), remark)))

    def print_line(self, done: float, remark: str) -> None:
        """Print the state as a line if the last one is some time ago."""
        line = f"{self._label}: {self.text(done, remark)}"
        now = time.monotonic()
        if now - self._printed > QUIET_SECONDS:
            self._printed = now
            tell("progress", line, task=self._label, done=done, total=self._total, unit=self._unit)

    def _left(self, done: float) -> str:
        now = time.monotonic()
        # A resumed task does not start at 0, and a first step may compile kernels.
        if not self._reported and (done > 1 or 0 < done < WARM_UP * self._total):
            self._first = (now, done)
        self._reported = self._reported or done > 0
        if done != self._latest[1]:
            self._latest = (now, done)
        (began, before), (at, reached) = self._first, self._latest
        timed, rest = at - began, self._total - before
        enough = reached - before >= WARM_UP * rest or (self._unit != "" and timed >= TIMED)
        if not enough or not before < reached < self._total:
            return ""
        seconds = timed * (self._total - reached) / (reached - before) - (now - at)
        return f"about {spoken(seconds)} left" if seconds >= 1 else ""
