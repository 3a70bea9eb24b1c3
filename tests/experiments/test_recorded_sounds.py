from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthvae.experiments import recorded_sounds
from synthvae.experiments.cases import find_overlay
from synthvae.experiments.recorded_sounds import (
    SOUND_CASES,
    epoch_sounds,
    plan_sounds,
    scaled_sounds,
    select_sounds,
    train_sounds,
)
from synthvae.experiments.runner import is_done
from synthvae.training.config import resolve_sound_config
from synthvae.training.tasks.spectrogram import SpectrogramTask
from tests.errors import user_error
from tests.training.sounds import write_small_library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_library(tmp_path_factory.mktemp("lib") / "lib").path


def test_every_configuration_and_schedule_has_an_overlay():
    overlays = find_overlay(Path("experiments/r-64dim.toml")).parent
    for pattern, name in (("r-*", "r"), ("g-vae-*", "g"), ("g-ae-*", "g-ae"), ("d-*", "d")):
        assert {path.stem for path in overlays.glob(f"{pattern}.toml")} - {"r-mended"} == set(SOUND_CASES[name])


def test_names_are_cases_or_experiments():
    assert select_sounds(["g-vae-03", "r", "r-beta"]) == ["g-vae-03", *SOUND_CASES["r"]]
    assert select_sounds(["exp1"]) == []
    with user_error("names", "exp1"):
        select_sounds(["r", "exp1"])


def test_every_case_comes_before_the_second_seed(library: Path, tmp_path: Path):
    jobs = plan_sounds(["r-beta", "g-vae-06"], 2, 0.01, library, tmp_path, {"device": "cpu"})
    assert [(job.name, job.seed) for job in jobs] == [("r-beta", 0), ("g-vae-06", 0), ("r-beta", 1), ("g-vae-06", 1)]
    assert jobs[2].directory == tmp_path / "scale-0.01" / "r-beta" / "seed-1"
    assert (jobs[2].label, jobs[2].config.device, jobs[2].config.seed) == ("r-beta seed 1", "cpu", 1)
    with user_error("scale", 0.0):
        plan_sounds(["r-beta"], 1, 0.0, library, tmp_path)
    with user_error("seeds", 0):
        plan_sounds(["r-beta"], 0, 1.0, library, tmp_path)


@pytest.mark.parametrize(
    ("name", "full", "scaled"),
    [
        # Epochs, steps of each, batch, learning rate.
        ("r-64dim", (200, 100, 64, 1e-3), (20, 10, 14, 1e-3)),
        ("r-overfit", (550, 100, 64, 1e-3), (55, 10, 14, 1e-3)),
        ("g-vae-06", (20, 0, 128, 1e-4), (20, 23, 28, 4.64e-4)),
        ("d-nonharmonic", (250, 0, 128, 1e-4), (250, 1, 28, 4.64e-4)),
        ("d-harmonic", (100, 0, 64, 1e-4), (100, 1, 14, 4.64e-4)),
    ],
)
def test_training_shrinks_with_the_scale(name: str, full: tuple[float, ...], scaled: tuple[float, ...], library: Path):
    config = resolve_sound_config(find_overlay(Path(f"experiments/{name}.toml")), {"data": str(library)})
    found = [scaled_sounds(config, scale, epoch_sounds(name)) for scale in (1.0, 0.01)]
    for one, wanted in zip(found, (full, scaled), strict=True):
        assert (one.epochs, one.epoch_steps, one.batch_size, one.lr) == pytest.approx(wanted, rel=1e-3)
    assert found[1].kl_warmup == config.kl_warmup


def test_a_finished_run_is_recognised_by_what_its_task_records(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (job,) = plan_sounds(["r-0flow"], 1, 0.0001, library, tmp_path)
    assert not is_done(job)

    def finish(task: SpectrogramTask, directory: Path, label: str) -> None:
        assert (directory, label) == (job.directory, "r-0flow seed 0")
        directory.mkdir(parents=True)
        description = {"task": task.name, "config": task.record(), "state": {"finished": True}}
        (directory / "run.json").write_text(json.dumps({"format": "synthvae-run", "version": 1} | description))

    monkeypatch.setattr(recorded_sounds, "train_task", finish)
    train_sounds(job)
    assert is_done(job)
    (other,) = plan_sounds(["r-0flow"], 1, 0.0001, library, tmp_path, {"latent": 8})
    assert not is_done(other)
