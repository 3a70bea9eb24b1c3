"""How each pretrained model is asked for an embedding, and how its frames become one row per sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.analysis.embeddings.base import Model

__all__ = ["clap", "encodec", "panns", "panns_collapsed", "vggish", "vggish_windows"]


def vggish(model: Any) -> Model:  # noqa: ANN401
    """VGGish (Hershey et al. 2017, ICASSP) without PCA and last activation, averaged over its windows of 0.96 s.

    The windows of a sound depend on each other, so a sound is one row; an incomplete window at the end is not heard.
    """

    def hear(audio: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.no_grad():  # not inference mode: the model's front end makes tensors with requires_grad
            return np.stack([model(sound, 16_000).mean(dim=0).cpu().numpy() for sound in audio])

    return hear


def vggish_windows(model: Any) -> Model:  # noqa: ANN401
    """VGGish with every window a row, as ``frechet-audio-distance`` has it."""

    def hear(audio: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.no_grad():
            return np.concatenate([model(sound, 16_000).cpu().numpy() for sound in audio])

    return hear


def panns(model: Any) -> Model:  # noqa: ANN401
    """The layer before the classifier of CNN14 (Kong et al. 2020, IEEE/ACM TASLP 28:2880)."""
    return _in_one_batch(model, lambda audio: model(audio, None)["embedding"])


def panns_collapsed(model: Any) -> Model:  # noqa: ANN401
    """The same numbers as `panns`, each a row of its own.

    ``frechet-audio-distance`` joins embeddings end to end, so its PANNs distance compares mean and variance of one
    number; those who printed it printed this. A Gaussian of these rows gives that distance. It is no measure of
    sounds.
    """
    hear = panns(model)
    return lambda audio: hear(audio).reshape(-1, 1)


def clap(model: Any) -> Model:  # noqa: ANN401
    """The audio side of LAION CLAP (Wu et al. 2023, ICASSP), of length 1; sounds below 10 s are repeated."""
    return _in_one_batch(model, lambda audio: model.get_audio_embedding_from_data(audio, use_tensor=True))


def encodec(model: Any) -> Model:  # noqa: ANN401
    """EnCodec's encoder before quantization (Défossez et al. 2022, arXiv 2210.13438), averaged over its frames."""
    return _in_one_batch(model, lambda audio: model.encoder(audio[:, None]).mean(dim=2))


def _in_one_batch(model: Any, ask: Callable[[Tensor], Tensor]) -> Model:  # noqa: ANN401
    device = next(model.parameters()).device

    def hear(audio: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.no_grad():
            return ask(torch.from_numpy(np.ascontiguousarray(audio)).to(device)).cpu().numpy()

    return hear
