"""WAV bytes against those of SciPy and of the standard library."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from scipy.io import wavfile

from synthvae.audio.wav import chunk, riff_wave

NOISE = np.random.default_rng(0).uniform(-1.0, 1.0, 1001)


@pytest.mark.parametrize(
    ("samples", "bits"), [(NOISE.astype(np.float32), 32), (np.rint(NOISE * 32767).astype(np.int16), 16)]
)
def test_the_bytes_are_those_that_scipy_writes(samples: np.ndarray, bits: int):
    expected = io.BytesIO()
    wavfile.write(expected, 44100, samples)
    assert riff_wave(samples, 44100, bits) == expected.getvalue()


def test_24_bits_and_chunks_after_the_samples():
    samples = np.array([0, 1, -1, 2**23 - 1, -(2**23)], dtype=np.int32)
    content = riff_wave(samples, 48000, 24, [(b"note", b"odd")])
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 3, 48000)
        raw = file.readframes(5)
    assert [int.from_bytes(raw[at : at + 3], "little", signed=True) for at in range(0, 15, 3)] == samples.tolist()
    assert content.endswith(chunk(b"note", b"odd"))
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
