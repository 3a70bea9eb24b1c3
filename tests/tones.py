"""Tones with known spectra."""

import numpy as np
from numpy.typing import NDArray

RATE = 16000


def tone(hertz: float, shape: str = "saw", seconds: float = 2.0, rate: int = RATE) -> NDArray[np.float32]:
    """A band-limited ``saw``, ``square`` or ``sine``, ``(T,)``."""
    time = np.arange(round(seconds * rate)) / rate
    last = 1 if shape == "sine" else int(rate / 2 / hertz)
    harmonics = np.arange(1, last + 1, 2 if shape == "square" else 1)[:, None]
    return (0.3 * (np.sin(2 * np.pi * hertz * harmonics * time) / harmonics).sum(0)).astype(np.float32)
