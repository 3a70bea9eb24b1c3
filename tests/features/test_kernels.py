"""Functions of sixteen numbers side by side, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from synthvae.features.kernels.vector import LANES, arctangent, interleave, load, logarithm, separate, store, where_less


@njit
def _evaluate(x, y, out):
    for i in range(0, x.shape[0], LANES):
        store(out[0], i, logarithm(load(x, i)))
        store(out[1], i, arctangent(load(y, i), load(x, i)))
        store(out[2], i, where_less(load(x, i), load(y, i), load(x, i), load(y, i)))


def evaluate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logarithm of x, angle of (x, y), and the smaller of both."""
    out = np.empty((3, len(x)), np.float32)
    _evaluate(x.astype(np.float32), y.astype(np.float32), out)
    return out


def test_logarithm_over_the_range_of_float32():
    x = np.exp(np.random.default_rng(0).uniform(-86, 88, 16_000)).astype(np.float32)
    expected = np.log(x.astype(np.float64))
    found = evaluate(x, x)[0]
    assert (np.abs(found - expected) / np.maximum(np.abs(expected), 1)).max() < 2e-7
    near = np.float32(1 + np.random.default_rng(1).uniform(-1e-3, 1e-3, 16_000))
    near = np.where(near == 1, np.float32(2), near)
    np.testing.assert_allclose(evaluate(near, near)[0], np.log(near.astype(np.float64)), rtol=3e-7)
    assert evaluate(np.ones(LANES), np.ones(LANES))[0].tolist() == [0.0] * LANES


def test_angle_in_all_quadrants_and_on_the_axes():
    generator = np.random.default_rng(2)
    x, y = (np.exp(generator.uniform(-30, 30, 16_000)) * generator.choice([-1, 1], 16_000) for _ in range(2))
    x, y = x.astype(np.float32), y.astype(np.float32)
    assert np.abs(evaluate(x, y)[1] - np.arctan2(y.astype(np.float64), x.astype(np.float64))).max() < 3e-7
    for place in ((1, 0), (0, 1), (-1, 0), (0, -1), (0, 0)):
        found = evaluate(*(np.full(LANES, value) for value in place))[1]
        np.testing.assert_allclose(found, np.arctan2(place[1], place[0]), rtol=1e-7)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so(value: float):
    found = evaluate(np.full(LANES, value), np.ones(LANES))
    assert np.isnan(found[:2]).all()


def test_the_smaller_of_two():
    x, y = np.random.default_rng(3).standard_normal((2, 1600)).astype(np.float32)
    np.testing.assert_array_equal(evaluate(x, y)[2], np.minimum(x, y))


@njit
def _there_and_back(rows, first, count, out):
    length = rows.shape[1]
    values = np.zeros(length * LANES, np.float32)
    interleave(rows, first * length, length, count, values)
    separate(values, count, out, first * length, length)
    return values


@pytest.mark.parametrize("count", [1, 15, 16])
@pytest.mark.parametrize("length", [1, 16, 100])
def test_rows_side_by_side_and_apart_again(count: int, length: int):
    rows = np.random.default_rng(0).standard_normal((count + 3, length)).astype(np.float32)
    out = np.zeros_like(rows)
    values = _there_and_back(rows, 2, count, out)
    padded = rows[np.minimum(np.arange(2, 2 + LANES), count + 1)]
    np.testing.assert_array_equal(values.reshape(length, LANES), padded.T)
    np.testing.assert_array_equal(out[2:-1], rows[2:-1])
    assert not out[:2].any()
    assert not out[-1].any()
