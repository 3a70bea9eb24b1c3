"""The inverse autoregressive flow against autograd, its own inverse and closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synthvae.core.randomness import generator
from synthvae.losses.terms import kl_divergence
from synthvae.models.flows import GatedLayer, InverseAutoregressiveFlow


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


@pytest.fixture
def layer() -> GatedLayer:
    """Weights large enough for gates that are far from open."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = GatedLayer(5, 7).double()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.mul_(3.0)
    return made


def test_the_jacobian_of_a_layer_is_triangular_and_its_determinant_that_of_autograd(layer: GatedLayer):
    latent, features = drawn(1, 5), drawn(1, 7, seed=1)
    jacobian = torch.autograd.functional.jacobian(lambda z: layer(z, features)[0][0], latent)[:, 0]
    assert torch.equal(jacobian.triu(1), torch.zeros(5, 5, dtype=torch.float64))
    assert (jacobian.tril(-1) != 0).sum() == 10
    _, log_gate = layer(latent, features)
    torch.testing.assert_close(log_gate.exp()[0], jacobian.diagonal())
    torch.testing.assert_close(log_gate.sum(), torch.linalg.slogdet(jacobian).logabsdet)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_density_of_a_flow_is_that_of_autograd(layers: int):
    flow = InverseAutoregressiveFlow(4, 6, layers).double()
    latent, features, before = drawn(1, 4), drawn(1, 6, seed=1), drawn(1, 4, seed=2)
    _, after = flow(latent, features, before)
    jacobian = torch.autograd.functional.jacobian(lambda z: flow(z, features, before)[0][0], latent)[:, 0]
    torch.testing.assert_close((before - after).sum(), torch.linalg.slogdet(jacobian).logabsdet)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_the_sequential_inverse_undoes_the_flow(layers: int):
    flow = InverseAutoregressiveFlow(6, 3, layers).double()
    latent, features = drawn(8, 6), drawn(8, 3, seed=1)
    moved, _ = flow(latent, features, torch.zeros_like(latent))
    torch.testing.assert_close(flow.inverse(moved, features), latent)
    torch.testing.assert_close(flow(flow.inverse(latent, features), features, latent)[0], latent)


def test_all_dimensions_reach_the_ones_after_them_in_the_order_of_a_layer(layer: GatedLayer):
    features = drawn(1, 7, seed=1)
    flow = InverseAutoregressiveFlow(5, 7, 1).double()
    flow.layers[0] = layer
    latent = drawn(1, 5)
    moved, _ = flow(latent, features, torch.zeros_like(latent))
    assert torch.equal(moved, layer(latent, features)[0].flip(1))
    context = torch.nn.functional.elu(layer.context(features))
    for number in range(5):  # each by a network of its own
        first = layer.context_weight[number] @ context[0] + layer.hidden_bias[number]
        first = first + layer.latent_weight[number, :, :number] @ latent[0, :number]
        shift, gate = layer.output_weight[number] @ torch.nn.functional.elu(first) + layer.output_bias[number]
        gate = torch.sigmoid(gate + 1.0)
        torch.testing.assert_close(moved[0, 4 - number], gate * latent[0, number] + (1 - gate) * shift)


def test_a_fresh_layer_changes_little():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = GatedLayer(64, 100)
    _, log_gate = layer(torch.randn(100, 64, generator=generator(1)), torch.zeros(100, 100))
    assert 0.6 < float(log_gate.detach().exp().mean()) < 0.85  # sigmoid(1) is 0.73


def test_the_divergence_by_draws_is_the_closed_form_where_there_is_no_flow():
    mean, log_variance = drawn(1, 3), 0.5 * drawn(1, 3, seed=1)
    noise = drawn(400_000, 3, seed=2)
    latent = mean + noise * (0.5 * log_variance).exp()
    flow = InverseAutoregressiveFlow(3, 2, 0)
    _, log_density = flow(latent, drawn(400_000, 2), -0.5 * log_variance - 0.5 * noise.square())
    by_draws = (log_density + 0.5 * latent.square()).mean(0)
    torch.testing.assert_close(by_draws, kl_divergence(mean, log_variance)[0], rtol=0.02, atol=5e-3)
