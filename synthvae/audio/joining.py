"""Concatenation of sounds with silence in between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthvae.audio.files import wav_bytes
from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write

__all__ = ["check_gap", "joined", "write_joined"]

Floats = NDArray[np.float32]

#: Seconds over which an end without overlap is faded, so that it does not click.
FADE = 0.005


#: Longest silence between two sounds of a joined file, seconds.
LONGEST_GAP = 60.0


def joined(sounds: Sequence[Floats], sample_rate: int, gap: float = 0.0) -> Floats:
    """Sounds ``(T,)`` of any lengths one after the other, ``(T',)``.

    `gap` is the silence between two in seconds; if negative, they overlap by its magnitude, but by at most half of the
    shorter. In an overlap the first fades out linearly while the second fades in, so that the sum is never louder than
    the louder of the two. An end without overlap is faded out.
    """
    shortest = [min(len(one), len(other)) // 2 for one, other in itertools.pairwise(sounds)]
    overlaps = [min(round(max(0.0, -gap) * sample_rate), half) for half in shortest]
    silence = round(max(0.0, gap) * sample_rate)
    starts = np.cumsum([0, *(len(one) + silence - over for one, over in zip(sounds, overlaps, strict=False))])
    result = np.zeros(starts[-1] + len(sounds[-1]), np.float32)
    for sound, start, rise, fall in zip(sounds, starts, [0, *overlaps], [*overlaps, 0], strict=True):
        part = sound.copy()
        fall = fall or min(round(FADE * sample_rate), len(part))
        part[:rise] *= np.linspace(0.0, 1.0, rise, dtype=np.float32)
        part[len(part) - fall :] *= np.linspace(1.0, 0.0, fall, dtype=np.float32)
        result[start : start + len(part)] += part
    return result


def write_joined(
    path: Path, audio: Sequence[Floats], sample_rate: int, gap: float = 0.1, sample_format: str = "float"
) -> None:
    """Write sounds ``(T,)`` of any lengths one after the other into one WAV file, `gap` seconds of silence between two.

    Raises:
        UserError: if `path` cannot be written, the format is unknown, or the gap is negative or longer than a minute.
    """
    check_gap(gap)
    atomic_write(path, wav_bytes(joined(audio, sample_rate, gap), sample_rate, sample_format))


def check_gap(gap: float) -> None:
    """Reject an invalid duration of silence before anything is written.

    Raises:
        UserError: unless it is 0 to 60 seconds.
    """
    if not 0.0 <= gap <= LONGEST_GAP:
        raise UserError("gap", gap, f"give 0 to {LONGEST_GAP:g} seconds")
