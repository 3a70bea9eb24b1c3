from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hdbscan.validity import validity_index
from sklearn.datasets import make_moons

from synthvae.core.errors import UserError
from synthvae.maps.clusters import (
    REGIONS,
    MapSettings,
    cluster_quality,
    dbscan_labels,
    find_clusters,
    hdbscan_labels,
    knee_eps,
    map_latents,
    name_clusters,
    silhouette,
)
from synthvae.maps.nulls import noise_draws
from synthvae.maps.projection import pca_map, tsne_map, umap_map


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


def test_silhouette_of_two_pairs_by_hand() -> None:
    points = np.array([0.0, 1.0, 10.0, 11.0, 5.0])[:, None]
    labels = np.array([0, 0, 1, 1, -1])
    # Every point is 1 from the other of its pair, and 10.5 or 9.5 on average from the other pair.
    expected = 1 - (1 / 10.5 + 1 / 9.5) / 2
    assert silhouette(points, labels) == pytest.approx(expected, rel=1e-12)
    points, labels = blobs(n=600)
    assert silhouette(points, labels, limit=300) == pytest.approx(silhouette(points, labels), abs=1e-3)
    generator = np.random.default_rng(0)
    assert silhouette(generator.standard_normal((240, 2)), generator.integers(0, 2, 240)) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("labels", [[-1, -1, -1], [0, 0, 0], [0, 1, 2], [0, -1, -1]])
def test_no_silhouette_without_two_clusters(labels: list[int]) -> None:
    assert silhouette(np.arange(3.0)[:, None], np.array(labels)) is None


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


def test_dbcv_of_two_rows_of_points_by_hand() -> None:
    # Points 0, 1, 2, 3 and 10, 11, 12, 13 on a line in the plane. Core distances are ((sum d^-2) / 3)^(-1/2):
    # (27/12 / 3)^(-1/2) = 1.1547 for inner points, so the tree's only inner edge, 1 to 2, weighs 1.1547; the inner
    # points of both rows are 2 and 11, 9 apart. DBCV = (9 - 1.1547) / 9.
    points = np.stack([np.array([0.0, 1, 2, 3, 10, 11, 12, 13]), np.zeros(8)], axis=1)
    expected = (9 - (3 / (1 + 1 + 1 / 4)) ** 0.5) / 9
    assert cluster_quality(points, np.repeat([0, 1], 4)).dbcv == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("dimension", "gap"), [(1, 7.0), (3, 7.0), (16, 7.0), (2, 0.25)])
def test_dbcv_by_hand_in_any_dimension_and_below_zero(dimension: int, gap: float) -> None:
    line = np.array([0.0, 1, 2, 3])
    points = np.zeros((8, dimension))
    points[:, 0] = np.concatenate([line, line + 3 + gap])
    core = (3 / (1 + 1 + 2.0**-dimension)) ** (1 / dimension)  # of an inner point
    separation = max(2 + gap, core)
    expected = (separation - core) / max(separation, core)
    assert cluster_quality(points, np.repeat([0, 1], 4)).dbcv == pytest.approx(expected, rel=1e-9)


def test_the_library_gives_the_published_numbers_of_the_moons() -> None:
    # README of github.com/FelSiq/DBCV, which is held against the authors' MATLAB: squared distances, both moons, and
    # moons with a hundred points of noise. Plain distances, which the library and we take, give other numbers.
    points, labels = make_moons(n_samples=300, noise=0.05, random_state=1782)
    assert validity_index(points, labels, metric="sqeuclidean") == pytest.approx(0.8545358723390613, rel=1e-9)
    plain = cluster_quality(points, labels).dbcv
    assert plain is not None
    assert 0.2 < plain < 0.5
    points, labels = make_moons(n_samples=500, noise=0.05, random_state=1782)
    noise = np.random.RandomState(1082).uniform(*np.quantile(points, (0, 1), axis=0), size=(100, 2))
    points, labels = np.concatenate([points, noise]), np.concatenate([labels, np.full(100, -1)])
    assert validity_index(points, labels, metric="sqeuclidean") == pytest.approx(0.7545431212217051, rel=1e-9)


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
    settings = MapSettings(eps=1.0, neighbours=15)
    result = map_latents(latents.astype(np.float32), 3, settings)
    assert result.points.shape == (120, 2)
    assert result.labels.shape == (120,)
    assert result.quality.clusters == 2
    assert result.quality.dbcv is not None
    null = map_latents(noise_draws(120, 8, [3])[3], 3, settings)
    assert null.quality.points == 120
    assert result.quality.dbcv > (null.quality.dbcv or 0.0)
    again = umap_map(latents, seed=3, neighbours=15)
    np.testing.assert_array_equal(again, result.points)


