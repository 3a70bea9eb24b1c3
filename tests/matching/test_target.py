"""Recordings prepared for a search."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.matching.target import LONGEST, read_target

PRIME = 383_987


def tone(rate: int, seconds: float, channels: int = 1) -> np.ndarray:
    times = np.arange(round(rate * seconds)) / rate
    return np.repeat(0.5 * np.sin(2 * np.pi * 440.0 * times)[:, None], channels, axis=1)


def pitch(audio: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(spectrum.argmax() * rate / len(audio))


def test_a_rate_that_is_a_prime_number_costs_no_more_than_another(tmp_path: Path):
    # A filter of as many phases as the rates have no common divisor took 2.6 GB.
    soundfile.write(tmp_path / "a.wav", tone(PRIME, 4.0), PRIME, "PCM_16")
    tracemalloc.start()
    target = read_target(tmp_path / "a.wav")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6
    assert (target.sample_rate, target.seconds) == (44100, pytest.approx(4.0, abs=0.01))
    assert pitch(target.audio.numpy(), 44100) == pytest.approx(440.0, abs=0.5)


def test_a_long_recording_of_several_channels_takes_the_memory_of_one():
    rate, seconds, channels = 8000, 300.0, 4
    file = io.BytesIO()
    soundfile.write(file, tone(rate, seconds, channels), rate, format="FLAC")
    file.seek(0)
    tracemalloc.start()
    target = read_target(file, name="long")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert target.seconds == LONGEST
    # Four channels of doubles and what is made of them were eleven times as much as one.
    assert peak < 5 * 8 * rate * seconds
