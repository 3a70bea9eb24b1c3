"""Shortest path between presets under the log-mel distance.

A path x_0, ..., x_K with fixed ends has the energy

    E = sum_k ||L(x_(k+1)) - L(x_k)||² / n,

with L the log-mel spectrogram of n numbers: K times the squared length where all steps are equal, and a minimum of the
energy has equal steps (Cauchy-Schwarz). It is the discrete geodesic of the pullback metric J^T J / n of
`synthvae.synths.sensitivity` (Shao, Kumar and Fletcher, "The Riemannian Geometry of Deep Generative Models", CVPR
Workshops 2018). Its gradient with respect to pitch is valid within cents only, so gradient descent makes no progress;
Gauss-Newton with the Voice's Jacobian scales every parameter by its effect on the sound. The residuals are
differences of neighbours, so J^T J of the whole path is block tridiagonal, and small: 63 (K - 1) squared. The step is
that of `synthvae.core.gauss_newton`, scaled by the diagonal, with parameters on active faces of the cube fixed.

The energy has many local minima; descent finds one near its start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from synthvae.core.gauss_newton import damped_step
from synthvae.metrics.logmel_distance import LogMelDistance
from synthvae.synths.angles import within
from synthvae.synths.base import Synth

__all__ = ["Geodesic", "shorten"]

ITERATIONS = 10
#: Damping relative to the diagonal, at first; divided by ten after a step that helped, multiplied by ten otherwise.
DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-6, 1e6
#: Maximum change of a parameter in one iteration: beyond it no linear model of a sound is valid.
LONGEST_STEP = 0.1
#: Relative gain below which the iteration stops.
ENOUGH = 1e-3


class Geodesic(NamedTuple):
    """A shortened path.

    Attributes:
        nodes: nodes ``(K + 1, P)``, with both ends as given.
        before: energy of the initial path, dB².
        after: energy of the final path, dB².
    """

    nodes: Tensor
    before: float
    after: float


def shorten(
    voice: Synth, metric: LogMelDistance, nodes: Tensor, circular: Tensor, progress: Callable[[], object] = lambda: None
) -> Geodesic:
    """Move the inner nodes of a path ``(K + 1, P)`` in the cube to reduce its energy, which never rises.

    `circular` ``(P,)`` marks the parameters that are angles; `progress` is called after every iteration.
    """
    spectra = metric.spectrograms(nodes)
    energy = before = _energy(spectra)
    damping, inner = DAMPING, len(nodes) - 2
    for _ in range(ITERATIONS if inner else 0):
        matrix, gradient = _normal_equations(voice, metric, nodes, spectra)
        # On a face of the cube and pushed against it: the parameter is fixed.
        held = ((nodes[1:-1] <= 0.0) & (gradient > 0.0)) | ((nodes[1:-1] >= 1.0) & (gradient < 0.0))
        free, slope = (~held | circular).flatten(), gradient.flatten().double()
        scale = matrix.diagonal() + 1e-9 * matrix.diagonal()[free].max() + 1e-12
        gained = 0.0
        while gained <= 0.0 and damping <= MOST_DAMPING:
            step = damped_step(matrix, slope, damping * scale, free, LONGEST_STEP)
            moved = torch.cat((nodes[:1], within(nodes[1:-1] + step.view(inner, -1), circular), nodes[-1:]))
            moved_spectra = metric.spectrograms(moved)
            gained = energy - _energy(moved_spectra)
            damping *= 0.1 if gained > 0.0 else 10.0
        progress()
        if gained <= 0.0:
            break
        nodes, spectra, energy = moved, moved_spectra, energy - gained
        damping = max(damping, LEAST_DAMPING)
        if gained < ENOUGH * energy:
            break
    return Geodesic(nodes, before, energy)


def _energy(spectra: Tensor) -> float:
    return float((spectra[1:] - spectra[:-1]).double().square().sum()) / spectra.shape[1]


def _normal_equations(voice: Synth, metric: LogMelDistance, nodes: Tensor, spectra: Tensor) -> tuple[Tensor, Tensor]:
    """Half the Gauss-Newton Hessian, ``(I P, I P)`` float64, and half the gradient, ``(I, P)``, of I inner nodes."""
    inner, width = len(nodes) - 2, nodes.shape[1]
    matrix = torch.zeros(inner, width, inner, width, dtype=torch.float64)
    gradient = torch.zeros(inner, width)
    n = spectra.shape[1]
    last: Tensor | None = None
    for k in range(inner):
        jacobian = voice.jacobian(nodes[k + 1 : k + 2], metric.feature)[0].flatten(1)
        matrix[k, :, k] = 2.0 * (jacobian @ jacobian.T) / n
        if last is not None:
            across = -(last @ jacobian.T).double() / n
            matrix[k - 1, :, k], matrix[k, :, k - 1] = across, across.T
        gradient[k] = jacobian @ (2.0 * spectra[k + 1] - spectra[k] - spectra[k + 2]) / n
        last = jacobian
    return matrix.view(inner * width, inner * width), gradient
