"""Embeddings by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from synthvae.core.errors import UserError, choose_one
from synthvae.features import build_feature
from synthvae.metrics.embeddings import package, panns, vggish
from synthvae.metrics.embeddings.base import Embedding, Model
from synthvae.metrics.embeddings.logmel import logmel_embedding
from synthvae.metrics.embeddings.package import PackageModel
from synthvae.metrics.embeddings.weights import Checkpoint, find_checkpoint, load_checkpoint, sha256

__all__ = ["EMBEDDINGS", "build_embedding"]


@dataclass(frozen=True)
class _Kind:
    """A pretrained embedding; fields as in `Embedding`.

    Attributes:
        description: description in one line.
        weights: the weight file of a network that is built here, or a model of ``frechet-audio-distance``.
        network: function that builds the network; None if the package does.
        rows: function that makes embeddings of sounds with the network.
    """

    description: str
    dimension: int
    sample_rate: int
    weights: Checkpoint | PackageModel
    network: Callable[[], nn.Module] | None
    rows: Callable[[nn.Module], Model]
    per_sound: bool = True
    shortest: int = 1
    longest: int | None = None


def _vggish(description: str, rows: Callable[[nn.Module], Model], per_sound: bool = True) -> _Kind:
    network = vggish.VGGish
    return _Kind(description, 128, vggish.SAMPLE_RATE, vggish.CHECKPOINT, network, rows, per_sound, vggish.SHORTEST)


def _panns(description: str, rate: int, rows: Callable[[nn.Module], Model], collapsed: bool = False) -> _Kind:
    network, checkpoint = partial(panns.build_cnn14, rate), panns.CHECKPOINTS[rate]
    dimension = 1 if collapsed else 2048
    return _Kind(description, dimension, rate, checkpoint, network, rows, not collapsed, panns.shortest(rate))


_PACKAGE = "(needs frechet-audio-distance)"
_KINDS: dict[str, _Kind] = {
    "vggish": _vggish("VGGish at 16 kHz, 128 dimensions, mean over windows of 0.96 s", vggish.vggish),
    "vggish-windows": _vggish(
        "VGGish, every window a row: for comparison with frechet-audio-distance only", vggish.vggish_windows, False
    ),
    "panns": _panns("PANNs CNN14 at 16 kHz, 2048 dimensions", 16_000, panns.panns),
    "panns-32k": _panns("PANNs CNN14 at 32 kHz, 2048 dimensions", 32_000, panns.panns),
    "panns-collapsed": _panns(
        "PANNs with its 2048 dimensions taken for one: for comparison with frechet-audio-distance only",
        16_000,
        panns.panns_collapsed,
        collapsed=True,
    ),
    "clap": _Kind(
        f"LAION CLAP (630k-audioset) at 48 kHz, 512 dimensions {_PACKAGE}",
        512,
        package.CLAP.sample_rate,
        package.CLAP,
        None,
        package.clap,
        longest=480_000,  # of longer sounds the model uses a random ten seconds
    ),
    "encodec": _Kind(
        f"EnCodec at 24 kHz before quantization, 128 dimensions, mean over time {_PACKAGE}",
        128,
        package.ENCODEC.sample_rate,
        package.ENCODEC,
        None,
        package.encodec,
    ),
}

EMBEDDINGS: dict[str, str] = {
    "logmel": "mean and deviation over time of 32 mel bands in dB, 64 dimensions (built in)",
    **{name: kind.description for name, kind in _KINDS.items()},
}
"""Embeddings by their name."""


def build_embedding(name: str, sample_rate: int, weights_dir: Path | None = None) -> Embedding:
    """Make an embedding by name.

    Args:
        name: one of `EMBEDDINGS`.
        sample_rate: sample rate in Hz of the audio that will be embedded, used unchanged by ``logmel``. The others have
            a rate of their own.
        weights_dir: directory with the weights; nothing is downloaded then. If None, the directory of `torch.hub`, to
            which missing files are downloaded.

    Returns:
        The embedding, on CUDA if available.

    Raises:
        UserError: if there is no such embedding, or the package, weights or network that it needs are missing or
            cannot be used.
        ValueError: if ``logmel`` is not defined at that sample rate.
    """
    if name == "logmel":
        return Embedding(name, 64, sample_rate, _logmel(sample_rate), light=True)
    if name not in _KINDS:
        raise UserError("embedding", name, choose_one(name, EMBEDDINGS))
    kind = _KINDS[name]
    if isinstance(kind.weights, PackageModel):
        network = package.load_model(name, kind.weights, weights_dir).model
        fingerprint = _fingerprint(network)
    else:
        assert kind.network is not None
        path = find_checkpoint(name, kind.weights, weights_dir)
        network = load_checkpoint(name, kind.weights, path, kind.network)
        fingerprint = sha256(path)
    return Embedding(
        name,
        kind.dimension,
        kind.sample_rate,
        kind.rows(network),
        kind.per_sound,
        kind.shortest,
        kind.longest,
        fingerprint,
    )


def _fingerprint(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _logmel(sample_rate: int) -> Model:
    feature = build_feature("logmel", sample_rate)

    def embed(audio: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.inference_mode():
            return logmel_embedding(feature(torch.from_numpy(audio)).numpy())

    return embed
