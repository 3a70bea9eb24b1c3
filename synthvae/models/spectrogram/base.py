"""Base class of networks for spectrograms: encoder to a Gaussian in the latent space, flow, and decoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.features.representations import Encoded

__all__ = ["LOG_VARIANCE", "Posterior", "SpectrogramModel", "SpectrogramOutput", "parse_widths", "weight_count"]

#: Bounds of the posterior's log variance, except for networks built as published.
LOG_VARIANCE = (-10.0, 10.0)
#: Minimum distance of the mean spectrogram from 0 and 1 where a decoder's output is its logit plus a correction.
LOGIT_MARGIN = 1e-3


class Posterior(NamedTuple):
    """Posterior of spectrograms; N is the batch size B times the number of latents per sound.

    Attributes:
        mean: mean ``(N, D)``, before the flow.
        log_variance: logarithm of the variance ``(N, D)``.
        features: input of the flow ``(N, F)``; empty if there is none.
    """

    mean: Tensor
    log_variance: Tensor
    features: Tensor


class SpectrogramOutput(NamedTuple):
    """Output of one forward pass.

    Attributes:
        raw: decoder output ``(B, C, H, W)``: values of the representation, or their logits (`SpectrogramModel.logits`).
        level: levels ``(B,)`` in dB; None if the network has no level.
        latent: the latents that were decoded, ``(N, D)``.
        kl: KL divergence of each latent dimension, ``(B, D)`` in nats, estimated from the draw if there is a flow.
    """

    raw: Tensor
    level: Tensor | None
    latent: Tensor
    kl: Tensor


class SpectrogramModel(nn.Module):
    """An autoencoder of spectrograms of one size.

    Unless it is built as published, its inputs are values and levels minus their mean over the training sounds, divided
    by their deviation, and its decoder adds a correction to that mean (`standardise`).

    Args:
        shape: shape (C, H, W) of the spectrograms.
        latent_size: number of latent dimensions, D.
        condition_size: size of the condition, an additional input of encoder and decoder; 0 for none.
        logits: whether the decoder's output is a logit, so that values are in [0, 1].
        with_level: whether the level of a sound is encoded and decoded.
        published: whether the network is as in its publication, without level, mean and bounds.
        autoencoder: whether there is no noise and no KL divergence.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_size: int,
        *,
        condition_size: int = 0,
        logits: bool = False,
        with_level: bool = True,
        published: bool = False,
        autoencoder: bool = False,
    ) -> None:
        super().__init__()
        channels, bands, frames = shape
        self.shape, self.latent_size, self.condition_size = (channels, bands, frames), latent_size, condition_size
        self.logits, self.published, self.autoencoder = logits, published, autoencoder
        self.with_level = with_level and not published
        self.centre: Tensor
        self.scale: Tensor
        self.level_statistics: Tensor
        centre = (1, 1, 1) if published else (channels, bands, frames if self.fixed_length else 1)
        self.register_buffer("centre", torch.zeros(centre))
        self.register_buffer("scale", torch.ones(channels, 1, 1))
        self.register_buffer("level_statistics", torch.tensor([0.0, 1.0]))

    def standardise(self, mean: Tensor, scale: Tensor, level_mean: float, level_scale: float) -> None:
        """Set the statistics of the training sounds; has no effect on a network as published.

        Args:
            mean: mean spectrogram ``(C, H, W)``.
            scale: deviation from the mean, ``(C,)``, above 0.
            level_mean: mean level in dB.
            level_scale: standard deviation of the level in dB, above 0.
        """
        if self.published:
            return
        if not self.fixed_length:
            mean = mean.mean(2, keepdim=True)
        self.centre.copy_(torch.logit(mean, LOGIT_MARGIN) if self.logits else mean)
        self.scale.copy_(scale[:, None, None])
        self.level_statistics.copy_(torch.tensor([level_mean, level_scale]))

    @property
    def extra_size(self) -> int:
        """Size of the encoder's input besides the spectrogram."""
        return self.condition_size + self.with_level

    @property
    def fixed_length(self) -> bool:
        """Whether all spectrograms have the number of frames of `shape`; otherwise any number is accepted."""
        return True

    def latents_of(self, frames: int) -> int:
        """Number of latents of a sound of that many frames: 1 except for networks that encode frames."""
        return 1

    # Defined by each network.

    def posterior(self, values: Tensor, extra: Tensor) -> Posterior:
        """Encode standardised values ``(B, C, H, W)`` and ``(B, extra_size)``: standardised level, then condition."""
        raise NotImplementedError

    def decoded(self, latent: Tensor, condition: Tensor, frames: int) -> tuple[Tensor, Tensor | None]:
        """Standardised values ``(B, C, H, frames)`` and levels ``(B,)`` of latents and conditions ``(B, K)``."""
        raise NotImplementedError

    def flow(self, latent: Tensor, features: Tensor, log_density: Tensor) -> tuple[Tensor, Tensor]:
        """The flow after the posterior, by default none (`synthvae.models.flows.InverseAutoregressiveFlow`)."""
        return latent, log_density

    @property
    def flows(self) -> int:
        """Number of the flow's layers."""
        return 0

    # Common to all networks.

    def encode(self, values: Tensor, level: Tensor, condition: Tensor | None = None) -> Posterior:
        """The posterior before the flow.

        Args:
            values: values of the representation, ``(B, C, H, W)``.
            level: levels ``(B,)`` in dB.
            condition: condition ``(B, K)``; None for a network without one.
        """
        expected = self.shape if self.fixed_length else (*self.shape[:2], values.shape[-1])
        if tuple(values.shape[1:]) != expected:
            raise ValueError(f"values must be (B, {', '.join(map(str, self.shape))}), got {tuple(values.shape)}")
        centre = torch.sigmoid(self.centre) if self.logits and not self.published else self.centre
        extra = []
        if self.with_level:
            extra.append(((level - self.level_statistics[0]) / self.level_statistics[1])[:, None])
        if self.condition_size:
            extra.append(self._condition(condition, len(values)))
        found = self.posterior(
            (values - centre) / self.scale, torch.cat(extra, 1) if extra else values.new_zeros(len(values), 0)
        )
        # Latents and their densities are in single precision, whatever the precision of the layers.
        log_variance = found.log_variance.float()
        if not self.published:
            log_variance = log_variance.clamp(*LOG_VARIANCE)
        return Posterior(found.mean.float(), log_variance, found.features.float())

    def embed(self, values: Tensor, level: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents ``(N, D)`` of sounds without noise: the posterior mean through the flow; arguments as in `encode`."""
        found = self.encode(values, level, condition)
        return self._moved(found.mean, found.features, torch.zeros_like(found.mean))[0]

    def decode(self, latent: Tensor, condition: Tensor | None = None, frames: int = 0) -> Encoded:
        """Decode latents.

        Args:
            latent: latents ``(N, D)``.
            condition: condition ``(B, K)``; None for a network without one.
            frames: number of frames of each sound, if the network accepts any number; 0 for that of `shape`.

        Returns:
            Values ``(B, C, H, W)``, and levels ``(B,)`` in dB: 0 if the network has no level.
        """
        raw, level = self._decode(latent, condition, frames or self.shape[2])
        values = torch.sigmoid(raw) if self.logits else raw
        return Encoded(values, values.new_zeros(len(values)) if level is None else level)

    def forward(
        self, values: Tensor, level: Tensor, condition: Tensor | None = None, noise: Tensor | None = None
    ) -> SpectrogramOutput:
        """Encode, add noise ``(N, D)`` if given, apply the flow and decode. Arguments as in `encode`."""
        mean, log_variance, features = self.encode(values, level, condition)
        latent, log_density = mean, -0.5 * log_variance
        if noise is not None and not self.autoencoder:
            latent = mean + noise * torch.exp(0.5 * log_variance)
            log_density = log_density - 0.5 * noise.square()
        latent, log_density = self._moved(latent, features, log_density)
        if self.flows:
            kl = log_density + 0.5 * latent.square()
        elif self.autoencoder:
            kl = torch.zeros_like(mean)
        else:
            kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0)
        raw, decoded_level = self._decode(latent, condition, values.shape[3])
        return SpectrogramOutput(raw, decoded_level, latent, kl.unflatten(0, (len(values), -1)).sum(1))

    def _moved(self, latent: Tensor, features: Tensor, log_density: Tensor) -> tuple[Tensor, Tensor]:
        if not self.flows:
            return latent, log_density
        with torch.autocast(latent.device.type, enabled=False):
            return self.flow(latent, features, log_density)

    def _decode(self, latent: Tensor, condition: Tensor | None, frames: int) -> tuple[Tensor, Tensor | None]:
        count = len(latent) // self.latents_of(frames)
        values, level = self.decoded(latent, self._condition(condition, count), frames)
        raw = values.float() * (1.0 if self.logits else self.scale) + self.centre
        if level is not None:
            level = level.float() * self.level_statistics[1] + self.level_statistics[0]
        return raw, level

    def _condition(self, condition: Tensor | None, count: int) -> Tensor:
        if condition is None:
            if self.condition_size:
                raise ValueError(f"the network needs a condition ({count}, {self.condition_size})")
            return self.scale.new_zeros(count, 0)
        if tuple(condition.shape) != (count, self.condition_size):
            raise ValueError(f"condition must be ({count}, {self.condition_size}), got {tuple(condition.shape)}")
        return condition


def weight_count(model: nn.Module) -> int:
    """Number of weights, without those excluded by a mask."""
    unused = sum(getattr(module, "unused_weights", 0) for module in model.modules())
    return sum(parameter.numel() for parameter in model.parameters()) - unused


def parse_widths(text: str, argument: str, usual: Sequence[int]) -> tuple[int, ...]:
    """Widths of layers such as ``256-256``; ``auto`` for the default ones, ``none`` for no layer.

    Raises:
        UserError: if it is neither.
    """
    if text == "auto":
        return tuple(usual)
    if text == "none":
        return ()
    parts = text.split("-")
    widths = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 7]
    if len(widths) != len(parts) or min(widths) < 1:
        raise UserError(argument, text, f"write e.g. {'-'.join(map(str, usual)) or '256-256'}, auto or none")
    return tuple(widths)


def flat_size(shape: Sequence[int]) -> int:
    """Number of values of a shape."""
    return math.prod(shape)
