"""What is not finite is named or skipped, for every task of the trainer; what is repeated has the same bits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from synthvae.core.files import load_tensors
from synthvae.data.presets import Dataset
from synthvae.synths.voice.voice import Voice
from synthvae.training import trainer
from synthvae.training.finite import listed
from synthvae.training.run import load_run
from synthvae.training.tasks import audio_encoder, registry
from synthvae.training.tasks.audio_encoder import AudioEncoderSettings, AudioEncoderTask
from synthvae.training.tasks.base import Place, Task, Validation
from synthvae.training.tasks.presets import PresetTask
from tests.errors import user_error
from tests.test_seams import VectorTask, made
from tests.test_seams import settings as vector_settings
from tests.training.killing import Killed, assert_same, kill_after
from tests.training.records import records
from tests.training.sounds import SmallLibrary, sound_task
from tests.training.test_trainer import settings as preset_settings

#: 32 training vectors in batches of 8: the second step of the third epoch.
BAD = (2, 1)


class Faulty(VectorTask):
    """Row 3 of the batch at `BAD`, and what else a test gives, has a term or a gradient that is not finite."""

    fault = "term"
    always = False

    def terms(self, model: nn.Module, batch: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
        terms = super().terms(model, batch, place)
        if not model.training and self.fault != "validation":
            if self.fault != "gradient" or not torch.is_grad_enabled():
                return terms
        elif self.fault != "validation" and not (self.always or place[1:3] == BAD):
            return terms
        whole = self.validation_vectors if self.fault == "validation" else self.batch(place)["vector"]
        row = (batch["vector"] == whole[3]).all(1)
        if self.fault == "gradient":  # 0, whose derivative is 0 times infinity
            size = [
                one + (one - one.detach()).abs().sqrt() if hit else one
                for one, hit in zip(terms["size"], row, strict=True)
            ]
            return terms | {"size": torch.stack(size)}
        if self.fault == "sum":
            return terms | {"error": torch.full_like(terms["error"], 3e38)}
        return terms | {"size": torch.where(row, torch.nan, terms["size"])}


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    registry.register_task(VectorTask)
    yield
    del registry._TASKS["vectors"]


def faulty(fault: str = "term", always: bool = False, **changes: Any) -> Faulty:
    task = Faulty(vector_settings(**changes), made())
    task.fault, task.always = fault, always
    return task


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("term", r"the term size is not finite in epoch 3, step 2 of 4, rows 3 of the batch"),
        ("gradient", r"the gradient of the term size is not finite in epoch 3, step 2 of 4, rows 3 of the batch"),
        ("sum", r"the loss is not finite in epoch 3, step 2 of 4, rows 0, 1, 2, 3, 4, 5, 6, 7 of the batch"),
    ],
)
def test_a_step_that_is_not_finite_stops_with_a_checkpoint_from_before_it_or_is_skipped(
    fault: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with user_error(tmp_path / "run", match=message + r"; lower `lr` .* or add `resume` and `on_nonfinite` skip$"):
        trainer.train(faulty(fault), tmp_path / "run")
    tensors, state = load_tensors(tmp_path / "run" / "checkpoint.safetensors")
    assert (state["epoch"], state["step"], state["skipped"]) == (*BAD, 0)
    assert all(value.isfinite().all() for value in tensors.values())

    # Resuming with skip gives the bits of a run that was told so at once, and of one that was killed on the way.
    position = trainer.train(faulty(fault, on_nonfinite="skip"), tmp_path / "run", resume=True)
    assert (position.skipped, position.finished) == (1, "all epochs done")
    trainer.train(faulty(fault, on_nonfinite="skip"), tmp_path / "whole")
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)
    with pytest.raises(Killed):
        trainer.train(faulty(fault, on_nonfinite="skip"), tmp_path / "killed", on_step=kill_after(11))
    trainer.train(faulty(fault, on_nonfinite="skip"), tmp_path / "killed", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "killed")
    resumed = load_tensors(tmp_path / "run" / "checkpoint.safetensors")[0]
    whole = load_tensors(tmp_path / "whole" / "checkpoint.safetensors")[0]
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    rows = records(tmp_path / "whole" / "metrics.csv")
    assert [row["skipped"] for row in rows] == [0, 0, 1, 0, 0, 0]
    assert rows[2]["train/loss"] < rows[1]["train/loss"]  # means of what was taken alone


def test_what_nothing_is_left_of_stops_even_where_it_would_be_skipped(tmp_path: Path):
    with user_error(tmp_path / "run", match="every batch of epoch 1 was skipped"):
        trainer.train(faulty(always=True, on_nonfinite="skip"), tmp_path / "run")
    with user_error(tmp_path / "fast", match="not finite"):  # the weights are not, so that no batch can be
        trainer.train(VectorTask(vector_settings(lr=3e37, on_nonfinite="skip"), made()), tmp_path / "fast")
    assert not (tmp_path / "fast" / "checkpoint.safetensors").exists()


def test_a_validation_that_is_not_finite_stops(tmp_path: Path):
    class Named(Faulty):
        def validate(self, model: nn.Module, limit: int | None = None) -> Validation:
            terms = self.terms(model, {"vector": self.validation_vectors[:limit]}, Place(0, 0, 0, 0.0))
            return Validation({name: value.double().mean() for name, value in terms.items()}, each=terms)

    task = Named(vector_settings(), made())
    task.fault = "validation"
    task.terms = lambda *given: Faulty.terms(task, *given) if not given[0].training else VectorTask.terms(task, *given)
    with user_error(
        tmp_path / "run", match="the validation size of epoch 1 not finite, rows 3 of the validation items"
    ):
        trainer.train(task, tmp_path / "run")


class BrokenVoice(nn.Module):
    """Sounds of one preset, or of all above a number of calls, are NaN."""

    def __init__(self, voice: nn.Module, broken: Tensor) -> None:
        super().__init__()
        self.voice, self.samples = voice, getattr(voice, "samples", 0)
        self.register_buffer("broken", broken)

    def forward(self, unit: Tensor, **more: Any) -> Tensor:
        audio: Tensor = self.voice(unit, **more)
        return torch.where((unit == self.broken).all(1)[:, None], torch.nan, audio)


def preset_task(dataset: Dataset, voice: Voice, how: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> Task[Any]:
    number = 17
    broken = BrokenVoice(voice, dataset.unit[number])
    return PresetTask(preset_settings(dataset, epochs=1, on_nonfinite=how), dataset, broken)


def recorded_task(dataset: Dataset, voice: Voice, how: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> Task[Any]:
    library = SmallLibrary()
    library.audio[17] = math.nan
    return sound_task(library, epochs=1, network="dense", widths="16", as_published=True, on_nonfinite=how)


def encoder_task(
    dataset: Dataset, voice: Voice, how: str, tmp_path: Path, patch: pytest.MonkeyPatch, run: Path
) -> Task[Any]:
    model = load_run(run)
    patch.setattr(audio_encoder, "VALIDATION", 16)
    patch.setattr(audio_encoder, "EPOCHS", 1)
    broken = audio_encoder._draw(model, 64, 5, 1)[2]  # of the second step
    patch.setattr(audio_encoder, "build_synth", lambda *given: BrokenVoice(voice, broken))
    return AudioEncoderTask(replace(AudioEncoderSettings.of(128, 5, how), device="cpu"), model)


@pytest.mark.parametrize("kind", ["presets", "recorded-sounds", "audio-encoder"])
def test_every_task_names_its_items(
    kind: str, small_dataset: Dataset, small_voice: Voice, small_run: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    given = (small_dataset, small_voice)
    make, message = {
        "presets": (preset_task, "the term spectral is not finite in epoch 1, step . of 3, presets 17 of small.json"),
        "recorded-sounds": (
            recorded_task,
            r"the terms kl and squared_error are not finite in epoch 1, step . of 3, sounds 17 of small",
        ),
        "audio-encoder": (
            lambda *more: encoder_task(*more, run=small_run),
            "negative_log_likelihood is not finite in epoch 1, step 2 of 2, presets 66 of those drawn with seed 5",
        ),
    }[kind]
    with user_error(tmp_path / "stopped", match=message):
        trainer.train(make(*given, "stop", tmp_path, monkeypatch), tmp_path / "stopped")
    position = trainer.train(make(*given, "skip", tmp_path, monkeypatch), tmp_path / "skipped")
    assert position.skipped == 1
    assert records(tmp_path / "skipped" / "metrics.csv")[0]["skipped"] == 1
    tensors = load_tensors(tmp_path / "skipped" / "checkpoint.safetensors")[0]
    assert all(value.isfinite().all() for value in tensors.values())  # running means of a batch normalisation too


def test_many_numbers_are_cut_short():
    assert listed([5, 3, 5]) == "3, 5"
    assert listed(range(2000)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1,990 more"


def test_the_number_of_threads_decides_on_the_bits_and_nothing_else(tmp_path: Path):
    """Twice with two threads gives the same bits; with one of them the figures agree within rounding."""
    rows = []
    for name, threads in (("first", 2), ("second", 2), ("one", 1)):
        torch.set_num_threads(threads)
        task = sound_task(epochs=2, network="spectrogram-conv", batch_size=8)
        trainer.train(task, tmp_path / name)
        rows.append(records(tmp_path / name / "metrics.csv"))
    assert_same(tmp_path / "first", tmp_path / "second")
    assert rows[0][-1]["validation/total"] == pytest.approx(rows[2][-1]["validation/total"], rel=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cuda_repeats_a_run_within_rounding(tmp_path: Path):
    for name in ("first", "second"):
        trainer.train(VectorTask(vector_settings(device="cuda"), made()), tmp_path / name)
    totals = [[row["validation/total"] for row in records(tmp_path / n / "metrics.csv")] for n in ("first", "second")]
    assert totals[0] == pytest.approx(totals[1], rel=1e-4)
