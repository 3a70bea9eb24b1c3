"""Counting renders, keeping the best, and stopping in time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synthvae.matching.objective import GRADIENT_COST, Objective, Stopped
from synthvae.synths.voice.voice import Voice


@pytest.fixture
def target(small_voice: Voice) -> Tensor:
    return small_voice(torch.full((1, 63), 0.4))[0]


def test_the_target_itself_is_at_no_distance(small_voice: Voice, target: Tensor):
    objective = Objective(small_voice, target)
    assert float(objective(torch.full((1, 63), 0.4))) == pytest.approx(0.0, abs=1e-4)


def test_renders_are_counted_and_gradients_count_three(small_voice: Voice, target: Tensor):
    objective = Objective(small_voice, target, budget=100)
    unit = torch.rand(10, 63, generator=torch.Generator().manual_seed(0))
    objective(unit)
    objective.compare(unit)
    objective.gradient(unit, hold_phases=True)
    assert objective.renders == 20 + 10 * GRADIENT_COST
    assert objective.left == 50
    with pytest.raises(Stopped):
        objective.gradient(torch.rand(17, 63), hold_phases=True)
    with pytest.raises(Stopped):
        objective(torch.rand(64, 63))
    assert objective.renders == 100  # what the budget reached for was rendered
    with pytest.raises(Stopped):
        objective(unit)


def test_comparing_gives_the_same_distances_and_their_parts(small_voice: Voice, target: Tensor):
    objective = Objective(small_voice, target)
    unit = torch.rand(6, 63, generator=torch.Generator().manual_seed(1))
    compared = objective.compare(unit)
    assert torch.allclose(compared.distance, objective(unit), atol=1e-4)
    assert torch.allclose(compared.difference.abs() @ objective.share, compared.distance, atol=1e-4)
    assert float(objective.share.sum()) == pytest.approx(1.0, abs=1e-4)


def test_the_gradient_is_that_of_the_distance(small_voice: Voice, target: Tensor):
    objective = Objective(small_voice, target)
    unit = torch.full((1, 63), 0.45)
    column = small_voice.parameter_space.index("mixer.noise")
    _, slope = objective.gradient(unit, hold_phases=True)
    step = torch.zeros(1, 63)
    step[0, column] = 1e-3
    wanted = float(objective(unit + step) - objective(unit - step)) / 2e-3
    assert float(slope[0, column]) == pytest.approx(wanted, rel=0.05, abs=0.05)


def test_the_best_is_kept_and_every_callback_is_called(small_voice: Voice, target: Tensor):
    objective = Objective(small_voice, target)
    told: list[int] = []
    kept: list[Tensor] = []
    objective.on_progress = lambda state: told.append(state.renders)
    objective.keep = lambda unit, distance: kept.append(distance)
    unit = torch.rand(100, 63, generator=torch.Generator().manual_seed(2))
    distance = objective(unit)
    assert objective.best is not None
    assert objective.best.distance == float(distance.min())
    assert torch.equal(objective.best.unit, unit[distance.argmin()])
    assert told == [64, 100]
    assert torch.equal(torch.cat(kept), distance)


def test_a_stop_is_obeyed_before_the_next_batch(small_voice: Voice, target: Tensor):
    objective = Objective(small_voice, target, stop=lambda: objective.renders >= 64)
    with pytest.raises(Stopped):
        objective(torch.rand(200, 63))
    assert objective.renders == 64
