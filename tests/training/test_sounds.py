"""What a run on recorded sounds can be asked for."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.data.library import Library
from synthvae.training import trainer
from synthvae.training.run import load_run
from synthvae.training.sound_quality import measure_sounds
from synthvae.training.sounds import LATENTS, SoundRun
from synthvae.training.tasks.spectrogram import SpectrogramTask
from tests.errors import user_error
from tests.training.sounds import COUNTS, RATE, SAMPLES, sound_task, write_small_library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return write_small_library(tmp_path_factory.mktemp("library") / "small")


def trained(library: Library, out: Path, **changes: Any) -> SoundRun:
    settings = {"data": str(library.path), "epochs": 1, "network": "dense", "widths": "8"} | changes
    task = sound_task(**settings)
    trainer.train(SpectrogramTask(task.settings, library), out)
    return SoundRun(load_run(out))


@pytest.fixture(scope="module")
def learned(library: Library, tmp_path_factory: pytest.TempPathFactory) -> SoundRun:
    out = tmp_path_factory.mktemp("runs") / "learned"
    return trained(library, out, network="spectrogram-conv", widths="auto", epochs=30, lr=3e-3, patience=0)


def test_sounds_go_to_latents_and_back_with_their_length(learned: SoundRun, library: Library):
    audio = torch.from_numpy(library.audio[24:28].copy())
    latent = learned.encode(audio)
    assert latent.shape == (4, 4)
    found = learned.decode(latent)
    assert found.shape == (4, SAMPLES)
    assert bool(found.isfinite().all())
    assert learned.sample_rate == RATE
    torch.testing.assert_close(learned.library_latents(library, range(24, 28)), latent)
    # Shorter and longer sounds are cut or filled up.
    assert learned.encode(audio[:, :900]).shape == (4, 4)
    assert torch.equal(learned.encode(torch.cat([audio, audio], 1)), latent)


def test_decoded_levels_follow_those_of_the_sounds(learned: SoundRun, library: Library):
    audio = torch.from_numpy(library.audio[:24].copy())
    before = learned.representation.analyse(audio).level
    after = learned.spectrograms(learned.encode(audio)).level
    assert float(torch.corrcoef(torch.stack([before, after]))[0, 1]) > 0.5


def test_frames_give_any_length(library: Library, tmp_path: Path):
    run = trained(library, tmp_path / "run", frames=4)
    audio = torch.rand(2, 9000) - 0.5
    latent = run.encode(audio)
    assert len(latent) == 2 * run.model.latents_of(run.representation.frames(9000))
    assert run.decode(latent, samples=9000).shape == (2, 9000)
    assert run.around(audio[:1], 3).shape == (3 * len(latent) // 2, 4)


def test_draws_of_the_aggregate_posterior_are_like_the_training_sounds_latents(learned: SoundRun, library: Library):
    latents = learned.training_latents()
    assert latents.shape == (COUNTS["train"], 4)
    drawn = learned.sample(4000, seed=1)
    torch.testing.assert_close(drawn.mean(0), latents.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(drawn.std(0), latents.std(0, correction=0), atol=0.15, rtol=0.1)
    assert torch.equal(learned.sample(3, seed=1), learned.sample(3, seed=1))
    assert not torch.equal(learned.sample(3, seed=1), learned.sample(3, seed=2))
    normal = learned.sample(4000, prior="normal")
    torch.testing.assert_close(normal.std(0), torch.ones(4), atol=0.1, rtol=0)
    with user_error("prior", "uniform", "choose one of aggregate, normal"):
        learned.sample(1, prior="uniform")


def test_draws_need_no_library_once_latents_were_kept(library: Library, tmp_path: Path):
    copy = write_small_library(tmp_path / "copy")
    run = trained(copy, tmp_path / "run")
    first = run.sample(5)
    assert (tmp_path / "run" / LATENTS).exists()
    shutil.rmtree(copy.path)
    assert torch.equal(SoundRun(load_run(tmp_path / "run")).sample(5), first)
    (tmp_path / "run" / LATENTS).unlink()
    with pytest.raises(UserError):
        SoundRun(load_run(tmp_path / "run")).sample(5)


def test_draws_around_a_sound_are_nearer_to_it_than_those_of_the_prior(learned: SoundRun, library: Library):
    audio = torch.from_numpy(library.audio[:1].copy())
    latent = learned.encode(audio)
    apart = [(drawn - latent).square().sum(1).mean() for drawn in (learned.around(audio, 50), learned.sample(50))]
    assert apart[0] < apart[1]


def test_conditions_are_asked_for_where_the_network_has_them(library: Library, learned: SoundRun, tmp_path: Path):
    run = trained(library, tmp_path / "run", condition="label")
    assert run.condition(2, label="tone").tolist() == [[0.0, 1.0]] * 2
    assert run.decode(run.sample(2), run.condition(2, label="noise")).shape == (2, SAMPLES)
    with user_error("label", "drum", "choose one of noise, tone"):
        run.condition(1, label="drum")
    with user_error("label", None, "was trained with them"):
        run.condition(1)
    with user_error("pitch", 60.0, "was trained with condition label"):
        run.condition(1, label="tone", pitch=60.0)
    with user_error("label", "tone", "was trained with condition none"):
        learned.condition(1, label="tone")
    assert learned.condition(3).shape == (3, 0)


def test_a_run_on_presets_is_refused(small_run: Path):
    with pytest.raises(UserError, match="task is 'presets', which has no sounds"):
        SoundRun(load_run(small_run))


def test_another_library_in_its_place_is_refused(library: Library, tmp_path: Path):
    run = trained(library, tmp_path / "run")
    document = dict(run.run.description) | {"dataset_hash": "other"}
    with user_error(library.path, library.hash, "is no longer the library that"):
        SoundRun(dataclasses.replace(run.run, description=document)).sample(1)


def test_quality_beside_the_label_and_the_nearest_training_sound(learned: SoundRun, library: Library):
    found = measure_sounds(learned, library)
    rows = library.rows("validation")
    values = [
        learned.representation.analyse(torch.from_numpy(library.audio[part.start : part.stop].copy())).values
        for part in (library.rows("train"), rows)
    ]
    train, target = (value.flatten(1).double() for value in values)
    null = (target - target.mean(0)).square().sum(1).mean()
    nearest = (target[:, None] - train[None]).square().sum(2).amin(1).mean()
    assert found.nearest.value == pytest.approx(float(nearest / null), rel=1e-3)
    labels = library.items["label"].to_numpy()
    of_train, of_target = (
        labels[library.rows("train").start : library.rows("train").stop],
        labels[rows.start : rows.stop],
    )
    mean = {label: train[torch.from_numpy(of_train == label)].mean(0) for label in library.labels}
    by_label = (target - torch.stack([mean[label] for label in of_target])).square().sum(1).mean()
    assert found.class_mean.value == pytest.approx(float(by_label / null), rel=1e-3)
    answer = learned.spectrograms(learned.library_latents(library, rows))
    error = (answer.values.flatten(1) - target).square().sum(1).mean()
    assert found.model.value == pytest.approx(float(error / null), rel=1e-3)
    assert found.model.value < found.class_mean.value
    assert (found.sounds, found.level is not None) == (10, True)
