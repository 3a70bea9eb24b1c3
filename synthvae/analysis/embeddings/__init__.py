"""Embeddings of sounds by name, for distances between sets of sounds.

``logmel`` is built in. The others are models of the package ``frechet-audio-distance`` (`pip install "synthvae[fad]"`):
that package builds them and loads their weights, and nothing else of it is used. Its own PANNs distance is wrong: it
joins the embeddings of all sounds end to end, so that mean and covariance are those of a single number (its issue 37).
"""

from synthvae.analysis.embeddings.base import Embedding, resample
from synthvae.analysis.embeddings.registry import EMBEDDINGS, build_embedding

__all__ = ["EMBEDDINGS", "Embedding", "build_embedding", "resample"]
