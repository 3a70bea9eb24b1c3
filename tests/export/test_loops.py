"""Loops that are not heard: measured at their seams, of sounds whose periods are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import stft

from synthvae.audio.pitch import track_pitch
from synthvae.export.loops import GUARD, SHORTEST, Loop, find_loop, make_seamless, play_loop

RATE = 16000
TIME = np.arange(2 * RATE) / RATE


def jerk_ratio(held: np.ndarray, seams: list[int], first: int) -> float:
    """The largest second difference at a seam, over the largest elsewhere: above 1 there is a click."""
    jerk = np.abs(np.diff(held, 2))
    at = max(float(jerk[seam - 3 : seam + 2].max()) for seam in seams)
    away = np.ones(len(jerk), dtype=bool)
    for seam in seams:
        away[seam - 3 : seam + 2] = False
    away[:first] = False
    return at / float(jerk[away].max())


def flux_ratio(held: np.ndarray, seams: list[int], first: int) -> float:
    """The largest spectral flux of a frame over a seam, over the largest of frames elsewhere."""
    size, step = 256, 32
    spectrum = np.abs(stft(held, nperseg=size, noverlap=size - step, boundary=None)[2])
    flux = np.sqrt(np.square(np.diff(spectrum, axis=1)).sum(0))
    starts = np.arange(len(flux)) * step
    near = np.any([(starts > seam - size - step) & (starts < seam + size) for seam in seams], axis=0)
    return float(flux[near].max()) / float(flux[~near & (starts > first)].max())


def played(seamless: np.ndarray, loop: Loop, times: int = 4) -> tuple[np.ndarray, list[int]]:
    """A held key, and where its seams are."""
    length = loop.end - loop.start
    held = np.concatenate([seamless[: loop.end], play_loop(seamless, loop, times * length)])
    return held.astype(np.float64), [loop.end + number * length for number in range(times)]


def test_a_tone_is_repeated_by_whole_periods():
    tone = np.sin(2 * np.pi * 100.0 * TIME)  # a period of 160 samples
    loop = find_loop(tone, tone, 0, len(tone), RATE)
    assert loop is not None
    assert (loop.end - loop.start) % 160 == 0
    assert loop.error < -80.0
    assert loop.end - loop.start >= SHORTEST * RATE


@pytest.mark.parametrize("hz", [110.0, 317.3, 1234.5])
def test_loops_of_periods_between_samples_do_not_click_and_keep_the_pitch(hz: float):
    tone = sum(np.sin(2 * np.pi * hz * k * TIME) / k for k in range(1, int(0.45 * RATE / hz) + 1)) * 0.3
    loop = find_loop(tone, tone, 0, len(tone), RATE)
    assert loop is not None
    held, seams = played(make_seamless(tone, loop, RATE), loop)
    assert jerk_ratio(held, seams, loop.start) < 1.05
    assert flux_ratio(held, seams, loop.start) < 1.05
    heard = track_pitch(held[None, loop.end :].astype(np.float32), RATE)
    assert 1200 * abs(np.log2(heard.frequency[0] / hz)) < 1.0


def test_the_measures_hear_a_loop_that_is_cut_anywhere():
    tone = np.sin(2 * np.pi * 317.3 * TIME)
    bad = Loop(8000, 30000 + 25, 0.0)  # half a period too long
    held, seams = played(tone, bad)
    assert jerk_ratio(held, seams, bad.start) > 3.0
    assert flux_ratio(held, seams, bad.start) > 3.0


def test_a_tremolo_is_repeated_whole():
    sound = np.sin(2 * np.pi * 400.0 * TIME) * (0.6 + 0.4 * np.sin(2 * np.pi * 5.0 * TIME))
    loop = find_loop(sound, sound, 0, len(sound), RATE)
    assert loop is not None
    assert (loop.end - loop.start) % (RATE // 5) == pytest.approx(0, abs=1)


def test_what_decays_or_slides_or_is_silent_has_no_loop():
    tone = np.sin(2 * np.pi * 200.0 * TIME)
    assert find_loop(tone * np.exp(-TIME), tone * np.exp(-TIME), 0, len(tone), RATE) is None
    slide = np.sin(2 * np.pi * (200.0 * TIME + 40.0 * TIME**2))
    assert find_loop(slide, slide, 0, len(tone), RATE) is None
    assert find_loop(tone * 1e-5, tone * 1e-5, 0, len(tone), RATE) is None


def test_a_loop_lies_between_the_rise_and_the_release():
    tone = np.sin(2 * np.pi * 200.0 * TIME)
    loop = find_loop(tone, tone, 8000, 24000, RATE)
    assert loop is not None
    assert 8000 <= loop.start < loop.end <= 24000


def test_short_sounds_have_a_loop_or_none_and_no_error():
    tone = np.sin(2 * np.pi * 200.0 * TIME)
    shortest = round(SHORTEST * RATE)
    for held in [*range(1550, 3600, 97), *range(2 * 800 + shortest - 2, 2 * 800 + shortest + 3)]:
        loop = find_loop(tone, tone, 0, held, RATE)
        assert (loop is None) == (held < shortest + 2 * 800)  # margins for what is compared
        assert loop is None or (loop.start >= 0 and loop.end <= held and loop.end - loop.start >= shortest)


def test_noise_is_crossfaded_at_its_own_level():
    noise = np.random.default_rng(1).normal(0.0, 0.1, len(TIME))
    loop = find_loop(np.zeros_like(noise), noise, 0, len(noise), RATE)
    assert loop is not None
    assert loop.error == -np.inf
    held, seams = played(make_seamless(noise, loop, RATE), loop)
    assert jerk_ratio(held, seams, loop.start) < 1.0
    levels = [np.sqrt(np.mean(held[seam - 320 : seam] ** 2)) for seam in seams]
    np.testing.assert_allclose(levels, 0.1, rtol=0.2)


def test_after_the_end_come_the_first_samples_of_the_loop():
    tone = np.sin(2 * np.pi * 200.0 * TIME)
    loop = Loop(4000, 9000, 0.0)
    seamless = make_seamless(tone, loop, RATE)
    assert len(seamless) == 9000 + GUARD
    np.testing.assert_array_equal(seamless[9000:], seamless[4000 : 4000 + GUARD])
    np.testing.assert_array_equal(seamless[: 9000 - 320], tone[: 9000 - 320].astype(np.float32))
