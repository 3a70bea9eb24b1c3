"""Autoencoders of presets, and the audio encoder; independent of synthesizers."""

from synthvae.models.base import LatentModel, VAEOutput
from synthvae.models.mlp import OUTPUTS, VAE
from synthvae.models.registry import ARCHITECTURES, NETWORKS, build_model, parse_architecture
from synthvae.models.selective import SelectiveVAE

__all__ = [
    "ARCHITECTURES",
    "NETWORKS",
    "OUTPUTS",
    "VAE",
    "LatentModel",
    "SelectiveVAE",
    "VAEOutput",
    "build_model",
    "parse_architecture",
]
