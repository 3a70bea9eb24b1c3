"""What is minimised, term by term, and the one place where terms are weighted.

Total = parameter weight * parameter error + alpha * clamp + beta * (spectral or perceptual) + kl_weight * KL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from synthvae.features import EVERY_FRAME, Frames
from synthvae.losses import AudioLoss, PnpLoss
from synthvae.losses.terms import clamp_penalty, free_bits, kl_divergence, parameter_error
from synthvae.models import VAEOutput
from synthvae.training.clipping import clip_gradient_per_preset

__all__ = ["COMPARED", "TERMS", "Objective", "Weights", "typical"]

TERMS = ("parameter", "clamp", "perceptual", "spectral", "kl")
#: The terms that say how far a preset sounds from its target; a phase has one of them, or neither.
COMPARED = ("perceptual", "spectral")


@dataclass(frozen=True)
class Weights:
    """The weight of each term.

    Attributes:
        alpha: of the clamp penalty.
        beta: of the spectral or the perceptual term.
        kl: of the KL divergence.
        parameter: of the parameter error.
    """

    alpha: float
    beta: float | Tensor
    kl: float
    parameter: float = 1.0

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of named terms, whatever their common shape; absent terms count as 0."""
        weights: dict[str, float | Tensor] = {"parameter": self.parameter, "clamp": self.alpha, "kl": self.kl}
        weights |= {name: self.beta for name in COMPARED}
        return torch.stack([weights[name] * value for name, value in terms.items()]).sum(0)


def typical(terms: Mapping[str, Tensor], heavy_tailed: bool = True) -> dict[str, Tensor]:
    """One number per term for a batch: the mean, but of a spectral term with a heavy tail the median.

    A quiet target divides by little: at the start of training the mean of a convergence loss over presets is six
    times its median, and single presets reach a thousand times it. What sets weights or stops a run has to speak of
    most presets; in the gradient each preset's share is clipped instead.

    Args:
        terms: per preset, ``(B,)``.
        heavy_tailed: whether the spectral term is such a loss (`synthvae.losses.LossSpec`).

    Returns:
        Scalars by name.
    """
    return {
        name: value.median() if name == "spectral" and heavy_tailed else value.mean() for name, value in terms.items()
    }


class Objective(nn.Module):
    """Computes the unweighted terms of a batch, one value per preset.

    The Voice and the losses are handed in; with `through_voice` the gradient of the spectral term runs
    through the Voice into the decoder and the encoder, otherwise the term is only measured.
    """

    def __init__(
        self,
        voice: nn.Module | None = None,
        spectral: AudioLoss | None = None,
        through_voice: bool = False,
        gradient_clip: float = 0.0,
        hold_phases: bool = False,
        perceptual: PnpLoss | None = None,
        free_nats: float = 0.0,
    ) -> None:
        """Set up.

        Args:
            voice: unit parameters ``(B, P)`` to audio ``(B, T)``; None where nothing is rendered.
            spectral: compares two batches of audio; None for no spectral term.
            through_voice: whether the spectral term has a gradient.
            gradient_clip: largest norm of one preset's gradient where it leaves the Voice; 0 for none. It bounds
                the preset's own, weighted term: the caller is expected to average over the rows.
            hold_phases: whether that gradient leaves out what pitch does.
            perceptual: compares parameters as they are heard; None for no such term.
            free_nats: nats of KL divergence that each latent dimension has for nothing.
        """
        super().__init__()
        self.voice, self.spectral, self.perceptual = voice, spectral, perceptual
        self.through_voice, self.gradient_clip, self.hold_phases = through_voice, gradient_clip, hold_phases
        self.free_nats = free_nats

    def terms(
        self,
        output: VAEOutput,
        unit: Tensor,
        with_spectral: bool = True,
        frames: Frames = EVERY_FRAME,
        rows: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The terms.

        Args:
            output: of the network for `unit`.
            unit: target presets ``(B, P)``.
            with_spectral: whether to render and compare.
            frames: which frames of the sounds to compare.
            rows: numbers of the targets in the training split, where single presets have a metric of their own.

        Returns:
            ``parameter``, ``clamp``, ``kl`` and, where asked for and set up, ``perceptual`` and ``spectral``, each
            ``(B,)``.
        """
        raw = output.raw.to(unit.dtype)
        decoded = raw.clamp(0.0, 1.0)
        terms = {
            "parameter": parameter_error(decoded, unit),
            "clamp": clamp_penalty(raw),
            "kl": self.kl(output).to(unit.dtype).sum(dim=1),
        }
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual(decoded, unit, rows)
        if with_spectral and self.spectral is not None and self.voice is not None:
            terms["spectral"] = self._compare(self.voice, self.spectral, decoded, unit, frames)
        return terms

    def kl(self, output: VAEOutput) -> Tensor:
        """KL divergence of each preset and latent dimension, ``(B, D)``, in nats."""
        return kl_divergence(output.mean.float(), output.log_variance.float())

    def minimised(self, terms: Mapping[str, Tensor], output: VAEOutput) -> dict[str, Tensor]:
        """Means of the terms as they are minimised: those of `terms`, with nothing to gain below the free nats."""
        means = {name: value.mean() for name, value in terms.items()}
        return means | ({"kl": free_bits(self.kl(output), self.free_nats).mean()} if self.free_nats else {})

    def _compare(self, voice: nn.Module, spectral: AudioLoss, decoded: Tensor, unit: Tensor, frames: Frames) -> Tensor:
        with torch.no_grad():
            target = voice(unit)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.through_voice):
            if self.gradient_clip > 0:
                decoded = clip_gradient_per_preset(decoded, self.gradient_clip / len(decoded))
            audio = voice(decoded, hold_phases=True) if self.hold_phases else voice(decoded)
            result: Tensor = spectral(audio, target, frames)
        return result
