"""Mel-frequency cepstral coefficients."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from synthvae.features.base import EVERY_FRAME, Feature, Frames, as_constant
from synthvae.features.fourier import N_FFT
from synthvae.features.mel import band_tables, project

if TYPE_CHECKING:
    from synthvae.features.kernels.fourier import Transform
    from synthvae.features.kernels.mel import Bands

__all__ = ["Mfcc"]

BANDS = 128
COEFFICIENTS = 20
POWER_FLOOR = 1e-10
RANGE_DB = 80.0


class Mfcc(Feature):
    """The first 20 cepstral coefficients, `(B, 20, N)`, real and signed.

    `DCT(max(10 log10 max(M |S|^2, 1e-10), top - 80))`: power spectrum of the STFT, 128 Slaney-mel bands of
    unit area (nnAudio's filterbank), decibels no more than 80 below the loudest of the *same example*, and an
    orthonormal DCT-II over the bands. The same as `nnAudio.features.MFCC` at its defaults, which also uses the
    maximum per example. The first coefficient of silence is -100 sqrt(128).
    """

    name: ClassVar[str] = "mfcc"
    description: ClassVar[str] = "20 mel-frequency cepstral coefficients, nnAudio's defaults"
    complex: ClassVar[bool] = False

    def spectrum(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """Project the power on the mel bands, take decibels and their cosine transform; see the class."""
        weights, cosines = _constants(self.sample_rate, audio.dtype, audio.device)
        bands = project(audio, frames, _kernel_tables, self.sample_rate, weights, powers=True)
        decibels = 10.0 * torch.log10(bands.transpose(1, 2).clamp(min=POWER_FLOOR))
        decibels = torch.maximum(decibels, decibels.amax((1, 2), keepdim=True) - RANGE_DB)
        return (decibels @ cosines).transpose(1, 2)


@lru_cache(maxsize=8)
def _filterbank(sample_rate: int) -> np.ndarray:
    from nnAudio.librosa_functions import get_mel  # takes half a second to import, and only MFCC needs it

    weights: np.ndarray = get_mel(sample_rate, N_FFT, BANDS, dtype=np.float64)
    return weights


@lru_cache(maxsize=8)
def _constants(sample_rate: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    return as_constant(_filterbank(sample_rate).T, dtype, device), as_constant(_dct(), dtype, device)


@lru_cache(maxsize=8)
def _kernel_tables(sample_rate: int) -> tuple[Transform, Bands]:
    return band_tables(_filterbank(sample_rate))


def _dct() -> np.ndarray:
    """Orthonormal DCT-II, `(bands, coefficients)`: `sqrt(2 / B) cos(pi k (2 b + 1) / 2 B)`, `k = 0` over sqrt 2."""
    phase = np.pi * (2 * np.arange(BANDS)[:, None] + 1) * np.arange(COEFFICIENTS) / (2 * BANDS)
    basis = np.cos(phase) * np.sqrt(2.0 / BANDS)
    basis[:, 0] /= np.sqrt(2.0)
    return basis
