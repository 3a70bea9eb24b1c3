"""Every settings file in ``experiments/`` is trained for a step, so that none of them waits hours to fail."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.data.generation import generate_dataset
from synthvae.data.presets import read_dataset
from synthvae.experiments.cases import Case, list_cases, select_cases
from synthvae.experiments.runner import Job, is_done, train_job
from synthvae.synths.sensitivity import PerceptualMetric, metric_path, write_metric
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.training import trainer
from synthvae.training.config import PRESETS, read_overlay, resolve_sound_config
from synthvae.training.sound_config import RECORDED_SOUNDS
from synthvae.training.tasks.spectrogram import SpectrogramTask
from tests.conftest import SHORT
from tests.training.records import records
from tests.training.sounds import SmallLibrary

FILES = sorted(list_cases()[0].path.parent.glob("*.toml"))
#: With its table ``[case]`` or without.
OVERLAYS = select_cases([str(path) for path in FILES if PRESETS in read_overlay(path).tasks])
SOUND_OVERLAYS = [path for path in FILES if RECORDED_SOUNDS in read_overlay(path).tasks]
COUNT = 12
#: Sizes at which an overlay's network is quick to make and train; what is published is compared in tests/models.
SMALL = {"epochs": 1, "batch_size": 4, "epoch_steps": 1, "validation_limit": 4, "device": "cpu"}


def one_step(case: Case, data: Path, directory: Path) -> Job:
    """One epoch of one step in each phase; loss, feature, network and all that is weighed are the overlay's."""
    config = case.config(data)
    size = {"epochs": 1, "batch_size": COUNT, "validation_limit": 2}
    changed = size | {"device": "cpu", "then": {**config.then, **size} if config.then else {}}
    return Job(case, 1.0, 0, dataclasses.replace(config, **changed), directory)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of a few short presets, and a metric that some overlays take: a drawn one, to measure it takes long."""
    path = tmp_path_factory.mktemp("overlays") / "tiny.json"
    generate_dataset(path, VOICE_63, COUNT, seed=0, settings=SHORT)
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


def test_every_published_run_on_recorded_sounds_has_a_file():
    rows = ["8dim", "64dim", "256dim", "0flow", "20flow", "beta", "nodropout", "underfit", "overfit", "mended"]
    expected = {f"r-{row}" for row in rows} | {f"g-ae-{row}" for row in range(1, 8)} | {"g-mended"}
    expected |= {f"g-vae-{row:02d}" for row in range(1, 9)} | {"d-nonharmonic", "d-harmonic", "d-mended"}
    assert {path.stem for path in SOUND_OVERLAYS} == expected


@pytest.mark.parametrize("path", SOUND_OVERLAYS, ids=lambda path: path.stem)
def test_an_overlay_of_recorded_sounds_trains_one_step(path: Path, tmp_path: Path):
    """Network, representation, loss and rules are the overlay's; so are its sizes, but those of an FFT."""
    config = resolve_sound_config(path, {"data": "x"})
    assert config.epoch_steps * config.epochs in (0, 2_000, 10_000, 20_000, 55_000)
    options = dict(config.representation_options)
    if "n_fft" in options:
        options |= {"n_fft": options["n_fft"] // 25 * 2, "hop": options["hop"] // 25}
    latent = min(config.latent, 64)
    config = dataclasses.replace(config, representation_options=options, latent=latent, flows=min(config.flows, 2))
    task = SpectrogramTask(dataclasses.replace(config, **SMALL), SmallLibrary())  # type: ignore[arg-type]
    trainer.train(task, tmp_path / "run")
    (row,) = records(tmp_path / "run" / "metrics.csv")
    assert {"train/total", "validation/total", "validation/to_mean_spectrogram"} <= row.keys()
    assert all(math.isfinite(value) for value in row.values()), row


def test_an_overlay_of_recorded_sounds_is_no_case_of_the_thesis():
    with pytest.raises(UserError, match=r"r-64dim\.toml: is no training on presets; train it by 'synthvae train"):
        select_cases([str(path) for path in SOUND_OVERLAYS if path.stem == "r-64dim"])


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
