"""Embeddings of sounds by name, for distances between sets of sounds.

``logmel`` needs no weights. VGGish and PANNs CNN14 are implemented here and load the published weight files
(docs/fad.md). CLAP and EnCodec are models of the package ``frechet-audio-distance``, which builds them and loads their
weights; nothing else of it is used. Its own PANNs distance is wrong: it concatenates the embeddings of all sounds, so
that mean and covariance are those of single numbers (its issue 37).
"""

from synthvae.metrics.embeddings.base import Embedding
from synthvae.metrics.embeddings.registry import EMBEDDINGS, build_embedding

__all__ = ["EMBEDDINGS", "Embedding", "build_embedding"]
