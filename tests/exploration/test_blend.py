from __future__ import annotations

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.exploration.blend import blend


def test_one_preset_of_weight_1_is_itself(run, small_dataset):
    unit = small_dataset.unit[:3]
    assert torch.equal(blend(run, unit[:1], torch.tensor([1.0])), unit[0])
    assert torch.equal(blend(run, unit, torch.tensor([0.0, 1.0, 0.0])), unit[1])


def test_taking_away_what_was_added_leaves_the_rest(run, small_dataset):
    unit = small_dataset.unit[[4, 9, 9]]
    mixed = blend(run, unit, torch.tensor([1.0, -0.7, 0.7]))
    torch.testing.assert_close(mixed, unit[0], atol=1e-5, rtol=0)


def test_the_sum_is_taken_in_the_latent_space(run, small_dataset):
    unit, weights = small_dataset.unit[:3], torch.tensor([0.5, -0.25, 0.75])
    latent = run.encode(unit)
    raw = run.decode(weights[None] @ latent) + weights[None] @ (unit - run.decode(latent))
    mixed = blend(run, unit, weights)
    plain = torch.tensor([not name.endswith("initial_phase") for name in run.parameters.names])
    torch.testing.assert_close(mixed[plain], raw[0].clamp(0, 1)[plain], atol=1e-5, rtol=0)
    assert mixed.min() >= 0.0
    assert mixed.max() <= 1.0


@pytest.mark.parametrize(
    ("weights", "part"),
    [
        ([1.0], "1 numbers for 2 presets"),
        ([1.0, float("nan")], "holds nan"),
        ([1.0, float("inf")], "holds inf"),
        ([1.0, -11.0], "holds -11"),
        ([0.0, 0.0], "all 0"),
    ],
)
def test_bad_weights_are_refused(run, small_dataset, weights, part):
    with pytest.raises(UserError, match=part):
        blend(run, small_dataset.unit[:2], torch.tensor(weights))
