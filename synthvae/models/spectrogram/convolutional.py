"""Convolutional autoencoders: the network of García López (2025), and a strided network for two CPU cores."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthvae.models.spectrogram.base import Posterior, SpectrogramModel, flat_size

__all__ = ["CHANNELS", "Convolution", "PublishedConvolutional", "StridedConvolutional"]
__all__ += ["TransposedConvolution"]

#: Channels of the strided network after each halving.
CHANNELS = (16, 32, 64, 96, 128)
PUBLISHED_CHANNELS = (16, 32, 64)


class Convolution(nn.Conv2d):
    """A convolution whose outputs of width 1 are always computed in float32.

    In bfloat16 on processors with AMX, oneDNN (of PyTorch 2.13) leaves such outputs undefined for strides above 1.
    """

    def forward(self, input: Tensor) -> Tensor:
        """As of `nn.Conv2d`."""
        padding, kernel, stride = int(self.padding[1]), self.kernel_size[1], self.stride[1]
        if (input.shape[-1] + 2 * padding - kernel) // stride > 0:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype))


class TransposedConvolution(nn.ConvTranspose2d):
    """A transposed convolution of inputs of width 1 in float32: its gradient is a `Convolution` to that width."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As of `nn.ConvTranspose2d`."""
        if input.shape[-1] > 1:
            return super().forward(input, output_size)
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype), output_size)


class StridedConvolutional(SpectrogramModel):
    """Convolutions of stride 2, a linear layer to the posterior, and a mirrored decoder.

    Spectrograms are padded at their end with their mean to a multiple of 2^n, n the number of convolutions; the
    decoder's output is cropped to the original size, so that the loss is computed on that part alone.

    Args:
        shape: shape (C, H, W) of the spectrograms.
        latent_size: number of latent dimensions, D.
        channels: number of channels after each convolution.
        options: options of `SpectrogramModel`.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_size: int,
        channels: Sequence[int] = CHANNELS,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(shape, latent_size, **options)
        halvings = 2 ** len(channels)
        self.padded = tuple(-(-size // halvings) * halvings for size in self.shape[1:])
        self.bottleneck = (channels[-1], *(size // halvings for size in self.padded))
        flat = flat_size(self.bottleneck)
        self.encoder = nn.Sequential()
        for before, after in zip((self.shape[0], *channels), channels, strict=False):
            self.encoder.extend([Convolution(before, after, 4, stride=2, padding=1), nn.SiLU()])
        self.mean = nn.Linear(flat + self.extra_size, latent_size)
        self.log_variance = nn.Linear(flat + self.extra_size, latent_size)
        self.decoder_dense = nn.Linear(latent_size + self.condition_size, flat)
        self.decoder = nn.Sequential(nn.SiLU())
        back = (*reversed(channels), self.shape[0])
        for before, after in itertools.pairwise(back):
            self.decoder.extend([TransposedConvolution(before, after, 4, stride=2, padding=1), nn.SiLU()])
        del self.decoder[-1]
        self.level = nn.Linear(latent_size + self.condition_size, 1) if self.with_level else None
        with torch.no_grad():
            # Initially the posterior is narrower than the prior, so that the decoder learns from distinguishable
            # latents.
            self.log_variance.weight.mul_(0.1)
            self.log_variance.bias.fill_(-2.0)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def posterior(self, values: Tensor, extra: Tensor) -> Posterior:
        """Encode standardised values and the extra input."""
        bands, frames = self.padded
        padded = F.pad(values, (0, frames - values.shape[3], 0, bands - values.shape[2]))
        hidden = self.encoder(padded.contiguous(memory_format=torch.channels_last)).flatten(1)
        given = torch.cat([hidden, extra.to(hidden.dtype)], 1)
        return Posterior(self.mean(given), self.log_variance(given), given.new_zeros(len(given), 0))

    def decoded(self, latent: Tensor, condition: Tensor, frames: int) -> tuple[Tensor, Tensor | None]:
        """Decode latents."""
        given = torch.cat([latent, condition], 1)
        hidden = self.decoder_dense(given).unflatten(1, self.bottleneck)
        values = self.decoder(hidden.contiguous(memory_format=torch.channels_last))
        cropped = values[:, :, : self.shape[1], : self.shape[2]]
        return cropped, None if self.level is None else self.level(given)[:, 0]


class PublishedConvolutional(SpectrogramModel):
    """Three convolutions of stride 2 each way, dense layers in between; the output is padded to the input's size.

    A size n is 8 ceil(n / 8) - 7 after the decoder: sizes 8k + 1 need no padding. The autoencoder has batch
    normalisation in its encoder and a ReLU after its last layer, and pads its output with zeros; the variational one
    has none of these, pads by reflection, and its log variance is between -20 and 20.

    Args:
        shape: shape (C, H, W) of the spectrograms.
        latent_size: number of latent dimensions, D.
        last_relu: whether an autoencoder has the ReLU after its last layer, with which it cannot express a phase below
            0; one published model has none.
        options: options of `SpectrogramModel`.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_size: int,
        last_relu: bool = True,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(shape, latent_size, **{**options, "published": True})
        channels = (self.shape[0], *PUBLISHED_CHANNELS)
        self.bottleneck = (channels[-1], *(-(-size // 8) for size in self.shape[1:]))
        flat = flat_size(self.bottleneck)
        self.encoder = nn.Sequential()
        for before, after in itertools.pairwise(channels):
            self.encoder.extend([Convolution(before, after, 3, stride=2, padding=1), nn.ReLU()])
            if self.autoencoder:
                self.encoder.append(nn.BatchNorm2d(after))
        self.mean = nn.Linear(flat + self.condition_size, latent_size)
        self.log_variance = None if self.autoencoder else nn.Linear(flat + self.condition_size, latent_size)
        self.decoder_dense = nn.Linear(latent_size + self.condition_size, flat)
        self.decoder = nn.Sequential()
        back = channels[::-1]
        for before, after in itertools.pairwise(back):
            self.decoder.extend([TransposedConvolution(before, after, 3, stride=2, padding=1), nn.ReLU()])
        if not (self.autoencoder and last_relu):
            del self.decoder[-1]

    def posterior(self, values: Tensor, extra: Tensor) -> Posterior:
        """Encode values and a condition."""
        hidden = self.encoder(values).flatten(1)
        given = torch.cat([hidden, extra.to(hidden.dtype)], 1)
        mean = self.mean(given)
        spread = torch.zeros_like(mean) if self.log_variance is None else self.log_variance(given).clamp(-20.0, 20.0)
        return Posterior(mean, spread, given.new_zeros(len(given), 0))

    def decoded(self, latent: Tensor, condition: Tensor, frames: int) -> tuple[Tensor, Tensor | None]:
        """Decode latents."""
        hidden = self.decoder_dense(torch.cat([latent, condition], 1)).unflatten(1, self.bottleneck)
        values = self.decoder(hidden)
        return _padded(values, self.shape[1:], "constant" if self.autoencoder else "reflect"), None


def _padded(values: Tensor, sizes: Sequence[int], mode: str) -> Tensor:
    """Values padded at their end; by repetition of the last value if there are too few to reflect."""
    missing = (0, sizes[1] - values.shape[3], 0, sizes[0] - values.shape[2])
    if mode == "reflect" and any(missing[2 * axis + 1] >= values.shape[3 - axis] for axis in (0, 1)):
        mode = "replicate"
    return F.pad(values, missing, mode=mode)
