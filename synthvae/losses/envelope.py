"""Envelope loss: difference of levels over time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from synthvae.features import Frames
from synthvae.losses.base import AudioLoss, refuse_chosen_frames

__all__ = ["EnvelopeLoss", "envelope"]

WINDOW = 2048
HOP = 512
#: Mean square of -80 dB, the floor of the log-mel spectrogram.
FLOOR = 1e-8


def envelope(audio: Tensor) -> Tensor:
    """Level over time: `10 log10(m[n] + 1e-8)`, m the mean square of 2048 samples around sample 512 n.

    Audio ``(B, T)``, 0 beyond its ends, to ``(B, T // 512 + 1)`` in dB, from -80 up; a full-scale sine has -3 dB.
    """
    square = F.pad(audio.square(), (WINDOW // 2, WINDOW // 2))
    return 10.0 * torch.log10(F.avg_pool1d(square.unsqueeze(1), WINDOW, HOP).squeeze(1) + FLOOR)


class EnvelopeLoss(AudioLoss):
    """Mean absolute difference of levels, in dB; see `envelope`."""

    def compare(self, audio_hat: Tensor, audio: Tensor, frames: Frames) -> Tensor:
        """Compare level by level; see `AudioLoss.forward`."""
        refuse_chosen_frames(frames)
        return (envelope(audio) - envelope(audio_hat)).abs().mean(1)
