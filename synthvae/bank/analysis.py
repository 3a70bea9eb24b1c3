"""Analysis of a preset's sound for the bank: name, descriptors, thumbnail and embedding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from synthvae.audio.recordings import Recording, resting_level
from synthvae.audio.resampling import resample
from synthvae.audio.spectrogram_image import spectrogram_png
from synthvae.bank.entries import bank_space
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset
from synthvae.features.mel import log_mel
from synthvae.metrics.embeddings.logmel import logmel_embedding
from synthvae.naming import name_sounds
from synthvae.synths.rendering import render_rows

__all__ = ["EMBEDDED", "LONGEST", "Analysed", "analyse", "distances", "embed"]

Array = NDArray[np.float64]

#: Numbers in an embedding, and the rate at which all sounds are embedded, in Hz: mel bands reach up to Nyquist.
EMBEDDED, RATE = 64, 44100
#: RMS of the embedded sound, -20 dB, so that two recordings of one sound at two levels are one point.
LEVEL = 0.1
#: Decibels below the loudest point that count, in time and in the spectrogram: what is quieter may be the room's noise.
DEPTH = 50.0
#: Two steps of 16 bits, the amplitude of dither, which counts as silence.
STEP = 2.0**-14
#: Seconds at the start and at the end, one of which tells what a sample of silence is.
REST = 0.01
#: Seconds of the longest sound; its spectrogram takes 1.4 MB a second.
LONGEST = 60.0


class Analysed(NamedTuple):
    """Result of the analysis of one sound.

    Attributes:
        name: see `synthvae.naming`.
        descriptors: likewise.
        thumbnail: a PNG of 96 by 64 pixels.
        embedding: ``(64,)``.
    """

    name: str
    descriptors: dict[str, float | None]
    thumbnail: bytes
    embedding: Array


def analyse(presets: list[Preset]) -> list[Analysed]:
    """Render presets, all with the same settings, and measure their sounds."""
    settings = presets[0].settings
    audio = torch.from_numpy(render_rows(np.stack([_all_values(preset) for preset in presets]), bank_space(), settings))
    analysed = []
    with threadpool_limits(1, "openmp"):  # as name_sounds does
        for row, named in zip(audio, name_sounds(audio, settings.sample_rate), strict=True):
            sound = Recording(row.numpy(), settings.sample_rate)
            analysed.append(
                Analysed(named.name, named.descriptors, spectrogram_png(sound.audio, sound.sample_rate), embed(sound))
            )
    return analysed


def embed(sound: Recording) -> Array:
    """Embedding of a sound ``(64,)`` by `synthvae.metrics.embeddings.logmel.logmel_embedding` of its log-mel, in dB.

    The sound is taken at 44.1 kHz, without the silence before and after it, at one level, and without what lies 50 dB
    below its loudest point: a recording, whatever its gain, its pauses and its noise, lies where the sound itself lies.

    Raises:
        UserError: if the sound has no sample, or one that is not finite.
    """
    audio = np.asarray(sound.audio, dtype=np.float64)
    if not audio.size or not np.isfinite(audio).all():
        raise UserError("sound", sound, "give another one", f"{audio.size} samples are empty or not finite")
    edge = max(1, round(REST * sound.sample_rate))
    audio = np.pad(
        audio - resting_level(audio, sound.sample_rate), edge
    )  # a sound that begins or ends at once rings in the resampling filter
    audio = resample(audio, sound.sample_rate, RATE)
    size = np.abs(audio)
    loud = np.flatnonzero(size >= max(10.0 ** (-DEPTH / 20.0) * size.max(), STEP))
    audio = audio[loud[0] : loud[-1] + 1] if len(loud) else np.zeros(1)
    audio = audio - audio.mean()
    if len(loud):
        audio *= LEVEL / max(float(audio.std()), STEP)
    spectrogram = log_mel(torch.from_numpy(audio)[None], RATE).numpy()
    return logmel_embedding(np.maximum(spectrogram, spectrogram.max() - DEPTH))[0]


def distances(point: Array, points: Array) -> Array:
    """Root mean square difference in dB between an embedding ``(64,)`` and each of ``(N, 64)``, ``(N,)``."""
    return np.sqrt(np.mean((points - point) ** 2, axis=1))


def _all_values(preset: Preset) -> Array:
    return bank_space().from_dict(preset.parameters.to_dict(preset.human))
