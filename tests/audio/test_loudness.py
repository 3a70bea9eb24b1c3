"""Loudness against what EBU Tech 3341 prescribes and against the recommendation's own table of filters."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter

from synthvae.audio.loudness import CEILING, check_loudness, common_level, integrated_loudness, true_peak
from synthvae.data.sampling import uniform_unit
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice
from tests.errors import user_error

RATE = 48000
#: BS.1770-4, tables 1 and 2.
SHELF = ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585])
HIGH_PASS = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])


def sine(decibels: float, seconds: float, rate: int = RATE, hz: float = 997.0) -> NDArray[np.float64]:
    return 10 ** (decibels / 20) * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def reference(sound: NDArray[np.float64]) -> float:
    """BS.1770-4, equations 2 to 7, for one channel at 48 kHz."""
    squares = lfilter(*HIGH_PASS, lfilter(*SHELF, sound)) ** 2
    blocks = np.lib.stride_tricks.sliding_window_view(squares, round(0.4 * RATE))[:: round(0.1 * RATE)].mean(1)
    loud = blocks[-0.691 + 10 * np.log10(np.maximum(blocks, 1e-30)) > -70.0]
    kept = loud[loud > loud.mean() / 10]
    return -0.691 + 10 * math.log10(kept.mean())


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000, 384000])
def test_a_full_scale_sine_reads_what_the_recommendation_says(rate: int):
    assert integrated_loudness(sine(0.0, 1.0, rate), rate) == pytest.approx(-3.01, abs=0.04)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(-23.0, 20.0)], -26.0),
        ([(-33.0, 20.0)], -36.0),
        ([(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -26.0),
        ([(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)], -26.0),
        ([(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -26.0),
    ],
)
def test_minimum_requirements_of_ebu_tech_3341(parts: list[tuple[float, float]], expected: float):
    """Its test signals 1 to 5 read -23 or -33 LUFS in stereo, 3 LU less in one channel; it allows 0.1 LU."""
    sound = np.concatenate([sine(level, seconds, hz=1000.0) for level, seconds in parts])
    assert integrated_loudness(sound, RATE) == pytest.approx(expected - 0.01, abs=0.1)


def test_presets_read_what_the_tabulated_filters_say():
    unit = torch.from_numpy(uniform_unit(5, 0, 12, 63).astype(np.float32))
    for sound in Voice(VOICE_63, sample_rate=RATE, seconds=2.0)(unit).double().numpy():
        found = integrated_loudness(sound, RATE)
        if math.isfinite(found):
            assert found == pytest.approx(reference(sound), abs=0.01)


def test_a_short_sound_is_heard_as_long_as_it_lasts():
    assert integrated_loudness(sine(-20.0, 0.2), RATE) == pytest.approx(-23.01 - 3.01, abs=0.1)
    padded = np.concatenate([sine(-20.0, 0.2), np.zeros(RATE // 5)])
    assert integrated_loudness(sine(-20.0, 0.2), RATE) == pytest.approx(integrated_loudness(padded, RATE))
    assert math.isfinite(integrated_loudness(np.ones(1), RATE))


@pytest.mark.parametrize("rate", [1000, 2000, 8000, 16000, 22050, 96000])
@pytest.mark.parametrize("hz", [100.0, 300.0])
def test_every_rate_reads_alike(rate: int, hz: float):
    expected = integrated_loudness(sine(0.0, 2.0, RATE, hz), RATE)
    assert integrated_loudness(sine(0.0, 2.0, rate, hz), rate) == pytest.approx(expected, abs=0.05)


def test_what_no_block_passes_the_gate_of_has_no_loudness():
    assert integrated_loudness(sine(-80.0, 1.0), RATE) == -math.inf
    assert integrated_loudness(np.zeros(RATE), RATE) == -math.inf
    assert integrated_loudness(np.zeros(3), RATE) == -math.inf


def tone(hz: float, seconds: float = 2.0, phase: float = 0.0) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE + phase)


def test_the_peak_between_samples_is_found():
    between = tone(12000.0, phase=np.pi / 4)  # samples at 0.707 only
    assert np.abs(between).max() < 0.71
    assert true_peak(between[1000:-1000]) == pytest.approx(1.0, abs=0.03)


def test_sounds_are_brought_to_the_loudness_together():
    quiet, middle, loud = (gain * tone(997.0) for gain in (0.02, 0.1, 0.2))
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
    assert common_level([tone(997.0)], 48000, None).gain == 1.0
    level = common_level([np.zeros(4800)], 48000, -18.0)
    assert (level.gain, level.silent) == (1.0, True)


def test_impossible_loudness_is_refused():
    check_loudness(-23.0)
    for bad in (1.0, -61.0, math.nan):
        with user_error("loudness", bad):
            check_loudness(bad)
