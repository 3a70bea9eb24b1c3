from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors
from synthvae.core.stopwatch import Stopwatch
from synthvae.data.presets import Dataset
from synthvae.synths.sensitivity import PerceptualMetric
from synthvae.synths.voice.voice import Voice
from synthvae.training import targets, trainer
from synthvae.training.config import TrainConfig, resolve_config
from synthvae.training.processes import sync_batch_norm
from synthvae.training.run import load_run
from synthvae.training.tasks import presets
from synthvae.training.tasks.presets import ACTIVE_NATS, Preparation, PresetTask
from tests.errors import user_error
from tests.training.killing import Killed, assert_same, kill_after, weights
from tests.training.records import records


def settings(dataset: Dataset, **changes: Any) -> TrainConfig:
    network = {"network": "mlp", "architecture": "exp1"}
    defaults = {"data": str(dataset.path), "epochs": 3, "batch_size": 16, "lr": 1e-3, "synth_layer": True}
    return resolve_config(None, network | defaults | changes)


def test_same_seed_same_weights_and_another_seed_others(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trainer.train(
            PresetTask(settings(small_dataset, seed=seed, epochs=2), small_dataset, small_voice), tmp_path / name
        )
    assert_same(tmp_path / "a", tmp_path / "b")
    assert not torch.equal(weights(tmp_path / "a")["model.mean.weight"], weights(tmp_path / "c")["model.mean.weight"])


@pytest.mark.parametrize("steps", [1, 4, 5])
def test_killed_and_resumed_equals_never_killed(
    steps: int, small_dataset: Dataset, small_voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)  # after every step
    config = settings(small_dataset, epochs=3)
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "whole")
    with pytest.raises(Killed):
        trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "cut", on_step=kill_after(steps))
    position = trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "cut", resume=True)
    assert position.epoch == 3
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_killed_before_the_first_checkpoint_starts_again(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    config = settings(small_dataset, epochs=2)
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "whole")
    with pytest.raises(Killed):
        trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "cut", on_step=kill_after(1))
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "cut", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_ctrl_c_saves_and_resumes(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    config = settings(small_dataset, epochs=2)
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "whole")

    def on_step(epoch: int, step: int, steps: int) -> None:
        if (epoch, step) == (0, 2):
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(trainer.Interrupted, match="epoch 1"):
        trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "cut", on_step=on_step)
    assert signal.getsignal(signal.SIGINT) is before
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "cut", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_more_epochs_continue_as_if_asked_for_at_once(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    trainer.train(PresetTask(settings(small_dataset, epochs=3), small_dataset, small_voice), tmp_path / "whole")
    trainer.train(PresetTask(settings(small_dataset, epochs=1), small_dataset, small_voice), tmp_path / "longer")
    trainer.train(
        PresetTask(settings(small_dataset, epochs=3), small_dataset, small_voice), tmp_path / "longer", resume=True
    )
    assert_same(tmp_path / "whole", tmp_path / "longer")


def test_a_finished_run_is_left_alone(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    config = settings(small_dataset, epochs=1)
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "run")
    before = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    position = trainer.train(
        PresetTask(config, small_dataset, small_voice), tmp_path / "run", resume=True, on_step=kill_after(1)
    )
    assert position.finished == "all epochs done"
    assert (tmp_path / "run" / "checkpoint.safetensors").read_bytes() == before


def test_metrics_name_every_term_and_dimension(small_run: Path):
    rows = records(small_run / "metrics.csv")
    assert [row["epoch"] for row in rows] == [0, 1]
    for split in ("train", "validation"):
        for term in ("parameter", "clamp", "spectral", "kl", "total"):
            assert rows[0][f"{split}/{term}"] >= 0
    row = rows[1]
    kl = [row[f"kl/{number:02d}"] for number in range(16)]
    assert sum(kl) == pytest.approx(row["validation/kl"], rel=1e-5)
    assert row["active_units"] == sum(value > ACTIVE_NATS for value in kl)
    total = row["validation/parameter"] + 100 * row["validation/clamp"] + 1e-3 * row["validation/kl"]
    assert row["validation/total"] == pytest.approx(total + row["beta"] * row["validation/spectral"], rel=1e-6)
    assert any((small_run / "tensorboard").iterdir())


def test_beta_holds_one_to_three(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    trainer.train(PresetTask(settings(small_dataset, epochs=2), small_dataset, small_voice), tmp_path / "run")
    row = records(tmp_path / "run" / "metrics.csv")[-1]
    ratio = row["beta"] * row["train/spectral"] / row["train/parameter"]
    assert ratio == pytest.approx(3.0, rel=0.35)  # the averages are those of 8 steps only


def test_a_constant_beta_is_set_for_the_initial_weights_and_stays(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)
    config = settings(small_dataset, beta="constant", beta_ratio=5.0, epochs=3)
    task = PresetTask(config, small_dataset, small_voice)
    training = trainer.Trainer(task, tmp_path / "whole")
    with torch.no_grad():
        terms = task.validate(training.network).terms
    training.run()
    rows = records(tmp_path / "whole" / "metrics.csv")
    assert len({row["beta"] for row in rows}) == 1
    assert rows[0]["beta"] * float(terms["spectral"]) == pytest.approx(5.0 * float(terms["parameter"]), rel=1e-5)
    with pytest.raises(Killed):
        trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "cut", on_step=kill_after(4))
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "cut", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_the_log_has_the_figure_that_decides_where_the_weight_moves(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path
):
    """Totals of two epochs have different weights: the best one's is logged with those of the row."""
    config = settings(small_dataset, epochs=8, batch_size=8, lr=0.03, synth_layer=False, loss="logmel", patience=0)
    position = trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "run")
    rows = records(tmp_path / "run" / "metrics.csv")
    assert len({row["beta"] for row in rows}) == len(rows)
    best = 0
    for number, row in enumerate(rows):
        terms = [rows[best][f"validation/{name}"] for name in ("parameter", "clamp", "spectral", "kl")]
        weighed = sum(w * t for w, t in zip((1.0, 100.0, row["beta"], row["kl_weight"]), terms, strict=True))
        if number == 0 or row["validation/total"] < weighed:
            best = number
        assert row["validation/best"] == pytest.approx(row["validation/total"] if best == number else weighed, rel=1e-6)
    assert best == position.best_epoch
    totals = [row["validation/total"] for row in rows]
    own = [totals[position.best_epoch]] * (len(rows) - position.best_epoch - 1)
    later = [row["validation/best"] for row in rows[position.best_epoch + 1 :]]
    assert later
    assert all(a != b for a, b in zip(own, later, strict=True)), "weighed anew in each of these rows"


