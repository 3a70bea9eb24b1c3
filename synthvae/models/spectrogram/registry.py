"""Networks for spectrograms by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthvae.core.errors import UserError, choose_one
from synthvae.models.spectrogram.base import SpectrogramModel, parse_widths
from synthvae.models.spectrogram.convolutional import CHANNELS, PublishedConvolutional, StridedConvolutional
from synthvae.models.spectrogram.dense import WIDTHS, DenseSpectrogram
from synthvae.models.spectrogram.iaf import SpectrogramIAF

__all__ = ["SPECTROGRAM_NETWORKS", "build_spectrogram_model"]

#: Every legal `network` of a training on recorded sounds.
SPECTROGRAM_NETWORKS = {
    "spectrogram-conv": "convolutions of stride 2, one latent point per sound",
    "spectrogram-iaf": "convolutions with pooling and an inverse autoregressive flow, after Rebnord (2022)",
    "dense": "fully connected, of whole sounds or of a few frames at a time, after De Luca",
}


def build_spectrogram_model(
    network: str,
    shape: Sequence[int],
    latent_size: int,
    *,
    flows: int = 10,
    dropout: float = 0.0,
    widths: str = "auto",
    decoder_widths: str = "auto",
    frames: int = 0,
    last_relu: bool = True,
    options: Mapping[str, Any] | None = None,
) -> SpectrogramModel:
    """Make a network by name, its weights drawn from PyTorch's global generator.

    Args:
        network: one of `SPECTROGRAM_NETWORKS`.
        shape: shape (C, H, W) of the spectrograms.
        latent_size: number of latent dimensions, D.
        flows: number of layers of the flow of ``spectrogram-iaf``.
        dropout: dropout of ``spectrogram-iaf``.
        widths: channels of ``spectrogram-conv`` or hidden widths of ``dense``, such as ``256-256``.
        decoder_widths: hidden widths of the decoder of ``dense``.
        frames: number of frames per latent of ``dense``.
        last_relu: whether ``spectrogram-conv`` as published has its last ReLU.
        options: options of `SpectrogramModel`.

    Raises:
        UserError: if there is no such network, or the widths are invalid.
    """
    more = dict(options or {})
    if network == "spectrogram-iaf":
        return SpectrogramIAF(shape, latent_size, flows, dropout, **more)
    if network == "spectrogram-conv":
        if more.get("published"):
            return PublishedConvolutional(shape, latent_size, last_relu, **more)
        channels = parse_widths(widths, "widths", CHANNELS)
        if not channels:
            raise UserError("widths", widths, f"write e.g. {'-'.join(map(str, CHANNELS))}")
        return StridedConvolutional(shape, latent_size, channels, **more)
    if network == "dense":
        hidden = parse_widths(widths, "widths", WIDTHS)
        back = parse_widths(decoder_widths, "decoder_widths", tuple(reversed(hidden)))
        return DenseSpectrogram(shape, latent_size, hidden, back, frames, **more)
    raise UserError("network", network, choose_one(network, SPECTROGRAM_NETWORKS))
