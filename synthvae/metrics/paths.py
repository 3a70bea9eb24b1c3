"""Smoothness of sounds along paths between presets, and effects of single parameters on the latent.

Along a path in a good latent space every descriptor of timbre changes smoothly from one end to the other. The score is
that of SPINVAE (Le Vaillant and Dutoit 2023, "Synthesizer Preset Interpolation using Transformer Auto-Encoders",
ICASSP; evaluation/interpbase.py of github.com/gwendal-lv/spinvae), relative to interpolation of the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from torch import Tensor

from synthvae.core.checks import finite_matrix, finite_values, require_finite
from synthvae.core.errors import UserError
from synthvae.metrics.statistics import holm

__all__ = [
    "SCORES",
    "DescriptorChange",
    "ParameterEffects",
    "PathComparison",
    "PathScores",
    "compare_paths",
    "interpolate",
    "parameter_effects",
    "path_scores",
    "slerp",
    "traverse",
]

#: Measures of a path: both are 0 at best.
SCORES = ("smoothness", "nonlinearity")
LEVEL = 0.05
BATCH = 4096
#: Number of resamples of paths for an interval, and the quantiles that are its ends.
RESAMPLES, QUANTILES = 1000, (0.025, 0.975)
_RESOLUTION = 1e-9  # in standard deviations: less is rounding error


@dataclass(frozen=True)
class PathScores:
    """Smoothness and nonlinearity of each descriptor along each path; 0, a straight line, is best.

    Attributes:
        smoothness: RMS second derivative along the path (from 0 to 1), shape (N, K), in standard deviations of the
            descriptor; NaN for a descriptor that is constant over the dataset. Lower is smoother.
        nonlinearity: RMS distance from the straight line between the ends, shape (N, K), in standard deviations.
    """

    smoothness: NDArray[np.float64]
    nonlinearity: NDArray[np.float64]


@dataclass(frozen=True)
class DescriptorChange:
    """One score of one descriptor, against the reference on the same pairs of ends.

    Attributes:
        descriptor: name of the descriptor.
        mean: change of the mean over paths, as a share of the reference's mean: -0.1 is 10 % better; None where the
            reference's mean is 0.
        median: the same for the median.
        p_value: p value of Wilcoxon's signed-rank test over paths, two-sided, with Holm's correction for the number of
            descriptors.
        verdict: ``improved``, ``worsened`` or ``same`` at the 5 % level.
    """

    descriptor: str
    mean: float | None
    median: float | None
    p_value: float
    verdict: str


@dataclass(frozen=True)
class PathComparison:
    """Comparison of paths with reference paths between the same ends, by one score.

    Attributes:
        score: ``smoothness`` or ``nonlinearity``.
        changes: one per descriptor that is not constant, in the order of the descriptors.
        improved: descriptors that are better.
        worsened: descriptors that are worse.
        mean_change: mean over descriptors of the change of means, with equal weights.
        median_change: mean over descriptors of the change of medians.
        paths: number of paths.
        sentence: the result in plain words.
        mean_interval: 95 % interval of `mean_change`, by the bootstrap over paths; None where `mean_change` is.
        median_interval: the same for `median_change`.
    """

    score: str
    changes: tuple[DescriptorChange, ...]
    improved: int
    worsened: int
    mean_change: float | None
    median_change: float | None
    paths: int
    sentence: str
    mean_interval: tuple[float, float] | None = None
    median_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class ParameterEffects:
    """Movement of the latent when each parameter alone is moved over its range.

    Attributes:
        movement: difference of the largest and smallest value of the latent, shape (P, D), mean over presets, in the
            latent's unit (the prior's standard deviation is 1).
        slope: slope of the least-squares line of the latent over the parameter from 0 to 1, shape (P, D), mean over
            presets; its sign is the direction.
        linearity: R^2 of those lines over all presets together, shape (P, D): 1 where every preset's movement is a
            straight line; NaN where nothing moves.
        presets: number of presets.
        values: number of values of the parameter.
    """

    movement: NDArray[np.float64]
    slope: NDArray[np.float64]
    linearity: NDArray[np.float64]
    presets: int
    values: int

    @property
    def mean_linearity(self) -> float | None:
        """Mean of `linearity`, weighted by squared movement; None where nothing moves."""
        known = ~np.isnan(self.linearity)
        weight = np.square(self.movement[known])
        return float(np.average(self.linearity[known], weights=weight)) if weight.any() else None

    @property
    def linearity_by_chance(self) -> float:
        """Expected linearity of a latent that is independent of the parameter.

        For V random values a line with two free coefficients leaves V - 2 of V - 1 degrees of freedom.
        """
        return 1.0 / (self.values - 1)


def interpolate(start: ArrayLike, end: ArrayLike, steps: int) -> NDArray[np.float64]:
    """Evenly spaced points on the straight line between two points, both included.

    Args:
        start: start, shape (..., D).
        end: end, shape (..., D).
        steps: number of points, at least 2.

    Returns:
        Shape (..., steps, D).

    Raises:
        ValueError: if the shapes differ or `steps` is below 2.
        UserError: if a value is not finite.
    """
    first, last, share = _ends(start, end, steps)
    return first[..., None, :] * (1.0 - share) + last[..., None, :] * share


def slerp(start: ArrayLike, end: ArrayLike, steps: int) -> NDArray[np.float64]:
    """Spherical linear interpolation between two points, both included.

    sin((1 - t) w) / sin(w) start + sin(t w) / sin(w) end with the angle w between them (Shoemake 1985, SIGGRAPH). A
    straight line between draws of a normal prior of many dimensions passes near the origin, where the prior has little
    mass; the arc preserves the distance from the origin (White 2016, arXiv:1609.04468). Points in the same direction,
    or at the origin, are joined by the straight line, the arc's limit.

    Args:
        start: start, shape (..., D).
        end: end, shape (..., D).
        steps: number of points, at least 2.

    Returns:
        Shape (..., steps, D).

    Raises:
        ValueError: if the shapes differ or `steps` is below 2.
        UserError: if a value is not finite, or two points are in opposite directions, where no arc is the shortest.
    """
    first, last, share = _ends(start, end, steps)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(last, axis=-1)
    cosine = (first * last).sum(axis=-1) / np.where(lengths > 0.0, lengths, 1.0)
    cosine = np.where(lengths > 0.0, np.clip(cosine, -1.0, 1.0), 1.0)[..., None, None]
    if (cosine < -1.0 + 1e-12).any():
        raise UserError(
            "slerp",
            end,
            "use interpolate",
            "two points lie in opposite directions, between which no arc is the shortest",
        )
    angle = np.arccos(cosine)
    straight = angle < 1e-6  # the sines are then too small for a division
    sine = np.where(straight, 1.0, np.sin(angle))
    before = np.where(straight, 1.0 - share, np.sin((1.0 - share) * angle) / sine)
    after = np.where(straight, share, np.sin(share * angle) / sine)
    return first[..., None, :] * before + last[..., None, :] * after


def traverse(latent: ArrayLike, dimension: int, values: ArrayLike) -> NDArray[np.float64]:
    """A latent with one dimension set to each of the given values, the others unchanged.

    Args:
        latent: latent, shape (D,).
        dimension: index of the dimension, from 0.
        values: values, shape (V,), usually from -3 to 3, the range of the prior.

    Returns:
        Shape (V, D).

    Raises:
        ValueError: if there is no such dimension.
        UserError: if a value is not finite.
    """
    point, chosen = finite_values(latent, "latent", "dimension"), finite_values(values, "values", "value")
    if not 0 <= dimension < len(point):
        raise ValueError(f"dimension is {dimension}, the latent has 0 to {len(point) - 1}")
    path = np.tile(point, (len(chosen), 1))
    path[:, dimension] = chosen
    return path


def path_scores(descriptors: ArrayLike, spread: ArrayLike, ends: ArrayLike | None = None) -> PathScores:
    """SPINVAE's scores of the smoothness of descriptors along paths.

    With x a descriptor in standard deviations at steps of h = 1 / (S - 1): smoothness is the RMS of
    (x_(i-1) - 2 x_i + x_(i+1)) / h^2 over the inner steps (the name is the paper's: lower is smoother), nonlinearity
    the RMS over all steps of x minus the straight line between the ends.

    Args:
        descriptors: descriptors along N paths of S evenly spaced steps, at least 3, shape (N, S, K).
        spread: standard deviation of each descriptor over the dataset, shape (K,).
        ends: descriptors of the sounds that the path should join, shape (N, 2, K), for the straight line; by default
            the path's own ends. With the originals, as in SPINVAE, a model that reconstructs its ends badly has worse
            scores.

    Returns:
        Scores per path and descriptor.

    Raises:
        ValueError: if the shapes do not agree, there are fewer than 3 steps, or a spread is negative.
        UserError: if there is no path, or a value is not finite.
    """
    along = _paths(descriptors, "descriptors")
    n, steps, count = along.shape
    unit = finite_values(spread, "spread of the descriptors", "descriptor")
    if len(unit) != count or (unit < 0.0).any():
        raise ValueError(f"spread: {count} numbers from 0 up are needed, got {unit}")
    if steps < 3:
        raise ValueError(f"{steps} steps, a path needs 3 to have a second derivative")
    joined = along[:, [0, -1]] if ends is None else _paths(ends, "ends")
    if joined.shape != (n, 2, count):
        raise ValueError(f"ends: expected shape {(n, 2, count)}, got {joined.shape}")
    deviation = np.where(unit > 0.0, unit, np.nan)
    h = 1.0 / (steps - 1)
    bend = np.diff(along, 2, axis=1) / h**2
    line = interpolate(joined[:, 0], joined[:, 1], steps)
    return PathScores(_rms(bend / deviation), _rms((along - line) / deviation))


def compare_paths(
    scores: PathScores,
    reference: PathScores,
    names: Sequence[str],
    method: str = "the latent path",
    reference_name: str = "the reference",
) -> dict[str, PathComparison]:
    """Compare paths with reference paths between the same ends, descriptor by descriptor.

    The test is Wilcoxon's signed-rank test of the differences over paths, those of 0 left out (Wilcoxon 1945,
    Biometrics Bulletin 1:80). SPINVAE reports changes as shares of the reference, as here, and counts descriptors by
    one-sided tests in both directions; these are two-sided and corrected for the number of descriptors.

    A few paths dominate any mean: intervals are those of the percentile bootstrap, 1000 resamples of the paths with
    replacement, each path with its reference (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13;
    with a fixed seed).

    Args:
        scores: scores of the paths.
        reference: scores of the reference, usually plain interpolation of the parameters, same paths in the same order.
        names: names of the K descriptors.
        method: description of the paths, for the sentence.
        reference_name: description of the reference, for the sentence.

    Returns:
        ``smoothness`` and ``nonlinearity``.

    Raises:
        ValueError: if the shapes do not agree.
        UserError: if every descriptor is constant over the dataset.
    """
    return {
        score: _compare(score, getattr(scores, score), getattr(reference, score), names, method, reference_name)
        for score in SCORES
    }


def parameter_effects(
    encode: Callable[[Tensor], Tensor], unit: Tensor, values: int = 9, batch: int = BATCH
) -> ParameterEffects:
    """Vary one parameter at a time over its range, from each of some presets, and measure the movement of the latent.

    Encodes N P V presets: 64 presets of 63 parameters at 9 values are 36,288.

    Args:
        encode: function from presets (B, P) to latents (B, D), deterministic.
        unit: presets (N, P) in [0, 1].
        values: number V of evenly spaced values from 0 to 1, at least 3.
        batch: number of presets encoded at once.

    Returns:
        Movement, slope and linearity.

    Raises:
        ValueError: if `unit` is not (N, P), or `values` is below 3.
        UserError: if there is no preset, or a latent is not finite.
    """
    if unit.ndim != 2:
        raise ValueError(f"presets: expected shape (N, P), got {tuple(unit.shape)}")
    if values < 3:
        raise ValueError(f"values is {values}, a line through fewer than 3 is always straight")
    n, count = unit.shape
    if not unit.numel():
        raise UserError("presets", 0, "give at least one", f"shape {tuple(unit.shape)} is empty")
    grid = torch.linspace(0.0, 1.0, values, dtype=unit.dtype, device=unit.device)
    # Least-squares line through evenly spaced values: its slope is a weighted sum of them.
    at = np.linspace(-0.5, 0.5, values)
    weight = at / np.square(at).sum()
    movement, slope, linearity = [], [], []
    with torch.no_grad():
        for parameter in range(count):
            varied = unit.repeat_interleave(values, dim=0)
            varied[:, parameter] = grid.repeat(n)
            encoded = torch.cat([encode(part) for part in varied.split(batch)]).double().cpu().numpy()
            latents = finite_matrix(encoded, f"latents of parameter {parameter}").reshape(n, values, -1)
            movement.append(np.ptp(latents, axis=1).mean(axis=0))
            slopes = np.einsum("v,nvd->nd", weight, latents)
            slope.append(slopes.mean(axis=0))
            centred = latents - latents.mean(axis=1, keepdims=True)
            total = np.square(centred).sum(axis=(0, 1))
            rest = np.square(centred - slopes[:, None] * at[:, None]).sum(axis=(0, 1))
            moved = total / (n * values) > np.square(1e-6 * np.abs(latents).max(axis=(0, 1)))  # above float32 rounding
            linearity.append(np.where(moved, 1.0 - rest / np.where(moved, total, 1.0), np.nan))
    return ParameterEffects(np.array(movement), np.array(slope), np.array(linearity), n, values)


def _ends(
    start: ArrayLike, end: ArrayLike, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Both ends, and the position along the path of each step, shape (steps, 1)."""
    first, last = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    if first.shape != last.shape or not first.ndim:
        raise ValueError(f"start {first.shape} and end {last.shape}: two points of one space are needed")
    if steps < 2:
        raise ValueError(f"steps is {steps}, both ends make 2")
    for name, point in (("start", first), ("end", last)):
        require_finite(np.atleast_2d(point), name, "point")
    return first, last, np.linspace(0.0, 1.0, steps)[:, None]


