"""Training on recorded sounds: terms, weights, exact resumption, and the files of a run's directory."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.features.representations import Encoded
from synthvae.training import trainer
from synthvae.training.run import load_run
from synthvae.training.sound_config import SoundConfig
from synthvae.training.tasks.base import Place
from synthvae.training.tasks.spectrogram import ABOVE_FREE, MeanSpectrogramRatio, entropy
from tests.errors import user_error
from tests.training.killing import Killed, assert_same, kill_after
from tests.training.records import records
from tests.training.sounds import SmallLibrary, sound_task

#: Networks, losses and rules that there are.
KINDS: dict[str, dict[str, Any]] = {
    "conv": {},
    "conv-bf16": {"precision": "bf16-mixed", "epochs": 1},
    "conv-label": {"condition": "label", "free_bits": 0.1, "kl_schedule": "cosine", "kl_warmup": 2.0},
    "conv-pitch": {"condition": "pitch", "sigma": 0.5},
    "conv-stft": {"representation": "stft"},
    "conv-autoencoder": {"autoencoder": True, "loss": "mse"},
    "conv-published": {
        "as_published": True, "sigma": 1.0, "representation_options": {"n_fft": 64, "hop": 32},
        "kl_schedule": "logistic-g", "kl_warmup": 8.0, "kl_baseline": 0.1, "kl_per_epoch": True,
    },
    "conv-published-autoencoder": {
        "as_published": True, "autoencoder": True, "loss": "mse", "representation_options": {"n_fft": 64, "hop": 32}
    },
    "iaf": {"network": "spectrogram-iaf", "flows": 2, "dropout": 0.25, "epoch_steps": 4},
    "iaf-published": {"network": "spectrogram-iaf", "flows": 1, "dropout": 0.25, "as_published": True},
    "dense": {"network": "dense", "widths": "16"},
    "dense-frames": {"network": "dense", "widths": "16", "frames": 8, "representation": "frames"},
    "dense-published": {"network": "dense", "widths": "16", "as_published": True},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed_equals_never_killed(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)
    trainer.train(sound_task(**KINDS[kind]), tmp_path / "whole")
    with pytest.raises(Killed):
        trainer.train(sound_task(**KINDS[kind]), tmp_path / "cut", on_step=kill_after(2))
    torch.manual_seed(1)  # what the rest of the process draws does not matter
    trainer.train(sound_task(**KINDS[kind]), tmp_path / "cut", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "cut")
    for row in records(tmp_path / "whole/metrics.csv"):
        assert {"train/total", "validation/total", "validation/to_mean_spectrogram", "active_units"} <= row.keys()
        assert all(math.isfinite(value) for value in row.values())


def test_drops_of_the_learning_rate_survive_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """At this rate nothing improves: it drops every second epoch, until it is too low to continue."""
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)
    plateau: dict[str, Any] = {"network": "dense", "widths": "8", "lr": 50.0, "lr_schedule": "plateau", "patience": 0}
    plateau |= {"lr_drop_factor": 0.2, "lr_patience": 2, "lr_least": 1.0, "epochs": 40, "epoch_steps": 2}
    end = trainer.train(sound_task(**plateau), tmp_path / "whole")
    rates = [row["lr"] for row in records(tmp_path / "whole/metrics.csv")]
    assert (rates[0], end.drops, end.finished) == (50.0, 3, "learning rate below 1")
    assert sorted(set(rates), reverse=True) == pytest.approx([50.0, 10.0, 2.0])
    waited = 0
    best, rate = math.inf, 50.0
    for row in records(tmp_path / "whole/metrics.csv"):
        assert row["lr"] == pytest.approx(rate)
        better = row["validation/total"] < best
        best, waited = min(best, row["validation/total"]), 0 if better else waited + 1
        if waited == 2:
            rate, waited = rate * 0.2, 0
    with pytest.raises(Killed):
        trainer.train(sound_task(**plateau), tmp_path / "cut", on_step=kill_after(2 * len(rates) - 3))
    trainer.train(sound_task(**plateau), tmp_path / "cut", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def begun(**changes: Any):
    """A task that is ready for its first step, and its network."""
    task = sound_task(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = task.build(task.settings, task.describe())
    task.prepare()
    task.adopt(model)
    task.begin(task.settings)
    return task, model


PLACE = Place(0, 0, 0, 0.0)


def test_an_epoch_visits_every_training_sound_once():
    task, _ = begun()
    rows = torch.cat([task._rows(PLACE._replace(epoch=3, step=step)) for step in range(3)])
    assert sorted(rows.tolist()) == list(range(24))
    assert task.items == 24


def test_epochs_of_a_number_of_steps_go_on_where_the_last_one_ended():
    task, _ = begun(epoch_steps=2, batch_size=5)
    assert task.items == 10
    rows = torch.cat([task._rows(PLACE._replace(epoch=step // 2, step=step % 2)) for step in range(24)])
    for number in range(5):
        assert sorted(rows[24 * number : 24 * number + 24].tolist()) == list(range(24))
    again = sound_task(epoch_steps=2, batch_size=5)
    again.begin(again.settings)
    assert torch.equal(again._rows(PLACE._replace(epoch=4, step=1)), rows[45:50])


def test_the_cross_entropy_is_above_the_entropy_of_the_spectrogram():
    values = torch.rand(3, 1, 4, 5)
    values[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    task, model = begun(network="spectrogram-iaf", flows=0)
    floor = entropy(values)
    expected = -(values * values.log() + (1 - values) * (1 - values).log()).nan_to_num().sum((1, 2, 3))
    torch.testing.assert_close(floor, expected)
    for published in (False, True):
        task, model = begun(network="spectrogram-iaf", flows=0, as_published=published)
        batch = task.batch(PLACE)
        encoded = task.representation.analyse(batch["audio"])
        output = model(encoded.values, encoded.level)._replace(raw=torch.logit(encoded.values, 1e-6))
        assert float(task._terms(output, encoded)["cross_entropy"].detach().abs().max()) < 0.1
        worse = task._terms(output._replace(raw=output.raw + 1.0), encoded)["cross_entropy"]
        exact = torch.nn.functional.binary_cross_entropy_with_logits(output.raw + 1.0, encoded.values, reduction="none")
        torch.testing.assert_close(worse, exact.sum((1, 2, 3)) - entropy(encoded.values), rtol=1e-3, atol=1e-2)


def terms(**values: float) -> dict[str, Tensor]:
    return {name: torch.tensor([value]) for name, value in values.items()}


def test_the_weights_of_the_terms_are_those_of_the_formulas():
    size = 128 * 32
    task, _ = begun(sigma=0.5, kl_weight=2.0, level_weight=0.25)
    given = terms(squared_error=0.3, kl=7.0, level=4.0)
    assert float(task.weigh(given, math.inf)) == pytest.approx(size * 0.3 / (2 * 0.25) + 14.0 + 1.0)
    task, _ = begun()
    assert float(task.weigh(given, math.inf)) == pytest.approx(0.5 * size * math.log(0.3) + 7.0 + 2.0, rel=1e-5)
    task, _ = begun(loss="mse", kl_weight=0.1)
    assert float(task.weigh(given, math.inf)) == pytest.approx(0.3 + 0.7 + 2.0 / size)
    task, _ = begun(as_published=True, sigma=1.0, representation_options={"n_fft": 64, "hop": 32})
    channels, bands, frames = task.representation.shape
    given = terms(squared_error_0=0.3, squared_error_1=0.1, kl=7.0)
    half = 0.5 * channels * bands * frames * 0.2  # D / (2 sigma^2) MSE
    assert float(task.weigh(given, math.inf)) == pytest.approx(half + 7.0)


def test_free_bits_and_schedules_move_the_weight_of_the_divergence():
    task, model = begun(free_bits=2.0, kl_schedule="cyclical-g", kl_warmup=8.0, kl_baseline=0.1, kl_per_epoch=True)
    found = task.terms(model, task.batch(PLACE), PLACE)
    assert bool((found[ABOVE_FREE] >= 8.0).all())  # four dimensions
    assert [round(task.kl_weight(progress), 3) for progress in (0.0, 0.9, 1.0, 7.5, 8.0)] == [
        0.116, 0.116, 0.143, 0.957, 0.116,
    ]  # fmt: skip
    assert task.kl_weight(math.inf) == 1.0


def test_the_ratio_to_the_mean_spectrogram():
    values = torch.rand(6, 2, 3, 4)
    ratio = MeanSpectrogramRatio((2, 3, 4), torch.device("cpu"))
    answers = values + torch.tensor([0.1, 0.2])[:, None, None]
    for part in range(0, 6, 2):
        ratio.add(answers[part : part + 2], values[part : part + 2])
    null = (values - values.mean(0)).square()
    expected = [(answers - values)[:, c].square().sum() / null[:, c].sum() for c in (0, 1)]
    expected.append((answers - values).square().sum() / null.sum())
    torch.testing.assert_close(ratio.ratio().float(), torch.stack(expected))
    same = MeanSpectrogramRatio((2, 3, 4), torch.device("cpu"))
    same.add(values[:1], values[:1])
    assert same.ratio().tolist() == [1.0, 1.0, 1.0]


def test_it_learns_to_answer_better_than_the_mean_spectrogram(tmp_path: Path):
    task = sound_task(epochs=40, lr=3e-3, patience=0)
    trainer.train(task, tmp_path / "run")
    ratios = [row["validation/to_mean_spectrogram"] for row in records(tmp_path / "run/metrics.csv")]
    assert ratios[0] < 1.2
    assert min(ratios) < 0.5


def test_a_run_says_what_its_network_is_made_of(tmp_path: Path):
    trainer.train(sound_task(network="dense", widths="8", condition="label", epochs=1), tmp_path / "run")
    document = json.loads((tmp_path / "run/run.json").read_text())
    assert document["task"] == "recorded-sounds"
    assert document["config"]["representation"] == "mel"
    assert (document["sample_rate"], document["samples"]) == (16000, 4000)
    assert document["labels"] == ["noise", "tone"]
    run = load_run(tmp_path / "run", needs="sounds")
    task, expected = begun(network="dense", widths="8", condition="label", epochs=1)
    assert run.config.resolved() == run.config
    assert run.latent_size == 4
    (values, level, condition), *_ = task.encoded(range(8))
    assert run.model.embed(values, level, condition).shape == (8, 4)
    torch.testing.assert_close(run.model.centre, expected.centre)
    with pytest.raises(UserError, match=r"run: task is 'recorded-sounds', which has no parameters; name a run"):
        load_run(tmp_path / "run", needs="parameters")
    other = SmallLibrary(hash="another")
    with user_error(other.path, "another", "is not the library 0123456789abcdef that"):
        trainer.train(
            sound_task(other, network="dense", widths="8", condition="label", epochs=1), tmp_path / "run", resume=True
        )
    with user_error("widths", "16", "was trained with '8'"):
        trainer.train(
            sound_task(network="dense", widths="16", condition="label", epochs=1), tmp_path / "run", resume=True
        )
    several = sound_task(network="dense", widths="16", condition="label", epochs=1, lr=0.5, batch_size=4)
    with user_error("batch_size", 4, r"give `batch_size` 8, `lr` 0.001, `widths` '8', or "):
        trainer.train(several, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("changes", "argument", "value", "message"),
    [
        ({"network": "spectrogram-iaf", "representation": "stft"}, "representation", "stft", r"not all in \[0, 1\]"),
        ({"frames": 3}, "frames", 3, "spectrogram-conv does not have"),
        ({"network": "spectrogram-iaf", "autoencoder": True}, "flows", 10, "no posterior to move"),
        ({"widths": "8--8"}, "widths", "8--8", "write e.g."),
        ({"representation_options": {"size": 3}}, "options", ["size"], "give what mel takes"),
        ({"lr": 0.0}, "lr", 0.0, "give a value above 0"),
        ({"sigma": "known"}, "sigma", "known", "give learnt or a number"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    changes: dict[str, Any], argument: str, value: Any, message: str
):
    with user_error(argument, value, message):
        begun(**changes)


def test_a_library_without_pitches_or_validation_sounds_is_refused():
    library = SmallLibrary()
    del library.items["pitch"]
    with user_error("condition", "pitch", "not all items of datasets/small have a pitch"):
        sound_task(library, condition="pitch")
    with user_error("data", "datasets/small", "no validation items"):
        sound_task(SmallLibrary(counts={"train": 4, "validation": 0, "test": 0}))


def test_auto_settings_are_resolved_once():
    published = SoundConfig(data="x", network="spectrogram-iaf", as_published=True).resolved()
    assert (published.representation, published.loss, published.latent) == ("mel-r", "cross-entropy", 64)
    mended = SoundConfig(data="x", latent=3).resolved()
    assert (mended.representation, mended.loss, mended.latent) == ("mel", "gaussian", 3)
    assert mended.precision in ("bf16-mixed", "32-true")
    assert mended.resolved() == mended


def test_terms_of_a_sound_do_not_depend_on_the_others():
    task, model = begun(network="dense", widths="8", frames=4)
    model.eval()
    batch = task.batch(PLACE)
    whole = task.terms(model, batch, PLACE)
    one = task.terms(model, {name: value[2:3] for name, value in batch.items()}, PLACE)
    for name, value in one.items():
        torch.testing.assert_close(value, whole[name][2:3], rtol=1e-4, atol=1e-4)
    assert isinstance(task.representation.analyse(batch["audio"]), Encoded)
