from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from synthvae.core.errors import UserError
from synthvae.metrics.frechet import (
    ExtrapolatedDistance,
    GaussianStatistics,
    frechet_distance,
    frechet_extrapolated,
    frechet_floor,
    gaussian_distance,
)


def covariance(dimension: int, seed: int) -> np.ndarray:
    factor = np.random.default_rng(seed).standard_normal((dimension, 2 * dimension))
    return factor @ factor.T / dimension


def rotation(dimension: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dimension, dimension)))[0]


def test_scalar_case() -> None:
    distance = gaussian_distance(np.array([1.0]), np.array([[4.0]]), np.array([-2.0]), np.array([[9.0]]))
    assert distance == pytest.approx((1 + 2) ** 2 + (2 - 3) ** 2)


def test_commuting_covariances() -> None:
    basis = rotation(6, 0)
    first, second = np.arange(1.0, 7.0), np.array([4.0, 0.0, 9.0, 1.0, 0.25, 2.0])
    mean = np.linspace(-1, 1, 6)
    distance = gaussian_distance(np.zeros(6), basis @ np.diag(first) @ basis.T, mean, basis @ np.diag(second) @ basis.T)
    expected = np.square(mean).sum() + np.square(np.sqrt(first) - np.sqrt(second)).sum()
    assert distance == pytest.approx(expected, rel=1e-12)


def test_equal_to_the_textbook_form_with_a_general_square_root() -> None:
    first, second = covariance(8, 1), covariance(8, 2)
    mean = np.random.default_rng(3).standard_normal(8)
    expected = mean @ mean + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    assert gaussian_distance(mean, first, np.zeros(8), second) == pytest.approx(expected, rel=1e-9)


def test_symmetric_and_blind_to_rotation_and_shift() -> None:
    first, second, turn = covariance(5, 1), covariance(5, 2), rotation(5, 3)
    a, b = np.ones(5), np.arange(5.0)
    distance = gaussian_distance(a, first, b, second)
    assert gaussian_distance(b, second, a, first) == pytest.approx(distance, rel=1e-12)
    turned = gaussian_distance(turn @ a + 7, turn @ first @ turn.T, turn @ b + 7, turn @ second @ turn.T)
    assert turned == pytest.approx(distance, rel=1e-10)


@pytest.mark.parametrize("rank", [1, 3, 10])
def test_identical_sets_are_at_distance_zero_even_where_the_covariance_is_singular(rank: int) -> None:
    factor = np.random.default_rng(rank).standard_normal((10, rank))
    singular = factor @ factor.T
    distance = gaussian_distance(np.ones(10), singular, np.ones(10), singular)
    assert 0.0 <= distance < 1e-9 * np.trace(singular)


def test_few_sounds_in_many_dimensions() -> None:
    """Against the nuclear norm of the rows themselves: S = X^T X / (n - 1) has the factor X^T / sqrt(n - 1)."""
    first, second = np.random.default_rng(0).standard_normal((2, 20, 300)) * np.geomspace(1, 1e-3, 300)
    centred = [(rows - rows.mean(axis=0)) / np.sqrt(19) for rows in (first, second)]
    cross = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    expected = np.square(first.mean(axis=0) - second.mean(axis=0)).sum() + sum(np.square(c).sum() for c in centred)
    found = frechet_distance(GaussianStatistics.of(first), GaussianStatistics.of(second), allow_small=True)
    assert found.value == pytest.approx(expected - 2 * cross, rel=1e-9)


def test_float32_embeddings_are_summed_in_float64() -> None:
    rows = (np.random.default_rng(0).standard_normal((5000, 2)) + 1000).astype(np.float32)
    np.testing.assert_allclose(GaussianStatistics.of(rows).covariance, np.cov(rows.astype(np.float64).T), rtol=1e-9)


def test_distance_of_samples_approaches_that_of_their_gaussians() -> None:
    generator = np.random.default_rng(0)
    first = generator.standard_normal((40_000, 3))
    second = 2.0 * generator.standard_normal((30_000, 3)) + 1.0
    result = frechet_distance(GaussianStatistics.of(first), GaussianStatistics.of(second))
    assert result.value == pytest.approx(3 * 1.0 + 3 * (2 - 1) ** 2, rel=0.02)
    assert (result.n, result.other_n, result.dimension) == (40_000, 30_000, 3)


def test_too_few_sounds_are_refused_unless_asked() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 5))
    few, enough = GaussianStatistics.of(rows), GaussianStatistics.of(np.vstack([rows, rows + 1]))
    with pytest.raises(UserError, match=r"5 sounds in 5 dimensions, at least 6 are needed"):
        frechet_distance(few, enough)
    assert np.isfinite(frechet_distance(few, enough, allow_small=True).value)
    frechet_distance(GaussianStatistics.of(np.vstack([rows, rows[:1]])), enough)


def test_floor_falls_with_n_and_is_seeded() -> None:
    rows = np.random.default_rng(0).standard_normal((4001, 8))
    small, large = frechet_floor(rows[:200], seed=1), frechet_floor(rows, seed=1)
    assert 0.0 < large.value < small.value / 5
    assert (large.n, large.other_n, large.dimension) == (2000, 2000, 8)
    assert frechet_floor(rows, seed=1) == large
    assert frechet_floor(rows, seed=2) != large
    with pytest.raises(UserError, match="at least 9"):
        frechet_floor(rows[:16])


