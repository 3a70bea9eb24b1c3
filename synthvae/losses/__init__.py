"""What training minimises: spectral losses by name, the other terms, and the weight between them."""

from synthvae.losses.balance import BetaController
from synthvae.losses.spectral import LOSSES, SpectralLoss, SpectralLossSpec, build_loss
from synthvae.losses.terms import clamp_penalty, kl_divergence, parameter_error

__all__ = [
    "LOSSES",
    "BetaController",
    "SpectralLoss",
    "SpectralLossSpec",
    "build_loss",
    "clamp_penalty",
    "kl_divergence",
    "parameter_error",
]
