from __future__ import annotations

import numpy as np
import pytest

from synthvae.analysis.sets import measure_nulls, measure_set


def draws(n: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 4)) + shift


def test_a_shifted_set_has_the_distance_of_its_shift():
    found = measure_set(draws(2000, 0.0, 0), draws(2000, 2.0, 1), 0)
    assert found.frechet is not None
    assert found.extrapolated is not None
    assert found.kernel is not None
    assert found.frechet.value == pytest.approx(16.0, rel=0.05)  # 4 dimensions, 2 squared
    assert found.extrapolated.low < 16.0 < found.extrapolated.high
    nulls = measure_nulls(draws(2000, 0.0, 0), np.zeros((1, 4)), 0)
    assert nulls.kernel_floor is not None
    assert found.kernel.value > 10 * nulls.kernel_floor.high
    assert (found.reason, nulls.reason, nulls.mean_preset.reason) == ("", "", "")
    assert nulls.floor is not None
    assert nulls.floor.value < 0.1
    assert nulls.mean_preset.frechet is not None
    assert nulls.mean_preset.frechet.value == pytest.approx(4.0, rel=0.1)  # all the variance, and no shift
    assert nulls.mean_preset.kernel is not None
    assert nulls.mean_preset.kernel.value > 10 * nulls.kernel_floor.high


def test_equal_sets_lie_below_the_floor():
    found = measure_set(draws(1000, 0.0, 0), draws(1000, 0.0, 1), 0)
    nulls = measure_nulls(draws(1000, 0.0, 0), np.zeros((1, 4)), 0)
    assert found.kernel is not None
    assert nulls.kernel_floor is not None
    assert found.kernel.value < nulls.kernel_floor.high
    assert found.extrapolated is not None
    assert found.extrapolated.low <= 0.0


def test_too_few_sounds_are_a_reason_and_no_number():
    found = measure_set(draws(4, 0.0, 0), draws(4, 0.0, 1), 0)
    assert found.frechet is None
    assert found.extrapolated is None
    assert "4 sounds in 4 dimensions" in found.reason
    nulls = measure_nulls(draws(1, 0.0, 0), np.zeros((1, 4)), 0)
    assert (nulls.floor, nulls.kernel_floor, nulls.mean_preset.frechet) == (None, None, None)
    assert "1 sounds" in nulls.reason


def test_rows_that_depend_on_each_other_have_one_distance_and_no_floor():
    found = measure_set(draws(2000, 0.0, 0), draws(2000, 2.0, 1), 0, per_sound=False)
    assert found.frechet is not None
    assert (found.extrapolated, found.kernel) == (None, None)
    assert "neither a floor nor an interval" in found.reason
    nulls = measure_nulls(draws(2000, 0.0, 0), np.zeros((4, 4)), 0, per_sound=False)
    assert (nulls.floor, nulls.kernel_floor) == (None, None)
    assert nulls.mean_preset.frechet is not None
