from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from synthvae.core.errors import UserError
from synthvae.core.executor import Stopped
from synthvae.data.presets import read_dataset
from synthvae.experiments import runner
from synthvae.experiments.cases import Case, select_cases
from synthvae.experiments.maps import measure_null, plan_nulls, read_null_maps
from synthvae.experiments.measures import measure_job, read_case, read_nulls
from synthvae.experiments.runner import Job, is_done, plan, prepare_data, run_jobs, train_job
from synthvae.maps.clusters import MapSettings, map_latents
from synthvae.maps.nulls import COLLAPSED, NOISE, noise_draws
from synthvae.training.log import read_metrics
from synthvae.training.run import load_run
from tests.errors import user_error

SCALE = 0.0005  # 70 presets


def own_case(directory: Path, text: str, name: str = "mine") -> Case:
    path = directory / f"{name}.toml"
    path.write_text(text)
    return select_cases([str(path)])[0]


def quick(directory: Path, seeds: int = 1, epochs: int = 200) -> list[Job]:
    """Runs without any rendering, of a second each; epochs are at full scale, 1/159 of them here."""
    case = own_case(
        directory, f'loss = "none"\nnetwork = "mlp"\narchitecture = "63-16-4"\nepochs = {epochs}\npatience = 0\n'
    )
    jobs = plan([case], seeds, SCALE, directory / "runs")
    prepare_data(jobs, lambda what, done, total: None)
    return jobs


def test_every_case_comes_before_the_second_seed(tmp_path: Path):
    jobs = plan(select_cases(["exp3"]), 2, 0.02, tmp_path)
    assert [job.seed for job in jobs] == [0] * 4 + [1] * 4
    assert jobs[4].directory == tmp_path / "scale-0.02" / "exp3-cqt" / "seed-1"
    assert jobs[4].label == "exp3-cqt seed 1"
    assert jobs[4].epochs == 74 + 250
    assert {job.config.data for job in jobs} == {str(tmp_path / "scale-0.02" / "dataset.json")}


def test_a_device_is_handed_on_and_no_seed_is_refused(tmp_path: Path):
    assert plan(select_cases(["exp1-scl"]), 1, 1.0, tmp_path, {"device": "cpu"})[0].config.device == "cpu"
    with user_error("seeds", 0):
        plan(select_cases(["exp1-scl"]), 0, 1.0, tmp_path)


def test_a_dataset_is_the_beginning_of_the_larger_one(tmp_path: Path):
    job = quick(tmp_path)[0]
    small = read_dataset(Path(job.config.data))
    assert len(small.unit) == 70
    assert small.header.seed == 0
    larger = plan([job.case], 1, 2 * SCALE, tmp_path / "runs")
    large = read_dataset(prepare_data(larger, lambda what, done, total: None))
    assert (large.unit[:70] == small.unit).all()


def test_a_metric_is_made_where_a_case_wants_one(tmp_path: Path):
    heard: set[str] = set()
    case = own_case(tmp_path, 'loss = "pnp"\narchitecture = "63-16-4"\n')
    path = prepare_data(plan([case], 1, SCALE, tmp_path), lambda what, done, total: heard.add(what))
    assert path.with_name("dataset.logmel-metric.safetensors").exists()
    assert heard == {"presets", "effects of parameters", "perceptual metric"}


def test_runs_are_made_once_and_continued(tmp_path: Path):
    job = quick(tmp_path)[0]
    assert not is_done(job)
    train_job(job)
    assert is_done(job)
    assert len(read_metrics(job.directory / "metrics.csv")) == job.epochs == 1
    longer = dataclasses.replace(job, config=dataclasses.replace(job.config, epochs=3))
    assert not is_done(longer)
    train_job(longer)
    assert is_done(longer)
    assert len(read_metrics(job.directory / "metrics.csv")) == 3


def test_a_run_with_other_settings_is_not_taken_for_this_one(tmp_path: Path):
    job = quick(tmp_path)[0]
    train_job(job)
    other = dataclasses.replace(job, config=dataclasses.replace(job.config, lr=0.5))
    assert not is_done(other)
    with user_error("lr", 0.5, "was trained with"):
        train_job(other)


