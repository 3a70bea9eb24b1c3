"""Points of the unit cube at which a Voice is likeliest to break."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["corners", "faces", "interior"]


def interior(n: int, width: int, seed: int = 0) -> Tensor:
    """Random presets ``(n, width)``."""
    return torch.rand(n, width, generator=torch.Generator().manual_seed(seed))


def faces(width: int, seed: int = 1) -> Tensor:
    """One random point on every face, and on every middle plane, ``(3 * width, width)``."""
    points = interior(3 * width, width, seed)
    for column in range(width):
        points[column, column] = 0.0
        points[width + column, column] = 1.0
        points[2 * width + column, column] = 0.5
    return points


def corners(width: int, n: int = 200, seed: int = 2) -> Tensor:
    """Random corners and points with coordinates 0, 0.5 and 1, and the uniform ones, ``(2 n + 3, width)``."""
    generator = torch.Generator().manual_seed(seed)
    binary = torch.randint(0, 2, (n, width), generator=generator).float()
    ternary = torch.randint(0, 3, (n, width), generator=generator) / 2.0
    uniform = torch.tensor([0.0, 0.5, 1.0])[:, None].expand(3, width)
    return torch.cat([binary, ternary, uniform])
