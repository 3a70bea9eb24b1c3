"""Loudness and peaks of signals whose values the recommendations state."""

from __future__ import annotations

import math

import numpy as np
import pytest

from synthvae.core.errors import UserError
from synthvae.instruments.levels import CEILING, check_loudness, common_level, integrated_loudness, true_peak


def sine(hz: float, seconds: float = 2.0, rate: int = 48000, phase: float = 0.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate + phase)


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
def test_a_full_scale_sine_of_997_hz_reads_minus_3(rate: int):
    assert integrated_loudness(sine(997.0, rate=rate), rate) == pytest.approx(-3.01, abs=0.05)


def test_silence_and_what_the_gate_does_not_hear_have_no_loudness():
    assert integrated_loudness(np.zeros(48000), 48000) == -math.inf
    assert integrated_loudness(1e-4 * sine(997.0), 48000) == -math.inf


def test_the_peak_between_samples_is_found():
    between = sine(12000.0, phase=np.pi / 4)  # samples at 0.707 only
    assert np.abs(between).max() < 0.71
    assert true_peak(between[1000:-1000]) == pytest.approx(1.0, abs=0.03)


def test_sounds_are_brought_to_the_loudness_together():
    quiet, middle, loud = (gain * sine(997.0) for gain in (0.02, 0.1, 0.2))
    level = common_level([quiet, middle, loud], 48000, -18.0)
    assert not level.limited
    assert integrated_loudness(middle * level.gain, 48000) == pytest.approx(-18.0, abs=0.01)
    assert integrated_loudness(loud * level.gain, 48000) == pytest.approx(-12.0, abs=0.1)


def test_no_peak_passes_the_ceiling():
    clicks = np.zeros(48000)
    clicks[::4800] = 0.5
    level = common_level([clicks], 48000, -18.0)
    assert level.limited
    assert true_peak(clicks * level.gain) == pytest.approx(CEILING, rel=1e-6)
    assert integrated_loudness(clicks * level.gain, 48000) < -18.0


def test_off_leaves_samples_alone_and_silence_says_so():
    assert common_level([sine(997.0)], 48000, None).gain == 1.0
    level = common_level([np.zeros(4800)], 48000, -18.0)
    assert (level.gain, level.silent) == (1.0, True)


def test_impossible_loudness_is_refused():
    check_loudness(-23.0)
    for bad in (1.0, -61.0, math.nan):
        with pytest.raises(UserError, match="--loudness"):
            check_loudness(bad)
