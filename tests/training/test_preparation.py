from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.data.presets import Dataset, read_dataset
from synthvae.features import build_feature
from synthvae.synths.sensitivity import compute_metric, effect_on_dataset, metric_path, write_metric
from synthvae.synths.voice.parameters import VOICE_63, pitch_only_parameters
from synthvae.synths.voice.voice import Voice
from synthvae.training.config import TrainConfig, resolve_config
from synthvae.training.tasks.presets import Preparation, PresetTask, perceptual_loss

LOGMEL = build_feature("logmel", 16000)


@pytest.fixture
def dataset(small_dataset: Dataset, tmp_path: Path) -> Dataset:
    """A copy, so that a metric can lie beside it."""
    return read_dataset(shutil.copy(small_dataset.path, tmp_path / "d.json"))


@pytest.fixture
def measured(dataset: Dataset, small_voice: Voice) -> Dataset:
    """The same with a metric beside it."""
    effect = effect_on_dataset(small_voice, LOGMEL, dataset)
    write_metric(metric_path(dataset.path), compute_metric(small_voice, LOGMEL, dataset, effect, limit=6, keep=6))
    return dataset


def settings(dataset: Dataset, **changes: Any) -> TrainConfig:
    return resolve_config(None, {"data": str(dataset.path), **changes})


def prepared(config: TrainConfig, dataset: Dataset, voice: Voice | None) -> Preparation:
    task = PresetTask(config, dataset, voice)
    task.prepare()
    return task.prepared


def test_nothing_is_measured_that_is_not_asked_for(dataset: Dataset):
    task = PresetTask(settings(dataset, loss="none", network="mlp"), dataset, None)
    assert task.preparation_parts == 0
    task.prepare()
    found = task.prepared
    assert (found.effect, found.held, found.metric) == (None, (), None)


def test_effects_are_the_same_with_a_metric_file_and_without(dataset: Dataset, small_voice: Voice):
    config = settings(dataset, network="selective", loss="none")
    done: list[int] = []
    task = PresetTask(config, dataset, small_voice)
    assert task.preparation_parts == 63
    task.prepare(done.append)
    before = task.prepared
    assert done == list(range(1, 64))
    assert task.preparation_parts == 0
    task.prepare(done.append)
    assert len(done) == 63
    write_metric(metric_path(dataset.path), compute_metric(small_voice, LOGMEL, dataset, before.effect, limit=4))
    assert PresetTask(config, dataset, None).preparation_parts == 0
    after = prepared(config, dataset, None)
    assert torch.equal(before.effect.double(), after.effect)
    assert before.held == after.held == tuple(VOICE_63.index(name) for name in pitch_only_parameters(VOICE_63))


def test_pnp_needs_the_datasets_own_metric(measured: Dataset):
    config = settings(measured, loss="pnp")
    assert prepared(config, measured, None).metric.count == 6
    with pytest.raises(UserError, match=r"is the metric of the dataset .*--overwrite"):
        prepared(config, dataclasses.replace(measured, hash="other"), None)
    metric_path(measured.path).unlink()
    with pytest.raises(UserError, match="no metric there; make one with 'synthvae metric DATASET'"):
        prepared(config, measured, None)


def test_every_form_of_the_metric_is_the_matrix_it_says(measured: Dataset):
    metric = prepared(settings(measured, loss="pnp"), measured, None).metric
    unit, other = measured.unit[:6], measured.unit[10:16]
    error = other - unit
    expected = {
        ("effect", True): (error.square() * metric.ceiling).sum(1),
        ("diagonal", True): (error.square() * metric.limited.diagonal()).sum(1),
        ("diagonal", False): (error.square() * metric.mean.diagonal()).sum(1),
        ("full", True): torch.einsum("bi,ij,bj->b", error.double(), metric.limited, error.double()),
        ("preset", False): torch.einsum("bi,bij,bj->b", error, metric.presets, error),
        ("preset", True): torch.einsum("bi,bij,bj->b", error, metric.limited_presets, error),
    }
    for (form, limited), value in expected.items():
        config = settings(measured, loss="pnp", metric=form, metric_limited=limited)
        loss = perceptual_loss(config, metric, "x")
        torch.testing.assert_close(loss(other, unit, torch.arange(6)), value.float(), rtol=1e-4, atol=1e-4)


def test_matrices_of_single_presets_must_have_been_kept(measured: Dataset):
    metric = prepared(settings(measured, loss="pnp"), measured, None).metric
    config = settings(measured, loss="pnp", metric="preset")
    with pytest.raises(UserError, match="x: has no single-preset matrices.*--keep"):
        perceptual_loss(config, dataclasses.replace(metric, presets=metric.presets[:0]), "x")
