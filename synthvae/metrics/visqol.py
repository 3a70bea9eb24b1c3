"""ViSQOL: predicted mean opinion score of a reconstruction compared with its original.

Computed by the package visqol-python, in its audio mode (Chinen et al., "ViSQOL v3: an open source production ready
objective speech and audio metric", QoMEX 2020). It was fitted to codecs on music, not to short single sounds: steps of
a ladder can be compared with each other, their values hardly with anything else.
"""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.typing import NDArray

from synthvae.audio.pitch import check_sounds
from synthvae.audio.resampling import resample
from synthvae.core.errors import UserError
from synthvae.metrics.distances import Audio

__all__ = ["visqol", "visqol_installed"]

#: Sample rate of the audio mode in Hz.
RATE = 48000


def visqol_installed() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("visqol") is not None


def visqol(target: Audio, reconstruction: Audio, sample_rate: int) -> NDArray[np.float64]:
    """Mean opinion score of each reconstruction, from 1 to about 4.7, the score of identical sounds.

    Args:
        target: targets, shape (N, T), full scale is 1.
        reconstruction: reconstructions, shape (N, T).
        sample_rate: sample rate in Hz; both are resampled to 48 kHz, the rate of ViSQOL's audio mode.

    Raises:
        ValueError: if the shapes differ, or are not (N, T), or the audio is not floating point.
        UserError: if it is empty or not finite, or if visqol-python is not installed.
    """
    targets, answers = check_sounds(target, "targets"), check_sounds(reconstruction, "reconstructions")
    if targets.shape != answers.shape:
        raise ValueError(f"targets {tuple(targets.shape)} and reconstructions {tuple(answers.shape)} differ")
    if not visqol_installed():
        raise UserError("visqol", "visqol", 'run: pip install "synthvae[visqol]"', "the package is not installed")
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="audio")
    scores = []
    for pair in zip(targets.double().numpy(), answers.double().numpy(), strict=True):
        first, second = (resample(sound, sample_rate, RATE) for sound in pair)
        scores.append(api.measure_from_arrays(first, second, RATE).moslqo)
    return np.array(scores, dtype=np.float64)
