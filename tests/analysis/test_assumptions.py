from __future__ import annotations

import warnings

import numpy as np
import pytest

from synthvae.analysis.assumptions import SHAPIRO_LIMIT, levene, p_text, shapiro_wilk
from synthvae.core.errors import UserError

# Shapiro and Wilk 1965, Biometrika 52:591: weights of 11 men in pounds; W is printed as 0.79.
WEIGHTS = [148, 154, 158, 160, 161, 162, 166, 170, 182, 195, 236]


def test_the_example_of_shapiro_and_wilk() -> None:
    result = shapiro_wilk(WEIGHTS, "weight")
    assert result.statistic == pytest.approx(0.79, abs=0.005)
    assert result.p_value == pytest.approx(0.0067, abs=5e-5)
    assert result.skewness is not None
    assert result.skewness > 1
    assert result.sentence.startswith("weight: not bell-shaped, a long tail of large values")


def test_a_bell_could_be_one_and_a_tail_to_the_left_is_named() -> None:
    generator = np.random.default_rng(0)
    assert "could be bell-shaped" in shapiro_wilk(generator.standard_normal(200), "x").sentence
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
    assert "weight scatters most in b" in result.sentence


def test_spreads_are_absolute_deviations_from_the_median() -> None:
    result = levene({"narrow": [0.0, 1.0, 2.0], "wide": [0.0, 10.0, 20.0]}, "x")
    assert result.spreads == {"narrow": pytest.approx(2 / 3), "wide": pytest.approx(20 / 3)}
    assert result.ratio == pytest.approx(10.0)
    assert "scatter alike" in result.sentence  # three values say little


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
        assert (infinite.statistic, infinite.p_value) == (np.inf, 0.0)
        alike = levene({"a": [0.0, 2.0], "b": [10.0, 12.0]}, "x")
        assert (alike.statistic, alike.p_value, alike.ratio) == (0.0, 1.0, 1.0)
    assert levene({"a": [1.0], "b": [5.0]}, "x").statistic is None


def test_bad_groups_and_p() -> None:
    with pytest.raises(UserError, match="2 or more groups, 1 given"):
        levene({"a": [1.0, 2.0]}, "x")
    with pytest.raises(UserError, match="x of b: preset 1 holds nan"):
        levene({"a": [1.0], "b": [1.0, np.nan]}, "x")
    with pytest.raises(UserError, match="x: 0 values"):
        shapiro_wilk([], "x")
    assert (p_text(0.0004), p_text(0.0421)) == ("p < 0.001", "p = 0.042")
