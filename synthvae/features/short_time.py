"""The features that start from one short-time Fourier transform, and the transform as a feature."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from synthvae.features.base import EVERY_FRAME, Feature, Frames
from synthvae.features.fourier import stft, stft_isometry

__all__ = ["StftFamily", "StftFeature"]


class StftFamily(Feature):
    """A feature that is a function of the STFT, so that several of them can share one transform."""

    def from_stft(self, transform: Tensor) -> Tensor:
        """What `spectrum` returns, from the transform `(B, 1025, N)` that `synthvae.features.stft` gives."""
        raise NotImplementedError

    def spectrum(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """Transform `audio` `(B, T)` to `(B, F, N)`; see `Feature.spectrum`."""
        return self.from_stft(stft(audio, frames))


class StftFeature(StftFamily):
    """The STFT itself, `(B, 1025, N)`: Hann 2048, hop 512, centred, unscaled.

    The same as `nnAudio.features.STFT` at its defaults (`n_fft=2048, hop_length=512`).
    """

    name: ClassVar[str] = "stft"
    description: ClassVar[str] = "short-time Fourier transform, Hann 2048, hop 512"
    complex: ClassVar[bool] = True
    linear: ClassVar[bool] = True

    def from_stft(self, transform: Tensor) -> Tensor:
        """Return `transform` as it is."""
        return transform

    def norm(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """The Frobenius norm of the spectrum, `(B,)`, without a Fourier transform."""
        return torch.linalg.vector_norm(stft_isometry(audio, frames), dim=1)
