"""The short-time Fourier transform as a feature."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from synthvae.features.base import EVERY_FRAME, Feature, Frames
from synthvae.features.fourier import stft, stft_isometry

__all__ = ["StftFeature"]


class StftFeature(Feature):
    """The STFT itself, `(B, 1025, N)`: Hann 2048, hop 512, centred, unscaled.

    The same as `nnAudio.features.STFT` at its defaults (`n_fft=2048, hop_length=512`).
    """

    name: ClassVar[str] = "stft"
    description: ClassVar[str] = "short-time Fourier transform, Hann 2048, hop 512"
    complex: ClassVar[bool] = True
    linear: ClassVar[bool] = True

    def spectrum(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """Transform `audio` `(B, T)` to `(B, 1025, N)`; see `Feature.spectrum`."""
        return stft(audio, frames)

    def norm(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """The Frobenius norm of the spectrum, `(B,)`, without a Fourier transform."""
        return torch.linalg.vector_norm(stft_isometry(audio, frames), dim=1)
