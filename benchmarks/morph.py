"""Evenness of morphs between presets for each kind of path, against linear interpolation of the parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.losses import interval
from synthvae.exploration.morph import BAR, Walk, morph
from synthvae.training.run import Run

__all__ = ["CANDIDATES", "PLAIN", "WayMeasurement", "draw_pairs", "measure_morphs", "morph_table"]

#: What is measured: a label, the way and whether its steps are made even. The null comes last.
PLAIN = "plain parameters"
CANDIDATES = {
    "latent": ("latent", True),
    "metric": ("metric", True),
    "parameters": ("parameters", True),
    "latent, equal latent steps": ("latent", False),
    PLAIN: ("parameters", False),
}

Progress = Callable[[int, str], object]


@dataclass(frozen=True)
class WayMeasurement:
    """What was measured of one way over all pairs.

    Attributes:
        label: see `CANDIDATES`.
        under: share of the walks whose largest step is at most 1.5 times the mean.
        median: of the largest step over the mean.
        worst: of that.
        length: median of a walk's length over the distance of its ends.
        pairs: how many.
        smoothness: change of SPINVAE's smoothness against plain parameters, mean over descriptors (negative is
            smoother), and how many of the descriptors are smoother and less smooth; None where not asked for.
    """

    label: str
    under: float
    median: float
    worst: float
    length: float
    pairs: int
    smoothness: tuple[float | None, int, int] | None = None


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
        labels: of `CANDIDATES`.
        descriptors: whether to score smoothness too, which takes 20 ms a sound.
        progress: called with the number of walks done and the way.

    Returns:
        One measurement for each label.
    """
    walks: dict[str, list[Walk]] = {label: [] for label in labels}
    for number, pair in enumerate(pairs):
        for place, label in enumerate(labels):
            progress(number * len(labels) + place, label)
            way, even = CANDIDATES[label]
            walks[label].append(morph(run, pair, steps, way, even))
    scores = _smoothness(run, walks) if descriptors and PLAIN in walks and steps > 2 else {}
    return [_summary(label, found, scores.get(label)) for label, found in walks.items()]


def _summary(label: str, walks: Sequence[Walk], smoothness: tuple[float | None, int, int] | None) -> WayMeasurement:
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
        smoothness,
    )


def _smoothness(run: Run, walks: dict[str, list[Walk]]) -> dict[str, tuple[float | None, int, int]]:
    from synthvae.audio.descriptors import DESCRIPTORS, describe
    from synthvae.metrics.paths import compare_paths, path_scores
    from synthvae.synths.rendering import render_all

    def described(found: Sequence[Walk]) -> NDArray[np.float64]:
        unit = torch.stack([walk.unit for walk in found])
        audio = torch.cat(list(render_all(run.voice, unit.flatten(0, 1), 64)))
        return describe(audio, run.settings.sample_rate).reshape(*unit.shape[:2], -1)

    plain = described(walks[PLAIN])
    ends = plain[:, [0, -1]].reshape(-1, plain.shape[-1])
    spread = np.where(np.ptp(ends, axis=0) > 0.0, ends.std(axis=0), 0.0)
    reference = path_scores(plain, spread)
    scores = {}
    for label, found in walks.items():
        if label != PLAIN:
            compared = compare_paths(path_scores(described(found), spread), reference, list(DESCRIPTORS))["smoothness"]
            scores[label] = compared.mean_change, compared.improved, compared.worsened
    return scores


def morph_table(measurements: Sequence[WayMeasurement]) -> str:
    """Measurements as a Markdown table."""
    smooth = any(m.smoothness for m in measurements)
    heads = [
        "way",
        f"walks with largest step <= {BAR:g} x mean",
        "largest / mean, median",
        "worst",
        "length / distance of the ends",
    ]
    if smooth:
        heads.append("SPINVAE smoothness against plain (descriptors smoother, less)")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for m in measurements:
        low, high = interval(m.under, m.pairs)
        cells = [
            m.label,
            f"{m.under:.3f} ({low:.3f} to {min(high, 1.0):.3f}) of {m.pairs}",
            f"{m.median:.2f}",
            f"{m.worst:.2f}",
            f"{m.length:.2f}",
        ]
        if smooth:
            cells.append(_smoothness_cell(m))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _smoothness_cell(measurement: WayMeasurement) -> str:
    if measurement.smoothness is None:
        return "0" if measurement.label == PLAIN else ""
    change, improved, worsened = measurement.smoothness
    return f"{'' if change is None else f'{change:+.0%}'} ({improved}, {worsened})"
