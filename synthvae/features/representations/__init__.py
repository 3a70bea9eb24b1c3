"""Representations of audio that a model can learn, each with an inverse."""

from synthvae.features.representations.base import SILENCE, Encoded, Representation
from synthvae.features.representations.registry import REPRESENTATIONS, build_representation

__all__ = ["REPRESENTATIONS", "SILENCE", "Encoded", "Representation", "build_representation"]
