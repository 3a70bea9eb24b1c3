"""Invertible representations of audio that a model can learn."""

from synthvae.features.representations.base import SILENCE, Encoded, Representation
from synthvae.features.representations.registry import REPRESENTATIONS, build_representation

__all__ = ["REPRESENTATIONS", "SILENCE", "Encoded", "Representation", "build_representation"]
