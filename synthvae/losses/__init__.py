"""Audio losses by name, the other loss terms, and the weight of the spectral term."""

from synthvae.losses.balance import BetaController
from synthvae.losses.base import AudioLoss
from synthvae.losses.pnp import PnpLoss
from synthvae.losses.registry import LOSSES, LossSpec, build_loss
from synthvae.losses.terms import clamp_penalty, free_bits, kl_divergence, parameter_error

__all__ = [
    "LOSSES",
    "AudioLoss",
    "BetaController",
    "LossSpec",
    "PnpLoss",
    "build_loss",
    "clamp_penalty",
    "free_bits",
    "kl_divergence",
    "parameter_error",
]
