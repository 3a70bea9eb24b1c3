from __future__ import annotations

import numpy as np
import pytest

from synthvae.analysis.sets import measure_floor, measure_set


def draws(n: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 4)) + shift


def test_a_shifted_set_has_the_distance_of_its_shift():
    found = measure_set(draws(2000, 0.0, 0), draws(2000, 2.0, 1), 0)
    assert found.frechet is not None
    assert found.extrapolated is not None
    assert found.kernel is not None
    assert found.frechet.value == pytest.approx(16.0, rel=0.05)  # 4 dimensions, 2 squared
    assert found.extrapolated.low < 16.0 < found.extrapolated.high
    floor = measure_floor(draws(2000, 0.0, 0), 0)
    assert floor.kernel is not None
    assert found.kernel.value > 10 * floor.kernel.high
    assert (found.reason, floor.reason) == ("", "")


def test_equal_sets_lie_below_the_floor():
    found = measure_set(draws(1000, 0.0, 0), draws(1000, 0.0, 1), 0)
    floor = measure_floor(draws(1000, 0.0, 0), 0)
    assert found.kernel is not None
    assert floor.kernel is not None
    assert found.kernel.value < floor.kernel.high
    assert found.extrapolated is not None
    assert found.extrapolated.low <= 0.0


def test_too_few_sounds_are_a_reason_and_no_number():
    found = measure_set(draws(4, 0.0, 0), draws(4, 0.0, 1), 0)
    assert found.frechet is None
    assert found.extrapolated is None
    assert "4 sounds in 4 dimensions" in found.reason
    assert measure_floor(draws(1, 0.0, 0), 0).kernel is None
