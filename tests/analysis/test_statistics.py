from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from synthvae.analysis.statistics import effect_size, kruskal_wallis
from synthvae.errors import UserError

# Kruskal and Wallis 1952, JASA 47:583, table 1: daily bottle-cap production of three machines.
STANDARD = [340, 345, 330, 342, 338]
FIRST = [339, 333, 344]
SECOND = [347, 343, 349, 355]


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
    assert "cannot be told apart" in result.sentence


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
    assert "cannot be told apart" in near.sentence


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
