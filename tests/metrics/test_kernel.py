from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from synthvae.core.errors import UserError
from synthvae.metrics import kernel as module
from synthvae.metrics.kernel import kernel_distance, kernel_floor, median_distance


def gaussian(n: int, spread: float, shift: float, seed: int, dimension: int = 4) -> np.ndarray:
    return spread * np.random.default_rng(seed).standard_normal((n, dimension)) + shift


def closed_form(s: float, t: float, shift: float, width: float, dimension: int = 4) -> float:
    """MMD^2 between N(0, s^2 I) and N(shift 1, t^2 I): the kernel's mean is the density of a wider Gaussian."""

    def mean(variance: float, squared_shift: float) -> float:
        total = width**2 + variance
        return (width**2 / total) ** (dimension / 2) * np.exp(-squared_shift / (2 * total))

    return mean(2 * s**2, 0.0) + mean(2 * t**2, 0.0) - 2 * mean(s**2 + t**2, dimension * shift**2)


def by_definition(x: np.ndarray, y: np.ndarray, width: float) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-cdist(a, b, "sqeuclidean") / (2 * width**2))

    n, m = len(x), len(y)
    own, other = kernel(x, x), kernel(y, y)
    return (
        (own.sum() - np.trace(own)) / (n * (n - 1))
        + (other.sum() - np.trace(other)) / (m * (m - 1))
        - 2 * kernel(x, y).mean()
    )


@pytest.mark.parametrize(("spread", "shift"), [(1.0, 0.5), (2.0, 0.0), (1.3, -0.2), (1.0, 0.0)])
def test_mean_over_seeds_is_the_closed_form(spread: float, shift: float) -> None:
    values = [
        kernel_distance(gaussian(100, 1.0, 0.0, 2 * s), gaussian(130, spread, shift, 2 * s + 1), 1.7).value
        for s in range(200)
    ]
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(closed_form(1.0, spread, shift, 1.7), abs=3 * error)


def test_equal_distributions_read_zero_on_average_and_below_zero_half_of_the_time() -> None:
    values = [kernel_distance(gaussian(80, 1.0, 0.0, s), gaussian(80, 1.0, 0.0, 1000 + s)).value for s in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert 0.3 < np.mean(np.array(values) < 0) < 0.8


def test_blocks_do_not_change_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = gaussian(60, 1.0, 0.0, 0), gaussian(45, 1.5, 0.3, 1)
    expected = by_definition(x, y, float(np.median(pdist(x))))
    whole, floor = kernel_distance(x, y), kernel_floor(x, seed=3, draws=20)
    assert whole.value == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(module, "BLOCK", 7)
    assert kernel_distance(x, y).value == pytest.approx(expected, rel=1e-12)
    assert median_distance(x) == pytest.approx(np.median(pdist(x)), rel=1e-12)
    assert kernel_floor(x, seed=3, draws=20).high == pytest.approx(floor.high, rel=1e-12)


def test_bandwidth_is_that_of_the_reference() -> None:
    x, y = gaussian(50, 1.0, 0.0, 0), gaussian(50, 3.0, 0.0, 1)
    result, back = kernel_distance(x, y), kernel_distance(y, x)
    assert result.bandwidth == pytest.approx(np.median(pdist(x)))
    assert back.bandwidth == pytest.approx(np.median(pdist(y)))
    assert result.value != pytest.approx(back.value, rel=0.01)
    assert (result.n, result.other_n, result.dimension, result.kad) == (50, 50, 4, 100 * result.value)


def test_median_of_many_sounds_is_that_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    x = gaussian(2000, 1.0, 0.0, 0)
    exact = median_distance(x)
    monkeypatch.setattr(module, "MEDIAN_SOUNDS", 300)
    assert median_distance(x) == pytest.approx(exact, rel=0.05)
    assert median_distance(x) != exact


def test_far_from_the_origin_and_in_float32() -> None:
    x, y = gaussian(50, 1.0, 0.0, 0), gaussian(60, 1.0, 0.5, 1)
    expected = kernel_distance(x, y).value
    assert kernel_distance(x + 1e6, y + 1e6).value == pytest.approx(expected, rel=1e-6)
    assert kernel_distance(x.astype(np.float32), y.astype(np.float32)).value == pytest.approx(expected, rel=1e-5)


def test_floor_is_what_halves_read() -> None:
    x = gaussian(101, 1.0, 0.0, 0)
    floor = kernel_floor(x, seed=1, draws=300)
    width = median_distance(x)
    order = np.random.default_rng(1).permutation(101)
    halves = kernel_floor(x, seed=1, draws=2)
    direct = by_definition(x[order[:50]], x[order[50:100]], width)
    second = 2 * halves.mean - direct  # the mean of two draws, of which the first is known
    assert halves.deviation == pytest.approx(abs(direct - second) / np.sqrt(2))
    assert (floor.n, floor.draws, floor.bandwidth) == (50, 300, width)
    assert abs(floor.mean) < 4 * floor.deviation / np.sqrt(300)
    assert 0 < floor.high < 3 * floor.deviation
    assert kernel_floor(x, seed=1, draws=300) == floor
    assert kernel_floor(x, seed=2, draws=300) != floor
    assert kernel_distance(x, gaussian(101, 1.0, 0.7, 5)).value > floor.high


def test_floor_falls_with_n() -> None:
    small, large = (kernel_floor(gaussian(n, 1.0, 0.0, 0)) for n in (100, 800))
    assert 4 < small.deviation / large.deviation < 16


def test_what_makes_no_distance() -> None:
    x = gaussian(10, 1.0, 0.0, 0)
    with pytest.raises(UserError, match="half of all pairs of sounds are equal"):
        kernel_distance(np.full((10, 4), 1 / 3), x)
    with pytest.raises(UserError, match=r"1 sound\(s\) in a set"):
        kernel_distance(x, x[:1])
    with pytest.raises(UserError, match="at least 2"):
        median_distance(x[:1])
    with pytest.raises(UserError, match="no two halves in 3 sounds"):
        kernel_floor(x[:3])
    with pytest.raises(UserError, match="embedding: preset 3 holds nan"):
        kernel_distance(x, np.where(np.arange(10)[:, None] == 3, np.nan, x))
    with pytest.raises(ValueError, match="4 and 3"):
        kernel_distance(x, x[:, :3])
    with pytest.raises(ValueError, match="bandwidth must be positive"):
        kernel_distance(x, x, 0.0)
    with pytest.raises(ValueError, match="draws"):
        kernel_floor(x, draws=1)
