"""What is minimised, term by term, and the one place where terms are weighted.

Total = parameter error + alpha * clamp + beta * spectral + kl_weight * KL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from synthvae.losses import AudioLoss
from synthvae.losses.terms import clamp_penalty, kl_divergence, parameter_error
from synthvae.models import VAEOutput
from synthvae.training.clipping import clip_gradient_per_preset

__all__ = ["TERMS", "Objective", "Weights", "typical"]

TERMS = ("parameter", "clamp", "spectral", "kl")


@dataclass(frozen=True)
class Weights:
    """The weight of each term.

    Attributes:
        alpha: of the clamp penalty.
        beta: of the spectral term.
        kl: of the KL divergence.
        parameter: of the parameter error.
    """

    alpha: float
    beta: float | Tensor
    kl: float
    parameter: float = 1.0

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of named terms, whatever their common shape; absent terms count as 0."""
        weights = {"parameter": self.parameter, "clamp": self.alpha, "spectral": self.beta, "kl": self.kl}
        return torch.stack([weights[name] * value for name, value in terms.items()]).sum(0)


def typical(terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One number per term for a batch: the mean, but of the spectral term the median.

    A quiet target divides by little, so spectral terms have a heavy tail: at the start of training the mean over
    presets is six times the median, and single presets reach a thousand times it. What sets weights or stops a
    run has to speak of most presets; in the gradient each preset's share is clipped instead.

    Args:
        terms: per preset, ``(B,)``.

    Returns:
        Scalars by name.
    """
    return {name: value.median() if name == "spectral" else value.mean() for name, value in terms.items()}


class Objective(nn.Module):
    """Computes the unweighted terms of a batch, one value per preset.

    The Voice and the spectral loss are handed in; with `through_voice` the gradient of the spectral term runs
    through the Voice into the decoder and the encoder, otherwise the term is only measured.
    """

    def __init__(
        self, voice: nn.Module | None, spectral: AudioLoss | None, through_voice: bool, gradient_clip: float
    ) -> None:
        """Set up.

        Args:
            voice: unit parameters ``(B, P)`` to audio ``(B, T)``; None where nothing is rendered.
            spectral: compares two batches of audio; None for no spectral term.
            through_voice: whether the spectral term has a gradient.
            gradient_clip: largest norm of one preset's gradient where it leaves the Voice; 0 for none. It bounds
                the preset's own, weighted term: the caller is expected to average over the rows.
        """
        super().__init__()
        self.voice, self.spectral = voice, spectral
        self.through_voice, self.gradient_clip = through_voice, gradient_clip

    def terms(self, output: VAEOutput, unit: Tensor, with_spectral: bool = True) -> dict[str, Tensor]:
        """The terms.

        Args:
            output: of the VAE for `unit`.
            unit: target presets ``(B, P)``.
            with_spectral: whether to render and compare.

        Returns:
            ``parameter``, ``clamp``, ``kl`` and, where asked for and set up, ``spectral``, each ``(B,)``.
        """
        raw = output.raw.to(unit.dtype)
        terms = {
            "parameter": parameter_error(raw.clamp(0.0, 1.0), unit),
            "clamp": clamp_penalty(raw),
            "kl": kl_divergence(output.mean.to(unit.dtype), output.log_variance.to(unit.dtype)).sum(dim=1),
        }
        if with_spectral and self.spectral is not None and self.voice is not None:
            terms["spectral"] = self._compare(self.voice, self.spectral, raw.clamp(0.0, 1.0), unit)
        return terms

    def _compare(self, voice: nn.Module, spectral: AudioLoss, decoded: Tensor, unit: Tensor) -> Tensor:
        with torch.no_grad():
            target = voice(unit)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.through_voice):
            if self.gradient_clip > 0:
                decoded = clip_gradient_per_preset(decoded, self.gradient_clip / len(decoded))
            result: Tensor = spectral(voice(decoded), target)
        return result
