"""The spectral losses: functions of a reconstruction's spectrum and its target's.

Each maps two arrays `(B, F, N)` to one number per example. The thesis's norms are norms: sums over all bins and
frames, not means (a mean would be the same divided by `F N`). They are finite in value and gradient on silence and
on identical signals: where a term is not differentiable (a zero difference, a zero magnitude) PyTorch's
zero subgradient is used, and a silent target (below) is not divided by.

A real feature (MFCC, log-mel) is treated as a complex one with zero imaginary part. So phase-aware losses use
its signed values, magnitude losses their absolute values, and in LogSLP a different sign is a phase difference of pi.

Two of them are from auraloss; the others are in none of the project's dependencies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from synthvae.features import Feature, Frames
from synthvae.features.base import frobenius, has_derivative
from synthvae.losses.base import AudioLoss

__all__ = [
    "LOG_OFFSET",
    "POLE",
    "SILENCE",
    "SpectralLoss",
    "convergence",
    "linear_magnitude",
    "linear_phase",
    "log_magnitude",
    "log_phase",
    "mean_square",
    "nothing",
]

LOG_OFFSET = 1e-4
"""The `eps` of the logarithmic losses, in units of the feature. The thesis gives no value; this is auraloss's
floor (the square root of its 1e-8), and it is above the rounding error of a float32 transform in silence."""

POLE = 1e-12
"""Below the float32 resolution at `LOG_OFFSET`: no ordinary value is this close to the pole of LogSLP."""

SILENCE = 0.1
"""Lower limit of the target's norm by which the convergence losses divide. For the STFT that is a
target of one second at -98 dB RMS, below the step of 16-bit audio: its difference is then absolute, not relative."""

Comparison = Callable[[Tensor, Tensor], Tensor]


class SpectralLoss(AudioLoss):
    """A comparison of spectra of one feature.

    Args:
        formula: the definition.
        function: function from reconstruction and target, `(B, F, N)` each, to `(B,)`.
        feature: the transform.
        phase: whether spectra are compared, phase or sign included, or their magnitudes.
    """

    def __init__(self, formula: str, function: Comparison, feature: Feature, phase: bool) -> None:
        super().__init__(formula)
        self.function, self.feature, self.phase = function, feature, phase

    def compare(self, audio_hat: Tensor, audio: Tensor, frames: Frames) -> Tensor:
        """Transform both and compare; see `AudioLoss.forward`."""
        if self.function is nothing:
            return nothing(audio_hat, audio)
        if kernel := self._kernel(audio_hat, audio):
            from synthvae.losses.fused import fused  # loads numba

            derive = torch.is_grad_enabled() and has_derivative(audio_hat)
            limits = LOG_OFFSET, POLE, SILENCE
            return fused(kernel, audio_hat, audio, frames, self.feature.sample_rate, limits, derive)
        if self.function is convergence and self.phase and self.feature.linear:
            # The norm of the difference's spectrum: one transform instead of two, and none for the STFT.
            return self.feature.norm(audio - audio_hat, frames) / _not_silent(self.feature.norm(audio, frames))
        return self.function(self._represent(audio_hat, frames), self._represent(audio, frames))

    def _kernel(self, audio_hat: Tensor, audio: Tensor) -> str | None:
        """The kernel that compares these sounds, if any: float32 on a CPU, and a target without derivatives."""
        if audio.device.type != "cpu" or {audio.dtype, audio_hat.dtype} != {torch.float32}:
            return None
        if has_derivative(audio):
            return None
        if self.function is convergence and self.phase:
            return "PHASE_CONVERGENCE" if self.feature.name == "stft" else None
        return _KERNELS.get((self.feature.name, self.function))

    def _represent(self, audio: Tensor, frames: Frames) -> Tensor:
        spectrum = self.feature.spectrum(audio, frames)
        return spectrum if self.phase else spectrum.abs()


def convergence(estimate: Tensor, target: Tensor) -> Tensor:
    """Spectral convergence: the norm of the difference over the norm of the target."""
    return frobenius(target - estimate) / _not_silent(frobenius(target))


def _not_silent(norm: Tensor) -> Tensor:
    return norm.clamp(min=SILENCE)


def linear_magnitude(estimate: Tensor, target: Tensor) -> Tensor:
    """Sum of absolute differences of magnitudes."""
    return _auraloss_l1(False)(estimate, target).sum((1, 2))


def log_magnitude(estimate: Tensor, target: Tensor) -> Tensor:
    """Sum of absolute differences of log magnitudes."""
    return _auraloss_l1(True)(estimate + LOG_OFFSET, target + LOG_OFFSET).sum((1, 2))


def linear_phase(estimate: Tensor, target: Tensor) -> Tensor:
    """Sum of magnitudes of complex differences."""
    return (target - estimate).abs().sum((1, 2))


def log_phase(estimate: Tensor, target: Tensor) -> Tensor:
    """Sum of magnitudes of differences of complex logarithms, phases wrapped to half a turn."""
    # In real numbers, several times faster than PyTorch's complex logarithm: log |t| - log |e|, and the angle of t e*.
    a, b = _off_the_pole(target)
    c, d = _off_the_pole(estimate)
    level = 0.5 * ((a * a + b * b).log() - (c * c + d * d).log())
    turn = torch.atan2(b * c - a * d, a * c + b * d)  # exactly 0 on identical spectra
    square = level.square() + turn.square()
    some = square > 0
    return torch.where(some, torch.where(some, square, 1.0).sqrt(), 0.0).sum((1, 2))


def _off_the_pole(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """Both parts of `spectrum + eps`; within 1e-12 of the logarithm's pole, `spectrum` is set to 0."""
    if spectrum.is_complex():
        real, imaginary = spectrum.real, spectrum.imag
    else:
        real, imaginary = spectrum, torch.zeros_like(spectrum)
    real = real + LOG_OFFSET
    near = (real.abs() < POLE) & (imaginary.abs() < POLE)
    return torch.where(near, LOG_OFFSET, real), torch.where(near, 0.0, imaginary)


def mean_square(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference over bins and frames."""
    return (target - estimate).square().mean((1, 2))


def nothing(estimate: Tensor, target: Tensor) -> Tensor:
    """Zero for any input."""
    return estimate[:, :0].sum(1)  # an empty sum, so that a backward pass still finds a graph


@cache
def _auraloss_l1(log: bool) -> nn.Module:
    from auraloss.freq import STFTMagnitudeLoss

    return STFTMagnitudeLoss(log=log, distance="L1", reduction="none")


#: Comparisons implemented in `synthvae.losses.kernels.spectra`, by feature.
_KERNELS: dict[tuple[str, Comparison], str] = {
    ("stft", convergence): "CONVERGENCE",
    ("stft", linear_magnitude): "LINEAR",
    ("stft", log_magnitude): "LOG",
    ("stft", linear_phase): "LINEAR_PHASE",
    ("stft", log_phase): "LOG_PHASE",
    ("logmel", mean_square): "LOG_MEL",
}
