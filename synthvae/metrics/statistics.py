"""Statistical tests between groups, with effect sizes and a sentence for each result.

Observations must be independent: many presets through one trained network are one training, not many.
Where there are several seeds, `by_seed` makes the seed the unit of observation before any test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from synthvae.core.checks import finite_values
from synthvae.core.errors import UserError

__all__ = [
    "CountTest",
    "GroupComparison",
    "GroupTest",
    "NormalityTest",
    "PairTest",
    "SpreadTest",
    "by_seed",
    "compare_counts",
    "compare_groups",
    "dunn",
    "effect_size",
    "holm",
    "kruskal_wallis",
    "levene",
    "p_text",
    "shapiro_wilk",
    "share_lower",
    "superiority",
]

# Bands of Vargha and Delaney (2000) for the distance of the probability of superiority from 0.5.
_DELTA_BANDS = ((0.06, "negligible"), (0.14, "small"), (0.21, "medium"), (np.inf, "large"))


@dataclass(frozen=True)
class PairTest:
    """Comparison of two of several groups.

    Attributes:
        first: name of one group.
        second: name of the other.
        p_value: p value of Dunn's test, after Holm's correction for the number of pairs.
        share_lower: probability that a value of `first` is below one of `second`, ties counting half; 0.5 is no
            difference.
        effect: the band of `share_lower` as a word.
        sentence: the result in plain words.
    """

    first: str
    second: str
    p_value: float
    share_lower: float
    effect: str
    sentence: str


def share_lower(first: ArrayLike, second: ArrayLike) -> float:
    """Probability of superiority of one group over another: P(X < Y) + P(X = Y) / 2.

    The probability of superiority A of Vargha and Delaney (2000, J. Educational and Behavioral Statistics 25:101),
    which is Mann-Whitney's U divided by the number of pairs.

    Args:
        first: values of one group, shape (N,).
        second: values of the other group, shape (M,).

    Returns:
        Between 0 and 1; 0.5 is no difference.

    Raises:
        UserError: if a group is empty or not finite.
    """
    x, y = finite_values(first, "first group"), finite_values(second, "second group")
    ranks = stats.rankdata(np.concatenate([x, y]))
    larger = ranks[: len(x)].sum() - len(x) * (len(x) + 1) / 2  # pairs in which x is the larger, ties half
    return float(1.0 - larger / (len(x) * len(y)))


def superiority(share: float) -> str:
    """The band of a `share_lower` as a word.

    Args:
        share: probability between 0 and 1.

    Returns:
        ``negligible`` within 0.06 of 0.5, ``small`` within 0.14, ``medium`` within 0.21, else ``large`` (Vargha and
        Delaney 2000).
    """
    return _band(abs(share - 0.5), _DELTA_BANDS)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's correction of p values for multiple tests, which controls the family-wise error rate.

    The i-th smallest of m becomes the largest of (m - j + 1) p_(j) over j <= i, at most 1 (Holm 1979,
    Scandinavian J. of Statistics 6:65).

    Args:
        p_values: p values, shape (m,), between 0 and 1.

    Returns:
        Shape (m,), in the order given.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw)
    corrected = np.empty_like(raw)
    # Not by statsmodels, whose multipletests runs garbage collection in each call: half a second if there are many
    # objects.
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)))
    return corrected


def dunn(groups: Mapping[str, ArrayLike], measure: str = "error") -> tuple[PairTest, ...]:
    """Dunn's test with Holm's correction between all pairs of groups of values where less is better.

    With mean ranks R over all N values, z = (R_g - R_h) / sqrt((N (N + 1) / 12 - sum (t^3 - t) / (12 (N - 1)))
    (1 / n_g + 1 / n_h)) for ties of t values (Dunn 1964, Technometrics 6:241), computed by
    `scikit_posthocs.posthoc_dunn`. The variance of the ranks is that of all groups, so the result for a pair depends on
    the other groups too. Where all values are equal every p is 1.

    Args:
        groups: values by name, shape (N_g,); two groups or more.
        measure: name of the values, for sentences and messages.

    Returns:
        One test per pair, in the order of the groups.

    Raises:
        UserError: if there are fewer than two groups, or a group is empty or not finite.
    """
    arrays = _at_least_two(groups, measure, "Dunn's test")
    names = list(arrays)
    p_values = np.ones((len(names), len(names)))
    if len(np.unique(np.concatenate(list(arrays.values())))) > 1:
        from scikit_posthocs import posthoc_dunn  # imports pandas and statsmodels, which takes seconds

        table = posthoc_dunn([values.tolist() for values in arrays.values()], p_adjust="holm")
        p_values = np.asarray(table, dtype=np.float64)
    tests = []
    for i, j in combinations(range(len(names)), 2):
        share = share_lower(arrays[names[i]], arrays[names[j]])
        p_value, effect = float(p_values[i, j]), superiority(share)
        sentence = _dunn_sentence(measure, names[i], names[j], p_value, share, effect)
        tests.append(PairTest(names[i], names[j], p_value, share, effect, sentence))
    return tuple(tests)


def _dunn_sentence(measure: str, first: str, second: str, p_value: float, share: float, effect: str) -> str:
    better, worse = (first, second) if share >= 0.5 else (second, first)
    often = f"{better} has the lower {measure} in {100 * max(share, 1 - share):.0f} of 100 draws of one value from each"
    size = f"{effect} effect, {p_text(p_value)} after Holm"
    if p_value >= 0.05:
        return f"{first} and {second} do not differ significantly: {often} ({size})."
    if effect == "negligible":
        return f"{better} and {worse} differ significantly but negligibly: {often} ({size})."
    return f"{better} is better than {worse}: {often} ({size})."


#: Number of values above which Shapiro-Wilk's p is not accurate (Royston 1995, Applied Statistics 44:547).
SHAPIRO_LIMIT = 5000
_SEED = 0  # seed of the subsample: the same values give the same p
_LEAST_SHAPIRO = 3


@dataclass(frozen=True)
class NormalityTest:
    """A test of normality.

    Attributes:
        statistic: Shapiro-Wilk W, 1 for an exact normal distribution; None where it is not defined.
        p_value: p value of W under normality; None where W is.
        skewness: third standardised moment, 0 for symmetric values; None where W is.
        n: number of values given.
        tested: number of values used, `SHAPIRO_LIMIT` at most.
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
    """A test of equal variances.

    Attributes:
        statistic: Levene's W about the medians; None where it is not defined, or infinite (deviations that are equal
            within every group, but not between groups).
        p_value: p value of the F distribution; None where the statistic is not defined, 0 where it is infinite.
        ratio: ratio of the largest to the smallest spread; None where the smallest is 0 and the largest is not.
        spreads: mean absolute deviation from the median of each group, in the unit of the values.
        sentence: the result in plain words.
    """

    statistic: float | None
    p_value: float | None
    ratio: float | None
    spreads: dict[str, float]
    sentence: str


