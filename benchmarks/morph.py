"""Evenness and smoothness of morphs between presets, against linear interpolation of the parameters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.losses import interval
from synthvae.audio.descriptors import DESCRIPTORS, describe
from synthvae.exploration.morph import BAR, Walk, morph
from synthvae.exploration.smooth import HELD_OUT, OPTIMISED
from synthvae.metrics.paths import SCORES, PathComparison, compare_paths, path_scores
from synthvae.synths.rendering import render_all
from synthvae.training.run import Run

__all__ = [
    "CANDIDATES",
    "DESCRIPTOR_SETS",
    "PLAIN",
    "Change",
    "WayMeasurement",
    "draw_pairs",
    "measure_morphs",
    "morph_table",
    "smoothness_table",
]

#: What is measured: a label, the way and whether its steps are made even. The null comes last.
PLAIN = "plain parameters"
CANDIDATES = {
    "latent": ("latent", True),
    "metric": ("metric", True),
    "parameters": ("parameters", True),
    "smooth": ("smooth", False),
    "smooth-even": ("smooth", True),
    "latent-uneven": ("latent", False),
    PLAIN: ("parameters", False),
}
#: Descriptors over which SPINVAE's scores are averaged.
DESCRIPTOR_SETS: dict[str, tuple[str, ...]] = {
    "all": tuple(DESCRIPTORS),
    "optimised": tuple(OPTIMISED),
    "held out": HELD_OUT,
}

Progress = Callable[[int, str], object]


@dataclass(frozen=True)
class Change:
    """Change of one of SPINVAE's scores against plain parameters, over one of `DESCRIPTOR_SETS`; negative is better.

    Attributes:
        score: ``smoothness`` or ``nonlinearity``.
        descriptors: the name of the set.
        mean: mean over descriptors of the change of means over paths.
        mean_interval: 95 %, by the bootstrap over paths.
        median: mean over descriptors of the change of medians over paths.
        median_interval: likewise.
        improved: descriptors of the set that are better.
        worsened: those that are worse.
    """

    score: str
    descriptors: str
    mean: float | None
    mean_interval: tuple[float, float] | None
    median: float | None
    median_interval: tuple[float, float] | None
    improved: int
    worsened: int


@dataclass(frozen=True)
class WayMeasurement:
    """What was measured of one way over all pairs.

    Attributes:
        label: see `CANDIDATES`.
        under: share of the walks whose largest step is at most 1.5 times the mean.
        median: median of the ratio of the largest step to the mean.
        worst: largest of these ratios.
        length: median of a walk's length over the distance of its ends.
        pairs: how many.
        seconds: mean CPU time of a morph.
        changes: changes of SPINVAE's scores against plain parameters, empty where not asked for.
    """

    label: str
    under: float
    median: float
    worst: float
    length: float
    pairs: int
    seconds: float
    changes: tuple[Change, ...] = ()


def draw_pairs(unit: Tensor, count: int, seed: int) -> Tensor:
    """Pairs ``(n, 2, P)`` of presets ``(N, P)``, none twice: `count` of them, or as many as there are."""
    order = torch.randperm(len(unit), generator=torch.Generator().manual_seed(seed))
    pairs = min(count, len(unit) // 2)
    return unit[order[: 2 * pairs]].view(pairs, 2, -1)


def measure_morphs(
    run: Run,
    pairs: Tensor,
    steps: int = 9,
    labels: Sequence[str] = tuple(CANDIDATES),
    descriptors: bool = False,
    progress: Progress = lambda done, what: None,
) -> list[WayMeasurement]:
    """Morph between presets along every kind of path.

    Args:
        run: the model.
        pairs: ends of the walks ``(N, 2, P)``.
        steps: stops of each, the ends included.
        labels: labels of `CANDIDATES`.
        descriptors: whether to compute SPINVAE's scores too, which takes 20 ms a sound. All paths have the presets
            themselves as ends, and all but the latent ones take the short way round for angles.
        progress: called with the number of walks done and the way.

    Returns:
        One measurement for each label.
    """
    walks: dict[str, list[Walk]] = {label: [] for label in labels}
    seconds = dict.fromkeys(labels, 0.0)
    for number, pair in enumerate(pairs):
        for place, label in enumerate(labels):
            progress(number * len(labels) + place, label)
            way, even = CANDIDATES[label]
            begun = time.process_time()
            walks[label].append(morph(run, pair, steps, way, even))
            seconds[label] += time.process_time() - begun
    changes = _changes(run, walks) if descriptors and PLAIN in walks and steps > 2 else {}
    return [
        _summary(label, found, seconds[label] / len(found), changes.get(label, ())) for label, found in walks.items()
    ]


def _summary(label: str, walks: Sequence[Walk], seconds: float, changes: tuple[Change, ...]) -> WayMeasurement:
    ratios = np.array([walk.unevenness for walk in walks])
    direct = np.array([walk.direct.sum() for walk in walks])
    lengths = np.array([walk.length for walk in walks])[direct > 0.0] / direct[direct > 0.0]
    return WayMeasurement(
        label,
        float((ratios <= BAR).mean()),
        float(np.median(ratios)),
        float(ratios.max()),
        float(np.median(lengths)) if len(lengths) else 1.0,
        len(walks),
        seconds,
        changes,
    )


def _changes(run: Run, walks: Mapping[str, Sequence[Walk]]) -> dict[str, tuple[Change, ...]]:
    def described(found: Sequence[Walk]) -> NDArray[np.float64]:
        unit = torch.stack([walk.unit for walk in found])
        audio = torch.cat(list(render_all(run.voice, unit.flatten(0, 1), 64)))
        return describe(audio, run.settings.sample_rate).reshape(*unit.shape[:2], -1)

    plain = described(walks[PLAIN])
    ends = plain[:, [0, -1]].reshape(-1, plain.shape[-1])
    spread = np.where(np.ptp(ends, axis=0) > 0.0, ends.std(axis=0), 0.0)
    names = list(DESCRIPTORS)
    changes: dict[str, tuple[Change, ...]] = {}
    for label, found in walks.items():
        if label == PLAIN:
            continue
        along, parts = described(found), []
        for part, members in DESCRIPTOR_SETS.items():
            columns = [names.index(name) for name in members]
            score, reference = (path_scores(path[:, :, columns], spread[columns]) for path in (along, plain))
            compared = compare_paths(score, reference, members)
            parts += [_change(compared[name], part) for name in SCORES]
        changes[label] = tuple(parts)
    return changes


def _change(found: PathComparison, descriptors: str) -> Change:
    return Change(
        found.score,
        descriptors,
        found.mean_change,
        found.mean_interval,
        found.median_change,
        found.median_interval,
        found.improved,
        found.worsened,
    )


def morph_table(measurements: Sequence[WayMeasurement]) -> str:
    """Evenness, length and time as a Markdown table."""
    heads = [
        "way",
        f"walks with largest step <= {BAR:g} x mean",
        "largest / mean, median",
        "worst",
        "length / distance of the ends",
        "CPU s a morph",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for m in measurements:
        low, high = interval(m.under, m.pairs)
        cells = [
            m.label,
            f"{m.under:.3f} ({low:.3f} to {min(high, 1.0):.3f}) of {m.pairs}",
            f"{m.median:.2f}",
            f"{m.worst:.2f}",
            f"{m.length:.2f}",
            f"{m.seconds:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def smoothness_table(measurements: Sequence[WayMeasurement]) -> str:
    """Changes of SPINVAE's scores as a Markdown table, and the sets of descriptors; empty where none were measured."""
    heads = ["way", "descriptors", "score", "mean (95 %)", "median (95 %)", "better", "worse"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for m in measurements:
        for c in m.changes:
            averages = (_percent(c.mean, c.mean_interval), _percent(c.median, c.median_interval))
            cells = [m.label, c.descriptors, c.score, *averages, str(c.improved), str(c.worsened)]
            lines.append(f"| {' | '.join(cells)} |")
    if len(lines) == 2:
        return ""
    sets = [f"{name} ({len(DESCRIPTOR_SETS[name])}): {', '.join(DESCRIPTOR_SETS[name])}" for name in _SPLIT]
    return "\n".join(["SPINVAE's scores against plain parameters, below 0 is better", "", *lines, "", *sets])


_SPLIT = ("optimised", "held out")


def _percent(change: float | None, bounds: tuple[float, float] | None) -> str:
    if change is None or bounds is None:
        return ""
    return f"{100 * change:+.1f} % ({100 * bounds[0]:+.1f} to {100 * bounds[1]:+.1f})"