def test_a_stop_ends_a_run_after_its_step_and_the_run_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    job = quick(tmp_path, epochs=1600)[0]
    monkeypatch.setattr(runner, "stop_requested", lambda: True)
    train_job(job)
    assert not is_done(job)
    monkeypatch.undo()
    train_job(job)
    assert is_done(job)
    whole = dataclasses.replace(job, directory=tmp_path / "whole")
    train_job(whole)
    weights = "weights.safetensors"
    assert (job.directory / weights).read_bytes() == (whole.directory / weights).read_bytes()


def test_processes_train_side_by_side(tmp_path: Path):
    jobs = quick(tmp_path, seeds=3, epochs=400)
    epochs: dict[str, int] = {}
    done: list[str] = []
    run_jobs(jobs, 2, lambda label, count: epochs.update({label: count}), lambda job: done.append(job.label))
    assert sorted(done) == ["mine seed 0", "mine seed 1", "mine seed 2"]
    assert all(is_done(job) for job in jobs)
    first, second = (load_run(job.directory).model.state_dict() for job in jobs[:2])
    assert any((first[name] != second[name]).any() for name in first)


def test_a_run_that_fails_does_not_keep_others_from_being_made(tmp_path: Path):
    good = quick(tmp_path)[0]
    bad = dataclasses.replace(
        good, config=dataclasses.replace(good.config, precision="7-bit"), directory=tmp_path / "bad"
    )
    with pytest.raises(UserError, match="1 of 2 failed; mine seed 0: precision is '7-bit'"):
        run_jobs([bad, good], 1)
    assert is_done(good)
    assert issubclass(Stopped, Exception)


def test_a_run_is_measured_once(tmp_path: Path):
    job = quick(tmp_path)[0]
    train_job(job)
    measure_job((job, 8, 30))
    path = job.directory / "measures.json"
    found, nulls = read_case(job), read_nulls(job)
    assert len(found.mse["logmel"]) == len(nulls.mse["stft"]["mean_preset"]) == nulls.presets == 8
    assert found.fad_test is None  # 8 sounds have no covariance of 64 dimensions
    assert found.epochs == 1
    assert len(found.kl) == 4
    # Answering 0.5 everywhere gives the mean preset's error: the network has hardly moved from there.
    ratio = sum(found.mse["logmel"]) / sum(nulls.mse["logmel"]["mean_preset"])
    assert ratio == pytest.approx(1.0, abs=0.35)
    before = path.stat().st_mtime_ns
    measure_job((job, 8, 30))
    assert path.stat().st_mtime_ns == before
    measure_job((job, 9, 30))
    assert len(read_case(job).parameter) == read_nulls(job).presets == 9


def test_nulls_of_a_map_are_shared_by_runs_of_one_network_and_drawn_once(tmp_path: Path):
    job = quick(tmp_path)[0]
    wider = dataclasses.replace(job, case=dataclasses.replace(job.case, name="wider", eps=0.9))
    tasks = plan_nulls([job, wider], 24, 2)
    radii = (job.case.eps, 0.9)
    assert [(task.name, task.seed, task.radii) for task in tasks] == [
        (name, seed, radii) for name in (NOISE, COLLAPSED) for seed in (0, 1)
    ]
    for task in tasks:
        measure_null(task)
    cache = Path(job.config.data).parent / ".cache"
    kept = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    counts = Counter(name.rpartition("-")[0] for name in kept)
    assert counts == {"umap-1": 4, "null-clusters": 8, "collapsed-encoder-1": 2}
    found = read_null_maps([job, wider], 24, 2)
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == kept
    points = map_latents(noise_draws(24, 4, [1])[1], 1, MapSettings(eps=0.9))
    assert found["wider"][NOISE].qualities[1] == points.quality
    assert found["wider"][NOISE].expected[0] != found[job.case.name][NOISE].expected[0]
    assert {null.eps for null in found["wider"].values()} == {0.9}
