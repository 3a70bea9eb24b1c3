"""Interleaved timing of several implementations of one task, so that machine noise affects all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from synthvae.core.provenance import hardware, versions

__all__ = ["Candidate", "Measurement", "document", "measure", "provenance", "table"]


@dataclass(frozen=True)
class Candidate:
    """One way of doing it.

    Attributes:
        name: name of the way.
        call: does it once.
        sounds: how many one-second sounds a call handles.
    """

    name: str
    call: Callable[[], object]
    sounds: int


@dataclass(frozen=True)
class Measurement:
    """What was measured of one candidate.

    Attributes:
        group: the task.
        name: name of the candidate.
        sounds: per call.
        seconds: seconds of every timed call.
        ratios: how many times faster than the baseline, repetition by repetition.
    """

    group: str
    name: str
    sounds: int
    seconds: tuple[float, ...]
    ratios: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Sounds a second, median."""
        return self.sounds / statistics.median(self.seconds)

    @property
    def ratio(self) -> float:
        """Times faster than the baseline, median."""
        return statistics.median(self.ratios)


def measure(group: str, candidates: Sequence[Candidate], repetitions: int) -> list[Measurement]:
    """Time candidates in turn, repetition by repetition; the first is the baseline.

    Args:
        group: the task, for the table.
        candidates: at least one.
        repetitions: timed rounds, after one round that is not timed.

    Returns:
        One measurement per candidate, in order.
    """
    times: list[list[float]] = [[] for _ in candidates]
    for repetition in range(repetitions + 1):
        for candidate, seconds in zip(candidates, times, strict=True):
            _synchronise()
            start = time.perf_counter()
            candidate.call()
            _synchronise()
            if repetition:
                seconds.append(time.perf_counter() - start)
    base, per_sound = times[0], candidates[0].sounds
    return [
        Measurement(
            group,
            candidate.name,
            candidate.sounds,
            tuple(seconds),
            tuple((b / per_sound) / (s / candidate.sounds) for b, s in zip(base, seconds, strict=True)),
        )
        for candidate, seconds in zip(candidates, times, strict=True)
    ]


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def table(measurements: Sequence[Measurement]) -> str:
    """Measurements as a Markdown table: medians, with the smallest and the largest in brackets."""
    lines = [
        "| task | way | sounds a second | ms a call | times faster |",
        "|---|---|---|---|---|",
    ]
    for m in measurements:
        rates = sorted(m.sounds / s for s in m.seconds)
        lines.append(
            f"| {m.group} | {m.name} | {m.rate:,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f}) "
            f"| {1000 * statistics.median(m.seconds):.3g} "
            f"| {m.ratio:.3g} ({min(m.ratios):.3g} to {max(m.ratios):.3g}) |"
        )
    return "\n".join(lines)


def provenance(scale: dict[str, Any]) -> dict[str, Any]:
    """Provenance of a benchmark: machine, versions and scale, as JSON.

    Args:
        scale: batch sizes, repetitions, seed and whatever else sets the size of the task.

    Returns:
        A plain dictionary.
    """
    return {
        "format": "synthvae-benchmark",
        "version": 1,
        "hardware": hardware(),
        "versions": versions(),
        "scale": scale,
    }


def document(measurements: Sequence[Measurement], scale: dict[str, Any]) -> dict[str, Any]:
    """Measurements as JSON, with what they were measured on; see `provenance`."""
    rows = [{**asdict(m), "rate": m.rate, "ratio": m.ratio} for m in measurements]
    return provenance(scale) | {"measurements": rows}
