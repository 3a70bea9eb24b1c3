"""Resampling against the closed form of a sine: nothing audible is lost, and nothing is added."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from synthvae.audio.resampling import resample

RATES = [(44100, 16000), (48000, 44100), (44100, 48000), (16000, 44100), (44100, 24000), (8000, 32000)]


def sine(hertz: float, rate: int, samples: int | None = None) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * hertz * np.arange(samples or rate) / rate + 0.5)


def decibels(values: NDArray[np.floating]) -> float:
    return 20 * math.log10(float(np.abs(values).max()))


@pytest.mark.parametrize(("rate", "wanted"), RATES)
def test_sines_in_the_passband_keep_level_and_phase(rate: int, wanted: int):
    """0.01 dB, soxr's bound on its roll-off, is -58.8 dB of a sine, and a hundredth of the least difference heard."""
    inner = slice(wanted // 4, -wanted // 4)  # a sine that begins at once is no sine there
    for share in (0.01, 0.1, 0.5, 0.8, 0.9):
        hertz = share * min(rate, wanted) / 2
        found, expected = resample(sine(hertz, rate), rate, wanted)[inner], sine(hertz, wanted)[inner]
        assert decibels(found - expected) < (-90.0 if share <= 0.5 else -58.8), hertz
        gain = (found @ expected) / (expected @ expected)
        assert decibels(found - gain * expected) < -90.0, f"{hertz} Hz: more than its level has changed"


@pytest.mark.parametrize(("rate", "wanted"), [pair for pair in RATES if pair[1] < pair[0]])
def test_what_the_lower_rate_cannot_hold_is_90_decibels_down(rate: int, wanted: int):
    for share in (0.0, 0.02, 0.3, 0.9):
        hertz = wanted / 2 + share * (rate - wanted) / 2
        assert decibels(resample(sine(hertz, rate), rate, wanted)[wanted // 4 : -wanted // 4]) < -90.0, hertz


def test_images_of_a_higher_rate_are_90_decibels_down():
    found = resample(sine(3000.0, 8000), 8000, 32000)[8000:-8000]
    spectrum = np.abs(np.fft.rfft(found * np.blackman(len(found)))) / (0.42 * len(found) / 2)
    frequencies = np.fft.rfftfreq(len(found), 1 / 32000)
    assert decibels(spectrum[np.abs(frequencies - 3000.0) < 10]) == pytest.approx(0.0, abs=0.01)
    assert decibels(spectrum[frequencies > 4000.0]) < -90.0


def test_shape_and_type_are_kept():
    rows = np.stack([sine(440.0, 44100, 1001), sine(880.0, 44100, 1001)])
    for dtype in (np.float32, np.float64):
        found = resample(rows.astype(dtype), 44100, 48000)
        assert (found.shape, found.dtype) == ((2, 1090), dtype)
        np.testing.assert_array_equal(found[1], resample(rows[1].astype(dtype), 44100, 48000))
    for samples in (1, 2, 7, 100):
        assert resample(np.ones(samples), 44100, 16000).shape == (math.ceil(samples * 16000 / 44100),)
    assert resample(rows, 44100, 44100) is rows
