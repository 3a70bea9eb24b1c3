"""Playable sounds: audible and usable without editing.

A sound is playable if it is not quieter than `QUIETEST`, its spectral centroid lies in the range of loudspeakers and
hearing, it ends by itself, and it has a pitch or is percussive. Sounds of the Voice's prior often fail all of these:
they lie below 80 Hz, or are too quiet to be amplified without noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.audio.descriptors import AUDIBLE_RANGE, power_envelope

__all__ = ["REASONS", "columns_of", "tails_complete", "unplayable_reason"]

#: Minimum loudness in LUFS at the synth's own level.
QUIETEST = -40.0
#: Range of the spectral centroid in Hz.
LOWEST, HIGHEST = 80.0, 4000.0
#: Longest attack and longest decay by 20 dB of a percussive sound, in seconds: a pluck, a hit, a burst of noise.
ATTACK, DECAY = 0.1, 1.0

#: Reasons why a sound is not playable, in the order in which they are checked.
REASONS = (
    f"quieter than {QUIETEST:g} LUFS",
    f"centred below {LOWEST:g} Hz",
    f"centred above {HIGHEST:,.0f} Hz",
    "cut off before its end",
    "neither pitched nor percussive",
)


def unplayable_reason(
    columns: Mapping[str, NDArray[np.floating]], complete: NDArray[np.bool_] | None = None
) -> NDArray[np.str_]:
    """Why each of N sounds is not playable, one of `REASONS`; empty where it is playable.

    Args:
        columns: ``pitch``, ``brightness``, ``loudness``, ``attack`` and ``decay`` of
            `synthvae.audio.descriptors.PRESET_DESCRIPTORS`, ``(N,)`` each, NaN where a sound has no such thing. Other
            columns are ignored.
        complete: ``(N,)``, whether the sounds end by themselves (`tails_complete`); all do by default, as those that
            are rendered with their release.
    """
    pitch, brightness, loudness, attack, decay = (
        np.asarray(columns[name], dtype=np.float64) for name in ("pitch", "brightness", "loudness", "attack", "decay")
    )
    # A comparison with NaN is false, so a missing value counts as a failure.
    percussive = (attack <= ATTACK) & (decay <= DECAY)
    passes = (
        loudness >= QUIETEST,
        brightness >= LOWEST,
        brightness <= HIGHEST,
        np.full(len(pitch), True) if complete is None else complete,
        np.isfinite(pitch) | percussive,
    )
    return np.select([~one for one in passes], REASONS, default="")


def columns_of(descriptors: Sequence[Mapping[str, float | None]]) -> dict[str, NDArray[np.float64]]:
    """Descriptors of N sounds as columns ``(N,)``, NaN where a sound has no such thing."""
    names = descriptors[0] if descriptors else ()
    return {name: np.array([row[name] for row in descriptors], dtype=np.float64) for name in names}


def tails_complete(sounds: NDArray[np.floating], sample_rate: int) -> NDArray[np.bool_]:
    """Whether sounds ``(N, T)`` end by themselves: the last 10 ms lie 40 dB or more below their loudest 10 ms."""
    power, _ = power_envelope(torch.from_numpy(np.asarray(sounds, dtype=np.float64)), sample_rate)
    ends, loudest = power[:, -1], power.amax(1)
    return (ends <= loudest * 10.0 ** (-AUDIBLE_RANGE / 10.0)).numpy()
