"""Least squares: the exact answer of a linear problem, faces of the cube, and sounds of the Voice."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from synthvae.matching.least_squares import least_squares
from synthvae.matching.objective import Compared, Objective
from synthvae.synths.voice.voice import Voice


def linear(matrix: Tensor, wanted: Tensor) -> SimpleNamespace:
    """An objective whose differences are a matrix times the distance from `wanted`."""
    objective = SimpleNamespace(renders=0, share=torch.full((len(matrix),), 1.0 / len(matrix)))

    def compare(unit: Tensor) -> Compared:
        objective.renders += len(unit)
        difference = (unit - wanted) @ matrix.T
        return Compared(difference.abs() @ objective.share, difference)

    objective.compare = compare
    return objective


def test_a_linear_problem_is_solved():
    generator = torch.Generator().manual_seed(0)
    wanted = 0.2 + 0.6 * torch.rand(8, generator=generator)
    objective = linear(20.0 * torch.randn(100, 8, generator=generator), wanted)
    found = least_squares(objective, torch.full((8,), 0.5), until=500)
    assert torch.allclose(found.unit, wanted, atol=1e-3)
    assert found.distance < 0.02


def test_an_answer_outside_the_cube_ends_on_its_face():
    generator = torch.Generator().manual_seed(1)
    wanted = torch.tensor([1.4, 0.3, -0.2, 0.6])
    objective = linear(20.0 * torch.eye(4).repeat(30, 1) + torch.randn(120, 4, generator=generator), wanted)
    found = least_squares(objective, torch.full((4,), 0.5), until=500)
    assert torch.allclose(found.unit, torch.tensor([1.0, 0.3, 0.0, 0.6]), atol=0.05)
    assert ((found.unit >= 0) & (found.unit <= 1)).all()


def test_a_parameter_that_is_not_heard_stays():
    matrix = torch.zeros(50, 3)
    matrix[:, 0] = 10.0
    found = least_squares(linear(matrix, torch.tensor([0.7, 0.9, 0.1])), torch.tensor([0.2, 0.5, 0.5]), until=200)
    assert float(found.unit[0]) == pytest.approx(0.7, abs=1e-3)
    # Its steps are those of the differences themselves at most.
    assert torch.allclose(found.unit[1:], torch.tensor([0.5, 0.5]), atol=0.021)


def test_a_preset_that_was_moved_a_little_is_found_again(small_voice: Voice):
    generator = torch.Generator().manual_seed(3)
    ratios = []
    for _ in range(4):
        wanted = 0.15 + 0.7 * torch.rand(63, generator=generator)
        objective = Objective(small_voice, small_voice(wanted[None])[0])
        start = (wanted + 0.03 * torch.randn(63, generator=generator)).clamp(0.0, 1.0)
        before = float(objective(start[None]))
        found = least_squares(objective, start, until=800)
        assert found.distance == pytest.approx(float(objective(found.unit[None])), abs=1e-4)
        ratios.append(found.distance / before)
    assert sorted(ratios)[2] < 0.4  # at least three of four


def test_it_ends_where_the_budget_does(small_voice: Voice):
    objective = Objective(small_voice, small_voice(torch.full((1, 63), 0.4))[0])
    least_squares(objective, torch.full((63,), 0.6), until=150)
    assert objective.renders <= 150 + 63 + 5
