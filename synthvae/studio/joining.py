"""Sounds one after the other, as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["joined"]

Floats = NDArray[np.float32]

#: Seconds over which an end without overlap is faded, so that it does not click.
FADE = 0.005


def joined(sounds: Floats, sample_rate: int, gap: float = 0.0) -> Floats:
    """Sounds one after the other.

    Where they overlap the one fades out linearly while the other fades in, so that no sum is louder than the louder
    of the two.

    Args:
        sounds: ``(S, T)``.
        sample_rate: in Hz.
        gap: seconds of silence between two; below 0 they overlap by so much, by half a sound at most.

    Returns:
        ``(T',)``.
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