def p_text(p_value: float) -> str:
    """A p value as text."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def shapiro_wilk(values: ArrayLike, name: str) -> NormalityTest:
    """Shapiro-Wilk test of normality, with skewness as the size of the departure.

    W = (sum a_i x_(i))^2 / sum (x_i - mean)^2 with the weights of normal order statistics (Shapiro and Wilk 1965,
    Biometrika 52:591). Above `SHAPIRO_LIMIT` values a sample of that many is tested, drawn with a fixed seed.
    In thousands of values the smallest departure is significant: read W and skewness first.

    Args:
        values: values, shape (N,).
        name: name of the values, for the sentence and messages.

    Returns:
        The test. For fewer than 3 values and for equal values it is not defined, and the sentence states this.

    Raises:
        UserError: if there is no value, or one is not finite.
    """
    array = finite_values(values, name)
    n = len(array)
    tested = array if n <= SHAPIRO_LIMIT else np.random.default_rng(_SEED).choice(array, SHAPIRO_LIMIT, replace=False)
    if n < _LEAST_SHAPIRO:
        return NormalityTest(None, None, None, n, n, f"{name}: {n} value(s), too few to have a shape.")
    if float(np.ptp(tested)) <= 1e-12 * float(np.abs(tested).max()):  # the rounding of equal values has no shape either
        return NormalityTest(None, None, None, n, len(tested), f"{name}: all {n:,} values are equal.")
    result = stats.shapiro(tested)
    w, p_value = float(result.statistic), float(result.pvalue)
    skewness = float(stats.skew(tested))
    size = f"W = {w:.3f}, skewness {skewness:.2g}, {p_text(p_value)}"
    size += f", a sample of {len(tested):,} of {n:,} values" if len(tested) < n else f", {n:,} values"
    if p_value >= 0.05:
        sentence = f"{name}: compatible with a normal distribution ({size})."
    else:
        tail = "large" if skewness > 0 else "small"
        shape = f"a long tail of {tail} values" if abs(skewness) >= 1 else "without a long tail to one side"
        sentence = f"{name}: not normal, {shape} ({size}); prefer medians and ranks to means."
    return NormalityTest(w, p_value, skewness, n, len(tested), sentence)


def levene(groups: Mapping[str, ArrayLike], measure: str) -> SpreadTest:
    """Levene's test of equal spread about the medians, with the ratio of the spreads as its effect size.

    The statistic is the F of a one-way analysis of variance of |x - median of its group| (Brown and Forsythe 1974,
    JASA 69:364).

    Args:
        groups: values by name, shape (N_g,); two groups or more.
        measure: name of the values, for the sentence and messages.

    Returns:
        The test. If no group has three values it is not defined (two values always deviate equally from their
        median), and the sentence states this.

    Raises:
        UserError: if there are fewer than two groups, or a group is empty or not finite.
    """
    arrays = _at_least_two(groups, measure, "Levene's test")
    spreads = {name: _spread(values) for name, values in arrays.items()}
    widest, narrowest = max(spreads, key=lambda g: spreads[g]), min(spreads, key=lambda g: spreads[g])
    high, low = spreads[widest], spreads[narrowest]
    ratio = high / low if low > 0.0 else (1.0 if high == 0.0 else None)
    if max(len(values) for values in arrays.values()) < 3:
        few = f"{measure}: a test of equal variances needs 3 values in a group."
        return SpreadTest(None, None, ratio, spreads, few)
    statistic: float | None
    statistic, p_value = 0.0, 1.0
    if high > 0.0:
        with np.errstate(divide="ignore", invalid="ignore"):  # deviations that are equal within groups: see below
            result = stats.levene(*arrays.values(), center="median")
        statistic, p_value = float(result.statistic), float(result.pvalue)
        if np.isnan(statistic):  # deviations that are equal in all groups: no difference, 0 / 0
            statistic, p_value = 0.0, 1.0
        elif np.isinf(statistic):
            statistic = None
    times = "infinitely many" if ratio is None else f"{ratio:.2g}"
    size = f"{times} times as widely as {narrowest}, Levene {p_text(p_value)}"
    if p_value >= 0.05:
        sentence = f"The groups have equal variances in {measure} ({widest} {size})."
    else:
        sentence = f"{measure} varies most in {widest} ({size}): its error depends more on the sound."
    return SpreadTest(statistic, p_value, ratio, spreads, sentence)


def _spread(values: NDArray[np.float64]) -> float:
    return float(np.abs(values - np.median(values)).mean())


#: Number of values in a group below which the chi-squared approximation of H is replaced by permutations.
SMALL_GROUP = 5
#: Number of permutations drawn if there are more than this many; if there are fewer, each is used once.
PERMUTATIONS = 9999
#: Expected count below which the chi-squared approximation is doubtful (Cochran 1954, Biometrics 10:417).
LEAST_EXPECTED = 5.0
_BLOCK = 1 << 22  # number of ranks permuted at once

# Bands of Rea and Parker (1992), Designing and Conducting Survey Research, for a share of variance.
_BANDS = (
    (0.01, "negligible"), (0.04, "weak"), (0.16, "moderate"), (0.36, "relatively strong"), (0.64, "strong"),
    (np.inf, "very strong"),
)  # fmt: skip
#: Instead of a band, where the statistic is not above its degrees of freedom, which is its mean without any difference.
NO_EFFECT = "none above chance"


@dataclass(frozen=True)
class GroupTest:
    """A test of whether groups come from one distribution.

    Attributes:
        statistic: Kruskal-Wallis H, corrected for ties.
        degrees: degrees of freedom, groups - 1.
        p_value: p value of the chi-squared approximation.
        epsilon_squared: H / (N - 1), from 0 (no difference) to 1.
        effect: the band of epsilon squared as a word, or that chance alone gives as much.
        n: number N of values in all groups together.
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


