"""Per-sample gradient clipping at the input of the Voice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["clip_gradient_per_preset"]


class _ClipRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, limit: float) -> Tensor:  # noqa: ANN401
        ctx.limit = limit
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (gradient,) = gradients
        norm = gradient.norm(dim=-1, keepdim=True)
        return gradient * torch.clamp(ctx.limit / norm.clamp_min(1e-12), max=1.0), None


def clip_gradient_per_preset(unit: Tensor, limit: float) -> Tensor:
    """Identity on ``(B, P)`` whose backward pass clips the Euclidean norm of each row's gradient to `limit`.

    Gradients through pitch are huge: on spectral losses the norms of single presets span four orders of magnitude,
    and a single preset would dominate the step.
    """
    clipped: Tensor = _ClipRows.apply(unit, limit)
    return clipped
