from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hdbscan.validity import validity_index

from synthvae.analysis.latent import (
    cluster_quality,
    dbscan_labels,
    map_latents,
    noise_null,
    umap_map,
)
from synthvae.errors import UserError


def blobs(n: int = 120, distance: float = 10.0, spread: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    points = generator.normal(0.0, spread, (2 * n, 2))
    points[n:] += distance
    return points, np.repeat([0, 1], n)


def test_separated_blobs_are_near_one() -> None:
    points, labels = blobs()
    quality = cluster_quality(points, labels)
    assert quality.dbcv is not None
    assert quality.dbcv > 0.95
    assert (quality.clusters, quality.noise, quality.points, quality.dimension) == (2, 0, 240, 2)
    assert quality.reason == ""


def test_noise_cut_at_random_is_bad() -> None:
    generator = np.random.default_rng(0)
    quality = cluster_quality(generator.standard_normal((240, 2)), generator.integers(0, 2, 240))
    assert quality.dbcv is not None
    assert quality.dbcv < -0.3


def test_within_what_the_reference_gives_over_orders_of_the_points() -> None:
    generator = np.random.default_rng(1)
    points = np.concatenate([generator.normal(c, 0.5, (60, 2)) for c in (0.0, 2.0, 5.0)])
    labels = np.repeat([0, 1, 2], 60)
    labels[::9] = -1
    orders = [np.random.default_rng(seed).permutation(180) for seed in range(20)]
    reference = [validity_index(points[order], labels[order]) for order in orders]
    value = cluster_quality(points, labels).dbcv
    assert value is not None
    assert min(reference) - 1e-9 <= value <= max(reference) + 1e-9


def test_order_scale_shift_and_precision_do_not_matter() -> None:
    generator = np.random.default_rng(2)
    points = np.concatenate([generator.normal(0, 1, (80, 2)), generator.normal(4, 1, (80, 2))])
    labels = np.repeat([0, 1], 80)
    value = cluster_quality(points, labels).dbcv
    assert value is not None
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(160)
        assert cluster_quality(points[order], labels[order]).dbcv == value
    assert cluster_quality(points * 1e-7, labels).dbcv == pytest.approx(value, abs=1e-6)
    assert cluster_quality(points * 1e7 + 1e5, labels).dbcv == pytest.approx(value, abs=1e-6)
    assert cluster_quality(points.astype(np.float32), labels).dbcv == pytest.approx(value, abs=1e-3)


def test_names_of_clusters_do_not_matter() -> None:
    points, labels = blobs(distance=0.4)
    assert cluster_quality(points, 10 - labels * 7).dbcv == cluster_quality(points, labels).dbcv


def test_noise_lowers_the_result_by_its_share() -> None:
    points, labels = blobs()
    far = np.concatenate([points, np.random.default_rng(0).uniform(50, 90, (240, 2))])
    with_noise = cluster_quality(far, np.concatenate([labels, np.full(240, -1)]))
    without = cluster_quality(points, labels)
    assert with_noise.dbcv is not None
    assert without.dbcv is not None
    assert with_noise.noise_share == 0.5
    assert with_noise.dbcv == pytest.approx(without.dbcv / 2, abs=1e-6)


def test_duplicates_have_a_result() -> None:
    points, labels = blobs(40)
    twice = cluster_quality(np.repeat(points, 3, axis=0), np.repeat(labels, 3))
    assert twice.dbcv == pytest.approx(cluster_quality(points, labels).dbcv)
    assert twice.points == 240


@pytest.mark.parametrize(
    ("labels", "clusters", "reason"),
    [
        (np.full(12, -1), 0, "no cluster"),
        (np.zeros(12, int), 1, "one cluster"),
        (np.repeat([0, 1], [10, 2]), 2, "which leaves 1"),
        (np.repeat([0, 1, 2, 3, 4, 5], 2), 6, "6 cluster.*which leaves 0"),
    ],
)
def test_clusterings_without_a_validity_say_why(labels: np.ndarray, clusters: int, reason: str) -> None:
    points = np.random.default_rng(0).standard_normal((12, 2))
    quality = cluster_quality(points, labels)
    assert quality.dbcv is None
    assert quality.clusters == clusters
    assert quality.noise_share == (labels < 0).mean()
    assert re.search(reason, quality.reason)


def test_clusters_that_are_one_point_repeated() -> None:
    points = np.repeat(np.array([[0.0, 0.0], [1.0, 1.0]]), 20, axis=0)
    quality = cluster_quality(points, np.repeat([0, 1], 20))
    assert quality.dbcv is None
    assert "fewer than 3 distinct points" in quality.reason


def test_tiny_clusters_count_as_noise_and_are_mentioned() -> None:
    points, labels = blobs()
    more = np.concatenate([points, [[40.0, 40.0], [40.1, 40.0]]])
    quality = cluster_quality(more, np.concatenate([labels, [2, 2]]))
    as_noise = cluster_quality(more, np.concatenate([labels, [-1, -1]]))
    assert quality.dbcv == as_noise.dbcv
    assert quality.reason.startswith("1 cluster(s) of fewer than 3")
    assert (quality.clusters, as_noise.clusters) == (3, 2)


def test_a_cluster_too_large_for_memory_is_a_stated_result() -> None:
    points, labels = blobs()
    quality = cluster_quality(points, labels, memory_limit=1000)
    assert quality.dbcv is None
    assert "120 distinct points" in quality.reason


def test_dbscan_finds_blobs_and_leaves_the_far_point() -> None:
    points, labels = blobs(spread=0.02)
    found = dbscan_labels(np.concatenate([points, [[100.0, 100.0]]]))
    assert found[-1] == -1
    kept = found[:-1] >= 0
    assert kept.mean() > 0.9
    assert (found[:-1][kept] == labels[kept]).mean() > 0.9


def test_the_recipe_separates_what_is_separate() -> None:
    generator = np.random.default_rng(0)
    latents = np.concatenate([generator.normal(0, 1, (60, 8)), generator.normal(20, 1, (60, 8))])
    result = map_latents(latents.astype(np.float32), seed=3, neighbours=15, eps=1.0)
    assert result.points.shape == (120, 2)
    assert result.labels.shape == (120,)
    assert result.quality.clusters == 2
    assert result.quality.dbcv is not None
    null = noise_null(120, 8, seed=3, neighbours=15, eps=1.0)
    assert null.quality.points == 120
    assert result.quality.dbcv > (null.quality.dbcv or 0.0)
    again = umap_map(latents, seed=3, neighbours=15)
    np.testing.assert_array_equal(again, result.points)


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


def test_bad_latents_are_one_line() -> None:
    latents = np.zeros((10, 3))
    latents[6, 1] = np.nan
    with pytest.raises(UserError, match="latents: preset 6 holds nan"):
        map_latents(latents)
    with pytest.raises(UserError, match="3 points, a map needs at least 4"):
        map_latents(np.zeros((3, 3)))
    with pytest.raises(UserError, match="points: point 0 holds inf"):
        cluster_quality(np.full((3, 2), np.inf), np.zeros(3, int))
    with pytest.raises(ValueError, match="expected 10 labels"):
        cluster_quality(np.zeros((10, 2)), np.zeros(3, int))
    with pytest.raises(ValueError, match=r"shape \(N, D\)"):
        umap_map(np.zeros(3))
