from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from synthvae.core.errors import UserError
from synthvae.metrics.statistics import (
    SHAPIRO_LIMIT,
    by_seed,
    compare_counts,
    compare_groups,
    dunn,
    effect_size,
    holm,
    kruskal_wallis,
    levene,
    p_text,
    shapiro_wilk,
    share_lower,
    superiority,
)

# Kruskal and Wallis 1952, JASA 47:583, table 1: daily bottle-cap production of three machines.
STANDARD = [340, 345, 330, 342, 338]
FIRST = [339, 333, 344]
SECOND = [347, 343, 349, 355]


# Shapiro and Wilk 1965, Biometrika 52:591: weights of 11 men in pounds; W is printed as 0.79.
WEIGHTS = [148, 154, 158, 160, 161, 162, 166, 170, 182, 195, 236]


PAIRS = [("1", "2"), ("1", "3"), ("1", "4"), ("2", "3"), ("2", "4"), ("3", "4")]
UNCORRECTED = [0.032597479, 0.003184443, 0.002773299, 0.376261991, 0.392660483, 0.952962480]
CORRECTED = [0.13038992, 0.01663979, 0.01663979, 1.0, 1.0, 1.0]  # Holm's: 4 p, 6 p (the largest so far), 6 p, ...


def test_the_example_of_the_paper() -> None:
    result = kruskal_wallis({"standard": STANDARD, "first": FIRST, "second": SECOND})
    # Rank sums 24, 14 and 40 of 12: H = 12 / (12 13) (24^2 / 5 + 14^2 / 3 + 40^2 / 4) - 3 13, printed as 5.656.
    expected = 12 / (12 * 13) * (24**2 / 5 + 14**2 / 3 + 40**2 / 4) - 3 * 13
    assert result.statistic == pytest.approx(expected, rel=1e-12)
    assert round(result.statistic, 3) == 5.656
    assert result.p_value == pytest.approx(np.exp(-expected / 2))  # the chi-squared tail with 2 degrees
    assert result.epsilon_squared == pytest.approx(expected / 11)
    assert (result.degrees, result.n) == (2, 12)
    assert result.medians == {"standard": 340.0, "first": 339.0, "second": 348.0}


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_scipy_with_ties_and_unequal_groups(seed: int) -> None:
    generator = np.random.default_rng(seed)
    groups = {str(n): generator.integers(0, 9, n) + 0.1 * n for n in (7, 20, 40, 11)}
    groups["ties"] = generator.integers(0, 3, 25).astype(float)
    result = kruskal_wallis(groups)
    statistic, p_value = stats.kruskal(*groups.values())
    assert result.statistic == pytest.approx(statistic, rel=1e-10)
    assert result.p_value == pytest.approx(p_value, rel=1e-9)


def test_groups_that_do_not_overlap_have_the_largest_effect() -> None:
    # With k of n values each, complete separation of two groups gives H = 3 n^2 / (4 (n + 1)) for n in all.
    result = kruskal_wallis({"low": np.arange(50.0), "high": np.arange(50.0) + 100})
    assert result.statistic == pytest.approx(3 * 100**2 / (4 * 101))
    assert result.effect == "very strong"
    assert "low has the lowest median" in result.sentence


def test_equal_values_are_no_difference() -> None:
    result = kruskal_wallis({"a": np.ones(5), "b": np.ones(3)})
    assert (result.statistic, result.p_value, result.epsilon_squared) == (0.0, 1.0, 0.0)
    assert "do not differ significantly" in result.sentence


def test_a_significant_but_negligible_difference_is_said_to_be_one() -> None:
    generator = np.random.default_rng(0)
    result = kruskal_wallis(
        {"a": generator.normal(0, 1, 20_000), "b": generator.normal(0.08, 1, 20_000)}, "log-mel MSE"
    )
    assert result.p_value < 0.001
    assert result.effect == "negligible"
    assert "should not guide a choice" in result.sentence
    assert "log-mel MSE" in result.sentence


def test_the_sentence_follows_the_five_percent_level() -> None:
    apart = kruskal_wallis({"a": [1, 2, 3, 4, 5, 6], "b": [4.5, 5.5, 6.5, 7.5, 8.5, 9.5]})
    assert 0.01 < apart.p_value < 0.05
    assert "accounts for about" in apart.sentence
    near = kruskal_wallis({"a": [1, 2, 3, 4, 5, 6], "b": [3.5, 4.5, 5.5, 6.5, 7.5, 3.2]})
    assert 0.05 < near.p_value < 0.3
    assert "do not differ significantly" in near.sentence


