from __future__ import annotations

import numpy as np
import pytest
from hdbscan.validity import validity_index
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist
from sklearn.datasets import make_moons

from synthvae.metrics.cluster_validity import cluster_scores


@pytest.mark.parametrize(("dimension", "clusters"), [(2, 40), (5, 7), (16, 3)])
def test_scores_are_those_of_the_library(dimension: int, clusters: int) -> None:
    generator = np.random.default_rng(dimension)
    labels = np.sort(np.concatenate([np.tile(np.arange(clusters), 4), generator.integers(0, clusters, 200)]))
    points = generator.standard_normal((len(labels), dimension)) + 2 * labels[:, None]
    _, expected = validity_index(points, labels, per_cluster_scores=True)
    np.testing.assert_allclose(cluster_scores(points, labels, clusters), expected, rtol=1e-9)


def test_the_published_moons_score_as_the_library_scores_them() -> None:
    # The toy sets of github.com/FelSiq/DBCV, whose numbers tests/maps/test_clusters.py holds the library against.
    points, labels = make_moons(n_samples=300, noise=0.05, random_state=1782)
    whole, expected = validity_index(points, labels, per_cluster_scores=True)
    scores = cluster_scores(points, labels, 2)
    np.testing.assert_allclose(scores, expected, rtol=1e-9)
    assert (scores * np.bincount(labels) / 300).sum() == pytest.approx(whole, rel=1e-9)


def test_points_on_a_grid_where_most_weights_are_equal() -> None:
    x, y = np.meshgrid(np.arange(7.0), np.arange(5.0))
    square = np.column_stack([x.ravel(), y.ravel()])
    points = np.concatenate([square, square + np.array([9.0, 3.0])])
    labels = np.repeat([0, 1], len(square))
    _, expected = validity_index(points, labels, per_cluster_scores=True)
    np.testing.assert_allclose(cluster_scores(points, labels, 2), expected, rtol=1e-9)


def test_clusters_without_inner_edges_take_the_heaviest_of_all() -> None:
    # Stars have one inner point, at the end of every edge; the tree of three points has one as well.
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    points = np.concatenate([corners, corners + 20.0])
    distances = cdist(corners, corners)
    with np.errstate(divide="ignore"):
        near = 1.0 / distances**2
    np.fill_diagonal(near, 0.0)
    core = (near.sum(1) / 2) ** -0.5
    reach = np.maximum(distances, np.maximum(core[:, None], core[None]))
    np.fill_diagonal(reach, 0.0)
    sparseness = minimum_spanning_tree(reach).toarray().max()
    scores = cluster_scores(points, np.repeat([0, 1], 3), 2)
    _, expected = validity_index(points, np.repeat([0, 1], 3), per_cluster_scores=True)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    separation = sparseness / (1.0 - scores[0])  # solved for: the separation is the larger of the two
    assert separation == pytest.approx(np.hypot(20.0, 20.0), rel=0.15)


def test_memory_grows_with_the_points() -> None:
    import tracemalloc

    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], [3900, 100])
    points = generator.standard_normal((4000, 2)) + 9.0 * labels[:, None]
    cluster_scores(points[3800:], labels[3800:], 2)  # compiled
    tracemalloc.start()
    cluster_scores(points, labels, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6  # one matrix of distances would be 120 MB
