"""Perceptual-neural-physical loss: perceptually weighted parameter error, without rendering.

    PNP(x^, x) = (x^ - x)^T (M(x) + lambda I) (x^ - x),

the error of the sound to second order, with M the perceptual metric (`synthvae.synths.sensitivity`) and lambda the
damping, which interpolates between the perceptual error (0) and the plain parameter error (large). Source: Han,
Lostanlen and Lagrange, "Learning to Solve Inverse Problems for Perceptual Sound Matching", IEEE/ACM TASLP 32, 2024.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["PnpLoss"]


class PnpLoss(nn.Module):
    """The loss with one matrix, a diagonal matrix, or a matrix per preset.

    Args:
        matrix: diagonal ``(P,)``, or ``(P, P)``; positive semi-definite, in the feature's unit squared.
        damping: value added to the diagonal.
        presets: ``(K, P, P)``, matrices of single presets, if the loss uses them.
    """

    matrix: Tensor
    presets: Tensor | None

    def __init__(self, matrix: Tensor, damping: float = 0.0, presets: Tensor | None = None) -> None:
        super().__init__()
        identity = torch.ones_like(matrix) if matrix.ndim == 1 else torch.eye(len(matrix), dtype=matrix.dtype)
        self.damping = damping
        self.register_buffer("matrix", (matrix + damping * identity).float(), persistent=False)
        self.register_buffer("presets", presets, persistent=False)

    def forward(self, unit_hat: Tensor, unit: Tensor, rows: Tensor | None = None) -> Tensor:
        """Compare reconstructions with targets, ``(B, P)`` each: ``(B,)``, in the feature's unit squared.

        `rows` selects the matrices of single presets for the targets; without it the common matrix is used.
        """
        error = unit_hat - unit
        if rows is not None and self.presets is not None:
            # Before damping is added, so that a matrix per preset is not copied for it.
            weighted = torch.bmm(self.presets[rows], error.unsqueeze(2)).squeeze(2) + self.damping * error
        elif self.matrix.ndim == 1:
            weighted = self.matrix * error
        else:
            weighted = error @ self.matrix
        return (error * weighted).sum(1)