def test_bands() -> None:
    words = [effect_size(value) for value in (0.0, 0.01, 0.04, 0.16, 0.36, 0.64, 1.0)]
    assert words == [
        "negligible",
        "weak",
        "moderate",
        "relatively strong",
        "strong",
        "very strong",
        "very strong",
    ]


def test_bad_groups() -> None:
    with pytest.raises(UserError, match="2 or more runs, 1 given"):
        kruskal_wallis({"a": [1.0]})
    with pytest.raises(UserError, match="stft of b: preset 1 holds nan"):
        kruskal_wallis({"a": [1.0, 2.0], "b": [1.0, np.nan]}, "stft")
    with pytest.raises(UserError, match="error of b: 0 values"):
        kruskal_wallis({"a": [1.0], "b": []})


# Zar 2010, Biostatistical Analysis, example 10.11: pH of four ponds; H is printed as 11.876, corrected 11.943.
PONDS = {
    "1": [7.68, 7.69, 7.70, 7.70, 7.72, 7.73, 7.73, 7.76],
    "2": [7.71, 7.73, 7.74, 7.74, 7.78, 7.78, 7.80, 7.81],
    "3": [7.74, 7.75, 7.77, 7.78, 7.80, 7.81, 7.84],
    "4": [7.71, 7.71, 7.74, 7.79, 7.81, 7.85, 7.87, 7.91],
}


def test_the_ponds_of_zar_from_the_whole_to_the_pairs() -> None:
    result = compare_groups(PONDS, "pH")
    assert round(result.kruskal_wallis.statistic, 2) == 11.94
    assert result.kruskal_wallis.p_value == pytest.approx(stats.kruskal(*PONDS.values()).pvalue)
    assert not result.permuted
    assert result.epsilon_squared_by_chance == 3 / 30
    assert [(pair.first, pair.second) for pair in result.dunn if pair.p_value < 0.05] == [("1", "3"), ("1", "4")]
    assert list(result.shapiro_wilk) == list(PONDS)
    assert (len(result.dunn), len(result.shapiro_wilk)) == (6, 4)
    assert "where chance gives 0.1" in result.kruskal_wallis.sentence
    tests = (result.kruskal_wallis, *result.dunn, result.levene, *result.shapiro_wilk.values())
    assert all("pH" in test.sentence for test in tests)


def test_no_strength_is_named_that_chance_alone_gives() -> None:
    # Two groups of two: epsilon squared is 0.2 where chance gives 0.33, "relatively strong" by its band.
    compared = compare_groups({"a": [1.0, 3.0], "b": [2.0, 4.0]})
    assert compared.kruskal_wallis.epsilon_squared == pytest.approx(0.2)
    assert compared.kruskal_wallis.effect == "none above chance"
    assert "no effect above chance, epsilon squared 0.2 where chance gives 0.33" in compared.kruskal_wallis.sentence
    counted = compare_counts({"a": {"x": 6, "y": 5}, "b": {"x": 5, "y": 6}}, "shape")
    assert counted.cramers_v == pytest.approx(1 / 11)
    assert (counted.effect, effect_size(counted.cramers_v**2)) == ("none above chance", "negligible")


def test_the_mean_epsilon_squared_of_no_difference_is_what_chance_gives() -> None:
    generator = np.random.default_rng(0)
    drawn = [compare_groups_epsilon(generator.standard_normal((3, 8))) for _ in range(500)]
    assert np.mean(drawn) == pytest.approx(2 / 23, abs=0.012)


def compare_groups_epsilon(rows: np.ndarray) -> float:
    return kruskal_wallis({str(i): row for i, row in enumerate(rows)}).epsilon_squared


