from __future__ import annotations

import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as reference_kl

from synthvae.losses import clamp_penalty, free_bits, kl_divergence, parameter_error


def test_parameter_error_is_the_squared_distance_of_each_row():
    x_hat = torch.tensor([[0.0, 1.0, 0.5], [0.25, 0.25, 0.25]])
    x = torch.tensor([[1.0, 1.0, 0.0], [0.25, 0.25, 0.25]])
    torch.testing.assert_close(parameter_error(x_hat, x), torch.tensor([1.25, 0.0]))


def test_clamp_penalty_is_the_squared_distance_from_the_cube():
    raw = torch.tensor([[-0.5, 0.5, 1.0], [2.0, 0.0, -1.0]], requires_grad=True)
    penalty = clamp_penalty(raw)
    torch.testing.assert_close(penalty, torch.tensor([0.25, 2.0]))
    penalty.sum().backward()
    torch.testing.assert_close(raw.grad, torch.tensor([[-1.0, 0.0, 0.0], [2.0, 0.0, -2.0]]))


def test_clamp_penalty_has_the_gradient_of_finite_differences():
    torch.manual_seed(0)
    raw = (2 * torch.randn(3, 5, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(clamp_penalty, (raw,))


def test_kl_divergence_is_that_of_torch_distributions():
    torch.manual_seed(0)
    mu, log_variance = torch.randn(2, 6, 16, dtype=torch.float64)
    expected = reference_kl(Normal(mu, (log_variance / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_divergence(mu, log_variance), expected)


def test_kl_divergence_vanishes_at_the_prior():
    assert kl_divergence(torch.zeros(1, 4), torch.zeros(1, 4)).abs().max() == 0.0


def test_free_bits_have_the_published_mean_and_no_gradient_below_the_floor():
    kl = torch.tensor([[0.1, 2.0, 0.3], [0.2, 1.0, 0.5]], requires_grad=True)
    value = free_bits(kl, 0.35)
    torch.testing.assert_close(value.mean(), torch.tensor(0.35 + 1.5 + 0.4))
    value.mean().backward()
    assert kl.grad[:, 0].tolist() == [0.0, 0.0]
    assert (kl.grad[:, 1:] == 0.5).all()
    torch.testing.assert_close(free_bits(kl, 0.0), kl.sum(1))
