"""Following the gradient through the Voice, several presets at once."""

from __future__ import annotations

import torch
from torch import Tensor

from synthvae.matching.evolution import Population
from synthvae.matching.objective import Objective

__all__ = ["climb"]

#: Steps begin so large, as a share of a parameter's range, and end at a tenth.
STEP, LAST = 0.03, 0.1
#: A preset's gradient is no longer than that, in dB over the range of a parameter.
LONGEST = 30.0
#: Adam's two memories, and the slope below which a step is shorter.
MEMORY, SQUARE_MEMORY, FLAT = 0.9, 0.98, 1e-3


def climb(objective: Objective, unit: Tensor, steps: int) -> Population:
    """Adam with phases held (`synthvae.synth.Voice.forward`), each preset's gradient clipped.

    Kingma and Ba, arXiv:1412.6980. Dividing by the root mean square of a parameter's own slope gives each parameter a
    step of its own, as large where it is hardly heard as where it is heard most.

    Args:
        objective: distance to the target.
        unit: presets ``(B, P)``.
        steps: how many.

    Returns:
        The best place of each, ``(B, P)``.

    Raises:
        Stopped: from the objective.
    """
    unit = unit.clone()
    adam = torch.optim.Adam([unit], betas=(MEMORY, SQUARE_MEMORY), eps=FLAT)
    best, least = unit.clone(), torch.full((len(unit),), float("inf"))
    for step in range(1, steps + 1):
        distance, slope = objective.gradient(unit, hold_phases=True)
        better = distance < least
        best[better], least[better] = unit[better], distance[better]
        length = slope.norm(dim=1, keepdim=True)
        unit.grad = slope * (LONGEST / length.clamp_min(LONGEST))
        adam.param_groups[0]["lr"] = STEP * (1.0 - (1.0 - LAST) * step / steps)
        adam.step()
        unit.clamp_(0.0, 1.0)
    return Population(best, least)
