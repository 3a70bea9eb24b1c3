"""Spectral optimal transport: distance over which energy moves in frequency, instead of differences per bin.

Between the power spectra of two frames, each normalised to sum 1, taken as distributions u and v over frequency:

    W_2^2(u, v) = integral over r from 0 to 1 of (F_u^-1(r) - F_v^-1(r))^2,

with frequency from 0 to 1 across the bins and F^-1 the quantile functions. Its gradient moves energy towards its target
from any distance, where bin-by-bin losses depend on overlap. It is invariant to loudness. Source: Torres, Peeters and
Richard, "Unsupervised Harmonic Parameter Estimation Using Differentiable DSP and Spectral Optimal Transport", ICASSP
2024 (arXiv:2312.14507). Implemented here, because the authors' package ``sot-loss`` needs torchaudio in the release
that matches PyTorch's, which is not published for all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["SILENT_POWER", "spectral_transport"]

SILENT_POWER = 1e-4
"""A frame with less power than this, summed over bins, is silent and has no distribution (a full-scale sine has
512^2)."""


def spectral_transport(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean over frames of the squared 2-Wasserstein distance between power spectra.

    Magnitudes ``(B, F, N)`` to ``(B,)``, in squares of the bandwidth, between 0 and 1. Frames in which either sound
    is silent contribute 0.

    Example:
        >>> low, high = torch.zeros(2, 1, 5, 1)  # one frame of five bins
        >>> low[0, 0], high[0, 2] = 1.0, 1.0
        >>> spectral_transport(low, high)  # half the bandwidth, squared
        tensor([0.2500])
    """
    powers = [spectrum.square().transpose(1, 2) for spectrum in (estimate, target)]  # (B, N, F)
    totals = [power.sum(2, keepdim=True) for power in powers]
    audible = ((totals[0] > SILENT_POWER) & (totals[1] > SILENT_POWER)).squeeze(2)
    ends = [torch.cumsum(power / total.clamp_min(SILENT_POWER), 2) for power, total in zip(powers, totals, strict=True)]
    distance = _between_quantiles(*(end.flatten(0, 1) for end in ends)).view(audible.shape)
    return torch.where(audible, distance, 0.0).mean(1)


def _between_quantiles(first: Tensor, second: Tensor) -> Tensor:
    """Squared distance ``(R,)`` of distributions on the same F points, from cumulative sums ``(R, F)``."""
    size = first.shape[1]
    levels, _ = torch.cat((first, second), 1).sort(1)
    width = levels.diff(dim=1, prepend=torch.zeros_like(levels[:, :1]))
    # The bin of a quantile is a step function of the level, without a derivative.
    places = [torch.searchsorted(ends.detach(), levels.detach()).clamp_max(size - 1) for ends in (first, second)]
    moved = (places[0] - places[1]).to(levels.dtype) / max(size - 1, 1)
    return (width * moved.square()).sum(1)
