"""Populations, and the ways they move."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor

from synthvae.matching.differential_evolution import (
    HOPS,
    Population,
    adapt_covariance,
    basin_hopping,
    differential_evolution,
)
from synthvae.matching.objective import Stopped

WANTED = torch.tensor([0.3, 0.8, 0.5, 0.1, 0.95])


class Bowl:
    """Distance to `WANTED`, counted."""

    def __init__(self, budget: int) -> None:
        self.renders, self.budget, self.least = 0, budget, float("inf")

    def __call__(self, unit: Tensor) -> Tensor:
        assert ((unit >= 0) & (unit <= 1)).all()
        if self.renders + len(unit) > self.budget:
            raise Stopped
        self.renders += len(unit)
        distance = (unit - WANTED).norm(dim=1)
        self.least = min(self.least, float(distance.min()))
        return distance


def start(count: int) -> Tensor:
    return torch.rand(count, 5, generator=torch.Generator().manual_seed(0))


def test_the_best_come_first_and_those_apart_are_apart():
    unit = torch.tensor([[0.5, 0.5], [0.51, 0.5], [0.9, 0.1], [0.0, 0.0]])
    population = Population(unit, torch.tensor([1.0, 0.5, 2.0, 3.0]))
    assert population.best(2).distance.tolist() == [0.5, 1.0]
    assert population.apart(3, 0.1).tolist() == [unit[1].tolist(), unit[2].tolist(), unit[3].tolist()]
    assert len(population.with_more(unit[:1], torch.tensor([9.0])).distance) == 5


def test_a_mixed_population_gets_nearer_and_never_worse():
    bowl = Bowl(10**6)
    unit = start(24)
    before = Population(unit, bowl(unit))
    after = differential_evolution(bowl, before, np.random.default_rng(0), until=2500)
    assert (after.distance <= before.distance).all()
    assert float(after.distance.min()) < 0.05 < float(before.distance.min())
    assert torch.allclose(after.distance, (after.unit - WANTED).norm(dim=1), atol=1e-6)


def test_three_presets_cannot_mix():
    bowl = Bowl(10)
    population = Population(start(3), bowl(start(3)))
    assert differential_evolution(bowl, population, np.random.default_rng(0), until=10**6) is population


def test_a_hop_changes_some_parameters_and_leaves_the_others():
    bowl = Bowl(10**6)
    unit = torch.full((5,), 0.5)
    found = basin_hopping(bowl, unit, np.random.default_rng(0))
    changed = (found.unit != unit).sum(1)
    assert len(found.unit) == HOPS
    assert changed.min() >= 1
    assert float(changed.float().mean()) < 3


@pytest.mark.parametrize("restart", [False, True])
def test_cma_finds_the_bottom(restart: bool):
    bowl = Bowl(3000)
    with pytest.raises(Stopped) if restart else nullcontext():
        adapt_covariance(bowl, np.full(5, 0.5), 0.3, 0, restart)
    assert bowl.least < 1e-3