def test_three_seeds_of_two_runs_cannot_be_significant_and_it_is_said() -> None:
    result = compare_groups({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    # 2 of the 20 ways to deal six values into threes do not overlap; the chi-squared approximation says 0.0495.
    assert result.permuted
    assert result.kruskal_wallis.p_value == pytest.approx(0.1)
    assert result.smallest_p_value == pytest.approx(0.1)
    assert "the smallest possible is 0.1" in result.kruskal_wallis.sentence
    assert kruskal_wallis({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]}).p_value < 0.05


def test_exact_p_is_that_of_kruskal_and_wallis_tables() -> None:
    # Kruskal and Wallis 1952, table 6.1: for groups of 2, 2 and 1 an H of 3.6 has probability 0.200.
    result = compare_groups({"a": [1.0, 2.0], "b": [4.0, 5.0], "c": [3.0]})
    assert result.kruskal_wallis.statistic == pytest.approx(3.6)
    assert result.kruskal_wallis.p_value == pytest.approx(6 / 30)
    assert result.smallest_p_value == pytest.approx(6 / 30)


def test_many_seeds_draw_permutations_reproducibly() -> None:
    groups = {name: np.arange(4.0) + 10 * i for i, name in enumerate("abcd")}
    first, second = compare_groups(groups), compare_groups(groups)
    assert first.kruskal_wallis == second.kruskal_wallis
    assert first.kruskal_wallis.p_value == pytest.approx(1e-4)  # the data's own labelling among 10,000
    assert first.smallest_p_value == pytest.approx(1e-4)
    overlapping = compare_groups({"a": [1.0, 4, 5, 8, 9, 12], "b": [2.0, 3, 6, 7, 10], "c": [11.0, 0.5, 2.5]})
    drawn = overlapping.kruskal_wallis.p_value
    assert drawn == pytest.approx(stats.chi2.sf(overlapping.kruskal_wallis.statistic, 2), abs=0.05)


def test_the_smallest_p_of_large_groups_is_that_of_no_overlap() -> None:
    result = compare_groups({"low": np.arange(7.0), "middle": np.arange(9.0) + 10, "high": np.arange(5.0) + 30})
    assert result.smallest_p_value == pytest.approx(result.kruskal_wallis.p_value)
    shuffled = compare_groups({"high": np.arange(5.0) + 30, "low": np.arange(7.0), "middle": np.arange(9.0) + 10})
    assert shuffled.smallest_p_value == pytest.approx(result.smallest_p_value)
    assert "could reach" not in result.kruskal_wallis.sentence


@pytest.mark.parametrize(
    "groups",
    [
        {"a": np.ones(30), "b": np.ones(30)},
        {"a": [1.0], "b": [1.0], "c": [1.0]},
        {"a": [1.0, 1.0], "b": [1.0, 1.0]},
    ],
)
def test_equal_groups_have_a_defined_comparison(groups: dict[str, np.ndarray]) -> None:
    result = compare_groups(groups)
    assert (result.kruskal_wallis.statistic, result.kruskal_wallis.p_value) == (0.0, 1.0)
    assert all(pair.p_value == 1.0 and pair.share_lower == 0.5 for pair in result.dunn)
    assert result.levene.ratio == 1.0
    assert all(test.statistic is None for test in result.shapiro_wilk.values())


def test_permutations_are_those_of_scipy() -> None:
    generator = np.random.default_rng(3)
    for sizes in ((3, 3), (2, 3, 2), (2, 2, 2)):
        values = [generator.integers(0, 6, n).astype(float) for n in sizes]
        test = stats.permutation_test(values, lambda *groups: stats.kruskal(*groups)[0], alternative="greater")
        result = compare_groups({str(i): group for i, group in enumerate(values)})
        assert result.kruskal_wallis.p_value == pytest.approx(test.pvalue)


def test_single_values_are_compared_without_a_verdict() -> None:
    result = compare_groups({"a": [1.0], "b": [2.0]})
    assert result.kruskal_wallis.p_value == 1.0
    assert result.smallest_p_value == 1.0
    assert result.levene.statistic is None


def test_the_seed_is_the_unit() -> None:
    generator = np.random.default_rng(0)
    level = {"a": [1.0, 5.0, 3.0], "b": [3.2, 1.1, 5.3]}  # the seeds move more than the losses
    runs = {name: [seed + generator.normal(0, 0.1, 500) for seed in seeds] for name, seeds in level.items()}
    units = by_seed(runs)
    for name, seeds in level.items():
        np.testing.assert_allclose(units[name], seeds, atol=0.02)
    pooled = compare_groups({name: np.concatenate(seeds) for name, seeds in runs.items()})
    assert pooled.kruskal_wallis.p_value < 0.001  # 1,500 presets that are three networks
    assert compare_groups(units).kruskal_wallis.p_value > 0.5
    with pytest.raises(UserError, match="b: 0 seeds"):
        by_seed({"a": [[1.0]], "b": []})
    with pytest.raises(UserError, match="a, seed 2: preset 0 holds nan"):
        by_seed({"a": [[1.0], [np.nan]]})


def test_hair_and_sex_of_zar() -> None:
    # Zar 2010, example 23.1: chi-squared 8.987 with 3 degrees of freedom, 0.025 < p < 0.05.
    table = {
        "male": {"black": 32, "brown": 43, "blond": 16, "red": 9},
        "female": {"black": 55, "brown": 65, "blond": 64, "red": 16},
    }
    result = compare_counts(table, "hair colour")
    assert round(result.statistic, 3) == 8.987
    assert (result.degrees, result.n, result.cells, result.low_cells) == (3, 300, 8, 0)
    assert 0.025 < result.p_value < 0.05
    assert result.cramers_v == pytest.approx(np.sqrt(8.987 / 300), abs=1e-4)
    assert result.effect == "weak"
    assert "differ in hair colour" in result.sentence


def test_the_example_of_the_scipy_documentation() -> None:
    rows = [[10, 10, 20], [20, 20, 20]]
    result = compare_counts({str(i): dict(zip("abc", row, strict=True)) for i, row in enumerate(rows)}, "kind")
    assert result.statistic == pytest.approx(2.7777777777777777)
    assert result.p_value == pytest.approx(0.24935220877729619)
    assert "do not differ significantly by kind" in result.sentence


def test_counts_from_alike_to_apart() -> None:
    apart = compare_counts({"a": {"x": 50}, "b": {"y": 50}}, "cluster")
    assert apart.cramers_v == pytest.approx(1.0)
    assert apart.statistic == pytest.approx(100.0)
    assert apart.effect == "very strong"
    alike = compare_counts({"a": {"x": 20, "y": 40}, "b": {"x": 10, "y": 20, "z": 0}}, "cluster")
    assert (alike.statistic, alike.p_value, alike.cramers_v) == (0.0, 1.0, 0.0)
    assert alike.cells == 4  # an empty category is no category
    single = compare_counts({"a": {"x": 20}, "b": {"x": 10}}, "cluster")
    assert (single.degrees, single.p_value, single.cramers_v) == (0, 1.0, 0.0)
    hardly = compare_counts({"a": {"x": 50_500, "y": 49_500}, "b": {"x": 49_500, "y": 50_500}}, "cluster")
    assert hardly.p_value < 0.001
    assert "but hardly" in hardly.sentence


def test_low_expected_counts_are_stated() -> None:
    # Fisher's tea: expected counts of 2 in all four cells.
    result = compare_counts({"milk": {"said": 3, "not": 1}, "tea": {"said": 1, "not": 3}}, "answer")
    assert result.low_cells == 4
    assert "4 of 4 expected counts are below 5" in result.sentence


def test_bad_counts() -> None:
    with pytest.raises(UserError, match="2 or more groups, 1 given"):
        compare_counts({"a": {"x": 1}}, "kind")
    with pytest.raises(UserError, match="kind: b counts -1 of x"):
        compare_counts({"a": {"x": 1}, "b": {"x": -1}}, "kind")
    with pytest.raises(UserError, match="kind: b counts nothing"):
        compare_counts({"a": {"x": 1}, "b": {}}, "kind")


def test_the_example_of_shapiro_and_wilk() -> None:
    result = shapiro_wilk(WEIGHTS, "weight")
    assert result.statistic == pytest.approx(0.79, abs=0.005)
    assert result.p_value == pytest.approx(0.0067, abs=5e-5)
    assert result.skewness is not None
    assert result.skewness > 1
    assert result.sentence.startswith("weight: not normal, a long tail of large values")


def test_a_bell_could_be_one_and_a_tail_to_the_left_is_named() -> None:
    generator = np.random.default_rng(0)
    assert "compatible with a normal distribution" in shapiro_wilk(generator.standard_normal(200), "x").sentence
    assert "a long tail of small values" in shapiro_wilk(-generator.exponential(size=200), "x").sentence
    assert "without a long tail" in shapiro_wilk(generator.uniform(size=400), "x").sentence


def test_above_the_limit_a_fixed_sample_is_tested_and_it_is_said() -> None:
    values = np.random.default_rng(0).exponential(size=3 * SHAPIRO_LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = shapiro_wilk(values, "x"), shapiro_wilk(values, "x")
    assert (first.n, first.tested) == (15_000, 5_000)
    assert first == second
    assert "a sample of 5,000 of 15,000 values" in first.sentence


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0], np.full(50, 3.7), np.full(50, 0.1) + 1e-17])
def test_values_without_a_shape(values: list[float]) -> None:
    result = shapiro_wilk(values, "x")
    assert (result.statistic, result.p_value, result.skewness) == (None, None, None)
    assert result.sentence.startswith("x: ")


