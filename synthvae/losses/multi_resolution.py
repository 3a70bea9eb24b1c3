"""The multi-resolution STFT loss (Yamamoto, Song and Kim, "Parallel WaveGAN", ICASSP 2020), per example."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from synthvae.features import Frames
from synthvae.losses.base import AudioLoss, refuse_chosen_frames
from synthvae.losses.spectral import convergence

__all__ = ["MultiResolutionStftLoss"]

#: auraloss mirrors half of its longest window, 2048 samples, at both ends; shorter audio is zero-padded.
SHORTEST = 1025


class MultiResolutionStftLoss(AudioLoss):
    """Mean over three resolutions of spectral convergence plus the mean absolute difference of log magnitudes.

    Resolutions, windows and the floor of the magnitudes are those of `auraloss.freq.MultiResolutionSTFTLoss`. Its sums
    run over the whole batch, which would make examples depend on each other, and its transforms compute unneeded
    phases, which takes a third of its time.

    Args:
        formula: the definition, for `repr`.
    """

    def compare(self, audio_hat: Tensor, audio: Tensor, frames: Frames) -> Tensor:
        """Compare at every resolution; see `AudioLoss.forward`."""
        refuse_chosen_frames(frames)
        total = torch.zeros_like(audio_hat[:, 0])
        resolutions = _resolutions(audio.dtype, audio.device)
        missing = max(0, SHORTEST - audio.shape[1])
        audio_hat, audio = (F.pad(signal, (0, missing)) for signal in (audio_hat, audio))
        for resolution in resolutions:
            estimate, target = (_magnitudes(resolution, signal) for signal in (audio_hat, audio))
            difference = estimate.log() - target.log()
            total = total + convergence(estimate, target) + difference.abs().mean((1, 2))
        return total / len(resolutions)


def _magnitudes(resolution: Any, signal: Tensor) -> Tensor:  # noqa: ANN401 - auraloss has no types
    """Magnitudes `(B, F, N)`, as in `auraloss.freq.STFTLoss.stft`."""
    spectrum = torch.stft(
        signal, resolution.fft_size, resolution.hop_size, resolution.win_length, resolution.window, return_complex=True
    )
    return (spectrum.real.square() + spectrum.imag.square()).clamp(min=resolution.eps).sqrt()


@cache
def _resolutions(dtype: torch.dtype, device: torch.device) -> list[Any]:
    from auraloss.freq import MultiResolutionSTFTLoss

    with torch.inference_mode(False):
        losses = list(MultiResolutionSTFTLoss().stft_losses)
        for loss in losses:
            loss.window = loss.window.to(dtype=dtype, device=device)
    return losses
