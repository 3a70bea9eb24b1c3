"""What the values of groups look like before they are compared: bell-shaped or not, scattered alike or not.

Nothing here decides which test is made. The rank tests of `statistics` and `posthoc` hold either way; these two
say how far means and standard deviations may be trusted, and whether runs differ in reliability.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from synthvae.core.checks import finite_values
from synthvae.core.errors import UserError

__all__ = ["NormalityTest", "SpreadTest", "levene", "p_text", "shapiro_wilk"]

#: Values above which Shapiro-Wilk's p is not accurate (Royston 1995, Applied Statistics 44:547).
SHAPIRO_LIMIT = 5000
_SEED = 0  # of the subsample: the same values give the same p
_LEAST_SHAPIRO = 3


@dataclass(frozen=True)
class NormalityTest:
    """Whether values could come from a normal distribution.

    Attributes:
        statistic: Shapiro-Wilk W, 1 for a perfect bell; None where it is not defined.
        p_value: of W under normality; None where W is.
        skewness: third standardised moment, 0 for symmetric values; None where W is.
        n: values given.
        tested: values used, `SHAPIRO_LIMIT` at most.
        sentence: the result in plain words.
    """

    statistic: float | None
    p_value: float | None
    skewness: float | None
    n: int
    tested: int
    sentence: str


@dataclass(frozen=True)
class SpreadTest:
    """Whether groups scatter alike.

    Attributes:
        statistic: Levene's W about the medians; None where it is not defined.
        p_value: of the F distribution; None where the statistic is.
        ratio: the largest spread over the smallest; None where the smallest is 0 and the largest is not.
        spreads: mean absolute deviation from the median of each group, in the unit of the values.
        sentence: the result in plain words.
    """

    statistic: float | None
    p_value: float | None
    ratio: float | None
    spreads: dict[str, float]
    sentence: str


def p_text(p_value: float) -> str:
    """A p value as sentences show it."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def shapiro_wilk(values: ArrayLike, name: str) -> NormalityTest:
    """Shapiro-Wilk test of normality, with skewness as the size of the departure.

    W = (sum a_i x_(i))^2 / sum (x_i - mean)^2 with the weights of normal order statistics (Shapiro and Wilk 1965,
    Biometrika 52:591). Above `SHAPIRO_LIMIT` values a sample of that many is tested, drawn with a fixed seed.
    Thousands of values make the smallest departure significant: read W and skewness first.

    Args:
        values: shape (N,).
        name: what they are, for the sentence and messages.

    Returns:
        The test. Fewer than 3 values and equal values have none, and the sentence says so.

    Raises:
        UserError: if there is no value, or one is not finite.
    """
    array = finite_values(values, name)
    n = len(array)
    tested = array if n <= SHAPIRO_LIMIT else np.random.default_rng(_SEED).choice(array, SHAPIRO_LIMIT, replace=False)
    if n < _LEAST_SHAPIRO:
        return NormalityTest(None, None, None, n, n, f"{name}: {n} value(s), too few to have a shape.")
    if float(np.ptp(tested)) <= 1e-12 * float(np.abs(tested).max()):  # rounding of equal values has no shape either
        return NormalityTest(None, None, None, n, len(tested), f"{name}: all {n:,} values are equal.")
    result = stats.shapiro(tested)
    w, p_value = float(result.statistic), float(result.pvalue)
    skewness = float(stats.skew(tested))
    size = f"W = {w:.3f}, skewness {skewness:.2g}, {p_text(p_value)}"
    size += f", a sample of {len(tested):,} of {n:,} values" if len(tested) < n else f", {n:,} values"
    if p_value >= 0.05:
        sentence = f"{name}: could be bell-shaped ({size})."
    else:
        tail = "large" if skewness > 0 else "small"
        shape = f"a long tail of {tail} values" if abs(skewness) >= 1 else "without a long tail to one side"
        sentence = f"{name}: not bell-shaped, {shape} ({size}); medians and ranks say more than means."
    return NormalityTest(w, p_value, skewness, n, len(tested), sentence)


def levene(groups: Mapping[str, ArrayLike], measure: str) -> SpreadTest:
    """Levene's test of equal spread about the medians, with the ratio of the spreads as its effect size.

    The statistic is the F of a one-way analysis of variance of |x - median of its group| (Brown and Forsythe 1974,
    JASA 69:364).

    Args:
        groups: name to values, shape (N_g,); two groups or more.
        measure: what the values are, for the sentence and messages.

    Returns:
        The test. Where no group has two values it is not defined, and the sentence says so.

    Raises:
        UserError: if there are fewer than two groups, or a group is empty or not finite.
    """
    if len(groups) < 2:
        raise UserError(f"{measure}: Levene's test compares 2 or more groups, {len(groups)} given; name another")
    arrays = {name: finite_values(values, f"{measure} of {name}") for name, values in groups.items()}
    spreads = {name: _spread(values) for name, values in arrays.items()}
    widest, narrowest = max(spreads, key=lambda g: spreads[g]), min(spreads, key=lambda g: spreads[g])
    high, low = spreads[widest], spreads[narrowest]
    ratio = high / low if low > 0.0 else (1.0 if high == 0.0 else None)
    if max(len(values) for values in arrays.values()) < 2:
        return SpreadTest(None, None, ratio, spreads, f"{measure}: one value per group has no spread to compare.")
    statistic, p_value = 0.0, 1.0
    if high > 0.0:
        with np.errstate(divide="ignore", invalid="ignore"):  # deviations that are equal within groups: see below
            result = stats.levene(*arrays.values(), center="median")
        statistic, p_value = float(result.statistic), float(result.pvalue)
    if np.isnan(statistic):  # deviations that are equal in all groups: no difference, over no spread
        statistic, p_value = 0.0, 1.0
    times = "infinitely many" if ratio is None else f"{ratio:.2g}"
    size = f"{times} times as widely as {narrowest}, Levene {p_text(p_value)}"
    if p_value >= 0.05:
        sentence = f"The groups scatter alike in {measure} ({widest} {size})."
    else:
        sentence = f"{measure} scatters most in {widest} ({size}): how it does depends more on the sound."
    return SpreadTest(statistic, p_value, ratio, spreads, sentence)


def _spread(values: NDArray[np.float64]) -> float:
    return float(np.abs(values - np.median(values)).mean())
