"""Optimal transport of spectrogram frames."""

import numpy as np
import pytest

from synthvae.audio.pitch import track_pitch
from synthvae.exploration.sound_morphs import blend_in_decibels
from synthvae.exploration.transport import Transport, transport_plan
from synthvae.metrics.morphs import morph_figures
from tests.tones import RATE, tone


def moved(source: list[float], at: list[float], target: list[float], to: list[float], reach: float) -> dict:
    plan = transport_plan(*(np.array(x, np.float64) for x in (source, at, target, to)), reach)
    return {(int(i), int(j)): round(float(m), 6) for i, j, m in zip(plan.source, plan.target, plan.mass, strict=True)}


def test_masses_within_reach_move_and_the_rest_fades():
    plan = moved([0.6, 0.4], [0.0, 10.0], [0.5, 0.5], [0.5, 30.0], 2.0)
    assert plan == {(0, 0): 0.5, (0, -1): 0.1, (1, -1): 0.4, (-1, 1): 0.5}
    assert moved([1.0], [0.0], [1.0], [3.0], 2.0) == {(0, -1): 1.0, (-1, 0): 1.0}


def test_moving_two_masses_by_one_is_cheaper_than_one_by_two():
    # Order is kept, and what is gained counts: 2 (4 - 1) by both, (4 - 0) by leaving the second where it is.
    assert moved([0.5, 0.5], [0.0, 1.0], [0.5, 0.5], [1.0, 2.0], 2.0) == {(0, 0): 0.5, (1, 1): 0.5}


def test_balanced_transport_moves_all_mass_in_order():
    plan = moved([0.6, 0.4], [0.0, 1.0], [0.3, 0.7], [5.0, 90.0], np.inf)
    assert plan == {(0, 0): 0.3, (0, 1): 0.3, (1, 1): 0.4}


@pytest.mark.parametrize("shape", ["saw", "square"])
def test_the_middle_of_two_tones_is_one_tone(shape: str):
    low, high = tone(220.0), tone(330.0, shape)
    path, null = Transport(low, high, RATE), blend_in_decibels(low, high, RATE)
    np.testing.assert_array_equal(path(0.0), low)
    np.testing.assert_array_equal(path(1.0), high)
    found = morph_figures([low, path(0.5), high], path(0.5), RATE)
    assert found.on_middle_series > 0.98
    assert abs(found.dip) < 1.0
    assert found.pitch_jump == pytest.approx(found.even_jump, abs=5.0)
    assert morph_figures([low, null(0.5), high], null(0.5), RATE).on_middle_series < 0.2


def test_transport_of_all_mass_leaves_the_series_between_unlike_tones():
    low, high = tone(220.0, seconds=0.7), tone(330.0, "square", seconds=0.7)
    middle = Transport(low, high, RATE, np.inf)(0.5)
    assert morph_figures([low, middle, high], middle, RATE).on_middle_series < 0.8


def test_steps_of_position_are_steps_of_pitch():
    path = Transport(tone(200.0, "sine", 0.6), tone(400.0, "sine", 0.6), RATE)
    pitch = track_pitch(np.stack([path(at) for at in (0.25, 0.5, 0.75)]), RATE)
    np.testing.assert_allclose(1200 * np.log2(pitch.frequency / 200.0), [300.0, 600.0, 900.0], atol=3.0)


def test_attacks_stay_where_they_are_and_silence_is_silent():
    random = np.random.default_rng(0)
    time = np.arange(RATE // 2) / RATE
    drum = np.where(time < 0.2, 0.0, np.exp(-30 * (time - 0.2))) * random.normal(0, 0.3, len(time))
    kick = np.where(time < 0.2, 0.0, np.exp(-20 * (time - 0.2))) * np.sin(2 * np.pi * 60 * (time - 0.2))
    middle = Transport(drum.astype(np.float32), kick.astype(np.float32), RATE)(0.5)
    energy = np.cumsum(middle.astype(np.float64) ** 2)
    start = np.searchsorted(energy, 0.05 * energy[-1]) / RATE
    assert start == pytest.approx(0.2, abs=0.01)
    silent = Transport(np.zeros(4000, np.float32), np.zeros(3000, np.float32), RATE)(0.5)
    assert len(silent) == 4000
    assert not silent.any()
