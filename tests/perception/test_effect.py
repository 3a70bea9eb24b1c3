from __future__ import annotations

import dataclasses

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.data.presets import Dataset
from synthvae.features import build_feature
from synthvae.perception import effect_on_dataset, total_effect
from synthvae.synth.voice import Voice


class Sum(torch.nn.Module):
    """A "voice" whose sound is a weighted sum, whose total effects have a closed form: 2 w^2 Var(u) = w^2 / 6."""

    weights = torch.tensor([3.0, 1.0, 0.0])

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        return (unit @ self.weights)[:, None]


def test_weighted_sums_have_the_closed_form():
    unit = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0))
    done: list[int] = []
    effect = total_effect(Sum(), torch.nn.Identity(), unit, progress=done.append)
    torch.testing.assert_close(effect, torch.tensor([9 / 6, 1 / 6, 0.0]).double(), rtol=0.03, atol=1e-12)
    assert done == [1, 2, 3]


def test_an_interaction_counts_for_both_and_nobody_is_its_own_partner():
    class Product(torch.nn.Module):
        def forward(self, unit: torch.Tensor) -> torch.Tensor:
            return (unit[:, :1] * unit[:, 1:2]) * 12

    unit = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(1))
    effect = total_effect(Product(), torch.nn.Identity(), unit)
    expected = 144 * (1 / 6) * (1 / 3)  # E[(u - u')^2] E[v^2]
    torch.testing.assert_close(effect, torch.tensor([expected, expected, 0.0]).double(), rtol=0.03, atol=1e-12)
    two = total_effect(Sum(), torch.nn.Identity(), torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]))
    assert two[0] == 9.0


def test_one_preset_has_nobody_to_exchange_with():
    with pytest.raises(ValueError, match="two presets"):
        total_effect(Sum(), torch.nn.Identity(), torch.rand(1, 3))


def test_a_dataset_is_measured_on_its_first_training_presets(small_dataset: Dataset, small_voice: Voice):
    feature = build_feature("logmel", 16000)
    effect = effect_on_dataset(small_voice, feature, small_dataset)
    assert torch.equal(effect, total_effect(small_voice, feature, small_dataset.split("train")[:256]))
    header = dataclasses.replace(small_dataset.header, splits={**small_dataset.header.splits, "train": (0, 1)})
    with pytest.raises(UserError, match="one training preset"):
        effect_on_dataset(small_voice, feature, dataclasses.replace(small_dataset, header=header))