def _paths(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 3:
        raise ValueError(f"{name}: expected shape (N, S, K), got {array.shape}")
    if not array.size:
        raise UserError(name, 0, "walk at least one path", f"shape {array.shape} is empty")
    require_finite(array, name, "path")
    return array


def _rms(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """RMS over the steps, with rounding errors set to 0, which a rank test would read as a difference."""
    rms = np.sqrt(np.square(values).mean(axis=1))
    return np.where(rms < _RESOLUTION, 0.0, rms)  # NaN stays


def _compare(
    score: str,
    values: NDArray[np.float64],
    reference: NDArray[np.float64],
    names: Sequence[str],
    method: str,
    reference_name: str,
) -> PathComparison:
    if values.shape != reference.shape or values.shape[1] != len(names):
        raise ValueError(f"{score}: {values.shape} against {reference.shape} with {len(names)} names")
    kept = np.flatnonzero(~np.isnan(values).any(axis=0) & ~np.isnan(reference).any(axis=0))
    if not len(kept):
        raise UserError(score, 0, "take a larger one", "every descriptor is constant over the dataset")
    tests = [_signed_rank(values[:, k], reference[:, k]) for k in kept]
    p_values = holm([p for p, _ in tests])
    changes = []
    for k, p_value, (_, direction) in zip(kept, p_values, tests, strict=True):
        verdict = "same" if p_value >= LEVEL else ("improved" if direction < 0 else "worsened")
        mean = _share(float(values[:, k].mean()), float(reference[:, k].mean()))
        median = _share(float(np.median(values[:, k])), float(np.median(reference[:, k])))
        changes.append(DescriptorChange(names[int(k)], mean, median, float(p_value), verdict))
    improved, worsened = (sum(c.verdict == verdict for c in changes) for verdict in ("improved", "worsened"))
    mean_change, median_change = _average([c.mean for c in changes]), _average([c.median for c in changes])
    pair = values[:, kept], reference[:, kept]
    word, size = ("smoother", "bends") if score == "smoothness" else ("straighter", "ways off the straight line")
    sentence = (
        f"Along {method} {improved} of {len(changes)} descriptors move {word} than along {reference_name} and "
        f"{worsened} less so, over {len(values)} paths"
    )
    if mean_change is not None:
        less = "smaller" if mean_change <= 0 else "larger"
        sentence += f"; on average their {size} are {100 * abs(mean_change):.1f} % {less}"
    return PathComparison(
        score,
        tuple(changes),
        improved,
        worsened,
        mean_change,
        median_change,
        len(values),
        f"{sentence}.",
        _interval(*pair, np.mean),
        _interval(*pair, np.median),
    )


def _interval(
    values: NDArray[np.float64], reference: NDArray[np.float64], average: Callable[..., NDArray[np.float64]]
) -> tuple[float, float] | None:
    """95 % interval of the mean over descriptors of the change of averages over paths ``(N, K)``.

    Descriptors without a reference in a resample are ignored in it.
    """
    random, found = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        drawn = random.integers(0, len(values), len(values))
        before, after = average(reference[drawn], axis=0), average(values[drawn], axis=0)
        known = before > 0.0
        if known.any():
            found.append(float((after[known] / before[known] - 1.0).mean()))
    if not found:
        return None
    low, high = np.quantile(found, QUANTILES)
    return float(low), float(high)


def _signed_rank(values: NDArray[np.float64], reference: NDArray[np.float64]) -> tuple[float, float]:
    """Two-sided p, and the sign of the signed ranks: negative where `values` are lower."""
    difference = values - reference
    difference = difference[difference != 0.0]
    if not len(difference):
        return 1.0, 0.0
    signed = np.sign(difference) * stats.rankdata(np.abs(difference))
    return float(stats.wilcoxon(difference).pvalue), float(signed.sum())


def _share(value: float, reference: float) -> float | None:
    return (value - reference) / reference if reference > 0.0 else None


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
