"""Angular parameters: wrap-around, and differences along the shorter arc."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from synthvae.synths.parameters import ParameterSpace

__all__ = ["angles", "unwrapped", "within"]


def angles(parameters: ParameterSpace) -> Tensor:
    """Mask ``(P,)`` of the parameters that are angles over a full turn: 0 and 1 give the same sound."""
    turns = [p.unit == "rad" and math.isclose(p.maximum - p.minimum, math.tau, rel_tol=1e-6) for p in parameters]
    return torch.tensor(turns)


def unwrapped(values: Tensor, circular: Tensor) -> Tensor:
    """Unwrap angles in values ``(N, P)``: add full turns so that each is nearest to the previous one."""
    change = values.diff(dim=0)
    change = torch.where(circular, change - change.round(), change)
    return torch.cat((values[:1], values[:1] + change.cumsum(dim=0)))


def within(unit: Tensor, circular: Tensor) -> Tensor:
    """Map unit parameters ``(N, P)`` to the unit cube: angles are wrapped, all others clamped."""
    turned = torch.where((unit >= 0.0) & (unit <= 1.0), unit, unit - unit.floor())
    return torch.where(circular, turned, unit).clamp(0.0, 1.0)
