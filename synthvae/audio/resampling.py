"""Resampling by the library soxr, with librosa's default filter."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import soxr
from numpy.typing import NDArray

__all__ = ["resample"]

Float = TypeVar("Float", bound=np.floating)

QUALITY = "HQ"
"""Linear phase, flat to 0.91 of the lower Nyquist frequency, more than 120 dB down from that frequency on."""


def resample(audio: NDArray[Float], from_rate: int, to_rate: int) -> NDArray[Float]:
    """Change the sample rate of ``(T,)`` or ``(B, T)``, with a linear-phase low-pass against aliasing.

    Example:
        >>> resample(np.zeros((2, 44100)), 44100, 16000).shape
        (2, 16000)

    Returns:
        Shape (..., ceil(T to_rate / from_rate)) of the same type; the audio itself where the rates are equal.
    """
    if from_rate == to_rate:
        return audio
    changed = soxr.resample(audio.T, from_rate, to_rate, QUALITY).T
    length = -(-audio.shape[-1] * to_rate // from_rate)  # soxr rounds
    missing = max(0, length - changed.shape[-1])
    return np.pad(changed[..., :length], [(0, 0)] * (audio.ndim - 1) + [(0, missing)])
