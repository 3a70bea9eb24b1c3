"""A fully connected autoencoder of spectrograms, after De Luca: of whole sounds, or of a few frames at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthvae.models.spectrogram.base import Posterior, SpectrogramModel

__all__ = ["WIDTHS", "DenseSpectrogram"]

#: Hidden widths of the encoder.
WIDTHS = (256, 256)


class DenseSpectrogram(SpectrogramModel):
    """Hidden layers with ReLU, a Gaussian posterior, hidden layers with ReLU.

    Args:
        shape: shape (C, H, W) of the spectrograms.
        latent_size: number of latent dimensions, D.
        widths: hidden widths of the encoder.
        decoder_widths: hidden widths of the decoder; by default those of the encoder reversed.
        frames: number of frames per latent, in which case spectrograms may have any length, and the last latent of one
            is that of its end padded with the mean. 0 encodes the whole spectrogram as one latent.
        options: options of `SpectrogramModel`.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_size: int,
        widths: Sequence[int] = WIDTHS,
        decoder_widths: Sequence[int] | None = None,
        frames: int = 0,
        **options: Any,  # noqa: ANN401
    ) -> None:
        self.frames = frames
        super().__init__(shape, latent_size, **options)
        self.block = (*self.shape[:2], frames or self.shape[2])
        flat = self.block[0] * self.block[1] * self.block[2]
        encoder = (flat + self.extra_size, *widths)
        decoder = (latent_size + self.condition_size, *(reversed(widths) if decoder_widths is None else decoder_widths))
        self.encoder, self.decoder = _layers(encoder), _layers(decoder)
        self.mean, self.log_variance = nn.Linear(encoder[-1], latent_size), nn.Linear(encoder[-1], latent_size)
        self.output = nn.Linear(decoder[-1], flat)
        self.level = nn.Linear(decoder[0], 1) if self.with_level else None

    @property
    def fixed_length(self) -> bool:
        """Whether the whole spectrogram is encoded."""
        return not self.frames

    def latents_of(self, frames: int) -> int:
        """One, or one per group of frames."""
        return -(-frames // self.frames) if self.frames else 1

    def posterior(self, values: Tensor, extra: Tensor) -> Posterior:
        """Encode standardised values and the extra input."""
        count, length = self.latents_of(values.shape[3]), self.block[2]
        blocks = F.pad(values, (0, count * length - values.shape[3])).unflatten(3, (count, length)).movedim(3, 1)
        given = torch.cat([blocks.flatten(2), extra[:, None].expand(-1, count, -1)], 2).flatten(0, 1)
        hidden = self.encoder(given)
        return Posterior(self.mean(hidden), self.log_variance(hidden), given.new_zeros(len(given), 0))

    def decoded(self, latent: Tensor, condition: Tensor, frames: int) -> tuple[Tensor, Tensor | None]:
        """Decode latents; the level of a sound is the mean over its latents."""
        count = self.latents_of(frames)
        given = torch.cat([latent, condition.repeat_interleave(count, 0)], 1)
        blocks = self.output(self.decoder(given)).unflatten(0, (-1, count)).unflatten(2, self.block)
        values = blocks.movedim(1, 3).flatten(3)[..., :frames]
        return values, None if self.level is None else self.level(given)[:, 0].unflatten(0, (-1, count)).mean(1)


def _layers(widths: Sequence[int]) -> nn.Sequential:
    layers = nn.Sequential()
    for before, after in pairwise(widths):
        layers.extend([nn.Linear(before, after), nn.ReLU()])
    return layers
