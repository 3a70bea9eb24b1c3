"""Places of labels on a map, and labels by a classifier."""

from __future__ import annotations

import numpy as np

from synthvae.maps.labels import held_out_guesses, label_places, predict_labels


def clouds(*centres: tuple[float, ...], count: int = 40) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.concatenate([centre + 0.1 * random.standard_normal((count, len(centre))) for centre in centres])


def test_a_name_stands_in_the_middle_of_its_points():
    places = label_places(clouds((0.0, 0.0), (5.0, 1.0)), np.repeat([0, 1], 40), 3)
    assert np.hypot(places[0].x, places[0].y) < 0.1
    assert np.hypot(places[1].x - 5.0, places[1].y - 1.0) < 0.1
    assert [place.count for place in places] == [40, 40, 0]
    assert [place.true for place in places] == [True, True, False]


def test_a_label_in_two_parts_is_named_where_it_is_and_not_between_them():
    points = clouds((-3.0, 0.0), (3.0, 0.0), (0.0, 0.0))
    first, second = label_places(points, np.array([0] * 80 + [1] * 40), 2)
    assert abs(abs(first.x) - 3.0) < 0.5, "its centre lies among points of the other label"
    assert first.share == 1.0
    assert np.hypot(second.x, second.y) < 0.1


def test_a_name_that_is_true_nowhere_is_none():
    points = np.random.default_rng(1).standard_normal((600, 2))
    labels = np.random.default_rng(2).integers(0, 6, 600)
    assert not any(place.true for place in label_places(points, labels, 6))


def test_labels_are_guessed_by_what_was_learnt():
    features, labels = clouds((0.0, 0.0, 1.0), (2.0, 0.0, 0.0), (0.0, 3.0, 0.0)), np.repeat([0, 2, 5], 40)
    assert (predict_labels(features[::2], labels[::2], features[1::2]) == labels[1::2]).all()
    assert (predict_labels(features[:10], labels[:10], features[50:52]) == 0).all(), "one label alone"


def test_held_out_guesses_know_nothing_of_their_own_label():
    random = np.random.default_rng(0)
    noise, labels = random.standard_normal((300, 4)), random.integers(0, 3, 300)
    assert (held_out_guesses(noise, labels, np.arange(300)) == labels).mean() < 0.5
    pairs = np.repeat(noise[:150], 2, axis=0)
    twice = np.repeat(labels[:150], 2)
    assert (held_out_guesses(pairs, twice, np.arange(300) // 2) == twice).mean() < 0.5, "twins are in one part"
    features = clouds((0.0, 0.0), (3.0, 0.0))
    assert (held_out_guesses(features, np.repeat([0, 1], 40), np.arange(80)) == np.repeat([0, 1], 40)).all()
