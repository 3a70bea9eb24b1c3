"""Networks between spectrograms and latent points."""

from synthvae.models.spectrogram.base import Posterior, SpectrogramModel, SpectrogramOutput, weight_count
from synthvae.models.spectrogram.registry import SPECTROGRAM_NETWORKS, build_spectrogram_model

__all__ = [
    "SPECTROGRAM_NETWORKS",
    "Posterior",
    "SpectrogramModel",
    "SpectrogramOutput",
    "build_spectrogram_model",
    "weight_count",
]
