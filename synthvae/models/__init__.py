"""The variational autoencoder. Knows nothing of synthesizers."""

from synthvae.models.vae import ARCHITECTURES, OUTPUTS, VAE, VAEOutput, parse_architecture

__all__ = ["ARCHITECTURES", "OUTPUTS", "VAE", "VAEOutput", "parse_architecture"]
