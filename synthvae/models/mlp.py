"""A fully connected variational autoencoder over unit parameters, as in the thesis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from synthvae.core.errors import UserError, choose_one
from synthvae.models.base import LatentModel, bounded

__all__ = ["OUTPUTS", "VAE"]

OUTPUTS = ("linear", "sigmoid")


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers


class VAE(LatentModel):
    """Encoder P - w1 - ... - D with a Gaussian posterior, and the mirrored decoder."""

    def __init__(self, parameters: int, widths: Sequence[int], output: str = "linear", centred: bool = True) -> None:
        """Build the network.

        Args:
            parameters: number of input columns, P.
            widths: encoder widths after the input; the last is the latent size D.
            output: ``linear`` (as in the thesis, with a clamp and its penalty) or ``sigmoid``.
            centred: whether a linear output starts at 0.5 in every parameter rather than near a corner of the cube.

        Raises:
            UserError: for an unknown output.
        """
        super().__init__()
        if output not in OUTPUTS:
            raise UserError("output", output, choose_one(output, OUTPUTS))
        *hidden, latent = widths
        self.parameters_in, self.latent_size = parameters, latent
        last = hidden[-1] if hidden else parameters
        self.body = nn.Sequential(*_layers([parameters, *hidden]))
        self.mean = nn.Linear(last, latent)
        self.log_variance = nn.Linear(last, latent)
        first = hidden[0] if hidden else latent
        last_layer = nn.Linear(first, parameters)
        self.decoder = nn.Sequential(*_layers([latent, *reversed(hidden)]), last_layer)
        if output == "sigmoid":
            self.decoder.append(nn.Sigmoid())
        elif centred:
            nn.init.constant_(last_layer.bias, 0.5)

    def encode(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log variance, each ``(B, D)``, of unit parameters ``(B, P)``."""
        # Centred, so that the mean preset is the origin.
        hidden = self.body(2.0 * unit - 1.0)
        return self.mean(hidden), bounded(self.log_variance(hidden))

    def decode(self, latent: Tensor) -> Tensor:
        """Raw decoder output ``(B, P)`` of latents ``(B, D)``."""
        return self.decoder(latent)
