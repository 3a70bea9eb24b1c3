from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from synthvae.core.errors import UserError
from synthvae.experiments.compare import Interval, mean_value, relative_error
from synthvae.metrics.reconstruction import error_ratio


def errors(seeds: int, presets: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, 1.0, (seeds, presets))


def test_a_multiple_has_that_ratio_without_any_doubt():
    other = errors(3, 50)
    found = relative_error(0.7 * other, other)
    assert found.value == pytest.approx(0.7)
    assert (found.low, found.high) == (pytest.approx(0.7), pytest.approx(0.7))
    assert (found.seeds, found.presets, found.verdict) == (3, 50, "lower")


def test_one_seed_has_the_interval_of_the_bootstrap_over_presets():
    above, below = errors(1, 400), errors(1, 400, 1)
    found, known = relative_error(above, below), error_ratio(above[0], below[0], resamples=4000)
    assert found.value == pytest.approx(known.value)
    assert found.low == pytest.approx(known.low, rel=0.02)
    assert found.high == pytest.approx(known.high, rel=0.02)
    assert found.verdict == "undecided"  # a single seed says nothing of others


def test_seeds_that_disagree_widen_the_interval():
    other = np.ones((4, 200))
    agreeing = relative_error(0.9 * other, other)
    disagreeing = relative_error(other * np.array([[0.6], [0.8], [1.0], [1.2]]), other)
    assert agreeing.verdict == "lower"
    assert disagreeing.verdict == "undecided"
    assert disagreeing.low < 0.8
    assert disagreeing.high > 1.0


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_the_interval_covers_the_truth_nearly_as_often_as_it_says(seeds: int):
    # Two models of equal worth, on which both seed and preset have an effect.
    covered = 0
    for trial in range(300):
        generator = np.random.default_rng(trial)
        preset = generator.gamma(4.0, 0.25, (1, 100))
        first, second = (
            preset * generator.gamma(25.0, 0.04, (seeds, 1)) * generator.gamma(9.0, 1 / 9, (seeds, 100)) for _ in "12"
        )
        interval = relative_error(first, second)
        covered += interval.low <= 1.0 <= interval.high
    assert 0.89 * 300 <= covered <= 0.985 * 300


def test_the_interval_is_students_where_presets_do_not_matter():
    ratios = np.array([0.8, 0.9, 1.0])
    found = relative_error(ratios[:, None] * np.ones((3, 50)), np.ones((1, 50)))
    known = stats.t.interval(0.95, 2, np.log(ratios).mean(), stats.sem(np.log(ratios)))
    assert np.log(found.high / found.low) == pytest.approx(known[1] - known[0])


def test_a_null_model_has_no_seed():
    found = relative_error(np.full((3, 20), 2.0), np.full((1, 20), 4.0))
    assert found.value == pytest.approx(0.5)
    assert found.high == pytest.approx(0.5)


def test_other_shapes_and_no_error_at_all_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 20\) and \(2, 20\)"):
        relative_error(np.ones((3, 20)), np.ones((2, 20)))
    with pytest.raises(UserError, match="no ratio"):
        relative_error(np.ones((3, 20)), np.zeros((3, 20)))
    with pytest.raises(UserError):
        relative_error(np.full((3, 20), np.nan), np.ones((3, 20)))


def test_verdicts():
    assert Interval(0.9, 0.8, 0.99, 3, 9).verdict == "lower"
    assert Interval(1.1, 1.01, 1.2, 3, 9).verdict == "higher"
    assert Interval(1.0, 0.9, 1.2, 3, 9).verdict == "undecided"


def test_the_mean_of_one_seed_has_the_interval_of_the_t_test():
    values = np.random.default_rng(1).normal(0.4, 1.0, (1, 30))
    found = mean_value(values)
    known = stats.ttest_1samp(values[0], 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(known.low), pytest.approx(known.high))
    assert (found.side == "higher") == (known.low > 0.0)
    assert found.verdict == "undecided"


def test_a_mean_is_judged_against_0():
    values = np.random.default_rng(0).normal(0.0, 0.1, (3, 50))
    assert [mean_value(values + shift).verdict for shift in (-1.0, 0.0, 0.5)] == ["lower", "undecided", "higher"]
    # Seeds that differ widen the interval beyond that of the presets.
    assert mean_value(values + np.array([[0.0], [1.0], [2.0]])).low < 0.0
    assert (mean_value([[2.0, 2.0]]).low, mean_value([[2.0, 2.0]]).high) == (2.0, 2.0)
