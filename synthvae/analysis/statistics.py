"""Whether runs differ, how much, and what that means in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from synthvae.analysis.checks import finite_values
from synthvae.errors import UserError

__all__ = ["GroupTest", "effect_size", "kruskal_wallis"]

# Bands of Rea and Parker (1992), Designing and Conducting Survey Research, for a share of variance.
_BANDS = (
    (0.01, "negligible"),
    (0.04, "weak"),
    (0.16, "moderate"),
    (0.36, "relatively strong"),
    (0.64, "strong"),
)


@dataclass(frozen=True)
class GroupTest:
    """A test of whether groups come from one distribution.

    Attributes:
        statistic: Kruskal-Wallis H, corrected for ties.
        degrees: degrees of freedom, groups - 1.
        p_value: of the chi-squared approximation.
        epsilon_squared: H / (N - 1), from 0 (no difference) to 1.
        effect: the band of epsilon squared in a word.
        n: N, values in all groups together.
        medians: median of each group, in the unit of the values.
        sentence: the result in plain words.
    """

    statistic: float
    degrees: int
    p_value: float
    epsilon_squared: float
    effect: str
    n: int
    medians: dict[str, float]
    sentence: str


def effect_size(epsilon_squared: float) -> str:
    """The band of an epsilon squared in a word.

    Bands: below 0.01 negligible, 0.04 weak, 0.16 moderate, 0.36 relatively strong, 0.64 strong, then very
    strong (Rea and Parker 1992).

    Args:
        epsilon_squared: share between 0 and 1.

    Returns:
        The word.
    """
    for bound, word in _BANDS:
        if epsilon_squared < bound:
            return word
    return "very strong"


def kruskal_wallis(groups: Mapping[str, ArrayLike], measure: str = "error") -> GroupTest:
    """Kruskal-Wallis test with epsilon squared across groups of values where less is better.

    With ranks R over all N values (ties share their mean rank),
    H = 12 / (N (N + 1)) sum_g (sum_i R_gi)^2 / n_g - 3 (N + 1), divided by 1 - sum (t^3 - t) / (N^3 - N) for
    ties of t values (Kruskal and Wallis 1952, JASA 47:583). Epsilon squared
    = H (N + 1) / (N^2 - 1) = H / (N - 1) (Tomczak and Tomczak 2014, Trends in Sport Sciences 1(21):19). Where
    all values are equal H is 0 and p is 1.

    The test takes the groups as independent. The same test presets heard through several runs are not, and
    thousands of presets make any difference significant: read the effect size first.

    Args:
        groups: name of each run to its values, shape (N_g,); two groups or more.
        measure: what the values are ("log-mel MSE"), for the sentence and messages.

    Returns:
        The test, its effect size and a sentence.

    Raises:
        UserError: if there are fewer than two groups, or a group is empty or not finite.
    """
    if len(groups) < 2:
        raise UserError(f"{measure}: Kruskal-Wallis compares 2 or more runs, {len(groups)} given; name another run")
    arrays = {name: finite_values(values, f"{measure} of {name}") for name, values in groups.items()}
    everything = np.concatenate(list(arrays.values()))
    n = len(everything)
    medians = {name: float(np.median(values)) for name, values in arrays.items()}
    degrees = len(arrays) - 1
    ranks = stats.rankdata(everything)
    ties = np.unique(everything, return_counts=True)[1].astype(np.float64)
    correction = 1.0 - float((ties**3 - ties).sum()) / max(float(n) ** 3 - n, 1.0)
    statistic, p_value = 0.0, 1.0
    if len(ties) > 1:
        bounds = np.cumsum([len(values) for values in arrays.values()])[:-1]
        # Around the expected mean rank, not from the textbook form, which subtracts two numbers near 3 N.
        between = sum(len(part) * (part.mean() - (n + 1) / 2) ** 2 for part in np.split(ranks, bounds))
        statistic = float(12.0 / (n * (n + 1.0)) * between / correction)
        p_value = float(stats.chi2.sf(statistic, degrees))
    epsilon = min(statistic / (n - 1), 1.0)
    effect = effect_size(epsilon)
    sentence = _sentence(measure, medians, p_value, epsilon, effect)
    return GroupTest(statistic, degrees, p_value, epsilon, effect, n, medians, sentence)


def _sentence(measure: str, medians: dict[str, float], p_value: float, epsilon: float, effect: str) -> str:
    best = min(medians, key=lambda name: medians[name])
    p_text = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
    size = f"{effect} effect, epsilon squared {epsilon:.2g}, {p_text}"
    if p_value >= 0.05:
        return f"The {len(medians)} runs cannot be told apart by {measure} ({size})."
    if effect == "negligible":
        return (
            f"The {len(medians)} runs differ in {measure} by more than chance, but so little that it should "
            f"not guide a choice ({size}); {best} has the lowest median."
        )
    return (
        f"The {len(medians)} runs differ in {measure}: which run made a sound accounts for about "
        f"{100 * epsilon:.2g} % of the spread in rank ({size}); {best} has the lowest median."
    )