def test_levene_of_the_scipy_documentation() -> None:
    groups = {
        "a": [8.88, 9.12, 9.04, 8.98, 9.00, 9.08, 9.01, 8.85, 9.06, 8.99],
        "b": [8.88, 8.95, 9.29, 9.44, 9.15, 9.58, 8.36, 9.18, 8.67, 9.05],
        "c": [8.95, 9.12, 8.95, 8.85, 9.03, 8.84, 9.07, 8.98, 8.86, 8.98],
    }
    result = levene(groups, "weight")
    assert result.statistic == pytest.approx(7.584952754501659)
    assert result.p_value == pytest.approx(0.002431505967249681)
    assert result.ratio == pytest.approx(result.spreads["b"] / min(result.spreads.values()))
    assert "weight varies most in b" in result.sentence


def test_spreads_are_absolute_deviations_from_the_median() -> None:
    result = levene({"narrow": [0.0, 1.0, 2.0], "wide": [0.0, 10.0, 20.0]}, "x")
    assert result.spreads == {"narrow": pytest.approx(2 / 3), "wide": pytest.approx(20 / 3)}
    assert result.ratio == pytest.approx(10.0)
    assert "equal variances" in result.sentence  # three values say little


def test_constant_and_single_groups_are_defined() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        equal = levene({"a": np.ones(4), "b": np.full(4, 2.0)}, "x")
        assert (equal.statistic, equal.p_value, equal.ratio) == (0.0, 1.0, 1.0)
        one_constant = levene({"a": np.ones(20), "b": np.arange(20.0)}, "x")
        assert one_constant.ratio is None
        assert one_constant.p_value is not None
        assert one_constant.p_value < 0.001
        assert "infinitely many times" in one_constant.sentence
        infinite = levene({"a": np.ones(4), "b": [0.0, 0.0, 2.0, 2.0]}, "x")
        assert (infinite.statistic, infinite.p_value) == (None, 0.0)
        alike = levene({"a": [0.0, 0.0, 2.0, 2.0], "b": [10.0, 10.0, 12.0, 12.0]}, "x")
        assert (alike.statistic, alike.p_value, alike.ratio) == (0.0, 1.0, 1.0)
    # Two values deviate equally from their median, whatever they are: W would be infinite or 0.
    for few in ({"a": [1.0], "b": [5.0]}, {"a": [1.0, 1.5], "b": [5.0, 8.0]}):
        test = levene(few, "x")
        assert (test.statistic, test.p_value) == (None, None)
        assert "needs 3 values" in test.sentence


