from __future__ import annotations

import dataclasses
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.analysis.recorded_sounds import (
    RunMeasurement,
    SoundWork,
    _accuracy,
    find_library,
    measure_run,
    spread_rows,
)
from synthvae.core.errors import UserError
from synthvae.core.store import Store
from synthvae.data.library import Library
from synthvae.features import log_mel
from synthvae.metrics.clicks import click_crest
from synthvae.metrics.distances import log_spectral
from synthvae.metrics.embeddings.logmel import logmel_embedding
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance
from synthvae.training.run import load_run
from synthvae.training.sounds import SoundRun
from synthvae.training.trainer import train
from tests.training.sounds import COUNTS, RATE, sound_task, write_small_library

SMALL = {"network": "dense", "widths": "16", "latent": 3}


def trained(library: Library, out: Path, **changes: object) -> SoundRun:
    train(sound_task(library, **{"data": str(library.path), **SMALL, **changes}), out)  # type: ignore[arg-type]
    return SoundRun(load_run(out))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return write_small_library(tmp_path_factory.mktemp("measured") / "lib")


@pytest.fixture(scope="module")
def model(library: Library, tmp_path_factory: pytest.TempPathFactory) -> SoundRun:
    return trained(library, tmp_path_factory.mktemp("measured") / "run")


@pytest.fixture(scope="module")
def found(model: SoundRun, library: Library) -> RunMeasurement:
    return measure_run(model, library)


@pytest.fixture(scope="module")
def tests(library: Library) -> torch.Tensor:
    rows = library.rows("test")
    return torch.from_numpy(library.audio[rows.start : rows.stop].copy())


def test_every_label_has_its_share_of_the_error(found: RunMeasurement, model: SoundRun, tests: torch.Tensor):
    values = model.representation.analyse(tests).values.double()
    answers = model.spectrograms(model.encode(tests)).values.double()
    errors = (answers - values).square().sum((1, 2, 3)).numpy()
    null = (values - values.mean(0)).square().sum((1, 2, 3)).numpy()
    assert found.quality.sounds == COUNTS["test"]
    assert found.quality.model.value == pytest.approx(errors.mean() / null.mean(), rel=1e-3)
    # Noises and tones take turns.
    assert list(found.labels) == ["noise", "tone"]
    for first, quality in enumerate(found.labels.values()):
        assert quality.sounds == COUNTS["test"] // 2
        assert quality.model.value == pytest.approx(errors[first::2].mean() / null[first::2].mean(), rel=1e-3)


def test_log_mel_errors_lie_beside_a_floor_and_a_null(found: RunMeasurement, model: SoundRun, tests: torch.Tensor):
    target = log_mel(tests, RATE)
    decoded = log_mel(model.decode(model.encode(tests)), RATE)
    errors = (decoded - target).abs().double().mean((1, 2))
    np.testing.assert_allclose(found.compared.errors, errors, rtol=1e-4)
    assert found.decoded.reconstructions.mean == pytest.approx(float(errors.mean()), rel=1e-4)
    assert found.decoded.recovered.mean < 0.5 * found.decoded.mean_sound.mean


def test_use_of_latents(found: RunMeasurement, model: SoundRun, tests: torch.Tensor):
    posterior = model.model.encode(*model.representation.analyse(tests))
    variance = posterior.mean.double().var(0, correction=0)
    np.testing.assert_allclose(found.latents.variance, variance.detach(), rtol=1e-4, atol=1e-9)
    assert found.latents.active == int((variance > 0.01).sum())
    kl = 0.5 * (posterior.mean**2 + posterior.log_variance.exp() - 1 - posterior.log_variance).mean(0)
    np.testing.assert_allclose(found.latents.kl_divergence, kl.detach(), rtol=1e-3, atol=1e-6)


def test_clicks(found: RunMeasurement, model: SoundRun, tests: torch.Tensor):
    crest = click_crest(tests, model.representation.transform.hop)
    assert found.crest is not None
    assert found.crest.originals == pytest.approx(float(np.median(crest.values)))


def test_draws_are_left_out_where_sounds_are_too_few(found: RunMeasurement):
    assert found.draws is None


