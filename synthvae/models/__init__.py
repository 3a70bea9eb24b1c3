"""Networks between presets and latent points. They know nothing of synthesizers."""

from synthvae.models.architecture import ARCHITECTURES, parse_architecture
from synthvae.models.base import LatentModel, VAEOutput
from synthvae.models.build import NETWORKS, build_model
from synthvae.models.selective import SelectiveVAE
from synthvae.models.vae import OUTPUTS, VAE

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
