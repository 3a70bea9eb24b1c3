"""Every search, and what the combined one is worth beside its null."""

from __future__ import annotations

import statistics

import pytest
import torch

from synthvae.matching.local import SEARCHES, adam_refine
from synthvae.matching.objective import Objective
from synthvae.synths.voice.voice import Voice

BUDGET = 900


def found(small_voice: Voice, name: str, number: int, seed: int = 0, starts: torch.Tensor | None = None) -> Objective:
    unit = torch.rand(4, 63, generator=torch.Generator().manual_seed(99))[number]
    objective = Objective(small_voice, small_voice(unit[None])[0], budget=BUDGET)
    SEARCHES[name](objective, 63, seed, starts)
    return objective


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_spends_its_budget_and_no_more(small_voice: Voice, name: str):
    objective = found(small_voice, name, 0)
    assert BUDGET - 80 <= objective.renders <= BUDGET
    assert objective.best is not None
    assert ((objective.best.unit >= 0) & (objective.best.unit <= 1)).all()


@pytest.mark.parametrize("name", SEARCHES)
def test_the_same_seed_gives_the_same_answer_and_another_another(small_voice: Voice, name: str):
    first, again, other = (found(small_voice, name, 1, seed).best for seed in (5, 5, 6))
    assert first is not None
    assert again is not None
    assert other is not None
    assert torch.equal(first.unit, again.unit)
    assert first.distance == again.distance
    assert not torch.equal(first.unit, other.unit)


@pytest.mark.parametrize("name", SEARCHES)
def test_starts_are_tried(small_voice: Voice, name: str):
    unit = torch.rand(4, 63, generator=torch.Generator().manual_seed(99))[2]
    objective = found(small_voice, name, 2, starts=torch.stack([torch.full((63,), 0.5), unit]))
    assert objective.best is not None
    assert objective.best.distance < 1e-3


def test_the_combined_search_beats_random_draws(small_voice: Voice):
    pairs = [[found(small_voice, name, number).best for name in ("combined", "random")] for number in range(4)]
    ratios = [ours.distance / null.distance for ours, null in pairs if ours is not None and null is not None]
    assert len(ratios) == 4
    assert statistics.median(ratios) < 0.75


def test_adam_refinement_reduces_the_distance(small_voice: Voice):
    generator = torch.Generator().manual_seed(3)
    wanted = 0.2 + 0.6 * torch.rand(63, generator=generator)
    objective = Objective(small_voice, small_voice(wanted[None])[0])
    start = (wanted + 0.08 * torch.randn(3, 63, generator=generator)).clamp(0.0, 1.0)
    before = objective(start)
    after = adam_refine(objective, start, 25)
    assert (after.distance <= before + 1e-4).all()
    assert float(after.distance.mean()) < 0.9 * float(before.mean())
    assert torch.allclose(objective(after.unit), after.distance, atol=1e-4)