def test_learning_lowers_the_validation_loss(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    config = settings(small_dataset, epochs=30, loss="none", synth_layer=False, patience=0)
    trainer.train(PresetTask(config, small_dataset, None), tmp_path / "run")
    rows = records(tmp_path / "run" / "metrics.csv")
    assert rows[-1]["train/parameter"] < 0.9 * rows[0]["train/parameter"]


def test_early_stopping_waits_as_long_as_asked(small_dataset: Dataset, tmp_path: Path):
    config = settings(small_dataset, epochs=400, loss="none", synth_layer=False, patience=3, lr=5e-2)
    position = trainer.train(PresetTask(config, small_dataset, None), tmp_path / "run")
    assert position.finished == "no better validation loss for 3 epochs"
    assert position.epoch == position.best_epoch + 1 + 3
    rows = records(tmp_path / "run" / "metrics.csv")
    best = min(range(len(rows)), key=lambda i: rows[i]["validation/total"])
    assert best == position.best_epoch
    assert load_run(tmp_path / "run").state["best_epoch"] == best


def test_the_synth_layer_alone_renders_during_training(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    calls: list[tuple[int, bool]] = []

    class Spy(torch.nn.Module):
        def forward(self, unit: torch.Tensor) -> torch.Tensor:
            calls.append((len(unit), unit.requires_grad))
            return small_voice(unit)

    for through in (False, True):
        calls.clear()
        trainer.train(
            PresetTask(settings(small_dataset, epochs=1, synth_layer=through), small_dataset, Spy()),
            tmp_path / str(through),
        )
        assert any(needs for _, needs in calls) == through
    calls.clear()
    trainer.train(
        PresetTask(settings(small_dataset, epochs=1, synth_layer=False, loss="none"), small_dataset, None),
        tmp_path / "none",
    )
    assert calls == []


def test_results_do_not_depend_on_the_spectral_term_without_gradient(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path
):
    """What the thesis's experiment 1 is read to be: the losses differ in when they stop, not in what they learn."""
    for loss in ("scl", "lslp"):
        trainer.train(
            PresetTask(settings(small_dataset, epochs=2, synth_layer=False, loss=loss), small_dataset, small_voice),
            tmp_path / loss,
        )
    a, b = weights(tmp_path / "scl"), weights(tmp_path / "lslp")
    assert all(torch.equal(a[name], b[name]) for name in a if name.startswith("model."))


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("loss", "mse", "scl.*logsl.*lmsl.*sclp.*logslp.*lslp"),
        ("feature", "chroma", "stft"),
        ("architecture", "huge", "-256-64-16"),
        ("output", "softmax", "sigmoid"),
        ("loss", "none", "compares sounds"),
        ("device", "cuda", "auto or cpu"),
    ],
)
def test_unknown_names_are_refused_and_nothing_is_written(
    name: str, value: str, remedy: str, small_dataset: Dataset, small_voice: Voice, tmp_path: Path
):
    if value == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with user_error(name, value, remedy):
        task = PresetTask(settings(small_dataset, **{name: value}), small_dataset, small_voice)
        trainer.train(task, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_directories_with_other_things_are_refused(
    small_dataset: Dataset, small_voice: Voice, small_run: Path, tmp_path: Path
):
    config = settings(small_dataset, epochs=2)
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    for out, message in (
        (tmp_path / "file", "not a directory"),
        (tmp_path / "full", "not empty and not a run"),
        (small_run, "already holds a run; add `resume`"),
    ):
        with user_error(out, out, message):
            trainer.train(PresetTask(config, small_dataset, small_voice), out)


def test_resuming_with_other_settings_or_data_is_refused(
    small_dataset: Dataset, small_voice: Voice, small_run: Path, tmp_path: Path
):
    copy = tmp_path / "copy"
    shutil.copytree(small_run, copy)
    with user_error("lr", 0.5, r"was trained with 0\.001"):
        trainer.train(
            PresetTask(settings(small_dataset, epochs=2, lr=0.5), small_dataset, small_voice), copy, resume=True
        )
    other = dataclasses.replace(small_dataset, hash="f" * 16)
    with pytest.raises(UserError, match="is not the dataset"):
        trainer.train(PresetTask(settings(small_dataset, epochs=2), other, small_voice), copy, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run(small_dataset: Dataset, tmp_path: Path):
    config = settings(small_dataset, epochs=50, loss="none", synth_layer=False, lr=1e18)
    with user_error(tmp_path / "run", match="not finite.*lower `lr`"):
        trainer.train(PresetTask(config, small_dataset, None), tmp_path / "run")


def test_two_trainings_in_one_directory_are_refused(small_dataset: Dataset, tmp_path: Path):
    config = settings(small_dataset, epochs=2, loss="none", synth_layer=False)
    out = tmp_path / "run"
    seen: list[str] = []

    def intrude(epoch: int, step: int, steps: int) -> None:
        if not seen:
            with pytest.raises(UserError, match="another process is training there") as caught:
                trainer.train(PresetTask(config, small_dataset, None), out, resume=True)
            seen.append(str(caught.value))

    trainer.train(PresetTask(config, small_dataset, None), out, on_step=intrude)
    assert len(seen) == 1


def test_leftovers_of_a_first_write_do_not_block(small_dataset: Dataset, tmp_path: Path):
    out = tmp_path / "run"
    out.mkdir()
    (out / ".run.json.abc.part").write_text("{")
    config = settings(small_dataset, epochs=1, loss="none", synth_layer=False)
    assert trainer.train(PresetTask(config, small_dataset, None), out, resume=True).epoch == 1


def test_the_description_follows_an_interrupted_run(small_dataset: Dataset, tmp_path: Path):
    def stop(epoch: int, step: int, steps: int) -> None:
        if (epoch, step) == (2, 1):
            os.kill(os.getpid(), signal.SIGINT)

    config = settings(small_dataset, epochs=5, loss="none", synth_layer=False)
    with pytest.raises(trainer.Interrupted):
        trainer.train(PresetTask(config, small_dataset, None), tmp_path / "run", on_step=stop)
    assert load_run(tmp_path / "run").state["epoch"] == 2


def test_a_foreign_checkpoint_is_refused(small_dataset: Dataset, small_voice: Voice, small_run: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(small_run, copy)
    shutil.copy(copy / "weights.safetensors", copy / "checkpoint.safetensors")
    with pytest.raises(UserError, match="not a checkpoint of this run"):
        trainer.train(PresetTask(settings(small_dataset, epochs=2), small_dataset, small_voice), copy, resume=True)


def test_without_its_checkpoint_a_run_is_not_trained_over_with_other_settings(
    small_dataset: Dataset, small_voice: Voice, small_run: Path, tmp_path: Path
):
    copy = tmp_path / "copy"
    shutil.copytree(small_run, copy)
    (copy / "checkpoint.safetensors").unlink()
    with user_error("feature", "mfcc", "was trained with 'stft'"):
        trainer.train(
            PresetTask(settings(small_dataset, epochs=2, feature="mfcc"), small_dataset, small_voice), copy, resume=True
        )


def test_a_run_keeps_its_events(small_dataset: Dataset, tmp_path: Path):
    out, config = tmp_path / "run", settings(small_dataset, epochs=1, loss="none", synth_layer=False)
    trainer.train(PresetTask(config, small_dataset, None), out)
    config = dataclasses.replace(config, epochs=2)
    trainer.train(PresetTask(config, small_dataset, None), out, resume=True)
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    names = ["began", "epoch", "checkpoint", "ended"]
    assert [line["event"] for line in events] == names + names
    assert [line["epoch"] for line in events if line["event"] == "began"] == [0, 1]
    assert events[0]["versions"]["torch"] == torch.__version__
    assert events[1]["validation/total"] == records(out / "metrics.csv")[0]["validation/total"]


def test_the_log_has_the_minimised_loss_and_both_summaries(small_run: Path):
    row = records(small_run / "metrics.csv")[0]
    assert row["train/spectral_mean"] != row["train/spectral"]
    assert row["train/loss"] > 0
    assert row["validation/spectral_mean"] > 0


@pytest.mark.parametrize(("name", "value"), [("device", "cuda"), ("precision", "8"), ("strategy", "fsdp")])
def test_impossible_machines_are_refused(name: str, value: object, small_dataset: Dataset, tmp_path: Path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with user_error(name, value):
        trainer.train(
            PresetTask(settings(small_dataset, loss="none", synth_layer=False, **{name: value}), small_dataset, None),
            tmp_path / "r",
        )


def test_processes_on_cpus_cannot_share_a_batch_normalisation():
    plain, normalised = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    assert sync_batch_norm(plain, on_gpu=False) is plain
    with user_error("devices", "several"):
        sync_batch_norm(normalised, on_gpu=False)
    assert isinstance(sync_batch_norm(normalised, on_gpu=True)[1], nn.SyncBatchNorm)


def test_settings_that_a_program_made_are_checked_too(small_dataset: Dataset):
    config = settings(small_dataset, loss="none", synth_layer=False, then={"epochs": 1})
    for wrong, name, value in (
        ({"loss": "mse"}, "loss", "mse"),
        ({"epochs": 0}, "epochs", 0),
        ({"then": {"lr": -1.0}}, "lr", -1.0),
        ({"then": {"loss": "mse"}}, "loss", "mse"),
    ):
        with user_error(name, value):
            PresetTask(dataclasses.replace(config, **wrong), small_dataset, None)


@pytest.mark.parametrize("network", ["mlp", "selective"])
def test_mixed_precision_trains(network: str, small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    config = settings(small_dataset, epochs=1, precision="bf16-mixed", network=network)
    assert trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "run").epoch == 1


def test_measuring_an_epoch_leaves_the_run_as_it_was(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    config = settings(small_dataset, epochs=2, patience=3)
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "plain")
    training = trainer.Trainer(PresetTask(config, small_dataset, small_voice), tmp_path / "measured")
    assert 0.0 < training.measure_epoch() < 600.0
    training.run()
    assert_same(tmp_path / "plain", tmp_path / "measured")


def test_a_stopwatch_changes_nothing_and_names_every_stage(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    config = settings(small_dataset, epochs=2)
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "a")
    stopwatch = Stopwatch(on=True)
    timed = trainer.Trainer(PresetTask(config, small_dataset, small_voice), tmp_path / "b", stopwatch=stopwatch)
    timed.run()
    assert_same(tmp_path / "a", tmp_path / "b")
    assert stopwatch.laps[trainer.UPDATE] == 2 * timed.steps
    assert stopwatch.laps[trainer.EPOCH_END] == 2
    assert {"batch", "network", "synth, forward", "loss", "synth, backward", "log"} < stopwatch.seconds.keys()


def test_kept_targets_change_no_figure_and_a_run_resumes_with_them(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)
    config = settings(small_dataset, epochs=3)
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "whole")
    kept = dataclasses.replace(config, cache_targets=True)
    task = PresetTask(kept, small_dataset, small_voice)
    with pytest.raises(Killed):
        trainer.train(task, tmp_path / "cut", on_step=kill_after(4))
    task = PresetTask(kept, small_dataset, small_voice)
    trainer.train(task, tmp_path / "cut", resume=True)
    assert re.fullmatch(r"sounds of [\d,]+ targets kept in memory: .* GB", task.remark)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_targets_that_do_not_fit_are_refused_before_anything_is_written(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(targets, "_free", lambda device: 1_000)
    task = PresetTask(settings(small_dataset, cache_targets=True), small_dataset, small_voice)
    with user_error("cache_targets", match=r"is true, but the sounds of .* GB are free; leave it out"):
        trainer.train(task, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_callbacks_count_steps_and_epochs(small_dataset: Dataset, tmp_path: Path):
    steps: list[tuple[int, int, int]] = []
    rows: list[Mapping[str, float]] = []
    config = settings(small_dataset, epochs=2, loss="none", synth_layer=False)
    trainer.train(
        PresetTask(config, small_dataset, None),
        tmp_path / "r",
        on_step=lambda *s: steps.append(s),
        on_epoch=rows.append,
    )
    assert steps == [(e, s, 3) for e in range(2) for s in (1, 2, 3)]
    assert [row["epoch"] for row in rows] == [0, 1]


def test_a_second_phase_goes_on_from_the_best_weights_and_resumes_to_the_bit(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)
    config = settings(
        small_dataset, loss="none", synth_layer=False, epochs=2, then={"loss": "logmel", "epochs": 2, "beta": 0.01}
    )
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "whole")
    rows = records(tmp_path / "whole" / "metrics.csv")
    assert [(row["epoch"], row["phase"]) for row in rows] == [(0, 0), (1, 0), (2, 1), (3, 1)]
    assert "train/spectral" not in rows[1]
    assert rows[3]["train/spectral"] > 0
    for steps in (5, 6, 7, 11):  # the last of the first phase and the first of the second are 6 and 7
        cut = tmp_path / f"cut{steps}"
        with pytest.raises(Killed):
            trainer.train(PresetTask(config, small_dataset, small_voice), cut, on_step=kill_after(steps))
        trainer.train(PresetTask(config, small_dataset, small_voice), cut, resume=True)
        assert_same(tmp_path / "whole", cut)


def test_a_second_phase_that_makes_things_worse_leaves_the_first_ones_weights(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path
):
    first = settings(small_dataset, loss="none", synth_layer=False, epochs=2)
    trainer.train(PresetTask(first, small_dataset, small_voice), tmp_path / "first")
    both = settings(
        small_dataset, loss="none", synth_layer=False, epochs=2, then={"loss": "logmel", "epochs": 2, "lr": 10.0}
    )
    position = trainer.train(PresetTask(both, small_dataset, small_voice), tmp_path / "both")
    assert (position.phase, position.epoch, position.best_epoch) == (1, 4, 1)
    kept = [load_tensors(tmp_path / name / "weights.safetensors")[0] for name in ("first", "both")]
    assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])


def test_patience_ends_a_phase_not_the_run(small_dataset: Dataset, small_voice: Voice, tmp_path: Path):
    config = settings(
        small_dataset, loss="none", synth_layer=False, epochs=400, patience=2, lr=0.05, then={"epochs": 1, "lr": 1e-4}
    )
    position = trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "run")
    assert position.phase == 1
    assert position.phase_start < 400
    assert position.epoch == position.phase_start + 1
    assert position.finished == "all epochs done"


class Recorder(torch.nn.Module):
    """A voice that notes how it is called."""

    def __init__(self, voice: Voice) -> None:
        super().__init__()
        self.voice, self.calls = voice, []

    def forward(self, unit: torch.Tensor, **options: bool) -> torch.Tensor:
        self.calls.append((torch.is_grad_enabled() and unit.requires_grad, options))
        return self.voice(unit, **options)


def test_phases_are_held_where_the_gradient_runs_and_only_if_asked(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path
):
    for hold in (True, False):
        voice = Recorder(small_voice)
        config = settings(small_dataset, loss="logmel", hold_phases=hold, epochs=1)
        trainer.train(PresetTask(config, small_dataset, voice), tmp_path / str(hold))
        flowing = [options for gradient, options in voice.calls if gradient]
        assert len(flowing) == 3
        assert all(options == ({"hold_phases": True} if hold else {}) for options in flowing)


def test_every_nth_frame_is_compared_in_training_and_all_in_validation(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = []
    plain = presets.build_loss

    def spying(*arguments: Any):
        loss = plain(*arguments)
        inner = loss.compare
        loss.compare = lambda a, b, frames: (seen.append((a.requires_grad, frames)), inner(a, b, frames))[1]
        return loss

    monkeypatch.setattr(presets, "build_loss", spying)
    config = settings(small_dataset, loss="logmel", frame_step=3, epochs=2)
    trainer.train(PresetTask(config, small_dataset, small_voice), tmp_path / "run")
    trained = [frames for gradient, frames in seen if gradient]
    assert {frames.step for frames in trained} == {3}
    assert {frames.first for frames in trained} <= {0, 1, 2}
    assert len({frames.first for frames in trained}) > 1
    assert {frames for gradient, frames in seen if not gradient} == {(0, 1)}


def test_pnp_trains_without_rendering_and_hears_what_is_weighted(small_dataset: Dataset, tmp_path: Path):
    weight = torch.full((63,), 1e-3, dtype=torch.float64)
    weight[:3] = 100.0
    metric = PerceptualMetric(
        torch.diag(weight), torch.diag(weight), weight, weight, torch.zeros(0, 63, 63), 1, "logmel", "", ""
    )
    config = settings(
        small_dataset, loss="pnp", synth_layer=False, epochs=120, parameter_weight=0.0, beta=1.0, patience=0, lr=3e-3
    )
    trainer.train(PresetTask(config, small_dataset, None, Preparation(metric=metric)), tmp_path / "run")
    rows = records(tmp_path / "run" / "metrics.csv")
    assert rows[-1]["train/perceptual"] < 0.2 * rows[0]["train/perceptual"]
    assert "train/spectral" not in rows[-1]
    unit = small_dataset.split("train")
    run = load_run(tmp_path / "run")
    error = (run.decode(run.encode(unit)) - unit).square().mean(0)
    assert error[:3].max() < 0.5 * error[3:].median()


def test_the_kl_weight_rises_as_scheduled_and_epochs_are_compared_at_its_full_value(
    small_dataset: Dataset, tmp_path: Path
):
    config = settings(
        small_dataset, loss="none", synth_layer=False, epochs=4, kl_weight=0.5, kl_schedule="linear", kl_warmup=2.0
    )
    trainer.train(PresetTask(config, small_dataset, None), tmp_path / "run")
    rows = records(tmp_path / "run" / "metrics.csv")
    assert [row["kl_weight"] for row in rows] == [0.0, 0.25, 0.5, 0.5]
    for row in rows:
        expected = row["validation/parameter"] + 100 * row["validation/clamp"] + 0.5 * row["validation/kl"]
        assert row["validation/total"] == pytest.approx(expected, rel=1e-6)


def test_free_bits_keep_dimensions_active_where_the_weight_alone_collapses_them(small_dataset: Dataset, tmp_path: Path):
    active = {}
    for bits in (0.0, 0.5):
        config = settings(
            small_dataset, loss="none", synth_layer=False, epochs=60, kl_weight=1.0, free_bits=bits, patience=0, lr=3e-3
        )
        trainer.train(PresetTask(config, small_dataset, None), tmp_path / str(bits))
        active[bits] = records(tmp_path / str(bits) / "metrics.csv")[-1]["active_units"]
    assert active[0.0] <= 2
    assert active[0.5] >= 12


def test_the_selective_network_keeps_what_is_heard_and_loads_without_measuring(
    small_dataset: Dataset, small_voice: Voice, tmp_path: Path
):
    effect = torch.linspace(1.0, 2.0, 63)
    config = settings(
        small_dataset, loss="logmel", network="selective", architecture="24-16", latent=5, epochs=1, hold_phases=True
    )
    held = (60, 2)
    trainer.train(PresetTask(config, small_dataset, small_voice, Preparation(effect, held)), tmp_path / "run")
    run = load_run(tmp_path / "run")
    assert run.latent_size == 5
    assert run.model.kept.tolist() == [62, 61, 60, 59, 58]
    unit = small_dataset.split("test")
    decoded = run.decode(run.encode(unit))
    torch.testing.assert_close(decoded[:, 60], unit[:, 60].clamp(1e-3, 1 - 1e-3), rtol=0, atol=1e-5)
    assert (decoded[:, 2] == 0.5).all()


@pytest.mark.parametrize(
    ("changes", "argument", "value"),
    [
        ({"loss": "pnp"}, "loss", "pnp"),
        ({"loss": "scl", "synth_layer": False, "hold_phases": True}, "hold_phases", True),
        ({"loss": "mrstft", "frame_step": 4}, "frame_step", 4),
        ({"loss": "sot", "feature": "mfcc"}, "feature", "mfcc"),
        ({"network": "selective", "latent": 64}, "latent", 64),
        ({"network": "flow"}, "network", "flow"),
        ({"then": {"loss": "mse"}}, "then: loss", "mse"),
    ],
)
def test_contradictions_are_refused_before_anything_is_written(
    changes: dict[str, Any],
    argument: str,
    value: object,
    small_dataset: Dataset,
    small_voice: Voice,
    tmp_path: Path,
):
    with user_error(argument, value):
        trainer.train(PresetTask(settings(small_dataset, **changes), small_dataset, small_voice), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_presets_that_are_read_in_windows_are_trained_on_and_resumed_to_the_bit(
    small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(presets, "MOST_JSON", 20)
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)
    config = settings(small_dataset, loss="none", synth_layer=False)
    trainer.train(PresetTask(config, small_dataset, None), tmp_path / "whole")
    with pytest.raises(Killed):
        trainer.train(PresetTask(config, small_dataset, None), tmp_path / "cut", on_step=kill_after(5))
    task = PresetTask(config, small_dataset, None)
    trainer.train(task, tmp_path / "cut", resume=True)
    assert task.stream is not None
    assert not len(task.train_unit)
    assert_same(tmp_path / "whole", tmp_path / "cut")
