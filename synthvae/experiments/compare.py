"""Comparison and average of several seeds' measures on the same presets, with confidence intervals over both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from synthvae.core.checks import finite_matrix
from synthvae.core.errors import UserError

__all__ = ["Interval", "mean_value", "relative_error"]

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A ratio of mean errors with its interval, below 1 the first is better; or a mean with its interval.

    Attributes:
        value: the ratio or the mean.
        low: lower end of the interval.
        high: upper end.
        seeds: training seeds in it.
        presets: test presets in it.
        null: what it is where there is no difference: 1 for a ratio.
    """

    value: float
    low: float
    high: float
    seeds: int
    presets: int
    null: float = 1.0

    @property
    def side(self) -> str:
        """``lower`` or ``higher`` if the whole interval is, else ``undecided``; for these trained models."""
        return "lower" if self.high < self.null else "higher" if self.low > self.null else "undecided"

    @property
    def verdict(self) -> str:
        """The same of what was trained: with one seed nothing is decided about others."""
        return self.side if self.seeds > 1 else "undecided"


def relative_error(errors: ArrayLike, other: ArrayLike) -> Interval:
    """Mean error over seeds and presets, relative to another's on the same seeds and presets.

    The logarithm of the ratio varies with the seeds (the variance of its value per seed, over S) and with the presets
    (delta method, over N). The interval is Student's, with the degrees of freedom of Satterthwaite (1946, Biometrics
    Bulletin 2:110): three seeds that happen to agree are weak evidence, which a bootstrap over three values does not
    know. Seeds of one comparison have the same initial weights and count as pairs.

    Args:
        errors: ``(S, N)``, of S seeds on N presets.
        other: ``(S, N)``, the same seeds and presets; or ``(1, N)`` for a null model that has no seed.

    Returns:
        The ratio and its 95 % interval.

    Raises:
        ValueError: if the shapes do not fit.
        UserError: if a value is not finite or one of the two makes no error at all.
    """
    above, below = finite_matrix(errors, "errors"), finite_matrix(other, "errors to compare with")
    seeds, presets = above.shape
    if below.shape[1] != presets or len(below) not in (1, seeds):
        raise ValueError(f"errors {above.shape} and {below.shape} are not of the same seeds and presets")
    for name, mean in (("errors", above.mean(axis=1)), ("errors to compare with", below.mean(axis=1))):
        if not mean.min() > 0.0:
            raise UserError(name, mean, "compare others", "all are 0, so that there is no ratio")
    value = float(above.mean() / below.mean())
    by_preset = above.mean(axis=0) / above.mean() - below.mean(axis=0) / below.mean()
    by_seed = np.log(above.mean(axis=1) / below.mean(axis=1))
    reach = _reach(by_preset, by_seed)
    return Interval(value, value * math.exp(-reach), value * math.exp(reach), seeds, presets)


def mean_value(values: ArrayLike) -> Interval:
    """Mean over seeds and presets, with an interval as that of `relative_error`; nothing differs at 0.

    Args:
        values: ``(S, N)``, of S seeds on N presets.

    Returns:
        The mean and its 95 % interval, in the unit of `values`.

    Raises:
        UserError: if a value is not finite.
    """
    array = finite_matrix(values, "values")
    reach = _reach(array.mean(axis=0), array.mean(axis=1))
    value = float(array.mean())
    seeds, presets = array.shape
    return Interval(value, value - reach, value + reach, seeds, presets, null=0.0)


def _reach(by_preset: NDArray[np.float64], by_seed: NDArray[np.float64]) -> float:
    """Half the width of Student's interval of a mean over presets ``(N,)`` and seeds ``(S,)``."""
    parts = [(float(v.var(ddof=1)) / len(v), len(v) - 1) for v in (by_preset, by_seed) if len(v) > 1]
    variance = sum(part for part, _ in parts)
    if variance == 0.0:
        return 0.0
    degrees = variance**2 / sum(part**2 / free for part, free in parts)
    return float(stats.t.ppf((1 + LEVEL) / 2, degrees)) * variance**0.5
