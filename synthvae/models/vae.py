"""A fully connected variational autoencoder (Kingma and Welling, ICLR 2014) over unit parameters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from synthvae.errors import UserError

__all__ = ["ARCHITECTURES", "OUTPUTS", "VAE", "VAEOutput", "parse_architecture"]

#: Encoder widths after the input, the last one the latent size: the study's experiments 1 and 2, and 3.
ARCHITECTURES: dict[str, tuple[int, ...]] = {"exp1": (256, 64, 16), "exp3": (128, 16)}
OUTPUTS = ("linear", "sigmoid")
#: Widths that mean the input where they stand first: the sizes of the two parameter sets there are.
INPUTS = (63, 78)


def parse_architecture(text: str, parameters: int) -> tuple[int, ...]:
    """Turn ``--architecture`` into the encoder's widths.

    Args:
        text: a name of `ARCHITECTURES`, or widths such as ``63-256-64-16``; the input's may be left out.
        parameters: number of input columns, P.

    Returns:
        Widths after the input; the last is the latent size.

    Raises:
        UserError: if it is neither.
    """
    if text in ARCHITECTURES:
        return ARCHITECTURES[text]
    parts = text.split("-")
    widths = [int(part) for part in parts] if all(p.isascii() and p.isdigit() and len(p) < 7 for p in parts) else []
    if len(widths) > 2 and widths[0] != parameters and widths[0] in INPUTS:
        raise UserError(
            f"--architecture {text!r}: starts with {widths[0]}, but the presets have {parameters} parameters; "
            f"write {parameters} there, or leave the input out"
        )
    if len(widths) > 1 and widths[0] == parameters:
        widths = widths[1:]
    if not widths or min(widths) < 1:
        raise UserError(
            f"--architecture {text!r}: neither one of {', '.join(ARCHITECTURES)} nor widths; "
            f"write e.g. {parameters}-256-64-16"
        )
    return tuple(widths)


class VAEOutput(NamedTuple):
    """What one pass returns.

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


def _layers(widths: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers


class VAE(nn.Module):
    """Encoder P - w1 - ... - D with a Gaussian posterior, and the mirrored decoder."""

    def __init__(self, parameters: int, widths: Sequence[int], output: str = "linear") -> None:
        """Build the network.

        Args:
            parameters: number of input columns, P.
            widths: encoder widths after the input; the last is the latent size D, exactly.
            output: ``linear`` (as in the study, with a clamp and its penalty) or ``sigmoid``.

        Raises:
            UserError: for an unknown output.
        """
        super().__init__()
        if output not in OUTPUTS:
            raise UserError(f"--output is {output!r}; choose one of {', '.join(OUTPUTS)}")
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
        else:
            nn.init.constant_(last_layer.bias, 0.5)  # start from the middle of the cube, not from a corner

    def encode(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log variance, each ``(B, D)``, of unit parameters ``(B, P)``."""
        # Centred, so that the mean preset is the origin.
        hidden = self.body(2.0 * unit - 1.0)
        # Bounded, so that exp() of it stays finite whatever the weights.
        return self.mean(hidden), self.log_variance(hidden).clamp(-30.0, 20.0)

    def decode(self, latent: Tensor) -> Tensor:
        """Raw decoder output ``(B, P)`` of latents ``(B, D)``."""
        return self.decoder(latent)

    def forward(self, unit: Tensor, noise: Tensor | None = None) -> VAEOutput:
        """Encode, sample and decode.

        Args:
            unit: ``(B, P)`` in [0, 1].
            noise: standard normal ``(B, D)``; without it the posterior mean is decoded.

        Returns:
            See `VAEOutput`.
        """
        mean, log_variance = self.encode(unit)
        latent = mean if noise is None else mean + noise * torch.exp(0.5 * log_variance)
        return VAEOutput(self.decode(latent), mean, log_variance, latent)
