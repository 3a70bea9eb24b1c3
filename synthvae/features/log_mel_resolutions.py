"""Log-mel spectrograms at three resolutions, the feature used for matching.

Long windows resolve pitch, short ones attacks; each alone misses what the others resolve. A spectrogram of 2048 samples
is that of `synthvae.features.mel`; the others follow the same definition, with 0 dB for a full-scale sine and -80 dB
for silence.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from synthvae.features.base import as_constant
from synthvae.features.mel import FLOOR, LOWEST, htk_filterbank

__all__ = ["RESOLUTIONS", "MultiResolutionLogMel", "Resolution"]


class Resolution(NamedTuple):
    """Window length in samples, hop in samples, and number of mel bands."""

    window: int
    hop: int
    bands: int


RESOLUTIONS = (Resolution(4096, 2048, 128), Resolution(2048, 1024, 128), Resolution(512, 256, 40))
#: Added to a power spectrum under the square root, so that its derivative is finite in silence; far below the floor,
#: even where a band sums a hundred bins.
_TINY = 1e-12


class MultiResolutionLogMel(nn.Module):
    """Log-mel spectrograms of sounds at several resolutions.

    Args:
        sample_rate: sample rate in Hz.
        samples: length of the sounds.
    """

    def __init__(self, sample_rate: int, samples: int) -> None:
        super().__init__()
        self.sample_rate, self.samples = sample_rate, samples
        for number, (window, _, bands) in enumerate(RESOLUTIONS):
            weights = htk_filterbank(sample_rate, bands, LOWEST, window).T / (window / 4)
            self.register_buffer(f"weights_{number}", as_constant(weights, torch.float32, torch.device("cpu")))
            self.register_buffer(f"window_{number}", torch.hann_window(window))

    def spectrograms(self, audio: Tensor) -> list[Tensor]:
        """Spectrograms ``(B, frames, bands)`` in dB at each resolution, of audio ``(B, T)``."""
        found = []
        for number, (window, hop, _) in enumerate(RESOLUTIONS):
            transform = torch.stft(
                audio, window, hop, window=getattr(self, f"window_{number}"), pad_mode="constant", return_complex=True
            )
            parts = torch.view_as_real(transform)
            magnitude = (parts[..., 0].square() + parts[..., 1].square() + _TINY).sqrt()
            bands = magnitude.transpose(1, 2) @ getattr(self, f"weights_{number}")
            found.append(20.0 / math.log(10.0) * torch.log(bands + FLOOR))
        return found

    def distance(self, target: list[Tensor], audio: Tensor) -> Tensor:
        """Mean absolute difference in dB, with equal weight for each resolution.

        The target's spectrograms are those of one sound, each ``(1, frames, bands)``, or of B; audio ``(B, T)`` to
        ``(B,)``.
        """
        parts = [(a - b).abs().mean((1, 2)) for a, b in zip(self.spectrograms(audio), target, strict=True)]
        return torch.stack(parts).mean(0)