@pytest.mark.parametrize("n", [4, 5, 11])
def test_few_latents_have_every_map_and_clustering_without_warnings(n: int) -> None:
    latents = np.random.default_rng(0).standard_normal((n, 16)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(tsne_map(latents)).all()
        assert (hdbscan_labels(latents, 2) >= -1).all()
        assert knee_eps(latents) > 0
    assert (hdbscan_labels(latents) == -1).all()  # one blob, or fewer points than make a cluster


def test_hdbscan_finds_blobs_of_different_density() -> None:
    generator = np.random.default_rng(0)
    points = np.concatenate([generator.normal(0, 0.05, (100, 6)), generator.normal(9, 1.0, (100, 6)), [[99.0] * 6]])
    labels = hdbscan_labels(points)
    assert labels[-1] == -1
    for rows in (slice(0, 100), slice(100, 200)):
        names, counts = np.unique(labels[rows], return_counts=True)
        assert counts.max() > 80
        assert names[counts.argmax()] >= 0
    assert labels.max() == 1
    assert hdbscan_labels(points, min_cluster_size=150).max() < 1  # neither blob is large enough alone
    assert (hdbscan_labels(points[:90], min_cluster_size=91) == -1).all()


def test_duplicates_and_equal_points_are_clusters() -> None:
    places = np.random.default_rng(0).standard_normal((6, 3))
    points = np.repeat(places, 10, axis=0)
    expected = np.repeat(np.arange(6), 10)
    found = dbscan_labels(points, knee_eps(points))
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(hdbscan_labels(points))) == 6
    assert not hdbscan_labels(np.full((20, 3), 0.1)).any()
    assert not dbscan_labels(np.full((20, 3), 0.1), knee_eps(np.full((20, 3), 0.1))).any()


def test_the_knee_is_where_the_sorted_distances_turn() -> None:
    # A grid of unit spacing: every point has 4 neighbours within sqrt(2), and stragglers are 10 and more away.
    grid = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
    far = np.array([[100.0, 0.0], [0.0, 120.0], [-150.0, 0.0]])
    eps = knee_eps(np.concatenate([grid, far]))
    assert 1.0 <= eps <= 2.0
    labels = dbscan_labels(np.concatenate([grid, far]), eps)
    assert (labels[:100] == 0).all()
    assert (labels[100:] == -1).all()
    assert knee_eps(7 * np.concatenate([grid, far])) == pytest.approx(7 * eps)  # it follows the scale of the space
    assert knee_eps(np.array([[0.0], [3.0]])) == 3.0
    with pytest.raises(UserError, match="1 point has no neighbour"):
        knee_eps(np.zeros((1, 2)))


def test_the_knee_separates_clusters_in_sixteen_dimensions() -> None:
    generator = np.random.default_rng(0)
    points = np.concatenate([generator.normal(c, 1, (150, 16)) for c in (0.0, 5.0, 10.0)])
    labels = dbscan_labels(points, knee_eps(points))
    assert labels.max() == 2
    assert (labels >= 0).mean() > 0.9
    quality = cluster_quality(points, labels)
    assert quality.dbcv is not None
    assert quality.dbcv > 0.3


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
    for layout in (pca_map, tsne_map):
        with pytest.raises(UserError, match="3 points, a map needs at least 4"):
            layout(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="min_cluster_size is 1"):
        hdbscan_labels(np.zeros((10, 2)), 1)


def test_clusters_by_density_where_there_are_several():
    generator = np.random.default_rng(0)
    centres = [(0, 0), (10, 0), (0, 10), (10, 10)]
    points = np.concatenate([generator.normal(centre, 0.3, (60, 2)) for centre in centres])
    found = find_clusters(points)
    assert found.by == "density"
    for group in np.split(found.labels, 4):
        assert len(set(group[group >= 0])) == 1