def two_gaussians(n: int, m: int, seed: int, equal: bool = False) -> tuple[np.ndarray, np.ndarray, float]:
    """Draws of two Gaussians in 16 dimensions, and their exact distance."""
    first, second = covariance(16, 1), covariance(16, 1 if equal else 2)
    shift = np.zeros(16) if equal else np.full(16, 0.3)
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((n, 16)) @ np.linalg.cholesky(first).T
    others = generator.standard_normal((m, 16)) @ np.linalg.cholesky(second).T + shift
    return rows, others, gaussian_distance(np.zeros(16), first, shift, second)


def plain(rows: np.ndarray, others: np.ndarray) -> float:
    return frechet_distance(GaussianStatistics.of(rows), GaussianStatistics.of(others)).value


@pytest.mark.parametrize(("n", "m"), [(300, 300), (250, 400)])
def test_extrapolation_removes_the_bias(n: int, m: int) -> None:
    sets = [two_gaussians(n, m, seed) for seed in range(24)]
    exact = sets[0][2]
    finite = np.array([plain(rows, others) for rows, others, _ in sets])
    infinite = [frechet_extrapolated(rows, others, seed) for seed, (rows, others, _) in enumerate(sets)]
    values = np.array([result.value for result in infinite])
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert finite.mean() - exact > 5 * error
    assert values.mean() == pytest.approx(exact, abs=3 * error)
    assert values.mean() == pytest.approx(exact, rel=0.03)
    assert np.mean([result.low <= exact <= result.high for result in infinite]) >= 0.85
    assert np.mean([result.standard_error for result in infinite]) == pytest.approx(values.std(ddof=1), rel=0.5)


def test_extrapolation_of_equal_distributions_is_about_zero_and_hides_no_negative_number() -> None:
    sets = [two_gaussians(300, 300, seed, equal=True) for seed in range(24)]
    finite = np.mean([plain(rows, others) for rows, others, _ in sets])
    results = [frechet_extrapolated(rows, others, seed) for seed, (rows, others, _) in enumerate(sets)]
    intercepts = np.array([result.intercept for result in results])
    assert abs(intercepts.mean()) < 3 * intercepts.std(ddof=1) / np.sqrt(len(intercepts))
    assert abs(intercepts.mean()) < 0.1 * finite
    assert 4 <= sum(result.clipped for result in results) <= 20
    for result in results:
        assert result.value == max(0.0, result.intercept)
        assert result.clipped == (result.intercept < 0)
        assert result.low < 0.0 < result.high


def test_extrapolation_of_pairs_keeps_them_together() -> None:
    rows, _, _ = two_gaussians(400, 1, 0)
    others = 1.1 * rows
    exact = 0.1**2 * np.trace(covariance(16, 1))
    assert frechet_extrapolated(rows, others).value == pytest.approx(exact, rel=0.15)


def test_extrapolation_shows_its_points_and_is_seeded() -> None:
    rows, others, _ = two_gaussians(200, 300, 0)
    result = frechet_extrapolated(rows, others, seed=1)
    assert isinstance(result, ExtrapolatedDistance)
    assert [size for size, _ in result.points] == [300, 150, 100, 75]
    assert result.points[0][1] == pytest.approx(plain(rows, others), rel=1e-9)
    assert np.all(np.diff([distance for _, distance in result.points]) > 0)
    sizes, distances = np.array(result.points).T
    assert result.intercept == pytest.approx(np.polyfit(1 / sizes, distances, 1)[1])
    assert (result.n, result.other_n, result.dimension) == (200, 300, 16)
    assert frechet_extrapolated(rows, others, seed=1) == result
    assert frechet_extrapolated(rows, others, seed=2) != result


def test_extrapolation_needs_halves_of_full_rank() -> None:
    rows, others, _ = two_gaussians(60, 60, 0)
    assert [size for size, _ in frechet_extrapolated(rows, others).points] == [60, 30, 20]
    with pytest.raises(UserError, match=r"30 and 60 sounds in 16 dimensions, at least 39 of each"):
        frechet_extrapolated(rows[:30], others)
    assert len(frechet_extrapolated(rows[:39], others[:39]).points) == 2
    with pytest.raises(ValueError, match="16 and 3"):
        frechet_extrapolated(rows, others[:, :3])


def test_degenerate_sets() -> None:
    equal = np.ones((12, 3))
    statistics = GaussianStatistics.of(equal)
    assert frechet_distance(statistics, statistics).value == 0.0
    assert frechet_floor(equal).value == 0.0
    with pytest.raises(UserError, match="1 sound"):
        GaussianStatistics.of(equal[:1])
    with pytest.raises(UserError, match="no two halves"):
        frechet_floor(equal[:3])
    with pytest.raises(UserError, match=r"clap: preset 2 holds nan"):
        GaussianStatistics.of(np.array([[0.0], [1.0], [np.nan]]), "clap")
    with pytest.raises(UserError, match="empty"):
        GaussianStatistics.of(np.ones((0, 3)))


def test_dimensions_are_checked() -> None:
    three, four = GaussianStatistics.of(np.ones((9, 3))), GaussianStatistics.of(np.ones((9, 4)))
    with pytest.raises(ValueError, match="3 and 4"):
        frechet_distance(three, four)
    with pytest.raises(ValueError, match="differ"):
        gaussian_distance(np.ones(1), np.ones((1, 1)), np.ones(2), np.ones((2, 2)))
