"""Reconstruction errors of presets on audio features, with null models that need no training.

Errors are per preset; summaries have percentile-bootstrap intervals over presets (how much the number would change
with other presets, not with another training seed).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthvae.core.checks import finite_values, require_finite
from synthvae.core.errors import UserError

__all__ = [
    "Nulls",
    "PresetErrors",
    "Ratio",
    "Summary",
    "concatenate",
    "derangement",
    "error_ratio",
    "null_errors",
    "preset_errors",
    "summarise",
]

#: Coverage of intervals.
LEVEL = 0.95
_BLOCK = 1 << 22  # number of elements per step in float64: 32 MiB, however large the feature set is


@dataclass(frozen=True)
class PresetErrors:
    """Errors of each preset against its target.

    Attributes:
        mse: mean squared difference over bands and frames, shape (N,), in the feature's unit squared.
        l1: mean absolute difference over bands and frames, shape (N,), in the feature's unit.
    """

    mse: NDArray[np.float64]
    l1: NDArray[np.float64]


@dataclass(frozen=True)
class Nulls:
    """The errors of the three null models on the same targets.

    Attributes:
        mean_preset: the sound of 0.5 in every unit parameter, for every target.
        mean_spectrogram: the mean of the targets' features, for every target.
        random_preset: another target, drawn at random.
    """

    mean_preset: PresetErrors
    mean_spectrogram: PresetErrors
    random_preset: PresetErrors


@dataclass(frozen=True)
class Summary:
    """Summary statistics of a distribution, in the unit of its values.

    Attributes:
        n: number of values.
        mean: arithmetic mean.
        median: second quartile.
        q25: first quartile (linear interpolation).
        q75: third quartile.
        low: lower end of the bootstrap interval of the mean; None for a single value.
        high: upper end of that interval.
        level: coverage of the interval.
    """

    n: int
    mean: float
    median: float
    q25: float
    q75: float
    low: float | None
    high: float | None
    level: float


@dataclass(frozen=True)
class Ratio:
    """Mean error over mean error of a null model; below 1 is better than the null.

    Attributes:
        value: the ratio of the means; None if the error of the null model is 0 (all targets are equal).
        low: lower end of the paired bootstrap interval; None if there is none.
        high: upper end of that interval; None if there is none.
        n: number of presets or sounds.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


def preset_errors(
    target: NDArray[np.generic], reconstruction: NDArray[np.generic], name: str = "feature"
) -> PresetErrors:
    """Mean squared and mean absolute difference of each preset.

    Works in blocks of presets, so that arrays of many gigabytes may be memory-mapped files.

    Args:
        target: targets, shape (N, F, T), real.
        reconstruction: reconstructions, shape (N, F, T), or (F, T) for one common to all targets.
        name: name of the feature, for messages.

    Returns:
        Errors in the feature's unit, float64.

    Raises:
        ValueError: if the shapes do not agree or the arrays are complex.
        UserError: if there is no preset, or a value is not finite.
    """
    _check_feature(target, f"{name} of the targets")
    one_for_all = reconstruction.ndim == target.ndim - 1
    if reconstruction.shape != (target.shape[1:] if one_for_all else target.shape):
        raise ValueError(f"{name}: targets {target.shape} and reconstructions {reconstruction.shape} differ")
    _check_feature(reconstruction[None] if one_for_all else reconstruction, f"{name} of the reconstructions")
    mse = np.empty(len(target))
    l1 = np.empty(len(target))
    for rows in _blocks(target):
        other = reconstruction if one_for_all else reconstruction[rows]
        difference = np.asarray(target[rows], np.float64) - np.asarray(other, np.float64)
        difference = difference.reshape(len(difference), -1)
        mse[rows] = np.square(difference).mean(axis=1)
        l1[rows] = np.abs(difference).mean(axis=1)
    return PresetErrors(mse, l1)


def null_errors(
    target: NDArray[np.generic], mean_preset: NDArray[np.generic], seed: int = 0, name: str = "feature"
) -> Nulls:
    """The errors of the three null models on `target`.

    Args:
        target: targets, shape (N, F, T), real, at least two presets.
        mean_preset: feature of the sound of 0.5 in every unit parameter, shape (F, T).
        seed: seed that selects the random preset of each preset.
        name: name of the feature, for messages.

    Returns:
        One `PresetErrors` per null model.

    Raises:
        ValueError: if the shapes do not agree or the arrays are complex.
        UserError: if there are fewer than two presets, or a value is not finite.
    """
    to_mean_preset = preset_errors(target, mean_preset, name)
    mean = np.zeros(target.shape[1:])
    for rows in _blocks(target):
        mean += target[rows].sum(axis=0, dtype=np.float64)
    mean /= len(target)
    others = derangement(len(target), seed)
    pieces = []
    for rows in _blocks(target):
        pieces.append(preset_errors(target[rows], target[others[rows]], name))
    return Nulls(to_mean_preset, preset_errors(target, mean, name), concatenate(pieces))


