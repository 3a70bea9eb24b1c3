from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors
from synthvae.data.presets import Dataset
from synthvae.features import build_feature
from synthvae.synths.sensitivity import (
    compute_metric,
    effect_on_dataset,
    metric_path,
    read_metric,
    total_effect,
    write_metric,
)
from synthvae.synths.voice.voice import Voice

EFFECT = torch.linspace(0.01, 0.4, 63)
LOGMEL = build_feature("logmel", 16000)


class Linear:
    """A voice whose feature is a known linear map, so that its metric has a closed form."""

    def __init__(self) -> None:
        self.matrix = torch.randn(5, 4, 63, generator=torch.Generator().manual_seed(0))
        self.calls = 0

    def jacobian(self, unit: Tensor, feature: object) -> Tensor:
        self.calls += 1
        return self.matrix.permute(2, 0, 1).expand(len(unit), 63, 5, 4)


def test_linear_features_have_the_closed_form(small_dataset: Dataset):
    voice = Linear()
    metric = compute_metric(voice, LOGMEL, small_dataset, EFFECT, keep=3)
    flat = voice.matrix.flatten(0, 1).double()
    expected = flat.T @ flat / 20
    torch.testing.assert_close(metric.mean, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(metric.presets.double(), expected.expand(3, 63, 63), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(metric.slope, expected.diagonal().sqrt(), rtol=1e-5, atol=1e-6)
    assert metric.count == 46


def test_complex_features_count_both_parts(small_dataset: Dataset):
    class Complex(Linear):
        def jacobian(self, unit: Tensor, feature: object) -> Tensor:
            return super().jacobian(unit, feature) * (1 + 2j)

    plain = compute_metric(Linear(), LOGMEL, small_dataset, EFFECT, limit=2).mean
    both = compute_metric(Complex(), LOGMEL, small_dataset, EFFECT, limit=2).mean
    torch.testing.assert_close(both, 5 * plain, rtol=1e-5, atol=1e-5)


def test_it_predicts_what_a_small_step_does(small_dataset: Dataset, small_voice: Voice):
    metric = compute_metric(small_voice, LOGMEL, small_dataset, EFFECT, limit=8, keep=8)
    unit = small_dataset.split("train")[:8]
    step = 1e-7 * torch.randn(8, 63, generator=torch.Generator().manual_seed(1))
    predicted = torch.einsum("bp,bpq,bq->b", step, metric.presets, step)
    exact = Voice(small_voice.parameter_space, 16000, 0.25, 160, exact=True)
    with torch.inference_mode():
        before, after = (LOGMEL(exact(x)) for x in (unit.double(), unit.double() + step))
    measured = (after - before).square().mean(dim=(1, 2))
    close = (predicted.double() / measured - 1).abs() < 0.2
    assert close.sum() >= 6, (predicted, measured)  # a step may cross a jump of an LFO


def test_limited_slopes_say_no_more_than_the_effect_over_the_range(small_dataset: Dataset):
    metric = compute_metric(Linear(), LOGMEL, small_dataset, EFFECT, keep=2)
    unit = small_dataset.split("train").double()
    ceiling = EFFECT / (2 * unit.var(dim=0, correction=0))
    raw, limited = metric.mean.diagonal().clone(), metric.limited.diagonal().clone()
    torch.testing.assert_close(limited, torch.minimum(raw, ceiling))
    assert 10 < (limited < raw).sum() < 60
    # Only rows and columns are scaled: correlations stay.
    for matrix in (metric.mean, metric.limited):
        scale = matrix.diagonal().rsqrt()
        matrix.mul_(scale[:, None] * scale)
    torch.testing.assert_close(metric.limited, metric.mean)
    torch.testing.assert_close(metric.limited_presets[0].diagonal().double(), limited, rtol=1e-5, atol=1e-6)


def test_stopped_and_resumed_equals_whole(small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("synthvae.synths.sensitivity.SAVE_SECONDS", -1.0)
    whole = compute_metric(Linear(), LOGMEL, small_dataset, EFFECT, keep=20)
    part = tmp_path / "m.part"

    def stop(done: int) -> None:
        if done >= 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute_metric(Linear(), LOGMEL, small_dataset, EFFECT, keep=20, resume_from=part, progress=stop)
    voice = Linear()
    resumed = compute_metric(voice, LOGMEL, small_dataset, EFFECT, keep=20, resume_from=part)
    assert voice.calls < 6
    assert torch.equal(whole.mean, resumed.mean)
    assert torch.equal(whole.limited, resumed.limited)
    assert torch.equal(whole.presets, resumed.presets)
    assert not part.exists()


def test_an_unfinished_file_of_another_computation_is_not_used(small_dataset: Dataset, tmp_path: Path):
    part = tmp_path / "m.part"
    wrong = {"total": torch.full((63, 63), 1e9, dtype=torch.float64), "kept": torch.zeros(0, 63, 63)}
    save_tensors(part, wrong, {"feature": "mfcc", "done": 40})
    metric = compute_metric(Linear(), LOGMEL, small_dataset, EFFECT, resume_from=part)
    assert metric.mean.max() < 1e6


def test_round_trip_and_refusals(small_dataset: Dataset, tmp_path: Path):
    metric = compute_metric(Linear(), LOGMEL, small_dataset, EFFECT, limit=4, keep=2)
    path = metric_path(tmp_path / "d.json")
    assert path.name == "d.logmel-metric.safetensors"
    write_metric(path, metric)
    again = read_metric(path)
    for name, value in vars(metric).items():
        found = getattr(again, name)
        assert torch.equal(found, value) if isinstance(value, Tensor) else found == value, name
    again.require(small_dataset, "x")
    with pytest.raises(UserError, match=f"{small_dataset.hash}.*not of 0123.*--overwrite"):
        again.require(dataclasses.replace(small_dataset, hash="0123"), "x")
    with pytest.raises(UserError, match="synthvae metric DATASET"):
        read_metric(tmp_path / "none.safetensors")
    save_tensors(tmp_path / "other.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(UserError, match="not a metric"):
        read_metric(tmp_path / "other.safetensors")
    tensors, state = load_tensors(path)
    for name, value in {"feature": None, "count": "4", "dataset_hash": 3}.items():
        save_tensors(path, tensors, {**state, name: value})
        with pytest.raises(UserError, match="not a metric"):
            read_metric(path)


def test_a_jacobian_that_is_not_finite_is_named(small_dataset: Dataset):
    class Broken(Linear):
        def jacobian(self, unit: Tensor, feature: object) -> Tensor:
            values = super().jacobian(unit, feature).clone()
            values[3, 0] = torch.nan
            return values

    with pytest.raises(UserError, match="training preset 3 is not finite"):
        compute_metric(Broken(), LOGMEL, small_dataset, EFFECT)


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


def test_an_interaction_counts_for_both_parameters_and_no_preset_is_exchanged_with_itself():
    class Product(torch.nn.Module):
        def forward(self, unit: torch.Tensor) -> torch.Tensor:
            return (unit[:, :1] * unit[:, 1:2]) * 12

    unit = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(1))
    effect = total_effect(Product(), torch.nn.Identity(), unit)
    expected = 144 * (1 / 6) * (1 / 3)  # E[(u - u')^2] E[v^2]
    torch.testing.assert_close(effect, torch.tensor([expected, expected, 0.0]).double(), rtol=0.03, atol=1e-12)
    two = total_effect(Sum(), torch.nn.Identity(), torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]))
    assert two[0] == 9.0


def test_one_preset_is_too_few_for_exchanges():
    with pytest.raises(ValueError, match="two presets"):
        total_effect(Sum(), torch.nn.Identity(), torch.rand(1, 3))


def test_a_dataset_is_measured_on_its_first_training_presets(small_dataset: Dataset, small_voice: Voice):
    feature = build_feature("logmel", 16000)
    effect = effect_on_dataset(small_voice, feature, small_dataset)
    assert torch.equal(effect, total_effect(small_voice, feature, small_dataset.split("train")[:256]))
    header = dataclasses.replace(small_dataset.header, splits={**small_dataset.header.splits, "train": (0, 1)})
    with pytest.raises(UserError, match="one training preset"):
        effect_on_dataset(small_voice, feature, dataclasses.replace(small_dataset, header=header))
