"""Concatenation of sounds with silence in between."""

from __future__ import annotations

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


def joined(sounds: Floats, sample_rate: int, gap: float = 0.0) -> Floats:
    """Sounds ``(S, T)`` one after the other, ``(T',)``.

    Where they overlap the one fades out linearly while the other fades in, so that no sum is louder than the louder
    of the two. `gap` is the silence between two in seconds; below 0 they overlap by so much, by half a sound at most.
    """
    count, length = sounds.shape
    step = max(length + round(gap * sample_rate), length - length // 2)
    fade = max(length - step, min(round(FADE * sample_rate), length // 2))
    rise = (np.arange(fade, dtype=np.float32) + 0.5) / max(fade, 1)
    result = np.zeros(step * (count - 1) + length, np.float32)
    for number, sound in enumerate(sounds):
        part = sound.copy()
        if fade and number > 0:
            part[:fade] *= rise
        if fade:
            part[length - fade :] *= rise[::-1]
        result[number * step : number * step + length] += part
    return result


def write_joined(
    path: Path, audio: Sequence[Floats], sample_rate: int, gap: float = 0.1, sample_format: str = "float"
) -> None:
    """Write sounds ``(T,)`` of any lengths one after the other into one WAV file, `gap` seconds of silence between two.

    Raises:
        UserError: if `path` cannot be written, the format is unknown, or the gap is negative or longer than a minute.
    """
    check_gap(gap)
    parts = []
    for sound in audio:
        samples = min(len(sound), max(1, round(FADE * sample_rate)))
        fade = np.linspace(1.0, 0.0, samples, dtype=np.float32)
        parts += [sound[: len(sound) - samples], sound[len(sound) - samples :] * fade]
        parts.append(np.zeros(round(gap * sample_rate), dtype=np.float32))
    atomic_write(path, wav_bytes(np.concatenate(parts[:-1]), sample_rate, sample_format))


def check_gap(gap: float) -> None:
    """Refuse a silence that is none, before anything is written.

    Raises:
        UserError: unless it is 0 to 60 seconds.
    """
    if not 0.0 <= gap <= LONGEST_GAP:
        raise UserError("gap", gap, f"give 0 to {LONGEST_GAP:g} seconds")
