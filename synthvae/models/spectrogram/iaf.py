"""The network of Rebnord (2022): convolutions with pooling, an inverse autoregressive flow, upsampling convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthvae.models.flows import BIAS, InverseAutoregressiveFlow
from synthvae.models.spectrogram.base import Posterior, SpectrogramModel, flat_size

__all__ = ["SpectrogramIAF"]

CHANNELS = (32, 64, 32, 32)
#: Sizes of the pooling windows after each convolution, (bands, frames). The stride is 2 in all of them.
POOLS = ((4, 4), (2, 2), (2, 4), (2, 2))
DENSE = 512


def _pooled(size: int, axis: int) -> list[int]:
    sizes = [size]
    for pool in POOLS:
        sizes.append((sizes[-1] - pool[axis]) // 2 + 1 if sizes[-1] >= pool[axis] else 0)
    return sizes


def _least(size: int, axis: int) -> int:
    """The size, or the smallest size with a non-empty output after all poolings."""
    while _pooled(size, axis)[-1] < 1:
        size += 1
    return size


class SpectrogramIAF(SpectrogramModel):
    """Four convolutions with pooling, a dense layer, a flow conditioned on the convolutions' output c, and a decoder.

    At (1, 128, 250) the sizes are those published, with c of 32 x 7 x 15. A spectrogram that is too small for the
    pooling layers is padded with its mean. PyTorch's bilinear resizing differs from that of TensorFlow, in which the
    original was written: it has the same sizes, but other sampling points.

    Args:
        shape: shape (C, H, W) of the spectrograms.
        latent_size: number of latent dimensions, D.
        flows: number of layers of the flow.
        dropout: share of dropped units, after the dense layers of encoder and decoder.
        options: options of `SpectrogramModel`.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_size: int,
        flows: int = 10,
        dropout: float = 0.0,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(shape, latent_size, **options)
        channels, bands, frames = self.shape
        self.padded = (_least(bands, 0), _least(frames, 1))
        self.sizes = list(zip(_pooled(self.padded[0], 0), _pooled(self.padded[1], 1), strict=True))
        self.bottleneck = (CHANNELS[-1], *self.sizes[-1])
        flat = flat_size(self.bottleneck)
        self.dropout = nn.Dropout(dropout)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=False)
            for before, after in zip((channels, *CHANNELS), CHANNELS, strict=False)
        )
        self.dense = nn.Linear(flat + self.extra_size, DENSE)
        self.mean, self.log_variance = nn.Linear(DENSE, latent_size), nn.Linear(DENSE, latent_size)
        self.autoregressive = InverseAutoregressiveFlow(latent_size, flat + self.extra_size, flows)
        self.decoder_dense = nn.Linear(latent_size + self.condition_size, flat)
        self.transposed = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 3, padding=1, bias=False)
            for before, after in zip((CHANNELS[-1], *CHANNELS[:-1]), (*CHANNELS[:-1], channels), strict=True)
        )
        self.level = nn.Linear(latent_size + self.condition_size, 1) if self.with_level else None
        for module in (*self.convolutions, self.dense, self.mean, self.log_variance, self.decoder_dense):
            _initialise(module)
        for module in self.transposed:
            _initialise(module)
        # The memory format in which a CPU's convolutions, pooling and resizing are twice as fast.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def flows(self) -> int:
        """Number of the flow's layers."""
        return len(self.autoregressive.layers)

    def posterior(self, values: Tensor, extra: Tensor) -> Posterior:
        """Encode standardised values and the extra input."""
        bands, frames = self.padded
        hidden = F.pad(values, (0, frames - values.shape[3], 0, bands - values.shape[2]))
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        for convolution, pool in zip(self.convolutions, POOLS, strict=True):
            hidden = F.elu(F.max_pool2d(convolution(hidden), pool, stride=2))
        features = torch.cat([hidden.flatten(1), extra.to(hidden.dtype)], 1)
        dense = self.dropout(F.elu(self.dense(features)))
        return Posterior(self.mean(dense), self.log_variance(dense), features)

    def flow(self, latent: Tensor, features: Tensor, log_density: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse autoregressive flow."""
        moved: tuple[Tensor, Tensor] = self.autoregressive(latent, features, log_density)
        return moved

    def decoded(self, latent: Tensor, condition: Tensor, frames: int) -> tuple[Tensor, Tensor | None]:
        """Decode latents."""
        given = torch.cat([latent, condition], 1)
        hidden = self.dropout(F.elu(self.decoder_dense(given))).unflatten(1, self.bottleneck)
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        for number, convolution in enumerate(self.transposed):
            size = self.sizes[-2 - number]
            hidden = convolution(F.interpolate(hidden, size, mode="bilinear", align_corners=False))
            if number + 1 < len(self.transposed):
                hidden = F.elu(hidden)
        cropped = hidden[:, :, : self.shape[1], : self.shape[2]]
        return cropped, None if self.level is None else self.level(given)[:, 0]


def _initialise(module: nn.Module) -> None:
    assert isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))
    nn.init.xavier_uniform_(module.weight)
    if module.bias is not None:
        nn.init.constant_(module.bias, BIAS)
