"""How loud a file is made: to a loudness in LUFS, under a peak that no player clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthvae.audio.loudness import GATE, integrated_loudness
from synthvae.audio.resampling import resample
from synthvae.core.errors import UserError

__all__ = ["CEILING", "LOUDNESS", "Level", "check_loudness", "common_level", "true_peak"]

Array = NDArray[np.floating]

LOUDNESS = -18.0
"""LUFS unless told otherwise, the reference of ReplayGain 2.0: most sounds of the Voice reach it below the ceiling."""

CEILING = 10.0 ** (-1.0 / 20.0) - 2.0**-16
"""Largest true peak: 1 dB below full scale, and half a step of 16 bits for rounding."""

RANGE = (-60.0, 0.0)

_OVERSAMPLING = 8  # BS.1770-4 asks for 4 at least, which reads up to 0.7 dB too little; 8 reads 0.2 dB too little


@dataclass(frozen=True)
class Level:
    """What has to be done to a sound, or to sounds that belong together.

    Attributes:
        gain: to multiply samples by.
        limited: whether the ceiling kept it below the loudness asked for.
        silent: whether there is nothing to hear; the gain is 1 then.
    """

    gain: float
    limited: bool = False
    silent: bool = False


def check_loudness(loudness: float) -> None:
    """Refuse a loudness that no file can have.

    Raises:
        UserError: outside of -60 to 0 LUFS.
    """
    low, high = RANGE
    if not low <= loudness <= high:
        raise UserError(f"--loudness is {loudness:g}; give {low:g} to {high:g} LUFS, or off")


def true_peak(sound: Array) -> float:
    """Largest magnitude of the signal that a converter makes of the samples (BS.1770-4, annex 2).

    Args:
        sound: ``(T,)``.
    """
    between = np.abs(resample(np.asarray(sound, dtype=np.float64), 1, _OVERSAMPLING))
    return max(float(between.max(initial=0.0)), float(np.abs(sound).max(initial=0.0)))


def common_level(sounds: Sequence[Array], sample_rate: int, loudness: float | None) -> Level:
    """One gain that brings the middle one of the sounds to a loudness, none of them above the ceiling.

    Args:
        sounds: each ``(T,)``; they keep their levels among each other.
        sample_rate: in Hz.
        loudness: LUFS, or None to leave samples as they are.

    Returns:
        The gain and what is to be said about it.
    """
    measured = [value for value in (integrated_loudness(sound, sample_rate) for sound in sounds) if value > GATE]
    if not measured:
        return Level(1.0, silent=True)
    if loudness is None:
        return Level(1.0)
    wanted = 10.0 ** ((loudness - float(np.median(measured))) / 20.0)
    most = CEILING / max(true_peak(sound) for sound in sounds)
    return Level(min(wanted, most), limited=most < wanted)
