from __future__ import annotations

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.models import NETWORKS, build_model, parse_architecture
from tests.errors import user_error


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("latent", [1, 5, 32])
def test_every_network_has_exactly_the_latent_size(network: str, latent: int):
    model = build_model(network, 63, (24, latent))
    output = model(torch.rand(4, 63), torch.randn(4, latent))
    assert output.raw.shape == (4, 63)
    assert output.mean.shape == output.log_variance.shape == output.latent.shape == (4, latent)
    assert model.latent_size == latent
    assert model.parameters_in == 63


def test_an_unknown_network_lists_the_legal_ones():
    with pytest.raises(UserError, match="'flow'; choose one of mlp, selective"):
        build_model("flow", 63, (8, 2))


@pytest.mark.parametrize(
    ("text", "widths"),
    [("exp1", (256, 64, 16)), ("exp3", (128, 16)), ("63-32-7", (32, 7)), ("32-7", (32, 7)), ("5", (5,))],
)
def test_architectures(text: str, widths: tuple[int, ...]):
    assert parse_architecture(text, 63) == widths


@pytest.mark.parametrize("text", ["exp9", "78-32-4", "1_0", "²", "", "63-0-4", "a-b", "63--4"])
def test_impossible_architectures(text: str):
    with user_error("architecture", text):
        parse_architecture(text, 63)


@pytest.mark.parametrize(("text", "widths"), [("exp1", (256, 64, 5)), ("63-32-7", (32, 5)), ("7", (5,))])
def test_the_latent_size_is_exactly_as_asked_for(text: str, widths: tuple[int, ...]):
    assert parse_architecture(text, 63, 5) == widths
