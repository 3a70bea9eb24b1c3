"""Comparison of searches at an equal number of renders, on sounds of the Voice and on other sounds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import bootstrap

from benchmarks.other_sounds import OTHER_SOUNDS, other_sound
from synthvae.data.sampling import uniform_unit
from synthvae.matching.engine import match
from synthvae.matching.index import SoundIndex
from synthvae.matching.target import Target, prepare_target, read_target
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.voice import Voice
from synthvae.training.run import Run

__all__ = ["Matched", "Way", "match_table", "measure_match", "recordings", "voice_targets"]

#: Of the targets' presets: no dataset, index or search draws with it by default.
TARGET_SEED = 2**60 + 11


@dataclass(frozen=True)
class Way:
    """A way to search.

    Attributes:
        name: name in the table.
        search: one of `synthvae.matching.local.SEARCHES`.
        index: sounds it begins with, if any.
        run: whose audio encoder proposes starts, if any.
    """

    name: str
    search: str
    index: SoundIndex | None = None
    run: Run | None = None


@dataclass(frozen=True)
class Matched:
    """Results of one search for all targets.

    Attributes:
        way: its name.
        distance: distance of the best answer to each target, in dB.
        confidence: likewise, 0 to 1.
        seconds: likewise.
        renders: likewise.
    """

    way: str
    distance: tuple[float, ...]
    confidence: tuple[float, ...]
    seconds: tuple[float, ...]
    renders: tuple[int, ...]


def voice_targets(parameters: ParameterSpace, settings: RenderSettings, count: int) -> list[Target]:
    """Sounds of presets that nothing was trained on, as they are: no preparation changes their level or length."""
    unit = uniform_unit(TARGET_SEED, 0, count, len(parameters)).astype(np.float32)
    with torch.inference_mode():
        audio = Voice(parameters, **settings.to_dict())(torch.from_numpy(unit))
    return [Target(f"preset {number}", row.clone(), settings.sample_rate, ()) for number, row in enumerate(audio)]


def recordings(directory: Path | None, sample_rate: int) -> list[Target]:
    """The sounds of a directory, or `OTHER_SOUNDS` where there is none, prepared as `synthvae match` does.

    Raises:
        UserError: as `synthvae.matching.target.read_target`.
    """
    if directory is None:
        return [prepare_target(other_sound(name, sample_rate), sample_rate, name, sample_rate) for name in OTHER_SOUNDS]
    return [read_target(path, sample_rate) for path in sorted(directory.iterdir()) if path.is_file()]


def measure_match(
    targets: Sequence[Target],
    parameters: ParameterSpace,
    ways: Sequence[Way],
    budget: int,
    seed: int,
    progress: Callable[[int, str], object] = lambda done, what: None,
) -> list[Matched]:
    """Run every search on every target.

    Args:
        targets: targets to be matched.
        parameters: parameters of the presets.
        ways: ways to search; the first is the null.
        budget: renders of each search, a sound with its gradient counting as three.
        seed: seed of the first target's searches; the others count up from it.
        progress: called with the number of searches done and what is next.

    Returns:
        One for each way.
    """
    found: list[list[tuple[float, float, float, int]]] = [[] for _ in ways]
    for number, target in enumerate(targets):
        for place, way in enumerate(ways):
            progress(number * len(ways) + place, f"{target.name}: {way.name}")
            result = match(
                target, parameters, run=way.run, index=way.index, budget=budget, seed=seed + number, search=way.search
            )
            best = result.candidates[0].distance
            found[place].append((best, result.confidence, result.seconds, result.renders))
    return [Matched(way.name, *zip(*rows, strict=True)) for way, rows in zip(ways, found, strict=True)]


def match_table(results: Sequence[Matched], seed: int = 0) -> str:
    """Results as a Markdown table; ratios of medians to the first row's have bootstrap intervals.

    Args:
        results: the first is the null.
        seed: seed of the bootstrap.
    """
    lines = [
        "| search | distance (dB), median | / random | better than random | confidence | renders | s |",
        "|---|---|---|---|---|---|---|",
    ]
    null = np.array(results[0].distance)
    for result in results:
        own = np.array(result.distance)
        low, high = _interval(own, null, seed)
        ratio = float(np.median(own) / np.median(null))
        shown = "1" if result is results[0] else f"{ratio:.2f} ({low:.2f} to {high:.2f})"
        better = "" if result is results[0] else f"{int((own < null).sum())} of {len(own)}"
        lines.append(
            f"| {result.way} | {np.median(own):.2f} | {shown} | {better} | {statistics.median(result.confidence):.2f} "
            f"| {max(result.renders):,} | {statistics.median(result.seconds):.1f} |"
        )
    return "\n".join(lines)


def _interval(own: np.ndarray, null: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % of the ratio of medians, targets drawn again in pairs."""

    def ratio(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(np.median(a, axis=axis) / np.median(b, axis=axis))

    found = bootstrap((own, null), ratio, paired=True, vectorized=True, method="percentile", rng=seed)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
