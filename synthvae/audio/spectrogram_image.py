"""Spectrogram thumbnails."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.features.mel import FLOOR, log_mel

__all__ = ["spectrogram_png"]

#: Range from the darkest to the brightest point in dB, and the least level above the floor that counts as sound.
RANGE, FAINT = 70.0, 6.0


def spectrogram_png(audio: NDArray[np.floating], sample_rate: int, width: int = 96, height: int = 64) -> bytes:
    """A PNG of the log-mel spectrogram of ``(T,)``, low notes at the bottom, bright where loud, black for silence.

    Loud is relative to the loudest point. Of a quiet sound there are fewer decibels than `RANGE` above the floor, and
    the floor is always dark.
    """
    from matplotlib import colormaps
    from PIL import Image

    sound = torch.from_numpy(np.asarray(audio)).float()[None]
    level = torch.nn.functional.interpolate(log_mel(sound, sample_rate)[None], (height, width), mode="area")[0, 0]
    decibels = level.numpy()
    span = min(RANGE, decibels.max() - 20.0 * np.log10(FLOOR))
    shade = np.clip(1.0 + (decibels - decibels.max()) / span, 0.0, 1.0) if span > FAINT else np.zeros_like(decibels)
    pixels = colormaps["magma"](shade[::-1], bytes=True)[..., :3]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
