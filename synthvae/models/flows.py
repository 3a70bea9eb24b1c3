"""Gated inverse autoregressive flow (Kingma et al., NeurIPS 2016), in the form used by Rebnord (2022).

A layer maps `z` to `z'`, all dimensions at once. With a context `h = ELU(W c + b)` of features `c`, dimension j has its
own network with one hidden layer of ELU units, whose inputs are h and the dimensions before j:

    m_j, s_j = network_j(h, z_1 .. z_(j-1)),   g_j = sigmoid(s_j + 1),   z'_j = g_j z_j + (1 - g_j) m_j.

The Jacobian is triangular with the gates on its diagonal. The order of the dimensions is reversed after each layer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["HIDDEN", "GatedLayer", "InverseAutoregressiveFlow"]

#: Hidden units of each dimension's network.
HIDDEN = 64
#: Initial value of all biases, as published.
BIAS = 0.001


class GatedLayer(nn.Module):
    """One layer: the networks of all dimensions as one masked network with a group of hidden units per dimension.

    Group j is connected to all of h, to the latents before j and to the outputs of j, and to nothing else.

    Args:
        size: number of latent dimensions, D.
        features: size of `c`.
        hidden: number of hidden units in a group.
    """

    def __init__(self, size: int, features: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.size, self.hidden = size, hidden
        self.context = nn.Linear(features, size)
        self.context_weight = nn.Parameter(torch.empty(size, hidden, size))
        self.latent_weight = nn.Parameter(torch.empty(size, hidden, size))
        self.hidden_bias = nn.Parameter(torch.full((size, hidden), BIAS))
        self.output_weight = nn.Parameter(torch.empty(size, 2, hidden))
        self.output_bias = nn.Parameter(torch.full((size, 2), BIAS))
        self.mask: Tensor
        self.register_buffer("mask", torch.ones(size, size).tril(-1)[:, None], persistent=False)
        nn.init.xavier_uniform_(self.context.weight)
        nn.init.constant_(self.context.bias, BIAS)
        with torch.no_grad():
            for group in range(size):  # Xavier's bound for the number of inputs of a group
                bound = math.sqrt(6.0 / (size + group + hidden))
                self.context_weight[group].uniform_(-bound, bound)
                self.latent_weight[group].uniform_(-bound, bound)
            bound = math.sqrt(6.0 / (hidden + 2))
            self.output_weight.uniform_(-bound, bound)

    @property
    def unused_weights(self) -> int:
        """Number of weights excluded by the mask."""
        return self.size * (self.size + 1) // 2 * self.hidden

    def forward(self, latent: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's output and the log gates, each ``(B, D)``; `log |det J|` is the sum of the log gates."""
        shift, gate = self._shift_and_gate(latent, F.elu(self.context(features)))
        opened = gate.sigmoid()
        return opened * latent + (1.0 - opened) * shift, F.logsigmoid(gate)

    def _shift_and_gate(self, latent: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        width = self.size * self.hidden
        hidden = F.linear(context, self.context_weight.view(width, self.size), self.hidden_bias.view(width))
        hidden = hidden + F.linear(latent, (self.latent_weight * self.mask).view(width, self.size))
        groups = F.elu(hidden).view(-1, self.size, self.hidden)
        shift, gate = (torch.einsum("bjh,jkh->bjk", groups, self.output_weight) + self.output_bias).unbind(2)
        return shift, gate + 1.0

    def inverse(self, output: Tensor, features: Tensor) -> Tensor:
        """The input ``(B, D)`` of an output, one dimension after the other."""
        context = F.elu(self.context(features))
        latent = torch.zeros_like(output)
        for number in range(self.size):
            shift, gate = (value[:, number] for value in self._shift_and_gate(latent, context))
            # With the logarithm of the gate, so that the division is accurate for a nearly closed gate.
            found = (output[:, number] - torch.sigmoid(-gate) * shift) * torch.exp(-F.logsigmoid(gate))
            latent = torch.cat([latent[:, :number], found[:, None], latent[:, number + 1 :]], 1)
        return latent


class InverseAutoregressiveFlow(nn.Module):
    """Several `GatedLayer` with the order of dimensions reversed after each.

    Args:
        size: number of latent dimensions, D.
        features: size of the features, an input of every layer.
        layers: number of layers; with 0 it is the identity.
    """

    def __init__(self, size: int, features: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GatedLayer(size, features) for _ in range(layers))

    def forward(self, latent: Tensor, features: Tensor, log_density: Tensor) -> tuple[Tensor, Tensor]:
        """Transform latents, and the logarithm of their density.

        Args:
            latent: latents ``(B, D)``.
            features: features ``(B, F)``.
            log_density: share of each dimension in the log density, ``(B, D)``, in the order of the latents.

        Returns:
            Latents and shares after the last layer, in the order of its dimensions.
        """
        for layer in self.layers:
            latent, log_gate = layer(latent, features)
            latent, log_density = latent.flip(1), (log_density - log_gate).flip(1)
        return latent, log_density

    def inverse(self, latent: Tensor, features: Tensor) -> Tensor:
        """The latents ``(B, D)`` before the first layer; needs D passes per layer."""
        for layer in reversed(self.layers):
            assert isinstance(layer, GatedLayer)
            latent = layer.inverse(latent.flip(1), features)
        return latent
