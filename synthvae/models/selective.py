"""An autoencoder whose latents are initialised as the most audible parameters.

With g = Phi^-1(u), the normal scores of unit parameters (Phi the normal distribution function; for uniformly drawn
presets every g is standard normal, like the prior):

    mean[d]   = g[kept[d]] + f_d(g)
    decoded   = Phi(place(z) + h(z)),

where place() assigns each latent to its initial parameter and 0, the middle, to all others. f and h are networks whose
last layers start at 0. So the initial model is the best untrained one, which keeps D parameters exactly; training adds
further information to the latents and predicts the other parameters.

Parameters that are *held* (those that only affect pitch, whose gradient through a spectral loss is practically random)
have no such correction: if one is kept, its latent is exactly its normal score.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.models.base import LatentModel, bounded

__all__ = ["SelectiveVAE"]

#: Unit values closer than this to 0 or 1 are moved to this distance: Phi^-1 of 0 is infinite.
MARGIN = 1e-3
#: Initial log variances, and the constant ones of held latents. A log variance of -8 is a standard deviation of 0.018,
#: or 0.7 % of a parameter's range at its middle; -14 is five cents of the keyboard's range.
START_LOG_VARIANCE, HELD_LOG_VARIANCE = -8.0, -14.0


class SelectiveVAE(LatentModel):
    """Encoder and decoder that correct a selection of parameters."""

    kept: Tensor
    held: Tensor

    def __init__(self, parameters: int, widths: Sequence[int]) -> None:
        """Build the network; `select` sets the parameters that it keeps.

        Args:
            parameters: number of input columns, P.
            widths: encoder widths after the input; the last is the latent size D, the decoder is mirrored.

        Raises:
            UserError: if there are more latents than parameters.
        """
        super().__init__()
        *hidden, latent = widths
        if latent > parameters:
            raise UserError(
                "latent",
                latent,
                f"the selective network keeps parameters, of which there are {parameters}: give at most that, "
                "or `network` mlp",
            )
        self.parameters_in, self.latent_size = parameters, latent
        self.body = nn.Sequential(*_layers([parameters, *hidden]))
        last = hidden[-1] if hidden else parameters
        self.mean, self.log_variance = nn.Linear(last, latent), nn.Linear(last, latent)
        correction = nn.Linear(hidden[0] if hidden else latent, parameters)
        self.decoder = nn.Sequential(*_layers([latent, *reversed(hidden)]), correction)
        for layer, bias in ((self.mean, 0.0), (self.log_variance, START_LOG_VARIANCE), (correction, 0.0)):
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, bias)
        self.register_buffer("kept", torch.arange(latent))
        self.register_buffer("held", torch.zeros(parameters, dtype=torch.bool))

    def select(self, sensitivity: Tensor, held: Sequence[int]) -> None:
        """Choose the initial parameters of the latents: the D of largest sensitivity ``(P,)``, in decreasing order.

        Columns that are held are not corrected.
        """
        self.kept.copy_(sensitivity.argsort(descending=True)[: self.latent_size])
        self.held.zero_()
        self.held[list(held)] = True

    def encode(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log variance, each ``(B, D)``, of unit parameters ``(B, P)``."""
        score = torch.special.ndtri(_wide(unit).clamp(MARGIN, 1.0 - MARGIN))
        hidden = self.body(score)
        held = self.held[self.kept]
        mean = score[:, self.kept] + torch.where(held, 0.0, self.mean(hidden))
        return mean, torch.where(held, HELD_LOG_VARIANCE, bounded(self.log_variance(hidden)))

    def decode(self, latent: Tensor) -> Tensor:
        """Unit parameters ``(B, P)`` of latents ``(B, D)``, already inside the cube."""
        correction = torch.where(self.held, 0.0, _wide(self.decoder(latent)))
        return torch.special.ndtr(correction.index_add(1, self.kept, latent.to(correction.dtype)))


def _wide(values: Tensor) -> Tensor:
    """Convert to at least float32, which normal scores need even if the layers compute in half precision."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.GELU()]
    return layers