def test_one_cloud_is_divided_into_regions():
    found = find_clusters(np.random.default_rng(0).uniform(0, 1, (600, 2)))
    assert found.by == "regions"
    assert set(found.labels) == set(range(REGIONS))


def test_few_points_are_left_alone():
    assert (find_clusters(np.random.default_rng(0).uniform(0, 1, (10, 2))).labels < REGIONS).all()
    assert len(find_clusters(np.zeros((3, 2))).labels) == 3


def test_a_name_is_true_of_most_members_or_there_is_none():
    names = (
        ["loud bright noisy hiss"] * 30 + ["bright pluck, A3", "bright pluck, C4", "pure pluck, A3"] * 10 + [None] * 5
    )
    labels = np.array([0] * 30 + [1] * 30 + [2] * 5)
    pitches = np.array([np.nan] * 30 + [220.0, 262.0, 220.0] * 10 + [np.nan] * 5)
    found = name_clusters(labels, names, pitches)
    assert found[0] == "loud noisy hiss"
    assert found[1] == "pluck around A3"  # a third of them are pure, two thirds bright, as everywhere
    assert found[2] == ""


def test_words_count_together():
    # Each word is true of two thirds, both together of a third.
    names = ["dark pluck"] * 10 + ["dark tone"] * 10 + ["bright pluck"] * 10 + ["bright hiss"] * 60
    labels = np.array([0] * 30 + [1] * 60)
    found = name_clusters(labels, names, np.full(90, np.nan))
    assert found == ["dark sounds", "bright hiss"]


def test_a_note_is_named_where_most_lie_within_half_an_octave():
    pitches = np.array([220.0] * 13 + [440.0] * 7)
    names, labels = ["tone, A3"] * 20, np.zeros(20, int)
    assert name_clusters(labels, names, pitches) == ["tone around A3"]
    assert name_clusters(labels, names, np.array([220.0] * 11 + [440.0] * 9)) == ["tone"]


def test_no_two_groups_have_one_name():
    names = ["pluck, A3"] * 60
    labels, none = np.repeat([0, 1, 2], 20), np.full(60, np.nan)
    assert name_clusters(labels, names, none) == ["pluck", "", ""]
    assert name_clusters(np.full(4, -1), ["x"] * 4, np.zeros(4)) == []
    # The second is 6 dB louder and two octaves brighter, the third as loud as the first and an octave darker.
    loudness = np.repeat([-30.0, -24.0, -30.0], 20)
    brightness = np.repeat([1000.0, 4000.0, 500.0], 20)
    found = name_clusters(labels, names, none, {"loudness": loudness, "brightness": brightness})
    assert found == ["pluck", "pluck, brighter", "pluck, darker"]
    assert name_clusters(labels, names, none, {"loudness": loudness}) == ["pluck", "pluck, louder", ""]


def test_groups_of_one_name_differ_by_what_is_true_of_most():
    labels, none = np.repeat([0, 1], 20), np.full(40, np.nan)
    # Of the second group 11 of 20 are louder than the first group's median, then 13.
    for louder, expected in ((11, ""), (13, "pluck, louder")):
        loudness = np.array([-30.0] * 20 + [-24.0] * louder + [-36.0] * (20 - louder))
        assert name_clusters(labels, ["pluck, A3"] * 40, none, {"loudness": loudness}) == ["pluck", expected]
    near = np.array([-30.0] * 20 + [-28.0] * 20)  # less than a step
    assert name_clusters(labels, ["pluck, A3"] * 40, none, {"loudness": near}) == ["pluck", ""]
    # Dark sounds are not called brighter, but higher where most have a pitch at all.
    labels, none = np.repeat([0, 1, -1], 20), np.full(60, np.nan)
    brightness = np.repeat([200.0, 400.0, 4000.0], 20)
    pitch = np.array([110.0] * 20 + [150.0] * 15 + [np.nan] * 25)
    dark = ["dark pluck, A3"] * 40 + ["bright tone"] * 20
    assert name_clusters(labels, dark, none, {"brightness": brightness}) == ["dark pluck", ""]
    found = name_clusters(labels, dark, none, {"brightness": brightness, "pitch": pitch})
    assert found == ["dark pluck", "dark pluck, higher"]
