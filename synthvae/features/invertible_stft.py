"""The short-time Fourier transform used by representations, and its inverse.

Its frames, windows and edges are chosen so that the inverse returns the sound's own number of samples: the sound is 0
beyond its ends instead of mirrored, so that an attack at the first sample is not duplicated, and in a centred first
frame the attack has the largest weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.features.base import as_constant, check_audio

__all__ = ["EDGE", "GAUSS", "HANN", "ShortTime", "window_of"]

#: Parameter gamma of a Gaussian window exp(-pi t^2 / gamma), over the square of the window's length. With a hop of an
#: eighth of the length, gamma is the product of hop and length: the Gaussian then has the same width in hops as in
#: bins.
GAUSS = 1 / 8
#: The same of the Gaussian closest to a Hann window of that length (Prusa, Balazs and Sondergaard 2017, table 1).
HANN = 0.25645
#: Sum of squared windows below which an inverse no longer divides by it. An error of a single frame is multiplied by
#: one over the window, thirty times here; centred frames never reach the limit.
EDGE = 1e-3

Window = Literal["gauss", "hann"]


@dataclass(frozen=True)
class ShortTime:
    """Short-time Fourier transform of real signals, `S[k, n] = sum_t w[t] x[hop n + t - o] exp(-2 pi i k t / size)`.

    Attributes:
        size: length of a frame and of its window in samples, even.
        hop: number of samples between frames.
        window: `gauss`, or `hann` (periodic).
        centred: whether the middle of frame n is at sample hop n (o = size / 2), or its first sample (o = 0).
    """

    size: int
    hop: int
    window: Window = "gauss"
    centred: bool = True

    def __post_init__(self) -> None:
        if self.size < 2 or self.size % 2:
            raise ValueError(f"size must be even and positive, got {self.size}")
        if not 1 <= self.hop <= self.size // 2:
            raise ValueError(f"hop must be 1 to half of the size {self.size}, got {self.hop}")
        if self.window not in ("gauss", "hann"):
            raise ValueError(f"window must be gauss or hann, got {self.window!r}")

    @property
    def bins(self) -> int:
        """Number of bins of the one-sided spectrum."""
        return self.size // 2 + 1

    @property
    def offset(self) -> int:
        """Number of samples of the first frame before the start of the sound."""
        return self.size // 2 if self.centred else 0

    @property
    def gamma(self) -> float:
        """Gamma in squared samples of the Gaussian exp(-pi t^2 / gamma) that equals or best approximates the window."""
        return (GAUSS if self.window == "gauss" else HANN) * self.size**2

    def forward(self, audio: Tensor, frames: int) -> Tensor:
        """Transform `audio` `(B, T)`, 0 beyond its ends, to `frames` frames, `(B, bins, frames)`, complex.

        Differentiable; on the audio's device and in its precision.

        Raises:
            ValueError: if `audio` is not `(B, T)` with `T >= 1`.
            TypeError: if it is neither float32 nor float64.
        """
        check_audio(audio)
        length = (frames - 1) * self.hop + self.size - self.offset
        padded = torch.nn.functional.pad(audio[:, :length], (self.offset, max(0, length - audio.shape[1])))
        window = _window_tensor(self, audio.dtype, audio.device)
        return torch.stft(padded, self.size, self.hop, window=window, center=False, return_complex=True)

    def reciprocal(self, frames: int, samples: int) -> NDArray[np.float32]:
        """Reciprocal of the sum of the squared windows over every sample of a sound, `(samples,)`.

        It is 1 / `EDGE` where the sum is less than `EDGE`, and 0 where there is no frame.
        """
        return _reciprocal(self, frames, samples)


@lru_cache(maxsize=32)
def window_of(transform: ShortTime) -> NDArray[np.float64]:
    """The window, `(size,)`; its value at the middle, sample size / 2, is 1."""
    time = np.arange(transform.size) - transform.size // 2
    if transform.window == "hann":
        return np.asarray(0.5 + 0.5 * np.cos(2 * math.pi * time / transform.size))
    return np.asarray(np.exp(-math.pi * time**2 / transform.gamma))


@lru_cache(maxsize=32)
def _window_tensor(transform: ShortTime, dtype: torch.dtype, device: torch.device) -> Tensor:
    return as_constant(window_of(transform), dtype, device)


@lru_cache(maxsize=64)
def _reciprocal(transform: ShortTime, frames: int, samples: int) -> NDArray[np.float32]:
    size, hop = transform.size, transform.hop
    square = window_of(transform) ** 2
    total = np.zeros((frames - 1) * hop + size)
    for first in range(0, frames * hop, hop):
        total[first : first + size] += square
    covered = total[transform.offset : transform.offset + samples]
    result = np.zeros(samples, np.float32)
    result[: len(covered)] = 1.0 / np.maximum(covered, EDGE)
    return result
