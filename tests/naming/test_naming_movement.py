from __future__ import annotations

import math

import numpy as np
import pytest

from synthvae.naming.movement import change, level_track, pitch_track, wavering

STEPS = np.arange(100.0)
WAVE = 5.0 * np.sin(2.0 * np.pi * STEPS / 20)


def test_change_is_between_the_outer_fifths():
    assert change(STEPS) == 80.0
    assert change(-STEPS) == -80.0
    assert change(STEPS[:4]) == 0.0


def test_only_regular_modulation_wavers():
    assert wavering(WAVE + 0.2 * STEPS, 0.01, 1.0, (2.0, 20.0)) == pytest.approx(8.0, abs=2.0)
    assert wavering(STEPS, 0.01, 1.0, (2.0, 20.0)) is None
    assert wavering(WAVE, 0.01, 11.0, (2.0, 20.0)) is None, "not deep enough"
    assert wavering(WAVE, 0.001, 1.0, (2.0, 20.0)) is None, "50 a second are none"
    assert wavering(WAVE[:35], 0.01, 1.0, (2.0, 20.0)) is None, "two peaks are none"
    uneven = np.zeros(100)
    uneven[[10, 15, 60]] = 5.0
    assert wavering(uneven, 0.01, 1.0, (2.0, 20.0)) is None


def test_gaps_of_a_pitch_are_filled():
    track = np.array([0.0, 220.0, 0.0, 440.0, 0.0])
    np.testing.assert_allclose(pitch_track(track) - 12 * math.log2(220.0), [0.0, 6.0, 12.0])
    assert not len(pitch_track(np.zeros(9)))


def test_level_is_smooth_and_has_a_floor():
    power = np.ones(1000)
    power[500:] = 0.0
    level = level_track(power, 0.0025, 40.0)
    assert len(level) == len(power)
    assert level[0] == pytest.approx(0.0)
    assert level[-1] == pytest.approx(-40.0)
    assert (np.diff(level) <= 1e-9).all()
    buzz = 1.0 + np.sin(2.0 * np.pi * 40.0 * 0.0025 * np.arange(1000))
    assert np.ptp(level_track(buzz, 0.0025, 40.0)[50:-50]) < 0.5, "periods of 40 Hz are no movement"
