"""From spectra without phase back to sounds. Importing this package loads numba."""

from synthvae.features.inversion.recovery import (
    PHASES,
    Method,
    inverse_transform,
    phase_gradient,
    read_phase,
    recover,
)

__all__ = ["PHASES", "Method", "inverse_transform", "phase_gradient", "read_phase", "recover"]
