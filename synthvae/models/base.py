"""Base class of networks: encoder to a Gaussian in the latent space, and decoder to unit parameters."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["LatentModel", "VAEOutput", "bounded"]


class VAEOutput(NamedTuple):
    """Output of one forward pass.

    Attributes:
        raw: decoder output ``(B, P)``, before it is clamped to [0, 1].
        mean: posterior mean ``(B, D)``.
        log_variance: logarithm of the posterior variance ``(B, D)``.
        latent: the sample that was decoded, ``(B, D)``.
    """

    raw: Tensor
    mean: Tensor
    log_variance: Tensor
    latent: Tensor

    @property
    def unit(self) -> Tensor:
        """Decoded unit parameters in [0, 1]; the gradient is 0 where the raw output was outside."""
        return self.raw.clamp(0.0, 1.0)


def bounded(log_variance: Tensor) -> Tensor:
    """Clamp a log variance, so that its exponential is finite for any weights."""
    return log_variance.clamp(-30.0, 20.0)


class LatentModel(nn.Module):
    """An autoencoder with a Gaussian posterior (Kingma and Welling, ICLR 2014).

    Attributes:
        parameters_in: number of input columns, P.
        latent_size: number of latent dimensions, D.
    """

    parameters_in: int
    latent_size: int

    def encode(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log variance, each ``(B, D)``, of unit parameters ``(B, P)``."""
        raise NotImplementedError

    def decode(self, latent: Tensor) -> Tensor:
        """Raw decoder output ``(B, P)`` of latents ``(B, D)``."""
        raise NotImplementedError

    def forward(self, unit: Tensor, noise: Tensor | None = None) -> VAEOutput:
        """Encode ``(B, P)`` in [0, 1], add standard normal noise ``(B, D)`` if given, and decode."""
        mean, log_variance = self.encode(unit)
        latent = mean if noise is None else mean + noise * torch.exp(0.5 * log_variance)
        return VAEOutput(self.decode(latent), mean, log_variance, latent)
