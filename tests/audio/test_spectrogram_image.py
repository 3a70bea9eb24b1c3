"""Small pictures of sounds: what is where, and what is dark."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from synthvae.audio.spectrogram_image import spectrogram_png

RATE = 16000
TIME = np.arange(RATE // 2) / RATE


def pixels(sound: np.ndarray) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(spectrogram_png(sound, RATE))))


def bright(sound: np.ndarray) -> tuple[float, float]:
    """Row and column of the middle of the light."""
    light = pixels(sound).astype(float).sum(2)
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
    return float((rows * light).sum() / light.sum()), float((columns * light).sum() / light.sum())


def test_low_notes_are_below_and_time_goes_to_the_right():
    low, high = (np.sin(2 * np.pi * hz * TIME) for hz in (100.0, 5000.0))
    assert bright(low)[0] > bright(high)[0] + 20
    gate = TIME > 0.25
    assert bright(low * gate)[1] > bright(low * ~gate)[1] + 30


def test_a_quiet_sound_is_bright_and_silence_is_dark():
    quiet = pixels(3e-3 * np.sin(2 * np.pi * 5000.0 * TIME))
    assert (quiet.max(2) > 200).any()
    assert np.median(quiet.max(2)) < 20
    assert pixels(np.zeros(5000)).max() < 10


def test_the_size_is_that_asked_for():
    assert Image.open(io.BytesIO(spectrogram_png(np.ones(3000), RATE, 30, 20))).size == (30, 20)
