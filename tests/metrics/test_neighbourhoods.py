from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from synthvae.core.errors import UserError
from synthvae.metrics import neighbourhoods
from synthvae.metrics.neighbourhoods import (
    _pairs,
    cluster_examples,
    cosine_similarity,
    map_trust,
    mean_spectrum,
    neighbourhood_trust,
)


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def test_cosines_are_means_over_all_pairs() -> None:
    latents, labels = normal(30, 5), np.random.default_rng(1).integers(-1, 3, 30)
    unit = latents / np.linalg.norm(latents, axis=1, keepdims=True)
    within, across = [], []
    for i in range(30):
        for j in range(i):
            if labels[i] >= 0 and labels[j] >= 0:
                (within if labels[i] == labels[j] else across).append(unit[i] @ unit[j])
    result = cosine_similarity(latents, labels)
    assert result.within == pytest.approx(np.mean(within))
    assert result.across == pytest.approx(np.mean(across))
    assert (result.clusters, result.points) == (3, int((labels >= 0).sum()))


def test_clusters_of_one_direction_stand_out_of_random_labels() -> None:
    directions = np.repeat(np.eye(4), 25, axis=0)
    latents = directions * np.random.default_rng(0).uniform(0.5, 3.0, (100, 1))  # length does not matter
    result = cosine_similarity(latents, np.repeat(np.arange(4), 25))
    assert result.within == pytest.approx(1.0)
    assert result.across == pytest.approx(0.0)
    expected = (4 * 25 * 24) / (100 * 99)  # share of pairs that point the same way, whatever the labels
    for interval in (result.random_within, result.random_across):
        assert interval is not None
        assert interval[0] <= expected <= interval[1]
        assert interval[1] - interval[0] < 0.1
    assert result.random_within is not None
    assert result.within > result.random_within[1]


def test_labels_that_mean_nothing_are_within_what_random_ones_give() -> None:
    result = cosine_similarity(normal(300, 8), np.random.default_rng(1).integers(0, 5, 300))
    assert result.within is not None
    assert result.random_within is not None
    assert result.random_within[0] <= result.within <= result.random_within[1]


def test_cosines_without_pairs_are_none() -> None:
    latents = normal(6, 3)
    one = cosine_similarity(latents, np.zeros(6, int))
    assert one.within is not None
    assert (one.across, one.random_across, one.clusters) == (None, None, 1)
    single = cosine_similarity(latents, np.arange(6))
    assert (single.within, single.random_within) == (None, None)
    assert single.across is not None
    nothing = cosine_similarity(latents, np.full(6, -1))
    assert (nothing.within, nothing.across, nothing.clusters, nothing.points) == (None, None, 0, 0)
    latents[0] = 0.0
    assert cosine_similarity(latents, np.zeros(6, int)).points == 5


