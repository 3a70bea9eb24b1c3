from __future__ import annotations

import pytest
import torch

from synthvae.losses import PnpLoss


def metrics(count: int = 5, width: int = 7) -> torch.Tensor:
    jacobian = torch.randn(count, 12, width, generator=torch.Generator().manual_seed(0))
    return jacobian.transpose(1, 2) @ jacobian


def presets(seed: int, count: int = 5, width: int = 7) -> torch.Tensor:
    return torch.rand(count, width, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_squared_change_of_a_linear_feature():
    jacobian = torch.randn(12, 7, generator=torch.Generator().manual_seed(3))
    loss = PnpLoss(jacobian.T @ jacobian)
    estimate, target = presets(1), presets(2)
    torch.testing.assert_close(loss(estimate, target), ((estimate - target) @ jacobian.T).square().sum(1))


def test_damping_adds_the_parameter_error():
    estimate, target = presets(1), presets(2)
    matrix = metrics()[0]
    error = (estimate - target).square().sum(1)
    for given in (matrix, matrix.diagonal()):
        damped, plain = PnpLoss(given, 0.5), PnpLoss(given)
        torch.testing.assert_close(damped(estimate, target), plain(estimate, target) + 0.5 * error)


@pytest.mark.parametrize("damping", [0.0, 2.0])
def test_every_preset_has_its_own_matrix(damping: float):
    estimate, target, own = presets(1), presets(2), metrics()
    loss = PnpLoss(own.mean(0), damping, own)
    rows = torch.tensor([4, 0, 0, 2, 1])
    expected = [PnpLoss(own[row], damping)(estimate[[b]], target[[b]]) for b, row in enumerate(rows)]
    torch.testing.assert_close(loss(estimate, target, rows), torch.cat(expected))
    common = PnpLoss(own.mean(0), damping)(estimate, target)
    torch.testing.assert_close(loss(estimate, target), common)


def test_finite_on_identical_presets_and_1000_random_pairs_and_the_same_in_any_batch():
    matrix = metrics(1, 63)[0]
    estimate, target = presets(1, 1000, 63).requires_grad_(), presets(2, 1000, 63)
    loss = PnpLoss(matrix, 0.1)
    values = loss(estimate, target)
    values.sum().backward()
    assert values.isfinite().all()
    assert estimate.grad.isfinite().all()
    alone = torch.cat([loss(estimate[[b]], target[[b]]) for b in range(20)])
    torch.testing.assert_close(values[:20], alone, rtol=1e-5, atol=0)
    same = target.clone().requires_grad_()
    zero = loss(same, target)
    zero.sum().backward()
    assert zero.abs().max() == 0
    assert same.grad.abs().max() == 0
