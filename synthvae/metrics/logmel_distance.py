"""The log-mel distance between presets: root mean square difference in dB of their spectrograms."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthvae.features.mel import LogMel

__all__ = ["LogMelDistance", "consecutive", "paired", "pairwise"]

BATCH = 64
#: Number of spectrogram values held at once, 256 MiB: the longer the sounds, the fewer fit.
MOST_NUMBERS = 2**26
#: Minimum number of sounds, whatever their length.
FEWEST_SOUNDS = 48


class LogMelDistance:
    """Renders presets; distances are between their log-mel spectrograms, as `synthvae.features.mel` defines them.

    Attributes:
        voice: module from unit parameters ``(B, P)`` to audio ``(B, T)``.
        feature: feature of the audio.
    """

    def __init__(self, voice: nn.Module, sample_rate: int) -> None:
        """Create the distance.

        Args:
            voice: see above.
            sample_rate: sample rate of its sounds in Hz.
        """
        self.voice, self.feature = voice, LogMel(sample_rate)

    def spectrograms(self, unit: Tensor) -> Tensor:
        """Spectrograms ``(N, F)`` in dB of presets ``(N, P)``, bands and frames flattened."""
        parts = unit.detach().float().clamp(0.0, 1.0).split(BATCH)
        with torch.inference_mode():
            return torch.cat([self.feature(self.voice(part)).flatten(1) for part in parts])

    @staticmethod
    def capacity(spectrograms: Tensor) -> int:
        """Number of spectrograms like these, ``(N, F)``, that may be in memory at once."""
        return max(FEWEST_SOUNDS, MOST_NUMBERS // spectrograms.shape[1])


def pairwise(spectrograms: Tensor, other: Tensor | None = None) -> NDArray[np.float64]:
    """Distances ``(N, M)`` in dB between spectrograms ``(N, F)`` and ``(M, F)``, or among the first."""
    right = spectrograms if other is None else other
    centre = right.double().mean(dim=0)  # inner products of large numbers lose the difference of two similar sounds
    a, b = spectrograms.double() - centre, right.double() - centre
    square = a.square().sum(1)[:, None] + b.square().sum(1) - 2.0 * (a @ b.T)
    distance = (square.clamp_min(0.0) / spectrograms.shape[1]).sqrt()
    if other is None:
        distance.fill_diagonal_(0.0)
    return distance.numpy()


def paired(first: Tensor, second: Tensor) -> NDArray[np.float64]:
    """Distances ``(N,)`` in dB between corresponding spectrograms ``(N, ...)`` of two sets."""
    return (first - second).flatten(1).double().square().mean(dim=1).sqrt().numpy()


def consecutive(spectrograms: Tensor) -> NDArray[np.float64]:
    """Distances ``(N - 1,)`` in dB from each of the spectrograms ``(N, F)`` to the next."""
    return paired(spectrograms[1:], spectrograms[:-1])
