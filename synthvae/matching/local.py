"""Search strategies for the preset closest to a target.

No single method is enough. The gradient through the Voice improves levels, envelopes and waveforms of a whole preset at
once, but not its pitch: the error hardly changes until the pitch is within a few cents of the right one. Differential
evolution finds the pitch, but needs hundreds of sounds for sixty parameters. Least squares on the spectrogram converges
within a dozen iterations, to a local minimum. So the search draws many presets, evolves the best of them, follows
the gradient, solves least squares, and ends with basin hopping.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from synthvae.matching.differential_evolution import Population, adapt_covariance, basin_hopping, differential_evolution
from synthvae.matching.least_squares import least_squares
from synthvae.matching.objective import GRADIENT_COST, Objective, Stopped

__all__ = ["SEARCHES", "adam_refine", "combined_search", "evolution_search", "random_search"]

#: Initial step, as a fraction of a parameter's range; the final step is a tenth of it.
STEP, LAST = 0.03, 0.1
#: Maximum norm of a preset's gradient, in dB over the range of a parameter.
LONGEST = 30.0
#: Adam's two decay rates, and the slope below which a step is shorter.
MEMORY, SQUARE_MEMORY, FLAT = 0.9, 0.98, 1e-3


def adam_refine(objective: Objective, unit: Tensor, steps: int) -> Population:
    """Adam with phases held constant (`synthvae.synths.base.Synth.holds_phases`) and per-preset gradient clipping.

    Kingma and Ba, arXiv:1412.6980. Dividing by the root mean square of a parameter's own slope gives each parameter a
    step of its own, as large for a hardly audible parameter as for the most audible one.

    Returns:
        Best point on the path of each preset, ``(B, P)``.

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


#: Fractions of the budget: drawn at random, used when the population has been mixed, and for the gradient at most.
DRAWN, MIXED, CLIMBED = 0.08, 0.4, 0.15
POPULATION = 48
#: Number of best presets refined by gradient, and number of steps.
CLIMBERS, CLIMBS = 4, 40
#: The best that go down by least squares first, how unlike each other, and the share of the budget for each.
VALLEYS, UNLIKE, DESCENT = 3, 0.05, 0.1
#: Spans of the differences in turn, and the share of the budget that a basin-hopping step's descent may take.
SPANS, RETRY = (0.02, 0.05, 0.1), 0.04
#: Minimum number of renders of a descent: a few rounds.
ROUNDS = 300
#: Spread of CMA-ES alone, which has to search globally, as a fraction of a parameter's range.
WIDE = 0.3
#: Number of renders assumed for an objective without a budget.
USUAL = 10_000


def random_search(objective: Objective, parameters: int, seed: int, starts: Tensor | None = None) -> None:
    """Draw presets until the budget, which is required, is spent: the null of every search.

    Starting points ``(S, P)`` are tried first.
    """
    generator = torch.Generator().manual_seed(seed)
    try:
        if starts is not None and len(starts):
            objective(starts)
        while True:
            objective(torch.rand(64, parameters, generator=generator))
    except Stopped:
        pass


def evolution_search(objective: Objective, parameters: int, seed: int, starts: Tensor | None = None) -> None:
    """CMA-ES by the package `cma`, from the middle of the cube, restarted at random after convergence.

    Arguments as for `random_search`.
    """
    try:
        if starts is not None and len(starts):
            objective(starts)
        adapt_covariance(objective, np.full(parameters, 0.5), WIDE, seed, restart=True)
    except Stopped:
        pass


def combined_search(objective: Objective, parameters: int, seed: int, starts: Tensor | None = None) -> None:
    """Run all searches of the module in turn, until the budget is spent.

    Arguments as for `random_search`. The searches divide the remaining budget of the objective, or 10,000 renders.
    """
    budget = objective.left if objective.budget is not None else USUAL
    begun = objective.renders
    generator = np.random.default_rng(seed)
    draws = torch.rand(max(4, round(DRAWN * budget)), parameters, generator=torch.Generator().manual_seed(seed))
    try:
        tried = draws if starts is None else torch.cat([starts, draws])
        population = Population(tried, objective(tried)).best(POPULATION)
        population = differential_evolution(objective, population, generator, begun + round(MIXED * budget))
        steps = min(CLIMBS, round(CLIMBED * budget) // (GRADIENT_COST * CLIMBERS))
        if steps:
            refined = adam_refine(objective, population.apart(CLIMBERS, UNLIKE), steps)
            population = population.with_more(*refined)
        for unit in population.apart(VALLEYS, UNLIKE):
            least_squares(objective, unit, objective.renders + max(ROUNDS, round(DESCENT * budget)), seed=seed)
        turn = 0
        while objective.best is not None:
            turn += 1
            nearest = basin_hopping(objective, objective.best.unit, generator).best(1).unit[0]
            until = objective.renders + max(ROUNDS, round(RETRY * budget))
            least_squares(objective, nearest, until, SPANS[turn % len(SPANS)], seed + turn, patience=2)
    except Stopped:
        pass


SEARCHES: dict[str, Callable[..., None]] = {
    "random": random_search,
    "cma": evolution_search,
    "combined": combined_search,
}
"""Every search by name."""