def test_bad_groups_and_p() -> None:
    with pytest.raises(UserError, match="2 or more groups, 1 given"):
        levene({"a": [1.0, 2.0]}, "x")
    with pytest.raises(UserError, match="x of b: preset 1 holds nan"):
        levene({"a": [1.0], "b": [1.0, np.nan]}, "x")
    with pytest.raises(UserError, match="x: 0 values"):
        shapiro_wilk([], "x")
    assert (p_text(0.0004), p_text(0.0421)) == ("p < 0.001", "p = 0.042")


def test_the_ponds_of_zar() -> None:
    tests = dunn(PONDS, "pH")
    assert [(test.first, test.second) for test in tests] == PAIRS
    np.testing.assert_allclose([test.p_value for test in tests], CORRECTED, rtol=1e-6)
    assert "do not differ significantly" in tests[0].sentence
    assert tests[1].sentence.startswith("1 is better than 3: 1 has the lower pH in 9")
    assert "after Holm" in tests[1].sentence


def test_holm_of_the_ponds_and_by_hand() -> None:
    np.testing.assert_allclose(holm(UNCORRECTED), CORRECTED, rtol=1e-6)
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1.0, 1.0])
    assert holm([0.2]).tolist() == [0.2]
    assert holm([]).tolist() == []


