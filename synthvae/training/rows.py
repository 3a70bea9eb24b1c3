"""Comparison of presets by their sounds, a few rows at a time, so that no batch of sounds is ever stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["ROWS", "row_by_row"]

#: Number of rows compared at once on a CPU. Their sounds, targets and derivatives fit in its caches; with two threads
#: each has sixteen rows, which is as many as the loss kernels compute side by side.
ROWS = 32


def row_by_row(unit: Tensor, rows: int, compare: Callable[[Tensor, int, int], Tensor]) -> Tensor:
    """Values of ``compare(unit[low:high], low, high)``, ``(high - low,)``, for all rows, differentiable once.

    The derivatives are computed together with the values, chunk by chunk, so that the memory of a chunk is freed
    before the next one.

    Args:
        unit: unit parameters ``(B, P)``.
        rows: number of rows to compare at once.
        compare: function of each row alone, without parameters that need derivatives.
    """
    if not (torch.is_grad_enabled() and unit.requires_grad):
        edges = range(0, len(unit), rows)
        return torch.cat([compare(unit[low : low + rows], low, min(low + rows, len(unit))) for low in edges])
    value: Tensor = _RowByRow.apply(unit, rows, compare)
    return value


class _RowByRow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, unit: Tensor, rows: int, compare: Callable[[Tensor, int, int], Tensor]) -> Tensor:  # noqa: ANN401
        values, gradients = [], []
        for low in range(0, len(unit), rows):
            part = unit[low : low + rows].detach().requires_grad_()
            with torch.enable_grad():
                value = compare(part, low, low + len(part))
                (gradient,) = torch.autograd.grad(value.sum(), part)
            values.append(value.detach())
            gradients.append(gradient)
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_value: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (gradient,) = ctx.saved_tensors
        return gradient * by_value[:, None], None, None
