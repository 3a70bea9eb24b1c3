"""Integrated loudness after ITU-R BS.1770-4, the basis of EBU R 128, computed by the package pyloudnorm.

This module adds what banks of presets need and broadcast does not: sounds shorter than a block, and low sample rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthvae.audio.resampling import resample
from synthvae.core.errors import UserError

__all__ = [
    "CEILING",
    "GATE",
    "LOUDNESS",
    "Level",
    "check_loudness",
    "common_level",
    "integrated_loudness",
    "levelled",
    "sample_peak",
    "true_peak",
]

Samples = NDArray[np.floating]

GATE = -70.0
"""LUFS. The recommendation leaves out quieter blocks."""

BLOCK = 0.4
"""Seconds of a gating block; a shorter sound is padded with silence, as on a running meter."""

LOWEST_RATE = 32000
"""Lowest sample rate in Hz; lower ones are resampled: the bilinear transform of the shelving filter at 1.7 kHz
reads 0.2 dB too much at 8 kHz and 0.03 dB here."""

LOUDNESS = -18.0
"""Default target in LUFS, the reference of ReplayGain 2.0: most sounds of the Voice reach it below the ceiling."""
CEILING = 10.0 ** (-1.0 / 20.0) - 2.0**-16
"""Largest true peak: 1 dB below full scale, and half a step of 16 bits for rounding."""
RANGE = (-60.0, 0.0)
_OVERSAMPLING = 8  # BS.1770-4 asks for 4 at least, which reads up to 0.7 dB too little; 8 reads 0.2 dB too little


def integrated_loudness(sound: NDArray[np.floating], sample_rate: int) -> float:
    """Integrated loudness of one channel ``(T,)``, full scale 1, in LUFS; minus infinity where nothing passes the gate.

    Example:
        >>> sine = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)
        >>> round(integrated_loudness(sine, 48000), 2)  # the recommendation's own check: -3.01 LUFS
        -3.01
    """
    from pyloudnorm import Meter  # takes half a second to import, which the page of `explore` need not wait for

    samples = np.asarray(sound, dtype=np.float64)
    if sample_rate < LOWEST_RATE:
        higher = math.ceil(LOWEST_RATE / sample_rate) * sample_rate
        samples, sample_rate = resample(samples, sample_rate, higher), higher
    samples = np.pad(samples, (0, max(0, math.ceil(BLOCK * sample_rate) - len(samples))))
    # The recommendation tabulates its filters for 48 kHz; De Man's are those at any rate.
    loudness = float(Meter(sample_rate, filter_class="DeMan").integrated_loudness(samples))
    return loudness if loudness > GATE else -math.inf


@dataclass(frozen=True)
class Level:
    """Gain of a sound, or of sounds that belong together.

    Attributes:
        gain: factor for the samples.
        limited: whether the ceiling prevented the target loudness.
        silent: whether the sound is inaudible; the gain is then 1.
    """

    gain: float
    limited: bool = False
    silent: bool = False


def check_loudness(loudness: float | None) -> None:
    """Reject a loudness outside the legal range; None, a sound's own level, is accepted.

    Raises:
        UserError: outside of -60 to 0 LUFS.
    """
    low, high = RANGE
    if loudness is not None and not low <= loudness <= high:
        raise UserError("loudness", loudness, f"give {low:g} to {high:g} LUFS, or off")


def true_peak(sound: Samples) -> float:
    """True peak: largest magnitude of the reconstructed continuous signal (BS.1770-4, annex 2).

    Args:
        sound: ``(T,)``.
    """
    between = np.abs(resample(np.asarray(sound, dtype=np.float64), 1, _OVERSAMPLING))
    return max(float(between.max(initial=0.0)), float(np.abs(sound).max(initial=0.0)))


def sample_peak(sound: Samples) -> float:
    """Largest magnitude of samples ``(T,)``, at most a decibel or so below the true peak and ten times as fast."""
    return float(np.abs(sound).max(initial=0.0))


def common_level(
    sounds: Sequence[Samples],
    sample_rate: int,
    loudness: float | None,
    peak: Callable[[Samples], float] = true_peak,
) -> Level:
    """One gain that brings the median sound to a loudness, with none of the sounds above the ceiling.

    Sounds ``(T,)`` keep their levels among each other; without a loudness, in LUFS, they are left as they are. `peak`
    is the measure that stays below the ceiling.
    """
    measured = [value for value in (integrated_loudness(sound, sample_rate) for sound in sounds) if value > GATE]
    if not measured:
        return Level(1.0, silent=True)
    if loudness is None:
        return Level(1.0)
    wanted = 10.0 ** ((loudness - float(np.median(measured))) / 20.0)
    most = CEILING / max(peak(sound) for sound in sounds)
    return Level(min(wanted, most), limited=most < wanted)


def levelled(sound: NDArray[np.float32], sample_rate: int, loudness: float | None = LOUDNESS) -> NDArray[np.float32]:
    """A sound ``(T,)`` at a loudness in LUFS, or as loud as the ceiling allows; as it is for None or where silent."""
    return sound * np.float32(common_level([sound], sample_rate, loudness).gain)
