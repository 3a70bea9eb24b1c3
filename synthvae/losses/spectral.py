"""The spectral losses of the study, by name.

All compare a spectrum with a target spectrum, `(B, F, N)` each, and give one number per example. Their norms are
norms: sums over all bins and frames, not means (a mean would be the same divided by `F N`). They are finite
in value and gradient on silence and on identical signals: where a term is not differentiable (a zero
difference, a zero magnitude) PyTorch's subgradient zero is taken, and a target that is silent (below) is
not divided by.

A real feature (MFCC, log-mel) is treated as a complex one with zero imaginary part. So phase-aware losses see
its signed values, magnitude losses their absolute values, and in LogSLP a sign that differs is a phase
difference of pi.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from synthvae.errors import UserError
from synthvae.features import Feature

__all__ = ["LOG_OFFSET", "LOSSES", "POLE", "SILENCE", "SpectralLoss", "SpectralLossSpec", "build_loss"]

LOG_OFFSET = 1e-4
"""The `eps` of the logarithmic losses, in units of the feature. The study gives no figure; this is auraloss's
floor (the square root of its 1e-8), and it is above what float32 leaves of a transform where there is no sound."""

POLE = 1e-12
"""Less than float32 can tell apart at `LOG_OFFSET`: no ordinary value comes this close to the pole of LogSLP."""

SILENCE = 0.1
"""The convergence losses divide by the target's norm, and by this where the norm is below it. For the STFT that is a
target of one second at -98 dB RMS, below the step of 16-bit audio: its difference is then absolute, not relative."""


@dataclass(frozen=True)
class SpectralLossSpec:
    """One row of the table of losses.

    Attributes:
        name: what `--loss` takes.
        formula: the definition, `S` the target's spectrum and `S^` the reconstruction's.
        phase: whether it compares spectra rather than their magnitudes.
        reference: where the form was published.
        implementation: whose code computes it, and why.
        function: from reconstruction and target, `(B, F, N)` each (spectra if `phase`, else magnitudes), to
            `(B,)`.
    """

    name: str
    formula: str
    phase: bool
    reference: str
    implementation: str
    function: Callable[[Tensor, Tensor], Tensor]


class SpectralLoss(nn.Module):
    """A spectral loss on a feature: audio `(B, T)` twice to `(B,)`, each example on its own.

    A target that is compared more than once needs one transform only:
    `loss.from_features(loss.represent(estimate), loss.target(audio))`.

    Args:
        spec: the row of `LOSSES`.
        feature: the transform it compares.
    """

    def __init__(self, spec: SpectralLossSpec, feature: Feature) -> None:
        super().__init__()
        self.spec = spec
        self.feature = feature

    def forward(self, audio_hat: Tensor, audio: Tensor) -> Tensor:
        """Compare a reconstruction with its target.

        Args:
            audio_hat: `(B, T)`, differentiable.
            audio: `(B, T)`, the target.

        Returns:
            `(B,)`.

        Raises:
            ValueError: if the shapes differ.
        """
        if audio_hat.shape != audio.shape:
            raise ValueError(f"shapes differ: {tuple(audio_hat.shape)} against {tuple(audio.shape)}")
        return self.from_features(self.represent(audio_hat), self.represent(audio))

    def represent(self, audio: Tensor) -> Tensor:
        """Compute what the loss compares: the feature's spectrum, or its magnitude; for `none`, the audio.

        Args:
            audio: `(B, T)`, differentiable.

        Returns:
            `(B, F, N)`.
        """
        if self.spec.name == "none":
            return audio
        spectrum = self.feature.spectrum(audio)
        return spectrum if self.spec.phase else spectrum.abs()

    @torch.no_grad()
    def target(self, audio: Tensor) -> Tensor:
        """Compute `represent(audio)` without a graph.

        Args:
            audio: `(B, T)`.

        Returns:
            `(B, F, N)`.
        """
        return self.represent(audio)

    def from_features(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Compare what `represent` and `target` returned.

        Args:
            estimate: of the reconstruction.
            target: of the target.

        Returns:
            `(B,)`.
        """
        return self.spec.function(estimate, target)

    def extra_repr(self) -> str:
        """Show the loss's formula in `repr`."""
        return self.spec.formula


