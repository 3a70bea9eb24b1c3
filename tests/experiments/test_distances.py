"""Fréchet distances of runs, computed a second time from the rows of all sounds at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.data.presets import Dataset
from synthvae.experiments import distances
from synthvae.experiments.cases import list_cases
from synthvae.experiments.distances import (
    SetComparison,
    measure_reference,
    measure_run_distances,
    plan_comparison,
    read_distances,
)
from synthvae.experiments.runner import Job
from synthvae.metrics.embeddings import build_embedding
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance
from synthvae.synths.voice.voice import Voice
from synthvae.training.run import load_run
from tests.errors import user_error

#: The embedding that needs no weights, as if it were a pretrained one.
LOGMEL = SetComparison({"logmel": ""}, None, None)


@pytest.fixture
def job(small_run: Path, small_dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Job:
    """The small run as a case; results go to `tmp_path`."""
    monkeypatch.setattr(distances, "_store", lambda data: distances.Store(tmp_path / "cache"))
    return Job(list_cases()[0], 0.0005, 0, load_run(small_run).config, small_run)


def rows(voice: Voice, unit: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return build_embedding("logmel", 16_000).embed(voice(unit), 16_000)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return frechet_distance(GaussianStatistics.of(first), GaussianStatistics.of(second), allow_small=True).value


def test_distances_are_those_of_all_sounds_at_once(job: Job, small_dataset: Dataset, small_voice: Voice):
    measure_reference((Path(job.config.data), "logmel", LOGMEL))
    measure_run_distances((job, LOGMEL))
    found = read_distances([job], LOGMEL)["logmel"]
    test, train = small_dataset.split("test"), small_dataset.split("train")
    train = train[: int(0.2 * len(train))]
    reference = found.reference
    assert (reference.test_sounds, reference.train_sounds) == (reference.test.n, reference.train.n) == (9, len(train))
    test_rows, train_rows = rows(small_voice, test), rows(small_voice, train)
    constant = rows(small_voice, torch.full((1, 63), 0.5))
    assert reference.floor == pytest.approx(distance(test_rows, train_rows), rel=1e-6)
    closed_form = np.square(test_rows.mean(axis=0) - constant).sum() + test_rows.var(axis=0, ddof=1).sum()
    assert reference.mean_preset == pytest.approx(closed_form, rel=1e-6)
    closed_form = np.square(train_rows.mean(axis=0) - constant).sum() + train_rows.var(axis=0, ddof=1).sum()
    assert reference.mean_preset_train == pytest.approx(closed_form, rel=1e-6)
    run = load_run(job.directory)
    measured = found.runs[job.case.name, 0]
    for value, unit, target in ((measured.test, test, test_rows), (measured.train, train, train_rows)):
        assert value == pytest.approx(distance(target, rows(small_voice, run.decode(run.encode(unit)))), rel=1e-5)
    assert measured.test != measured.train


def test_a_limit_holds_for_both_sets(job: Job):
    comparison = SetComparison({"logmel": ""}, None, 4)
    reference = read_distances([job], comparison)["logmel"].reference
    assert (reference.test_sounds, reference.train_sounds) == (4, 4)


def test_what_was_measured_is_read_again(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = read_distances([job], LOGMEL)["logmel"]

    def fail(*arguments: object) -> None:
        raise AssertionError("measured a second time")

    monkeypatch.setattr(distances, "_gaussian", fail)
    again = read_distances([job], LOGMEL)["logmel"]
    assert again.runs == first.runs
    np.testing.assert_array_equal(again.reference.test.covariance, first.reference.test.covariance)
    with pytest.raises(AssertionError, match="a second time"):  # other weights are another embedding
        read_distances([job], SetComparison({"logmel": "other"}, None, None))


def test_weights_are_looked_for_before_anything_is_measured(job: Job, tmp_path: Path):
    assert plan_comparison([job], ["logmel", "logmel"], None, None).fingerprints == {}
    with user_error("embedding", "openl3"):
        plan_comparison([job], ["openl3"], None, None)
    with pytest.raises(UserError, match=r"vggish: .* lacks vggish-10086976\.pth"):
        plan_comparison([job], ["logmel", "vggish"], tmp_path, None)