def test_draws_beside_the_floor(model: SoundRun, library: Library, monkeypatch: pytest.MonkeyPatch):
    def few(rows: np.ndarray) -> np.ndarray:
        return logmel_embedding(rows)[:, ::16]

    monkeypatch.setattr("synthvae.analysis.sound_sets.logmel_embedding", few)
    monkeypatch.setattr("synthvae.analysis.recorded_sounds.DIMENSIONS", 4)
    found = measure_run(model, library, seed=3, priors={"same": lambda count: model.sample(count, 3)})
    draws, sets, trips = found.draws, found.drawn.sets, found.drawn.trips
    assert draws is not None
    assert sets is not None
    assert trips is not None
    assert set(sets.sets) == {"test", "reconstructions", "aggregate", "normal", "map"}
    assert sets.sets["test"].sounds == COUNTS["test"]
    assert sets.sets["map"].bins is None, "fewer training sounds than bins"
    assert trips.umap.decoded > 0.0
    assert draws.draws == COUNTS["train"] // 2
    assert set(draws.priors) == {"aggregate", "normal", "one gaussian", "same"}
    assert draws.priors["same"] == draws.priors["aggregate"]
    training = torch.from_numpy(library.audio[: COUNTS["train"]].copy())
    sounds = model.decode(model.sample(draws.draws, 3))
    sets = [GaussianStatistics.of(few(log_mel(audio, RATE).numpy())) for audio in (sounds, training)]
    assert draws.priors["aggregate"] == pytest.approx(frechet_distance(*sets).value, rel=1e-4)
    assert draws.floor > 0.0


def test_distances_over_linear_frequency(found: RunMeasurement, model: SoundRun, tests: torch.Tensor):
    decoded = log_spectral(tests, model.decode(model.encode(tests)), RATE).values
    assert found.compared.linear.reconstructions.mean == pytest.approx(decoded.mean(), rel=1e-4)
    assert found.compared.linear.recovered.mean < 0.5 * found.compared.linear.mean_sound.mean


def test_accuracy_of_magnitude_and_phase():
    exact = torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(1))
    assert astuple(_accuracy(exact, exact)) == pytest.approx((100.0, 100.0, 100.0))
    assert astuple(_accuracy(exact, -exact)) == (0.0, 0.0, 0.0)
    answers = exact * torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    energy = exact.square().sum((2, 3)).double()
    share = 100.0 * float((energy[:, 0] / energy.sum(1)).mean())
    assert astuple(_accuracy(exact, answers)) == pytest.approx((share, 100.0, 0.0), abs=1e-5)
    assert astuple(_accuracy(7.0 * exact, 7.0 * answers)) == pytest.approx((share, 100.0, 0.0), abs=1e-5)


@pytest.mark.parametrize(
    "changes", [{"condition": "label"}, {"frames": 4}, {"autoencoder": True}], ids=["labels", "frames", "autoencoder"]
)
def test_every_kind_of_run_is_measured(changes: dict[str, object], library: Library, tmp_path: Path):
    found = measure_run(trained(library, tmp_path / "run", **changes), library, limit=4)
    assert found.quality.sounds == 4
    assert len(found.latents.variance) == SMALL["latent"]
    assert len(found.latents.kl_divergence) == (0 if "autoencoder" in changes else SMALL["latent"])


def test_what_was_measured_is_not_measured_again(
    model: SoundRun, library: Library, found: RunMeasurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def work(seed: int = 0) -> SoundWork:
        return SoundWork([model], library, seed, store=Store(tmp_path))

    first = work()
    assert not any(step.kept for step in first.agenda.steps)
    assert first.agenda.seconds > 0.0
    first.measure()
    monkeypatch.setattr(SoundRun, "representation", None)  # nothing can be analysed or decoded
    second = work()
    assert second.agenda.seconds == 0.0
    (again,) = second.measure()
    assert again.compared == found.compared
    assert again.latents == found.latents
    assert again.draws == found.draws
    assert again.quality == found.quality
    assert again.labels == found.labels
    assert [step.kept for step in work(seed=1).agenda.steps] == [True, False, True, False, True]  # what is drawn anew
    monkeypatch.setattr(type(model.run), "weights_hash", "other")
    model.run.__dict__.pop("weights_hash", None)
    assert not any(step.kept for step in work().agenda.steps)


def test_rows_are_spread_evenly():
    assert spread_rows(range(10, 20), 3) == [10, 13, 16]
    assert spread_rows(range(10, 12), 3) == [10, 11]


def test_another_library_is_refused(model: SoundRun, library: Library):
    assert find_library(model, library.path).hash == library.hash
    other = dataclasses.replace(model.run, description={**model.run.description, "dataset_hash": "other"})
    with pytest.raises(UserError, match="is not the library that"):
        find_library(SoundRun(other), library.path)
