from __future__ import annotations

import itertools

import numpy as np
import pytest

from synthvae.exploration.even import choose_stops, unevenness


def chords(distance, stops):
    return distance[stops[:-1], stops[1:]]


def line(values):
    values = np.asarray(values, dtype=float)
    return np.abs(values[:, None] - values[None])


def test_a_path_of_uneven_speed_is_cut_into_equal_chords():
    position = np.linspace(0.0, 1.0, 301)
    distance = line(np.exp(5.0 * position))  # 150 times faster at its end
    stops = choose_stops(distance, position, 9, [0, 300])
    assert unevenness(chords(distance, stops)) < 1.1
    assert unevenness(np.diff(np.exp(5.0 * np.linspace(0, 1, 9)))) > 3.0  # what equal steps of the position give


def test_chords_are_equal_where_distances_saturate_and_the_sum_is_not():
    # A slide of pitch, and then a slow fade: adjacent points of the slide are as far apart as any.
    position = np.linspace(0.0, 1.0, 201)
    slide = np.minimum(position, 0.2) * 1000.0
    fade = np.maximum(position - 0.2, 0.0) * 50.0
    distance = np.hypot(np.minimum(line(slide), 10.0), line(fade))
    stops = choose_stops(distance, position, 9, [0, 200])
    assert unevenness(chords(distance, stops)) <= 1.3
    arc = np.concatenate(([0.0], np.cumsum(np.diagonal(distance, 1))))
    summed = np.searchsorted(arc, np.linspace(0.0, arc[-1], 9)).clip(max=200)
    assert unevenness(chords(distance, summed)) > 1.5


def test_required_points_are_stops_and_stops_rise():
    generator = np.random.default_rng(0)
    walk = generator.normal(size=(80, 5)).cumsum(axis=0)
    distance = np.linalg.norm(walk[:, None] - walk[None], axis=-1)
    for required in ([0, 79], [0, 13, 14, 79], [0, 40, 79]):
        stops = choose_stops(distance, np.linspace(0, 1, 80), 12, required)
        assert set(required) <= set(stops.tolist())
        assert (np.diff(stops) > 0).all()
        assert len(stops) == 12


@pytest.mark.parametrize("seed", range(4))
def test_where_no_walk_is_steady_the_evenest_is_found(seed):
    """Against every walk there is, on distances among which hardly two are alike."""
    generator = np.random.default_rng(seed)
    distance = np.exp(generator.normal(scale=2.0, size=(9, 9)))
    distance = np.triu(distance, 1) + np.triu(distance, 1).T
    stops = choose_stops(distance, np.linspace(0, 1, 9), 5, [0, 8])
    all_walks = [np.array([0, *inner, 8]) for inner in itertools.combinations(range(1, 8), 3)]
    scores = [unevenness(chords(distance, walk)) for walk in all_walks]
    assert unevenness(chords(distance, stops)) <= max(1.000001 * min(scores), 1.4)
    assert unevenness(chords(distance, stops)) < np.median(scores)


def test_a_leap_is_one_step_and_cannot_be_split():
    distance = line([0.0, 0.1, 0.2, 0.3, 9.3, 9.4, 9.5, 9.6])
    stops = choose_stops(distance, np.linspace(0, 1, 8), 5, [0, 7])
    assert chords(distance, stops).max() >= 9.0


def test_nothing_moves():
    stops = choose_stops(np.zeros((6, 6)), np.linspace(0, 1, 6), 3, [0, 5])
    assert len(stops) == 3
    assert unevenness(np.zeros(2)) == 1.0


def test_more_stops_than_points_or_fewer_than_required_are_refused():
    with pytest.raises(ValueError, match="7 steps"):
        choose_stops(np.ones((6, 6)), np.linspace(0, 1, 6), 7, [0, 5])
    with pytest.raises(ValueError, match="2 steps"):
        choose_stops(np.ones((6, 6)), np.linspace(0, 1, 6), 2, [0, 3, 5])
