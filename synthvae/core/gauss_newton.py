"""Damped Gauss-Newton step for functions on the unit cube.

Sources: Levenberg 1944, Quart. Appl. Math. 2:164; Marquardt 1963, J. SIAM 11:431.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["damped_step"]


def damped_step(hessian: Tensor, slope: Tensor, damping: Tensor, free: Tensor, longest: float) -> Tensor:
    """The step -(H + diag(d))^-1 g of the free coordinates, none longer than `longest`; the others do not move.

    The Gauss-Newton Hessian H ``(P, P)``, the gradient g and the damping d ``(P,)`` are float64, the step is float32.
    """
    step = torch.zeros_like(slope)
    step[free] = torch.linalg.solve(hessian[free][:, free] + damping[free].diag(), -slope[free])
    return step.clamp(-longest, longest).float()
