from __future__ import annotations

import warnings

import numpy as np
import pytest

from synthvae.maps.clusters import map_latents
from synthvae.maps.projection import pca_map, tsne_map


@pytest.mark.parametrize("n", [4, 5, 11])
def test_few_latents_have_a_map_without_warnings(n: int) -> None:
    latents = np.random.default_rng(0).standard_normal((n, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        result = map_latents(latents)
    assert np.isfinite(result.points).all()
    assert result.quality.points == n


def test_equal_latents_are_one_cluster_at_the_origin() -> None:
    result = map_latents(np.full((30, 16), 0.7))
    assert not result.points.any()
    assert (result.quality.clusters, result.quality.dbcv) == (1, None)


def test_pca_shows_the_largest_directions_and_how_much_they_hold() -> None:
    generator = np.random.default_rng(0)
    rotation = np.linalg.qr(generator.standard_normal((5, 5)))[0]
    scores = np.linalg.qr(generator.standard_normal((400, 5)))[0]
    scores -= scores.mean(axis=0)
    scores = np.linalg.qr(scores)[0] * np.array([4.0, 3.0, 2.0, 1.0, 0.0])
    result = pca_map(scores @ rotation.T + 7.0)
    np.testing.assert_allclose(result.explained, np.array([16, 9, 4, 1, 0]) / 30, atol=1e-12)
    np.testing.assert_allclose(np.abs(result.points), np.abs(scores[:, :2]), atol=1e-9)
    np.testing.assert_array_equal(pca_map(scores @ rotation.T).points.shape, (400, 2))
    turned = pca_map(-(scores @ rotation.T))
    np.testing.assert_allclose(turned.points, -pca_map(scores @ rotation.T).points, atol=1e-9)  # signs are fixed


def test_pca_of_few_flat_and_equal_latents() -> None:
    line = pca_map(np.arange(6.0)[:, None])
    np.testing.assert_allclose(line.points, np.stack([np.arange(6) - 2.5, np.zeros(6)], axis=1), atol=1e-12)
    assert line.explained.tolist() == [1.0]
    few = pca_map(np.random.default_rng(0).standard_normal((4, 16)).astype(np.float32))
    assert few.points.dtype == np.float64
    assert few.explained.sum() == pytest.approx(1.0)
    equal = pca_map(np.full((9, 3), 0.1))
    assert not equal.points.any()
    assert not equal.explained.any()


def test_tsne_keeps_neighbours_together_and_is_reproducible() -> None:
    generator = np.random.default_rng(0)
    latents = np.concatenate([generator.normal(c, 1, (40, 8)) for c in (0.0, 20.0)])
    points = tsne_map(latents, seed=1)
    nearest = np.argsort(np.linalg.norm(points[:, None] - points[None], axis=-1), axis=1)[:, 1:6]
    assert ((nearest < 40) == (np.arange(80) < 40)[:, None]).all()
    np.testing.assert_array_equal(points, tsne_map(latents, seed=1))
    assert not tsne_map(np.ones((10, 4))).any()
