"""A stopwatch for the stages of a training step, those of the backward pass included."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

__all__ = ["Stopwatch"]


class Stopwatch:
    """Accumulates the time between calls by the name of the stage that ended; does nothing when off.

    Attributes:
        on: whether times are accumulated.
        seconds: seconds by stage, in the order in which the stages first ended.
        laps: number of times each stage ended.
        wait: function that waits for an accelerator, called before the time is read.
    """

    def __init__(self, on: bool = False) -> None:
        """Create a stopwatch, off by default."""
        self.on = on
        self.wait: Callable[[], object] = lambda: None
        self.start()

    def start(self) -> None:
        """Reset all times and start."""
        self.seconds: dict[str, float] = {}
        self.laps: dict[str, int] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Attribute the time since the last call to a stage."""
        if not self.on:
            return
        self.wait()
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self.laps[stage] = self.laps.get(stage, 0) + 1
        self._last = now

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Ignore laps inside the block; its time is attributed to the next stage that ends."""
        before, self.on = self.on, False
        try:
            yield
        finally:
            self.on = before

    def lap_backward(self, value: Tensor, stage: str) -> Tensor:
        """Identity whose backward pass ends a stage."""
        if not (self.on and value.requires_grad):
            return value
        passed: Tensor = _Lap.apply(value, self, stage)
        return passed


class _Lap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, stopwatch: Stopwatch, stage: str) -> Tensor:  # noqa: ANN401
        ctx.stopwatch, ctx.stage = stopwatch, stage
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        ctx.stopwatch.lap(ctx.stage)
        return gradients[0], None, None
