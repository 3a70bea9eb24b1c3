"""Paths through presets: through the latent space, or straight through the parameters.

Every path passes exactly through its given presets. The *residual*, which the autoencoder does not reproduce, is
interpolated: with z(t) straight between the posterior means and r(t) straight between the residuals,

    x(t) = decode(z(t)) + r(t),    r at a preset = preset - decode(encode(preset)),

clamped to the cube. Parameters that are angles, whose ends are the same sound, take the shorter arc.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from synthvae.synths.angles import angles, unwrapped, within
from synthvae.training.run import Run

__all__ = [
    "Curve",
    "LatentPath",
    "OffsetPath",
    "ParameterPath",
    "residual",
    "straight_line",
]


class Curve(Protocol):
    """A curve through N presets, the first at position 0 and the last at 1, the others evenly between."""

    def __call__(self, position: Tensor) -> Tensor:
        """Unit parameters ``(M, P)`` at positions ``(M,)``; below 0 and above 1 beyond the ends."""
        ...

    def latent(self, position: Tensor) -> Tensor:
        """Latents ``(M, D)`` at positions ``(M,)``."""
        ...


class LatentPath:
    """Straight lines through the latent space; see the module docstring."""

    def __init__(self, run: Run, unit: Tensor) -> None:
        """Encode presets ``(N, P)``, at least two."""
        self.run, self.circular = run, angles(run.parameters)
        self.points = run.encode(unit)
        self.residuals = unwrapped(residual(run, unit, self.points), self.circular)

    def __call__(self, position: Tensor) -> Tensor:
        """See `Curve`; beyond the ends the residual is constant."""
        moved = self.run.decode(self.latent(position)) + _along(self.residuals, position.clamp(0.0, 1.0))
        return within(moved, self.circular)

    def latent(self, position: Tensor) -> Tensor:
        """See `Curve`."""
        return _along(self.points, position)


class ParameterPath:
    """Straight lines through the cube of unit parameters, between any nodes."""

    def __init__(self, run: Run, unit: Tensor, at: Tensor | None = None) -> None:
        """Set nodes ``(N, P)``, at least two, and their increasing positions, by default evenly from 0 to 1."""
        self.run, self.circular, self.at = run, angles(run.parameters), at
        self.nodes = unwrapped(unit, self.circular)

    def __call__(self, position: Tensor) -> Tensor:
        """See `Curve`."""
        return within(_along(self.nodes, position, self.at), self.circular)

    def latent(self, position: Tensor) -> Tensor:
        """See `Curve`: the presets, encoded."""
        return self.run.encode(self(position))


class OffsetPath(ParameterPath):
    """Straight lines through the cube between presets, plus offsets that are 0 at the presets and beyond the ends."""

    def __init__(self, run: Run, unit: Tensor, nodes: Tensor, at: Tensor) -> None:
        """Set presets ``(N, P)``, nodes ``(M, P)`` and their increasing positions, which include those of all presets.

        Angles stay on the straight lines.
        """
        super().__init__(run, unit)
        self.offsets = torch.where(self.circular, 0.0, nodes - _along(self.nodes, at))
        self.offsets_at = at

    def __call__(self, position: Tensor) -> Tensor:
        """See `Curve`."""
        offsets = _along(self.offsets, position.clamp(0.0, 1.0), self.offsets_at)
        return within(_along(self.nodes, position) + offsets, self.circular)


def residual(run: Run, unit: Tensor, latent: Tensor) -> Tensor:
    """Residual of presets ``(N, P)`` after decoding ``(N, D)``."""
    return unit - run.decode(latent)


def straight_line(ends: Tensor, steps: int) -> Tensor:
    """Evenly spaced points ``(steps, D)`` from ``ends[0]`` to ``ends[1]``, both included."""
    return torch.lerp(ends[0], ends[1], torch.linspace(0.0, 1.0, steps)[:, None])


def _along(points: Tensor, position: Tensor, at: Tensor | None = None) -> Tensor:
    """Points of straight lines through ``(N, K)`` points at positions ``(M,)``, extrapolated beyond the ends."""
    knots = torch.linspace(0.0, 1.0, len(points), dtype=position.dtype) if at is None else at.to(position.dtype)
    leg = torch.searchsorted(knots, position.contiguous(), right=True).sub(1).clamp(0, len(points) - 2)
    share = (position - knots[leg]) / (knots[leg + 1] - knots[leg])
    before, after = points[leg], points[leg + 1]
    return before + share.to(points.dtype)[:, None] * (after - before)
