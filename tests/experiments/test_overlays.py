"""Every settings file in ``experiments/`` is trained for a step, so that none of them waits hours to fail."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import pytest
import torch

from synthvae.data.generation import generate_dataset
from synthvae.data.presets import read_dataset
from synthvae.experiments.cases import Case, list_cases, select_cases
from synthvae.experiments.runner import Job, is_done, train_job
from synthvae.synths.sensitivity import PerceptualMetric, metric_path, write_metric
from synthvae.synths.voice.parameters import VOICE_63
from tests.conftest import SHORT

#: With its table ``[case]`` or without.
OVERLAYS = select_cases([str(path) for path in sorted(list_cases()[0].path.parent.glob("*.toml"))])
PRESETS = 12


def one_step(case: Case, data: Path, directory: Path) -> Job:
    """One epoch of one step in each phase; loss, feature, network and all that is weighed are the overlay's."""
    config = case.config(data)
    size = {"epochs": 1, "batch_size": PRESETS, "validation_limit": 2}
    changed = size | {"device": "cpu", "then": {**config.then, **size} if config.then else {}}
    return Job(case, 1.0, 0, dataclasses.replace(config, **changed), directory)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of a few short presets, and a metric that some overlays take: a drawn one, to measure it takes long."""
    path = tmp_path_factory.mktemp("overlays") / "tiny.json"
    generate_dataset(path, VOICE_63, PRESETS, seed=0, settings=SHORT)
    dataset = read_dataset(path)
    slopes = torch.randn(8, 100, len(VOICE_63), generator=torch.Generator().manual_seed(0)).double()
    presets = slopes.mT @ slopes
    mean = presets.mean(0)
    effect = mean.diagonal().clone()
    of = ("logmel", dataset.hash, dataset.parameters.hash)
    write_metric(
        metric_path(path), PerceptualMetric(mean, mean.clone(), effect, effect.clone(), presets.float(), 8, *of)
    )
    return path


def test_every_case_is_among_them():
    assert {case.name for case in list_cases()} < {case.name for case in OVERLAYS}


@pytest.mark.parametrize("case", OVERLAYS, ids=lambda case: case.name)
def test_an_overlay_trains_one_step_of_each_phase(case: Case, data: Path, tmp_path: Path):
    job = one_step(case, data, tmp_path)
    train_job(job)
    assert is_done(job)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(job.config.phases)
    for row in rows:
        assert {"train/total", "validation/total"} <= {name for name, value in row.items() if value}
        assert all(math.isfinite(float(value)) for value in row.values() if value), row