@dataclass(frozen=True)
class GroupComparison:
    """Tests of whether groups of values differ, lower being better.

    Attributes:
        kruskal_wallis: test of all groups, with epsilon squared; its p is exact or by permutations if `permuted`.
        permuted: whether that p is by permutations, because a group is small.
        smallest_p_value: p of groups that do not overlap at all.
        epsilon_squared_by_chance: mean epsilon squared of groups without any difference.
        dunn: Dunn's test of each pair, after Holm's correction.
        levene: test of equal variances of the groups.
        shapiro_wilk: test of normality of each group.
    """

    kruskal_wallis: GroupTest
    permuted: bool
    smallest_p_value: float
    epsilon_squared_by_chance: float
    dunn: tuple[PairTest, ...]
    levene: SpreadTest
    shapiro_wilk: Mapping[Annotated[str, "group"], NormalityTest]


@dataclass(frozen=True)
class CountTest:
    """A test of whether groups have equal distributions over categories.

    Attributes:
        statistic: Pearson's chi-squared, without Yates' correction.
        degrees: degrees of freedom, (groups - 1) (categories - 1).
        p_value: p value of the chi-squared approximation.
        cramers_v: Cramér's V, from 0 (equal distributions) to 1 (each category belongs to one group).
        effect: the band of Cramér's V as a word, or that chance alone gives as much.
        n: total count.
        low_cells: number of cells of the table with an expected count below 5, for which p is only approximate.
        cells: number of cells of the table, without empty categories.
        sentence: the result in plain words.
    """

    statistic: float
    degrees: int
    p_value: float
    cramers_v: float
    effect: str
    n: int
    low_cells: int
    cells: int
    sentence: str


