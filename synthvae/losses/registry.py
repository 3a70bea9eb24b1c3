"""Losses by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from synthvae.core.errors import UserError, choose_one
from synthvae.features import FEATURES, Feature, build_feature
from synthvae.losses import spectral
from synthvae.losses.base import AudioLoss
from synthvae.losses.envelope import EnvelopeLoss
from synthvae.losses.multi_resolution import MultiResolutionStftLoss
from synthvae.losses.spectral import SpectralLoss
from synthvae.losses.transport import spectral_transport

__all__ = ["LOSSES", "LossSpec", "build_loss"]


@dataclass(frozen=True)
class LossSpec:
    """Entry of the loss registry.

    Attributes:
        name: value of the setting `loss`.
        formula: the definition, `S` the target's spectrum and `S^` the reconstruction's.
        reference: publication of this form.
        implementation: origin of the code, and the reason.
        features: features it can compare, the default first; empty for a loss with its own transforms.
        function: function from reconstruction and target, `(B, F, N)` each (spectra if `phase`, else magnitudes), to
            `(B,)`; None for a loss with its own transforms.
        phase: whether it compares spectra rather than their magnitudes.
        heavy_tailed: whether a few presets dominate its mean, for instance quiet targets whose norm it divides by.
        module: class of a loss with its own transforms.
        compares: whether it compares ``audio`` or ``parameters``, or ``nothing``.
        needs_metric: whether it needs the perceptual metric of the dataset (`synthvae.synths.sensitivity`).
    """

    name: str
    formula: str
    reference: str
    implementation: str
    features: tuple[str, ...] = tuple(FEATURES)
    function: spectral.Comparison | None = None
    phase: bool = False
    heavy_tailed: bool = True
    module: Callable[[str], AudioLoss] | None = None
    compares: Literal["audio", "parameters", "nothing"] = "audio"
    needs_metric: bool = False


def build_loss(name: str, sample_rate: int, feature: str = "auto") -> AudioLoss:
    """Make a loss on sound, a module without weights, by name.

    Args:
        name: one of `LOSSES` that does not compare parameters.
        sample_rate: sample rate in Hz.
        feature: the transform to compare, one of `FEATURES`; `auto` for the loss's default.

    Raises:
        UserError: if there is no such loss or feature, or they cannot be combined.
    """
    if name not in LOSSES:
        raise UserError("loss", name, choose_one(name, LOSSES))
    spec = LOSSES[name]
    if spec.compares == "parameters":
        raise UserError("loss", name, "choose one that compares sounds", why="which compares parameters")
    if feature != "auto":
        build_feature(feature, sample_rate)  # raises if there is no such feature
        if feature not in spec.features:
            others = f"one of {', '.join(spec.features)}, or auto" if spec.features else "auto"
            raise UserError("feature", feature, f"choose {others}", why=f"which the loss {name} does not compare")
    if spec.module is not None:
        return spec.module(spec.formula)
    assert spec.function is not None
    transform: Feature = build_feature(spec.features[0] if feature == "auto" else feature, sample_rate)
    return SpectralLoss(spec.formula, spec.function, transform, spec.phase)


_ARIK = "Arik, Jun and Diamos, Fast spectrogram inversion using multi-head convolutional networks, 2018"
_KORKMAZ = "Korkmaz 2025, phase-aware form"
_OWN_SCL = "ours: auraloss's SpectralConvergenceLoss takes one norm over the whole batch, and is 0/0 on silence"
_AURALOSS = "auraloss.freq.STFTMagnitudeLoss, element by element, summed for each example"
_OWN_PHASE = "ours: auraloss has no loss on complex spectra"

LOSSES: dict[str, LossSpec] = {
    spec.name: spec
    for spec in (
        LossSpec("scl", "|| |S| - |S^| ||_F / || |S| ||_F", _ARIK, _OWN_SCL, function=spectral.convergence),
        LossSpec(
            "logsl", "|| log(|S| + eps) - log(|S^| + eps) ||_1", _ARIK, _AURALOSS, function=spectral.log_magnitude
        ),
        LossSpec("lmsl", "|| |S| - |S^| ||_1", _ARIK, _AURALOSS, function=spectral.linear_magnitude),
        LossSpec("sclp", "|| S - S^ ||_F / || S ||_F", _KORKMAZ, _OWN_PHASE, function=spectral.convergence, phase=True),
        LossSpec(
            "logslp",
            "|| log(S + eps) - log(S^ + eps) ||_1, complex logarithm, phase difference wrapped to [-pi, pi]",
            _KORKMAZ,
            _OWN_PHASE,
            function=spectral.log_phase,
            phase=True,
        ),
        LossSpec("lslp", "|| S - S^ ||_1", _KORKMAZ, _OWN_PHASE, function=spectral.linear_phase, phase=True),
        LossSpec(
            "logmel",
            "mean (L - L^)^2 in dB^2, L the log-mel spectrogram",
            "the measure of every figure here; see synthvae.features.mel",
            "ours: a mean of squares",
            features=("logmel",),
            function=spectral.mean_square,
            phase=True,
            heavy_tailed=False,
        ),
        LossSpec(
            "mrstft",
            "mean over three STFTs of || |S| - |S^| ||_F / || |S| ||_F + mean |log |S| - log |S^||",
            "Yamamoto, Song and Kim, Parallel WaveGAN, 2020",
            "auraloss's transforms; sums of ours, per example",
            features=(),
            module=MultiResolutionStftLoss,
        ),
        LossSpec(
            "sot",
            "mean over frames of W_2^2(|S|^2, |S^|^2), spectra as distributions over frequency",
            "Torres, Peeters and Richard, Spectral Optimal Transport, 2024",
            "ours: the package sot-loss needs torchaudio, which is not published for every PyTorch",
            features=("stft", "cqt"),
            function=spectral_transport,
            heavy_tailed=False,
        ),
        LossSpec(
            "envelope",
            "mean |E - E^| in dB, E the level of 2048 samples every 512",
            "Korkmaz 2025 wishes for one",
            "ours",
            features=(),
            module=EnvelopeLoss,
            heavy_tailed=False,
        ),
        LossSpec(
            "pnp",
            "(x^ - x)^T (M + lambda I) (x^ - x), M the perceptual metric of the parameters",
            "Han, Lostanlen and Lagrange, Learning to Solve Inverse Problems for Perceptual Sound Matching, 2024",
            "ours: synthvae.losses.pnp",
            features=(),
            heavy_tailed=False,
            compares="parameters",
            needs_metric=True,
        ),
        LossSpec(
            "none",
            "0",
            "no spectral term",
            "ours: nothing is transformed",
            function=spectral.nothing,
            heavy_tailed=False,
            compares="nothing",
        ),
    )
}
"""Every legal `loss`, with its definition."""