def test_holm_is_that_of_statsmodels() -> None:
    raw = np.random.default_rng(0).random(40) ** 4
    raw[5] = raw[7]
    np.testing.assert_allclose(holm(raw), multipletests(raw, method="holm")[1], rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_formula_with_ties_and_unequal_groups(seed: int) -> None:
    generator = np.random.default_rng(seed)
    groups = {name: generator.integers(0, 6, n) + shift for name, n, shift in (("x", 5, 0), ("y", 12, 1), ("z", 30, 2))}
    everything = np.concatenate(list(groups.values()))
    n, ranks = len(everything), stats.rankdata(everything)
    ties = np.unique(everything, return_counts=True)[1]
    variance = n * (n + 1) / 12 - (ties**3 - ties).sum() / (12 * (n - 1))
    parts = np.split(ranks, np.cumsum([5, 12]))
    raw = [
        2 * stats.norm.sf(abs(a.mean() - b.mean()) / np.sqrt(variance * (1 / len(a) + 1 / len(b))))
        for a, b in ((parts[0], parts[1]), (parts[0], parts[2]), (parts[1], parts[2]))
    ]
    np.testing.assert_allclose([test.p_value for test in dunn(groups)], holm(raw), rtol=1e-9)


def test_more_than_nine_groups_keep_their_names() -> None:
    groups = {f"run {i}": np.arange(20.0) + (500 if i == 10 else 0) for i in range(12)}
    different = {(t.first, t.second) for t in dunn(groups) if t.p_value < 0.05}
    assert different == {(f"run {i}", "run 10") for i in range(10)} | {("run 10", "run 11")}


def test_two_groups_are_mann_whitney_and_the_share_is_u() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(0, 1, 40), generator.normal(1, 1, 50)
    (test,) = dunn({"a": a, "b": b})
    exact = stats.mannwhitneyu(a, b, use_continuity=False, method="asymptotic")
    assert test.p_value == pytest.approx(exact.pvalue)
    assert test.share_lower == pytest.approx(1 - exact.statistic / (40 * 50))


def test_the_share_counts_ties_half() -> None:
    assert share_lower([1, 2], [3, 4]) == 1.0
    assert share_lower([3, 4], [1, 2]) == 0.0
    assert share_lower([1, 1], [1, 1]) == 0.5
    # Pairs: 1 < 2, 1 < 3, 2 = 2, 2 < 3.
    assert share_lower([1, 2], [2, 3]) == 3.5 / 4
    assert share_lower([2, 3], [1, 2]) == 0.5 / 4


def test_bands_are_symmetric() -> None:
    shares = (0.5, 0.55, 0.6, 0.7, 0.72, 1.0)
    words = ["negligible", "negligible", "small", "medium", "large", "large"]
    assert [superiority(share) for share in shares] == words
    assert [superiority(1 - share) for share in shares] == words


def test_sentences_weigh_the_effect_and_not_only_p() -> None:
    generator = np.random.default_rng(0)
    (test,) = dunn({"a": generator.normal(0.08, 1, 20_000), "b": generator.normal(0, 1, 20_000)}, "log-mel MSE")
    assert test.p_value < 0.001
    assert test.sentence.startswith("b and a differ significantly but negligibly: b has the lower log-mel MSE in 52")


@pytest.mark.parametrize("groups", [{"a": [1.0, 1.0], "b": [1.0]}, {"a": [2.0], "b": [2.0], "c": [2.0]}])
def test_equal_values_are_no_difference_between_groups(groups: dict[str, list[float]]) -> None:
    for test in dunn(groups):
        assert (test.p_value, test.share_lower, test.effect) == (1.0, 0.5, "negligible")


def test_tiny_groups_have_a_result() -> None:
    (test,) = dunn({"a": [1.0], "b": [2.0]})
    assert test.p_value == pytest.approx(2 * stats.norm.sf(1.0))  # ranks 1 and 2: z = 1 / sqrt(1/2 * 2)
    assert test.share_lower == 1.0


def test_bad_groups_of_pairs() -> None:
    with pytest.raises(UserError, match="2 or more groups, 1 given"):
        dunn({"a": [1.0]})
    with pytest.raises(UserError, match="stft of b: preset 0 holds inf"):
        dunn({"a": [1.0, 2.0], "b": [np.inf]}, "stft")