def effect_size(epsilon_squared: float) -> str:
    """The band of an epsilon squared as a word.

    Bands: below 0.01 negligible, 0.04 weak, 0.16 moderate, 0.36 relatively strong, 0.64 strong, then very
    strong (Rea and Parker 1992).

    Args:
        epsilon_squared: share between 0 and 1.

    Returns:
        The word.
    """
    return _band(epsilon_squared, _BANDS)


def _at_least_two(
    groups: Mapping[str, ArrayLike], measure: str, test: str, noun: str = "groups"
) -> dict[str, NDArray[np.float64]]:
    if len(groups) < 2:
        raise UserError(measure, len(groups), "name another", f"{test} compares 2 or more {noun}, {len(groups)} given")
    return {name: finite_values(values, f"{measure} of {name}") for name, values in groups.items()}


def _band(value: float, bands: Sequence[tuple[float, str]]) -> str:
    return next(word for bound, word in bands if value < bound)


def kruskal_wallis(groups: Mapping[str, ArrayLike], measure: str = "error") -> GroupTest:
    """Kruskal-Wallis test with epsilon squared across groups of values where less is better.

    With ranks R over all N values (ties share their mean rank),
    H = 12 / (N (N + 1)) sum_g (sum_i R_gi)^2 / n_g - 3 (N + 1), divided by 1 - sum (t^3 - t) / (N^3 - N) for
    ties of t values (Kruskal and Wallis 1952, JASA 47:583). Epsilon squared
    = H (N + 1) / (N^2 - 1) = H / (N - 1) (Tomczak and Tomczak 2014, Trends in Sport Sciences 1(21):19). Where
    all values are equal H is 0 and p is 1.

    The test assumes independent groups. The same test presets through several runs are not independent, and with
    thousands of presets any difference is significant: read the effect size first.

    Args:
        groups: values by name of the run, shape (N_g,); two groups or more.
        measure: name of the values ("log-mel MSE"), for the sentence and messages.

    Returns:
        The test, its effect size and a sentence.

    Raises:
        UserError: if there are fewer than two groups, or a group is empty or not finite.
    """
    arrays = _at_least_two(groups, measure, "Kruskal-Wallis", "runs")
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
    effect = effect_size(epsilon) if statistic > degrees else NO_EFFECT
    sentence = _sentence(measure, medians, p_value, epsilon, effect)
    return GroupTest(statistic, degrees, p_value, epsilon, effect, n, medians, sentence)