def build_loss(name: str, feature: Feature) -> SpectralLoss:
    """Make a loss by name.

    Args:
        name: one of `LOSSES`.
        feature: the transform to compare, from `synthvae.features.build_feature`.

    Returns:
        The loss, a module without weights.

    Raises:
        UserError: if there is no such loss.
    """
    if name not in LOSSES:
        raise UserError(f"loss: no loss is called {name!r}; choose one of {', '.join(LOSSES)}")
    return SpectralLoss(LOSSES[name], feature)


def _convergence(estimate: Tensor, target: Tensor) -> Tensor:
    return _frobenius(target - estimate) / _frobenius(target).clamp(min=SILENCE)


def _frobenius(spectrum: Tensor) -> Tensor:
    if spectrum.is_complex():  # several times faster than the norm of complex numbers
        spectrum = torch.view_as_real(spectrum.resolve_conj()).flatten(2)
    return torch.linalg.vector_norm(spectrum, dim=(1, 2))


def _linear_magnitude(estimate: Tensor, target: Tensor) -> Tensor:
    return _auraloss_l1(False)(estimate, target).sum((1, 2))


def _log_magnitude(estimate: Tensor, target: Tensor) -> Tensor:
    return _auraloss_l1(True)(estimate + LOG_OFFSET, target + LOG_OFFSET).sum((1, 2))


def _linear_phase(estimate: Tensor, target: Tensor) -> Tensor:
    return (target - estimate).abs().sum((1, 2))


def _log_phase(estimate: Tensor, target: Tensor) -> Tensor:
    # a quotient's logarithm would be wrapped already, but not exactly zero on identical spectra
    difference = _off_the_pole(target).log() - _off_the_pole(estimate).log()
    turns = torch.round(difference.imag / (2 * math.pi)).detach()
    return (difference - 2j * math.pi * turns).abs().sum((1, 2))


def _off_the_pole(spectrum: Tensor) -> Tensor:
    """`spectrum + eps`, complex; within 1e-12 of zero, where the logarithm has its pole, `spectrum` is read as 0."""
    shifted = spectrum + LOG_OFFSET
    if not shifted.is_complex():
        shifted = torch.complex(shifted, torch.zeros_like(shifted))
    return torch.where(shifted.abs() < POLE, torch.full_like(shifted, LOG_OFFSET), shifted)


def _nothing(estimate: Tensor, target: Tensor) -> Tensor:
    return estimate[:, :0].sum(1)  # an empty sum, so that a backward pass still finds a graph


@cache
def _auraloss_l1(log: bool) -> nn.Module:
    from auraloss.freq import STFTMagnitudeLoss

    return STFTMagnitudeLoss(log=log, distance="L1", reduction="none")


_ARIK = "Arik, Jun and Diamos, Fast spectrogram inversion using multi-head convolutional networks, 2018"
_KORKMAZ = "Korkmaz 2025, phase-aware form"
_OWN_SCL = "ours: auraloss's SpectralConvergenceLoss takes one norm over the whole batch, and is 0/0 on silence"
_AURALOSS = "auraloss.freq.STFTMagnitudeLoss, element by element, summed for each example"
_OWN_PHASE = "ours: auraloss has no loss on complex spectra"

LOSSES: dict[str, SpectralLossSpec] = {
    spec.name: spec
    for spec in (
        SpectralLossSpec("scl", "|| |S| - |S^| ||_F / || |S| ||_F", False, _ARIK, _OWN_SCL, _convergence),
        SpectralLossSpec("logsl", "|| log(|S| + eps) - log(|S^| + eps) ||_1", False, _ARIK, _AURALOSS, _log_magnitude),
        SpectralLossSpec("lmsl", "|| |S| - |S^| ||_1", False, _ARIK, _AURALOSS, _linear_magnitude),
        SpectralLossSpec("sclp", "|| S - S^ ||_F / || S ||_F", True, _KORKMAZ, _OWN_PHASE, _convergence),
        SpectralLossSpec(
            "logslp",
            "|| log(S + eps) - log(S^ + eps) ||_1, complex logarithm, phase difference wrapped to [-pi, pi]",
            True,
            _KORKMAZ,
            _OWN_PHASE,
            _log_phase,
        ),
        SpectralLossSpec("lslp", "|| S - S^ ||_1", True, _KORKMAZ, _OWN_PHASE, _linear_phase),
        SpectralLossSpec("none", "0", False, "no spectral term", "ours: nothing is transformed", _nothing),
    )
}
"""Every legal `--loss`, with its definition."""