def concatenate(parts: Sequence[PresetErrors]) -> PresetErrors:
    """Join the errors of consecutive batches of presets.

    Args:
        parts: errors of the batches, at least one.

    Returns:
        The errors of all presets, in order.
    """
    return PresetErrors(np.concatenate([part.mse for part in parts]), np.concatenate([part.l1 for part in parts]))


def derangement(n: int, seed: int = 0) -> NDArray[np.intp]:
    """A random cyclic permutation, which has no fixed point.

    Args:
        n: number of elements, at least 2.
        seed: seed of the cycle.

    Returns:
        Shape (n,), a permutation without fixed points.

    Raises:
        UserError: if n is below 2.
    """
    if n < 2:
        raise UserError("random other preset", n, "analyse a larger split", f"{n} preset(s), at least 2 are needed")
    order = np.random.default_rng(seed).permutation(n)
    others = np.empty(n, dtype=np.intp)
    others[order] = np.roll(order, -1)
    return others


def summarise(values: ArrayLike, name: str = "errors", seed: int = 0, resamples: int = 1000) -> Summary:
    """Mean, quartiles and a percentile-bootstrap interval of the mean.

    The interval is the central 95 % of the means of `resamples` samples drawn with replacement
    (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13).

    Args:
        values: values, shape (N,), one per preset.
        name: name of the values, for messages.
        seed: seed of the resamples.
        resamples: number of resamples.

    Returns:
        The summary, in the unit of `values`.

    Raises:
        ValueError: if `values` is not one-dimensional.
        UserError: if it is empty or not finite.
    """
    array = finite_values(values, name)
    low = high = None
    if len(array) > 1:
        low, high = _interval(_bootstrap_means(array[None], seed, resamples)[:, 0])
    q25, median, q75 = (float(q) for q in np.quantile(array, [0.25, 0.5, 0.75]))
    return Summary(len(array), float(array.mean()), median, q25, q75, low, high, LEVEL)


def error_ratio(errors: ArrayLike, null: ArrayLike, seed: int = 0, resamples: int = 1000) -> Ratio:
    """Mean error relative to the mean error of a null model on the same presets.

    The bootstrap draws presets, with both errors of each (paired). One minus the ratio to the mean
    spectrogram, both as MSE, is the explained variance.

    Args:
        errors: errors of the reconstruction, shape (N,).
        null: errors of the null model, shape (N,), same presets in the same order.
        seed: seed of the resamples.
        resamples: number of resamples.

    Returns:
        The ratio and its interval, without unit.

    Raises:
        ValueError: if the shapes differ.
        UserError: if an array is empty or not finite.
    """
    above, below = finite_values(errors, "errors"), finite_values(null, "errors of the null")
    if above.shape != below.shape:
        raise ValueError(f"errors: {above.shape} against {below.shape} of the null")
    if below.mean() == 0.0:
        return Ratio(None, None, None, len(above))
    low = high = None
    if len(above) > 1:
        means = _bootstrap_means(np.stack([above, below]), seed, resamples)
        means = means[means[:, 1] > 0.0]  # a resample in which the null's error is 0 has no ratio
        if len(means):
            low, high = _interval(means[:, 0] / means[:, 1])
    return Ratio(float(above.mean() / below.mean()), low, high, len(above))


def _bootstrap_means(values: NDArray[np.float64], seed: int, resamples: int) -> NDArray[np.float64]:
    """Means of resampled columns: (K, N) to (resamples, K), the same draw for all K.

    `scipy.stats.bootstrap` draws the same, but has no interval if some resamples have no ratio.
    """
    generator = np.random.default_rng(seed)
    n = values.shape[1]
    step = max(1, _BLOCK // n)
    means = np.empty((resamples, len(values)))
    for start in range(0, resamples, step):
        rows = slice(start, min(start + step, resamples))
        draw = generator.integers(0, n, (rows.stop - start, n))
        for column, row in enumerate(values):
            means[rows, column] = row[draw].mean(axis=1)
    return means


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _blocks(array: NDArray[np.generic]) -> list[slice]:
    step = max(1, _BLOCK // max(1, array[:1].size))
    return [slice(start, min(start + step, len(array))) for start in range(0, len(array), step)]


def _check_feature(array: NDArray[np.generic], name: str) -> None:
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected real numbers, got {array.dtype}; take magnitudes first")
    if not array.size:
        raise UserError(name, 0, "check that the split is not empty", f"shape {array.shape} is empty")
    require_finite(array, name)