def compare_groups(groups: Mapping[str, ArrayLike], measure: str = "error", noun: str = "runs") -> GroupComparison:
    """Compare groups of values where less is better: normality, spread, difference, and each pair.

    If a group has fewer than 5 values the chi-squared approximation of Kruskal and Wallis is too small (two groups of
    three that do not overlap get 0.0495, the exact p is 0.1): p is then the share of relabellings whose H is as large,
    of all if there are up to 9,999, otherwise of 9,999 drawn with a fixed seed (and the data's own).

    Args:
        groups: values by name of the run, shape (N_g,); two groups or more. Use the result of `by_seed` for runs
            trained with several seeds.
        measure: name of the values, for sentences and messages.
        noun: plural noun for the groups.

    Returns:
        The comparison.

    Raises:
        UserError: if there are fewer than two groups, or a group is empty or not finite.
    """
    difference = kruskal_wallis(groups, measure)
    arrays = _at_least_two(groups, measure, "Kruskal-Wallis", "runs")
    sizes = [len(values) for values in arrays.values()]
    permuted = min(sizes) < SMALL_GROUP
    by_chance = difference.degrees / max(difference.n - 1, 1)
    if permuted:
        difference = replace(difference, p_value=_permutation_p(list(arrays.values()), difference.statistic))
    smallest = _smallest_p(sizes, permuted)
    sentence = _sentence(
        measure, difference.medians, difference.p_value, difference.epsilon_squared, difference.effect, by_chance, noun
    )
    if smallest >= 0.05:
        sentence += (
            f" With {min(sizes)} value(s) in the smallest of {len(sizes)} groups no difference, however large, could "
            f"reach p = 0.05: the smallest possible is {smallest:.2g}."
        )
    return GroupComparison(
        replace(difference, sentence=sentence),
        permuted,
        smallest,
        by_chance,
        dunn(arrays, measure),
        levene(arrays, measure),
        {name: shapiro_wilk(values, f"{measure} of {name}") for name, values in arrays.items()},
    )


def compare_counts(table: Mapping[str, Mapping[str, int]], measure: str) -> CountTest:
    """Chi-squared test of independence with Cramér's V.

    chi^2 = sum (observed - expected)^2 / expected with expected = row total * column total / N (Pearson 1900), and
    V = sqrt(chi^2 / (N (min(rows, columns) - 1))) (Cramér 1946, Mathematical Methods of Statistics, 21.9).

    Args:
        table: name of each group to the count of each category; a missing category has a count of 0.
        measure: name of the categories, for the sentence and messages.

    Returns:
        The test. If only one category has counts there is no difference: V is 0 and p is 1.

    Raises:
        UserError: if there are fewer than two groups, a group has no counts, or a count is negative or not an integer.
    """
    if len(table) < 2:
        raise UserError(
            measure, len(table), "name another", f"chi-squared compares 2 or more groups, {len(table)} given"
        )
    categories = list(dict.fromkeys(category for counts in table.values() for category in counts))
    for name, counts in table.items():
        for category, count in counts.items():
            if count != int(count) or count < 0:
                raise UserError(measure, count, "give whole numbers from 0 up", f"{name} counts {count} of {category}")
        if not sum(counts.values()):
            raise UserError(measure, 0, "leave it out", f"{name} counts nothing")
    observed = np.array([[counts.get(c, 0) for c in categories] for counts in table.values()], dtype=np.float64)
    observed = observed[:, observed.sum(axis=0) > 0]
    n, cells = int(observed.sum()), observed.size
    result = stats.chi2_contingency(observed, correction=False)
    statistic, p_value = float(result.statistic), float(result.pvalue)
    low = int((result.expected_freq < LEAST_EXPECTED).sum())
    smaller = min(observed.shape) - 1
    v = float(np.sqrt(min(statistic / (n * smaller), 1.0))) if smaller else 0.0
    # The bands of Rea and Parker are those of V, squared; by chance chi-squared is its degrees of freedom.
    effect = effect_size(v**2) if statistic > result.dof else NO_EFFECT
    size = f"{_effect_text(effect)}, Cramér's V {v:.2g}, {p_text(p_value)}"
    if p_value >= 0.05:
        sentence = f"The {len(table)} groups do not differ significantly by {measure} ({size})."
    elif effect == "negligible":
        sentence = f"The {len(table)} groups differ in {measure} by more than chance, but hardly ({size})."
    else:
        sentence = f"The {len(table)} groups differ in {measure} ({size})."
    if low:
        sentence += f" {low} of {cells} expected counts are below {LEAST_EXPECTED:g}: the p value is rough."
    return CountTest(statistic, int(result.dof), p_value, v, effect, n, low, cells, sentence)


