from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from synthvae.maps.nearest import Atlas, build_atlas


def plane(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points in a disc, and latents that are a smooth function of them."""
    generator = np.random.default_rng(seed)
    angle, distance = generator.uniform(0, 2 * np.pi, count), np.sqrt(generator.uniform(0, 1, count))
    points = np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1)
    return points, np.concatenate([points, points**2], axis=1).astype(np.float32)


def hear(latents: np.ndarray) -> np.ndarray:
    return 10.0 * latents[:, :, None]


def atlas_of(points: np.ndarray, latents: np.ndarray, linear: bool = False) -> Atlas:
    """A map of sounds whose spectrograms are their latents, ten times as large."""
    return build_atlas(points, latents, latents, lambda numbers: hear(latents[numbers]), hear, linear)


def test_a_smooth_map_is_found_again():
    points, latents = plane()
    atlas = atlas_of(points, latents)
    assert atlas.between < 0.15 * atlas.null
    assert atlas.snapped < 0.2 * atlas.null
    assert atlas.neighbour < 0.2 * atlas.null
    for x, y in ((0.0, 0.0), (0.3, -0.4), (-0.6, 0.1)):
        spot = atlas.at(x, y)
        assert spot.inside
        assert (spot.x, spot.y) == (x, y)
        np.testing.assert_allclose(spot.latent, [x, y, x * x, y * y], atol=0.1)
        assert spot.confidence > 0.7


def test_an_uninformative_map_has_low_confidence():
    points, _ = plane()
    latents = np.random.default_rng(1).standard_normal((400, 16)).astype(np.float32)
    atlas = atlas_of(points, latents)
    assert atlas.snapped > 0.7 * atlas.null
    assert atlas.between > 0.6 * atlas.null
    assert atlas.at(0.0, 0.0).confidence < 0.35


def test_between_two_places_the_sound_moves_without_a_jump():
    points, latents = plane()
    atlas = atlas_of(points, latents)
    steps = np.stack([atlas.at(x, 0.1).latent for x in np.linspace(-0.5, 0.5, 500)])
    assert np.abs(np.diff(steps, axis=0)).max() < 0.05


def test_outside_the_nearest_sensible_place_is_used():
    points, latents = plane()
    atlas = atlas_of(points, latents)
    spot = atlas.at(30.0, 40.0)
    assert not spot.inside
    assert np.hypot(spot.x, spot.y) < 1.0 + 2 * atlas.radius
    np.testing.assert_allclose(spot.y / spot.x, 4 / 3, rtol=0.3)
    again = atlas.at(spot.x, spot.y)
    assert again.inside
    np.testing.assert_allclose(again.latent, spot.latent)


def test_the_hull_has_islands_and_holds_its_points():
    points, latents = plane()
    two = np.concatenate([points, points + np.array([5.0, 0.0])])
    atlas = atlas_of(two, np.concatenate([latents, latents + 1.0]))
    assert len(atlas.rings) >= 2
    for ring in atlas.rings:
        np.testing.assert_allclose(ring[0], ring[-1], atol=1e-6)
    assert not atlas.at(2.5, 0.0).inside
    corner = atlas.trust[:3, :3]
    assert (corner == 0).all()


@pytest.mark.parametrize("far", [0.0, 1e-30, 1e6, -1e6, 1e300, float("inf"), float("-inf"), float("nan")])
def test_every_place_has_an_answer(far: float):
    points, latents = plane(50)
    atlas = atlas_of(points, latents)
    spot = atlas.at(far, -far)
    assert np.isfinite(spot.latent).all()
    assert np.isfinite([spot.x, spot.y, spot.confidence]).all()
    assert 0 <= spot.confidence <= 1


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_few_points_and_equal_points(count: int):
    points, latents = plane(count)
    for places in (points, np.zeros_like(points)):
        atlas = atlas_of(places, latents)
        spot = atlas.at(float(places[0, 0]), float(places[0, 1]))
        assert spot.inside
        assert np.isfinite(spot.latent).all()
        assert np.isfinite(atlas.place(latents)).all()


def test_a_new_latent_lies_among_those_like_it():
    points, latents = plane()
    atlas = atlas_of(points, latents)
    np.testing.assert_allclose(atlas.place(latents[:5]), atlas.points[:5], atol=1e-4)
    where = np.array([[0.2, 0.3, 0.04, 0.09]], np.float32)
    np.testing.assert_allclose(atlas.place(where)[0], [0.2, 0.3], atol=0.08)


def test_a_new_latent_never_lies_between_islands():
    points, latents = plane()
    islands = np.concatenate([points, points + np.array([50.0, 0.0])])
    latents = np.concatenate([latents, latents + 0.01])  # alike, but laid out apart
    atlas = atlas_of(islands, latents)
    places = atlas.place(latents + 0.005)
    assert ((places[:, 0] < 2) | (places[:, 0] > 48)).all()


def test_a_linear_map_places_exactly():
    latents = np.random.default_rng(2).standard_normal((200, 6)).astype(np.float32)
    directions = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 2)))[0]
    centre = latents.mean(axis=0)
    atlas = atlas_of((latents - centre) @ directions, latents, linear=True)
    new = np.random.default_rng(4).standard_normal((20, 6)).astype(np.float32)
    np.testing.assert_allclose(atlas.place(new), (new - centre) @ directions, atol=1e-4)


def test_a_lookup_allocates_no_memory_of_the_size_of_the_map():
    points, latents = plane(10_000)
    atlas = atlas_of(points, latents)
    atlas.at(0.0, 0.0)
    places = np.random.default_rng(5).uniform(-2, 2, (300, 2)).tolist()
    tracemalloc.start()
    try:
        for x, y in places:
            assert np.isfinite(atlas.at(x, y).latent).all()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(points), "less than one float32 a point"


def test_a_place_snaps_to_the_point_that_its_neighbours_are_most_like():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.9, 0.9], [9.0, 9.0]])
    latents = np.array([[50.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0]], np.float32)
    atlas = atlas_of(points, latents)
    # Around the middle lie 50, 1, 2, 3, 4 and 5: the sums of distances to the others are least for 3 and 4.
    assert atlas.at(0.1, 0.0).point in (3, 4)
    assert atlas.at(1e-6, 0.0).point == 0
    assert atlas.at(9.0, 9.0).point != 0
    alike = atlas.most_alike(np.array([[2.2], [48.0]], np.float32), 3)
    np.testing.assert_array_equal(alike[0], [2, 3, 1])
    assert alike[1, 0] == 0


def test_the_measured_distances_by_hand():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [2.1, 0.0]])
    latents = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 5.0]], np.float32)
    atlas = atlas_of(points, latents)
    # Nearest other points: 1, 0, 1; 10 dB a unit over two values: 30, 30 and 50 over the root of 2.
    assert atlas.neighbour == pytest.approx(30 / 2**0.5)
