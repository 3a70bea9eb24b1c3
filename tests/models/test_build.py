from __future__ import annotations

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.models import NETWORKS, build_model


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