def by_seed(groups: Mapping[str, Sequence[ArrayLike]]) -> dict[str, NDArray[np.float64]]:
    """Means per seed, which makes the seed the unit of observation.

    All presets of a run share one draw of the training's randomness: thousands of presets of one seed show what that
    network does, only other seeds show what the loss does. Testing presets as if they were independent is
    pseudoreplication (Hurlbert 1984, Ecological Monographs 54:187).

    Args:
        groups: values of each seed by name, shapes (N_s,).

    Returns:
        Means by name, shape (S,), one per seed in the order given.

    Raises:
        UserError: if a group has no seed, or a seed's values are empty or not finite.
    """
    means = {}
    for name, seeds in groups.items():
        if not len(seeds):
            raise UserError(name, 0, "train it or leave it out", "0 seeds, at least 1 is needed")
        means[name] = np.array([finite_values(v, f"{name}, seed {i + 1}").mean() for i, v in enumerate(seeds)])
    return means


def _permutation_p(groups: list[NDArray[np.float64]], statistic: float) -> float:
    """Share of relabellings of the values with H at least `statistic`; scipy's test rejects groups of single values."""
    if statistic == 0.0:
        return 1.0  # no H is smaller
    sizes = np.array([len(group) for group in groups])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    ranks = stats.rankdata(np.concatenate(groups))

    def between(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squared rank sums over sizes: H increases with them, and the rest of its formula is the same for all."""
        return (np.add.reduceat(rows, starts, axis=1) ** 2 / sizes).sum(axis=1)

    least = float(between(ranks[None])[0]) * (1 - 1e-12)
    if _log_labellings(sizes.tolist()) <= np.log(PERMUTATIONS):
        dealt = np.array(list(_labellings(tuple(range(len(ranks))), sizes.tolist())))
        return float((between(ranks[dealt]) >= least).mean())
    generator, rows = np.random.default_rng(0), max(1, _BLOCK // len(ranks))
    blocks = (min(rows, PERMUTATIONS - start) for start in range(0, PERMUTATIONS, rows))
    reached = sum((between(generator.permuted(np.tile(ranks, (n, 1)), axis=1)) >= least).sum() for n in blocks)
    return float((reached + 1) / (PERMUTATIONS + 1))


def _labellings(indices: tuple[int, ...], sizes: list[int]) -> Iterator[tuple[int, ...]]:
    """All ways to assign indices to groups of these sizes, group after group."""
    if len(sizes) == 1:
        yield indices
        return
    for chosen in combinations(indices, sizes[0]):
        rest = tuple(index for index in indices if index not in chosen)
        for dealt in _labellings(rest, sizes[1:]):
            yield chosen + dealt


def _log_labellings(sizes: list[int]) -> float:
    """Logarithm of the number of ways to assign all values to the groups, N! / prod n!."""
    return float(special.gammaln(sum(sizes) + 1) - sum(special.gammaln(size + 1) for size in sizes))


def _smallest_p(sizes: list[int], permuted: bool) -> float:
    """The p of groups that do not overlap, with all values different.

    Each group then has consecutive ranks, whose sum of squares about their mean is (n^3 - n) / 12 for any position, so
    H = (N - 1) (1 - sum (n^3 - n) / (N^3 - N)), and k! of the N! / prod n! labellings have that H.
    """
    n, count = sum(sizes), len(sizes)
    if permuted:
        labellings = _log_labellings(sizes)
        share = float(np.exp(special.gammaln(count + 1) - labellings))
        return share if labellings <= np.log(PERMUTATIONS) else max(share, 1 / (PERMUTATIONS + 1))
    largest = (n - 1) * (1.0 - sum(size**3 - size for size in sizes) / (n**3 - n))
    return float(stats.chi2.sf(largest, count - 1))


def _effect_text(effect: str) -> str:
    return "no effect above chance" if effect == NO_EFFECT else f"{effect} effect"


def _sentence(
    measure: str,
    medians: dict[str, float],
    p_value: float,
    epsilon: float,
    effect: str,
    by_chance: float | None = None,
    noun: str = "runs",
) -> str:
    best = min(medians, key=lambda name: medians[name])
    size = f"{_effect_text(effect)}, epsilon squared {epsilon:.2g}"
    if by_chance is not None:
        size += f" where chance gives {by_chance:.2g}"
    size += f", {p_text(p_value)}"
    if p_value >= 0.05:
        return f"The {len(medians)} {noun} do not differ significantly by {measure} ({size})."
    if effect == "negligible":
        return (
            f"The {len(medians)} {noun} differ in {measure} by more than chance, but so little that it should "
            f"not guide a choice ({size}); {best} has the lowest median."
        )
    return (
        f"The {len(medians)} {noun} differ in {measure}: which of them it was accounts for about "
        f"{100 * epsilon:.2g} % of the spread in rank ({size}); {best} has the lowest median."
    )
