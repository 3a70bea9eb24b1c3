"""Integrated loudness: Recommendation ITU-R BS.1770-4, on which EBU R 128 rests, by the package pyloudnorm.

Ours only adds what a bank of presets meets and a broadcaster does not: sounds shorter than a block, and low rates.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pyloudnorm import Meter

from synthvae.audio.resampling import resample

__all__ = ["GATE", "integrated_loudness"]

GATE = -70.0
"""LUFS. The recommendation does not hear blocks that are quieter."""

BLOCK = 0.4
"""Seconds of a gating block; a shorter sound is measured with silence after it, as a meter would hear it."""

LOWEST_RATE = 32000
"""In Hz, to which lower ones are brought: the bilinear transform of the meter's shelf, whose corner lies at 1.7 kHz,
reads 0.2 dB too much at 8 kHz and 0.03 dB here."""


def integrated_loudness(sound: NDArray[np.floating], sample_rate: int) -> float:
    """Integrated loudness of one channel ``(T,)``, full scale 1, in LUFS; minus infinity where nothing passes the gate.

    Example:
        >>> sine = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)
        >>> round(integrated_loudness(sine, 48000), 2)  # the recommendation's own check: -3.01 LUFS
        -3.01
    """
    samples = np.asarray(sound, dtype=np.float64)
    if sample_rate < LOWEST_RATE:
        higher = math.ceil(LOWEST_RATE / sample_rate) * sample_rate
        samples, sample_rate = resample(samples, sample_rate, higher), higher
    samples = np.pad(samples, (0, max(0, math.ceil(BLOCK * sample_rate) - len(samples))))
    # The recommendation tabulates its filters for 48 kHz; De Man's are those at any rate.
    loudness = float(Meter(sample_rate, filter_class="DeMan").integrated_loudness(samples))
    return loudness if loudness > GATE else -math.inf
