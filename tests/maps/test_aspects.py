"""Distances of sounds by aspect, and groups of near-duplicates."""

from __future__ import annotations

import numpy as np
import torch

from synthvae.features.mel import at_level, log_mel
from synthvae.maps.aspects import ASPECTS, aspect_distances, aspect_rows, near_duplicates, typical_distances

RATE = 16000
TIME = np.arange(RATE) / RATE


def saw(pitch: float, decay: float = 3.0, dark: float = 1.0) -> np.ndarray:
    sound = sum(np.sin(2 * np.pi * pitch * k * TIME) / k**dark for k in range(1, int(RATE / 2 / pitch)))
    return sound * np.exp(-decay * TIME)


def rows(*sounds: np.ndarray) -> dict[str, np.ndarray]:
    audio = at_level(torch.from_numpy(np.stack(sounds).astype(np.float32)), 0.1)
    return aspect_rows(log_mel(audio, RATE).numpy())


def test_each_aspect_hears_its_own_change_most():
    found = rows(saw(220), saw(220, decay=30), saw(220, dark=3.0), saw(330))
    own = {name: row[0] for name, row in found.items()}
    apart = aspect_distances(found, own, np.array([220.0, 220.0, 220.0, 330.0]), 220.0)
    assert set(apart) == set(ASPECTS) - {"overall"}
    assert all(distance[0] == 0.0 for distance in apart.values())
    assert apart["amplitude"].argmax() == 1
    assert apart["timbre"].argmax() == 2
    np.testing.assert_allclose(apart["pitch"], [0, 0, 0, 12 * np.log2(1.5)])
    assert apart["spectrum"][2] > apart["amplitude"][2]
    assert np.isnan(aspect_distances(found, own, np.full(4, 220.0), None)["pitch"]).all()


def test_a_gain_changes_nothing():
    found = rows(saw(220), 0.01 * saw(220))
    for row in found.values():
        np.testing.assert_allclose(row[0], row[1], atol=1e-3)


def test_typical_distances_are_those_of_random_pairs():
    random = np.random.default_rng(0)
    values = {"spectrum": random.standard_normal((400, 8)).astype(np.float32), "timbre": np.zeros((400, 2), np.float32)}
    typical = typical_distances(values, np.where(np.arange(400) < 40, np.nan, 440.0 * 2 ** random.uniform(-1, 1, 400)))
    assert 3.0 < typical["spectrum"] < 5.0
    assert typical["timbre"] == 1.0
    assert 4.0 < typical["pitch"] < 10.0
    assert typical_distances(values, np.full(400, np.nan))["pitch"] == 1.0


def test_near_duplicates_are_chained():
    line = np.array([[0.0], [0.5], [1.0], [5.0], [9.0], [9.4]], np.float32)
    assert [group.tolist() for group in near_duplicates(line, 0.6)] == [[0, 1, 2], [4, 5]]
    assert near_duplicates(line, 0.1) == []
