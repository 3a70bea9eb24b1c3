from __future__ import annotations

import torch

from synthvae.core.gauss_newton import damped_step

HESSIAN = torch.tensor([[4.0, 1.0, 0.5], [1.0, 3.0, 0.0], [0.5, 0.0, 2.0]], dtype=torch.float64)
SLOPE = torch.tensor([0.2, -0.1, 0.3], dtype=torch.float64)
NONE = torch.zeros(3, dtype=torch.float64)
ALL = torch.ones(3, dtype=torch.bool)


def test_without_damping_it_ends_where_the_quadratic_is_least():
    step = damped_step(HESSIAN, SLOPE, NONE, ALL, longest=1.0)
    torch.testing.assert_close(HESSIAN @ step.double(), -SLOPE, rtol=1e-6, atol=1e-7)


def test_much_damping_leaves_steepest_descent():
    step = damped_step(HESSIAN, SLOPE, torch.full_like(SLOPE, 1e6), ALL, longest=1.0)
    torch.testing.assert_close(1e6 * step.double(), -SLOPE, rtol=1e-5, atol=1e-7)


def test_fixed_coordinates_stay_and_the_others_are_solved_alone():
    step = damped_step(HESSIAN, SLOPE, NONE, torch.tensor([True, False, True]), longest=1.0)
    assert step[1] == 0.0
    torch.testing.assert_close((HESSIAN @ step.double())[[0, 2]], -SLOPE[[0, 2]], rtol=1e-6, atol=1e-7)


def test_no_coordinate_moves_further_than_the_longest():
    assert damped_step(HESSIAN, 100.0 * SLOPE, NONE, ALL, longest=0.3).abs().max() == torch.tensor(0.3)
