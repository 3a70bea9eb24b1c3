from __future__ import annotations

import numpy as np
import torch

from synthvae.core.executor import on_threads
from synthvae.data.sampling import uniform_unit
from synthvae.maps.nulls import collapsed_encoder


def test_an_encoder_at_the_printed_weight_collapses() -> None:
    unit = torch.from_numpy(uniform_unit(0, 0, 600, 63)).float()
    state = torch.random.get_rng_state()
    found = collapsed_encoder(unit, (32, 16, 5), seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert found.latents.shape == (600, 5)
    assert found.kl < 1e-3  # nats; a dimension counts as active from 0.01 or more
    assert collapsed_encoder(unit, (32, 16, 5), seed=1, steps=1).kl > 20 * found.kl  # it has not always been so
    assert (found.latents.std(axis=0) > 0).all()
    again, other = (collapsed_encoder(unit, (32, 16, 5), seed, steps=5).latents for seed in (1, 2))
    np.testing.assert_array_equal(again, collapsed_encoder(unit, (32, 16, 5), 1, steps=5).latents)
    assert not np.allclose(again, other)


def test_encoders_trained_side_by_side_are_those_trained_one_by_one() -> None:
    unit = torch.from_numpy(uniform_unit(0, 0, 600, 63)).float()

    def latents(seed: int) -> np.ndarray:
        return collapsed_encoder(unit, (32, 16, 5), seed, steps=3).latents

    alone = [latents(seed) for seed in range(6)]
    torch.set_num_threads(2)
    np.testing.assert_array_equal(list(on_threads(latents, range(6))), alone)
