"""Embeddings by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.analysis.embeddings.base import Embedding, Model
from synthvae.analysis.embeddings.heard import clap, encodec, panns, panns_collapsed, vggish, vggish_windows
from synthvae.analysis.embeddings.package import PackageModel, WeightFile, load_model
from synthvae.analysis.frechet import logmel_embedding
from synthvae.errors import UserError
from synthvae.features import build_feature

__all__ = ["EMBEDDINGS", "build_embedding"]


@dataclass(frozen=True)
class _Kind:
    """An embedding that the package's models make; fields as in `Embedding` and `PackageModel`."""

    description: str
    dimension: int
    package: PackageModel
    hear: Callable[[object], Model]
    per_sound: bool = True
    shortest: int = 1
    longest: int | None = None


_RELEASE = "github.com/harritaylor/torchvggish/releases/tag/v0.1"
_HUB = "huggingface.co"

_VGGISH = PackageModel(
    "vggish",
    16_000,
    (
        WeightFile("harritaylor_torchvggish_master", "github.com/harritaylor/torchvggish, unpacked"),
        WeightFile("checkpoints/vggish-10086976.pth", _RELEASE),
        WeightFile("checkpoints/vggish_pca_params-970ea276.pth", _RELEASE),
    ),
)
_PANNS = PackageModel("pann", 16_000, (WeightFile("Cnn14_16k_mAP%3D0.438.pth", "zenodo.org/record/3987831"),))
_CLAP = PackageModel(
    "clap",
    48_000,
    (
        WeightFile("630k-audioset-best.pt", f"{_HUB}/lukewys/laion_clap"),
        WeightFile("roberta-base", f"{_HUB}/FacebookAI/roberta-base, the whole folder"),
        WeightFile("bert-base-uncased", f"{_HUB}/google-bert/bert-base-uncased, configuration and tokenizer"),
        WeightFile("facebook/bart-base", f"{_HUB}/facebook/bart-base, configuration and tokenizer"),
    ),
)
_ENCODEC = PackageModel(
    "encodec",
    24_000,
    (WeightFile("checkpoints/encodec_24khz-d7cc33bc.th", "dl.fbaipublicfiles.com/encodec/v0"),),
)

_VGGISH_SHORTEST = 15_600  # 96 frames of 25 ms, 10 ms apart
_KINDS: dict[str, _Kind] = {
    "vggish": _Kind(
        "VGGish at 16 kHz, 128 dimensions, mean over windows of 0.96 s (needs the extra fad)",
        128,
        _VGGISH,
        vggish,
        shortest=_VGGISH_SHORTEST,
    ),
    "vggish-windows": _Kind(
        "VGGish, every window for itself, as the study has it: for comparison with the study only",
        128,
        _VGGISH,
        vggish_windows,
        per_sound=False,
        shortest=_VGGISH_SHORTEST,
    ),
    "panns": _Kind(
        "PANNs CNN14 at 16 kHz, 2048 dimensions (needs the extra fad)",
        2048,
        _PANNS,
        panns,
        shortest=31 * 160,  # 32 frames 10 ms apart, halved five times
    ),
    "panns-collapsed": _Kind(
        "PANNs with all 2048 dimensions mistaken for one, as published: for comparison with the study only",
        1,
        _PANNS,
        panns_collapsed,
        per_sound=False,
        shortest=31 * 160,
    ),
    "clap": _Kind(
        "LAION CLAP (630k-audioset) at 48 kHz, 512 dimensions (needs the extra fad)",
        512,
        _CLAP,
        clap,
        longest=480_000,  # of longer sounds it hears ten seconds drawn at random
    ),
    "encodec": _Kind(
        "EnCodec at 24 kHz before quantization, 128 dimensions, mean over time (needs the extra fad)",
        128,
        _ENCODEC,
        encodec,
    ),
}

EMBEDDINGS: dict[str, str] = {
    "logmel": "mean and deviation over time of 32 mel bands in dB, 64 dimensions (built in)",
    **{name: kind.description for name, kind in _KINDS.items()},
}
"""What each legal name stands for."""


def build_embedding(name: str, sample_rate: int, weights_dir: Path | None = None) -> Embedding:
    """Make an embedding by name.

    Args:
        name: one of `EMBEDDINGS`.
        sample_rate: of the audio that will be embedded, in Hz: ``logmel`` hears it as it is. The others have a rate of
            their own.
        weights_dir: folder with the weights, for machines without a network: nothing is fetched then. Without it the
            package fetches what the cache of `torch.hub` lacks.

    Returns:
        The embedding, on CUDA where there is any.

    Raises:
        UserError: if there is no such embedding, or the package, weights or network that it needs are missing.
        ValueError: if ``logmel`` does not exist at that sample rate.
    """
    if name == "logmel":
        return Embedding(name, 64, sample_rate, _logmel(sample_rate), light=True)
    if name not in _KINDS:
        raise UserError(f"embedding: none is called {name!r}; choose one of {', '.join(EMBEDDINGS)}")
    kind = _KINDS[name]
    module = load_model(name, kind.package, weights_dir).model
    return Embedding(
        name,
        kind.dimension,
        kind.package.sample_rate,
        kind.hear(module),
        kind.per_sound,
        kind.shortest,
        kind.longest,
        _fingerprint(module),
    )


def _fingerprint(module: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _logmel(sample_rate: int) -> Model:
    feature = build_feature("logmel", sample_rate)

    def hear(audio: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.inference_mode():
            return logmel_embedding(feature(torch.from_numpy(audio)).numpy())

    return hear
