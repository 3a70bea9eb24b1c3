"""Gradient-free search over presets: differential evolution, basin hopping and CMA-ES, which also find pitch."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.matching.objective import Objective

__all__ = ["Population", "adapt_covariance", "basin_hopping", "differential_evolution"]

#: Best fraction of the population; differential evolution moves towards its members.
ELITE = 0.12
#: Crossover rates.
CROSSED = (0.05, 0.1, 0.3, 0.6, 0.9)
#: Number of presets per basin-hopping step, and fractions of the parameters redrawn in it.
HOPS, REDRAWN = 96, (0.02, 0.05, 0.1)
#: CMA-ES wants its start inside the bounds.
INSIDE = 1e-3


class Population(NamedTuple):
    """Presets and their distances.

    Attributes:
        unit: ``(N, P)``.
        distance: ``(N,)`` in dB.
    """

    unit: Tensor
    distance: Tensor

    def with_more(self, unit: Tensor, distance: Tensor) -> Population:
        """Combine these with others, ``(M, P)`` and ``(M,)``."""
        return Population(torch.cat([self.unit, unit]), torch.cat([self.distance, distance]))

    def best(self, count: int) -> Population:
        """The `count` closest, or all if there are fewer."""
        order = self.distance.argsort(stable=True)[:count]
        return Population(self.unit[order], self.distance[order])

    def apart(self, count: int, least: float) -> Tensor:
        """At most `count` of the closest presets, with pairwise mean parameter differences of at least `least`."""
        chosen: list[Tensor] = []
        for row in self.unit[self.distance.argsort(stable=True)]:
            if all(float((row - other).abs().mean()) >= least for other in chosen):
                chosen.append(row)
            if len(chosen) == count:
                break
        return torch.stack(chosen)


def differential_evolution(
    objective: Objective, population: Population, generator: np.random.Generator, until: int
) -> Population:
    """Differential evolution, "current to one of the best" with factors redrawn each time, until a number of renders.

    Zhang and Sanderson, "JADE", IEEE Trans. Evolutionary Computation 13:945, 2009, without its memory. Fewer than four
    presets cannot be recombined and are returned unchanged.

    Raises:
        Stopped: from the objective.
    """
    points, values = population.unit.double().numpy(), population.distance.double().numpy()
    count, parameters = points.shape
    if count < 4:
        return population
    while objective.renders < until:
        best = np.argsort(values, kind="stable")[generator.integers(0, max(2, round(ELITE * count)), count)]
        first, second = generator.integers(0, count, count), generator.integers(0, count, count)
        factor = generator.uniform(0.3, 0.9, (count, 1))
        moved = points + factor * (points[best] - points) + factor * (points[first] - points[second])
        # A step out of the cube ends at a random point between its start and the face.
        share = generator.random(points.shape)
        moved = np.where(moved < 0.0, points * share, np.where(moved > 1.0, 1.0 - (1.0 - points) * share, moved))
        crossed = generator.random(points.shape) < generator.choice(CROSSED, (count, 1))
        crossed[np.arange(count), generator.integers(0, parameters, count)] = True
        trial = torch.from_numpy(np.where(crossed, moved, points)).float()
        found = objective(trial).double().numpy()
        better = found < values
        points[better], values[better] = trial.double().numpy()[better], found[better]
    return Population(torch.from_numpy(points).float(), torch.from_numpy(values).float())


def basin_hopping(objective: Objective, unit: Tensor, generator: np.random.Generator) -> Population:
    """Basin hopping: copies of a preset ``(P,)``, each with some of its parameters redrawn over their whole range.

    Wales and Doye, "Global optimization by basin-hopping", J. Phys. Chem. A 101:5111, 1997.

    Raises:
        Stopped: from the objective.
    """
    anew = generator.random((HOPS, len(unit))) < generator.choice(REDRAWN, (HOPS, 1))
    anew[np.arange(HOPS), generator.integers(0, len(unit), HOPS)] = True
    draws = torch.from_numpy(generator.random((HOPS, len(unit)))).float()
    trial = torch.where(torch.from_numpy(anew), draws, unit)
    return Population(trial, objective(trial))


def adapt_covariance(objective: Objective, start: np.ndarray, spread: float, seed: int, restart: bool) -> None:
    """CMA-ES until convergence, or, with restarts at random points, until the objective stops it.

    Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772, by the package `cma`. `spread` is the standard
    deviation of the first generation, as a fraction of a parameter's range.

    Raises:
        Stopped: from the objective.
        UserError: if the package is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cma's own optional plots
            import cma
    except ImportError:
        raise UserError("search", "cma", "pip install 'synthvae[match]'", why="but that package is missing") from None

    generator = np.random.default_rng(seed)
    while True:
        options = {"bounds": [0.0, 1.0], "seed": 1 + seed % 2**31, "verbose": -9}
        strategy = cma.CMAEvolutionStrategy(np.clip(start, INSIDE, 1.0 - INSIDE), spread, options)
        while not strategy.stop():
            asked = strategy.ask()
            found = objective(torch.from_numpy(np.array(asked, dtype=np.float32)))
            strategy.tell(asked, found.double().tolist())
        if not restart:
            return
        seed += 1
        start = generator.random(len(start))
