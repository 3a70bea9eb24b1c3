from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from synthvae.analysis.frechet import (
    GaussianStatistics,
    frechet_distance,
    frechet_floor,
    gaussian_distance,
    logmel_embedding,
)
from synthvae.errors import UserError


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


def test_statistics_in_batches_equal_numpy_in_one() -> None:
    rows = np.random.default_rng(0).standard_normal((700, 6)) @ covariance(6, 1) + 1e4
    streamed = GaussianStatistics(6)
    for batch in np.split(rows, [1, 2, 100, 650]):
        streamed.update(batch.astype(np.float64))
    left, right = GaussianStatistics.of(rows[:300]), GaussianStatistics.of(rows[300:])
    left.merge(right)
    left.merge(GaussianStatistics(6))
    for statistics in (streamed, left):
        assert statistics.n == 700
        np.testing.assert_allclose(statistics.mean, rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(statistics.covariance, np.cov(rows.T), rtol=1e-9)
    assert right.n == 400


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


def test_degenerate_sets() -> None:
    equal = np.ones((12, 3))
    statistics = GaussianStatistics.of(equal)
    assert frechet_distance(statistics, statistics).value == 0.0
    assert frechet_floor(equal).value == 0.0
    with pytest.raises(UserError, match="1 sound"):
        _ = GaussianStatistics.of(equal[:1]).covariance
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
    with pytest.raises(ValueError, match="merge dimension 4"):
        three.merge(four)
    with pytest.raises(ValueError, match="expected 3 columns"):
        three.update(np.ones((2, 4)))
    with pytest.raises(ValueError, match="1 or more"):
        GaussianStatistics(0)
    with pytest.raises(ValueError, match="differ"):
        gaussian_distance(np.ones(1), np.ones((1, 1)), np.ones(2), np.ones((2, 2)))


def test_logmel_embedding_against_its_definition() -> None:
    logmel = np.random.default_rng(0).normal(-40, 20, (7, 128, 11)).astype(np.float32)
    embedding = logmel_embedding(logmel)
    assert embedding.shape == (7, 64)
    band = logmel[4, 12:16].astype(np.float64).mean(axis=0)  # the fourth pooled band of preset 4
    assert embedding[4, 3] == pytest.approx(band.mean())
    assert embedding[4, 32 + 3] == pytest.approx(band.std())
    np.testing.assert_allclose(logmel_embedding(logmel[4:5])[0], embedding[4], rtol=1e-12)


def test_logmel_embedding_hears_loudness_and_movement() -> None:
    still = np.full((1, 128, 10), -80.0)
    louder, moving = still + 6.0, still.copy()
    moving[:, :, ::2] += 20.0
    np.testing.assert_allclose((logmel_embedding(louder) - logmel_embedding(still))[0], [6.0] * 32 + [0.0] * 32)
    np.testing.assert_allclose(logmel_embedding(moving)[0, 32:], 10.0)


def test_logmel_embedding_checks_its_input() -> None:
    with pytest.raises(UserError, match="log-mel: preset 1 holds"):
        logmel_embedding(np.stack([np.zeros((128, 3)), np.full((128, 3), np.inf)]))
    with pytest.raises(ValueError, match="pooled evenly"):
        logmel_embedding(np.zeros((1, 100, 3)))
    with pytest.raises(ValueError, match="expected shape"):
        logmel_embedding(np.zeros((128, 3)))
    with pytest.raises(UserError, match="0 sounds"):
        logmel_embedding(np.zeros((0, 128, 3)))