def test_sounds_that_are_the_latents_are_trusted_entirely() -> None:
    latents = normal(80, 4)
    result = neighbourhood_trust(latents, 3 * latents + 1)
    assert (result.spearman, result.low, result.high) == (pytest.approx(1.0), pytest.approx(1.0), pytest.approx(1.0))
    assert result.precision.mean == 1.0
    assert result.near.mean == 1.0
    assert (result.chance, result.near_chance) == (10 / 79, 10 / 79)
    assert (result.pairs, result.points, result.neighbours) == (80 * 79 // 2, 80, 10)


def test_sounds_that_have_nothing_to_do_with_latents_are_at_chance() -> None:
    result = neighbourhood_trust(normal(600, 4), normal(600, 20, seed=1))
    assert result.spearman is not None
    assert result.low is not None
    assert result.high is not None
    assert result.low < 0 < result.high
    assert result.precision.mean == pytest.approx(result.chance, abs=0.006)
    assert result.near.mean == pytest.approx(result.near_chance, abs=0.015)
    assert result.near_chance == 60 / 599
    assert result.pairs == 5000


def test_latents_that_say_nothing_are_at_chance_in_any_order_of_the_presets() -> None:
    heard = np.sort(normal(400, 1), axis=0)  # neighbours in the file are neighbours in sound
    result = neighbourhood_trust(np.zeros((400, 3)), heard)
    assert (result.spearman, result.low, result.high) == (None, None, None)
    assert result.precision.mean == pytest.approx(result.chance, abs=0.015)
    assert result.near.mean == pytest.approx(result.near_chance, abs=0.03)


def test_trust_is_that_of_counting_and_of_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    latents = normal(40, 3)
    heard = latents[:, :1] + 0.7 * normal(40, 2, seed=1)
    result = neighbourhood_trust(latents, heard, neighbours=4)
    ours, near = [], []
    for i in range(40):
        by_latent = np.argsort(np.linalg.norm(latents - latents[i], axis=1))[1:5]
        by_sound = np.argsort(np.linalg.norm(heard - heard[i], axis=1))[1:]
        ours.append(len(set(by_latent) & set(by_sound[:4])) / 4)
        near.append(len(set(by_latent) & set(by_sound[:4])) / 4)  # a tenth of 39 is 4 as well
    assert result.precision.mean == pytest.approx(np.mean(ours))
    assert result.near.mean == pytest.approx(np.mean(near))
    first, second = np.triu_indices(40, 1)
    distances = [np.linalg.norm(x[first] - x[second], axis=1) for x in (latents, heard)]
    assert result.spearman == pytest.approx(stats.spearmanr(*distances).statistic)
    monkeypatch.setattr(neighbourhoods, "_BLOCK", 100)  # two presets at a time
    assert neighbourhood_trust(latents, heard, neighbours=4) == result


def test_near_is_kinder_than_among_the_nearest() -> None:
    latents = normal(300, 3)
    result = neighbourhood_trust(latents, latents + 0.3 * normal(300, 3, seed=1))
    assert 2 * result.chance < result.precision.mean < result.near.mean
    assert result.near_chance == 30 / 299


def test_the_interval_covers_the_correlation_of_all_presets() -> None:
    # Presets are drawn from a population; the interval over presets has to hold its correlation 19 times of 20.
    generator = np.random.default_rng(0)
    everything = generator.standard_normal((1500, 2))
    heard = everything + generator.standard_normal((1500, 2))
    truth = neighbourhood_trust(everything, heard, pairs=20000, resamples=1).spearman
    assert truth is not None
    covered = 0
    for trial in range(40):
        chosen = generator.choice(1500, 60, replace=False)
        result = neighbourhood_trust(everything[chosen], heard[chosen], resamples=60, seed=trial)
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= truth <= result.high
    assert covered >= 34


def test_pairs_are_different_and_all_drawn_alike() -> None:
    generator = np.random.default_rng(0)
    first, second = _pairs(50, 1000, generator)
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == 1000
    assert (first < second).all()
    assert first.min() == 0
    assert second.max() == 49
    assert len(_pairs(5, 10, generator)[0]) == 10
    big = _pairs(3_000_000, 1000, generator)
    assert (big[0] >= 0).all()
    assert (big[0] < big[1]).all()
    assert big[1].max() < 3_000_000
    counts = np.zeros(6)
    for _ in range(2000):
        for end in _pairs(6, 3, generator):
            np.add.at(counts, end, 1)
    np.testing.assert_allclose(counts, 2000, rtol=0.06)


def test_bad_trust() -> None:
    with pytest.raises(ValueError, match="5 latents for 6 presets"):
        neighbourhood_trust(normal(5, 2), normal(6, 2))
    with pytest.raises(ValueError, match="neighbours is 5, it has to be from 1 to 4"):
        neighbourhood_trust(normal(5, 2), normal(5, 2), neighbours=5)
    with pytest.raises(UserError, match="2 points, 3 at least"):
        neighbourhood_trust(normal(2, 2), normal(2, 2))
    with pytest.raises(UserError, match="features: preset 1 holds nan"):
        neighbourhood_trust(normal(5, 2), np.where(np.arange(5)[:, None] == 1, np.nan, 1.0))
    with pytest.raises(ValueError, match="expected 5 labels"):
        cosine_similarity(normal(5, 2), np.zeros(4, int))


def test_a_map_that_is_the_space_is_trusted_and_a_shuffled_one_is_not() -> None:
    latents = normal(200, 2)
    result = map_trust(latents, 5 * latents)
    assert (result.trustworthiness, result.continuity) == (1.0, 1.0)
    assert result.chance == pytest.approx(0.5, abs=0.05)
    flat = map_trust(normal(200, 6), normal(200, 6)[:, :2])
    assert flat.chance + 0.1 < flat.trustworthiness < 1.0


def test_a_folded_map_is_continuous_and_a_torn_one_trustworthy() -> None:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    folded = map_trust(circle, np.stack([np.cos(angle), np.zeros(200)], axis=1))
    assert folded.continuity > folded.trustworthiness + 0.05
    torn = map_trust(circle, np.stack([angle, np.zeros(200)], axis=1))
    assert torn.trustworthiness == pytest.approx(1.0, abs=0.002)
    assert torn.continuity < torn.trustworthiness


def test_large_maps_are_sampled_and_small_ones_take_fewer_neighbours() -> None:
    latents = normal(300, 2)
    assert map_trust(latents, latents, limit=100).points == 100
    few = map_trust(normal(5, 3), normal(5, 2))
    assert (few.neighbours, few.points) == (2, 5)
    with pytest.raises(ValueError, match="5 latents on a map of 4"):
        map_trust(normal(5, 3), normal(4, 2))
    with pytest.raises(UserError, match="2 points, 3 at least"):
        map_trust(normal(2, 3), normal(2, 2))


def test_examples_are_medium_sized_clusters_and_members_at_random() -> None:
    sizes = np.concatenate([np.full(20, 3), np.full(6, 15), np.full(30, 40)])
    labels = np.random.default_rng(0).permutation(np.concatenate([np.repeat(np.arange(56), sizes), np.full(100, -1)]))
    drawn = set()
    for seed in range(20):
        examples = cluster_examples(labels, seed)
        assert examples == cluster_examples(labels, seed)
        assert [example.size for example in examples] == [15, 15, 15]
        assert len({example.label for example in examples}) == 3
        for example in examples:
            assert sorted(example.members) == np.flatnonzero(labels == example.label).tolist()
            assert list(example.members) != sorted(example.members)
        drawn |= {example.label for example in examples}
    assert drawn == set(range(20, 26))  # every cluster of the thesis's size, and no other


def test_large_clusters_give_a_part_of_their_members_and_small_ones_all() -> None:
    labels = np.array([0] * 50 + [1] * 2 + [-1])
    large, small = cluster_examples(labels)
    assert (large.label, large.size, len(set(large.members))) == (0, 50, 15)
    assert set(large.members) < set(range(50))
    assert max(large.members) > 14  # not the first of them
    assert (small.label, small.size, set(small.members)) == (1, 2, {50, 51})
    assert cluster_examples(np.full(8, -1)) == ()
    assert len(cluster_examples(np.repeat(np.arange(4), 2), clusters=9, members=2)) == 4
    with pytest.raises(ValueError, match="at least 1 of each"):
        cluster_examples(np.zeros(8, int), members=0)


def test_the_spectrum_of_a_sine_is_its_level_at_its_frequency() -> None:
    seconds = np.arange(4410) / 44100
    sines = np.stack([0.5 * np.sin(2 * np.pi * 1000 * seconds), 0.5 * np.sin(2 * np.pi * 1000 * seconds + 1)])
    frequencies, level = mean_spectrum(sines, 44100)
    assert frequencies.shape == level.shape == (2206,)
    assert frequencies[level.argmax()] == pytest.approx(1000.0)
    assert level.max() == pytest.approx(20 * np.log10(0.5), abs=1e-6)
    assert level[np.abs(frequencies - 5000).argmin()] == -120.0


def test_the_mean_spectrum_averages_magnitudes_and_silence_is_the_floor() -> None:
    seconds = np.arange(4410) / 44100
    pair = np.stack([np.sin(2 * np.pi * 1000 * seconds), np.zeros(4410)])
    assert mean_spectrum(pair, 44100)[1].max() == pytest.approx(20 * np.log10(0.5), abs=1e-6)
    assert (mean_spectrum(np.zeros((2, 100)), 44100)[1] == -120.0).all()
    assert mean_spectrum(np.ones((1, 1)), 44100)[1].shape == (1,)
    with pytest.raises(UserError, match="audio: sound 1 holds nan"):
        mean_spectrum(np.array([[0.0, 0.0], [np.nan, 0.0]]), 44100)
