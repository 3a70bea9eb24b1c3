"""Inversion of magnitude spectra and mel bands to audio. Importing this package loads numba."""

from synthvae.features.inversion.mel import mel_to_linear, nonnegative_least_squares
from synthvae.features.inversion.recovery import (
    PHASES,
    Method,
    inverse_transform,
    phase_gradient,
    read_phase,
    recover,
)

__all__ = [
    "PHASES",
    "Method",
    "inverse_transform",
    "mel_to_linear",
    "nonnegative_least_squares",
    "phase_gradient",
    "read_phase",
    "recover",
]
