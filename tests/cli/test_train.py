"""Flags of ``train`` that choose what is learned, and their rejected values."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from synthvae.data.presets import Dataset
from synthvae.training.config import TrainConfig
from synthvae.training.settings import settings_of
from synthvae.training.sound_config import SoundConfig
from synthvae.training.tasks.audio_encoder import AudioEncoderSettings
from tests.training.records import records

Command = Callable[..., tuple[int, str, str]]


def settings(directory: Path) -> dict[str, object]:
    return json.loads((directory / "run.json").read_text())["config"]


def test_pnp_and_then_the_voice(run: Command, small_dataset: Dataset, tmp_path: Path):
    data = tmp_path / "d.json"
    data.write_bytes(small_dataset.path.read_bytes())
    common = ("--data", data, "--epochs", 1, "--batch-size", 16, "--out", "r")
    code, _, err = run("train", "--loss", "pnp", *common)
    assert code == 2
    assert "synthvae metric" in err
    assert run("metric", data, "--limit", 8)[0] == 0
    code, out, err = run("train", "--loss", "pnp", "--then", "logmel", "--then-epochs", 2, *common)
    assert code == 0, err
    assert "3 epochs in " in out
    rows = records(tmp_path / "r/metrics.csv")
    assert [row["phase"] for row in rows] == [0, 1, 1]
    assert "train/perceptual" in rows[0]
    assert "train/spectral" in rows[2]
    assert settings(tmp_path / "r")["then"] == {
        "epochs": 2, "feature": "logmel", "loss": "logmel", "synth_layer": True,
    }  # fmt: skip


def test_selective_measures_which_parameters_are_audible(run: Command, small_dataset: Dataset, tmp_path: Path):
    code, out, err = run(
        "train", "--data", small_dataset.path, "--network", "selective", "--architecture", "32-8", "--latent", 5,
        "--loss", "logmel", "--synth-layer", "--hold-phases", "--frame-step", 4, "--epochs", 1, "--out", "r",
        "--profile",
    )  # fmt: skip
    assert code == 0, err
    assert re.search(r"^time of \d+ steps?", out, re.MULTILINE)
    stages = re.findall(r"^  (\D+?) +[\d.]+ s +[\d.]+ %", out, re.MULTILINE)
    assert {"network", "synth, backward", "loss", "optimiser", "log", "validation"} <= set(stages)
    kept = settings(tmp_path / "r")
    assert (kept["network"], kept["latent"], kept["hold_phases"], kept["frame_step"]) == ("selective", 5, True, 4)
    assert "kl/04" in records(tmp_path / "r/metrics.csv")[0]
    assert "kl/05" not in records(tmp_path / "r/metrics.csv")[0]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--loss", "scl", "--hold-phases"), "--hold-phases: without --synth-layer"),
        (("--loss", "none", "--synth-layer"), "--loss is 'none', which gives --synth-layer no gradient"),
        (("--loss", "sot", "--feature", "mfcc"), "mfcc"),
        (("--loss", "mrstft", "--frame-step", 2), "--frame-step is 2"),
        (("--network", "transformer"), "transformer"),
        (("--loss", "pnp", "--metric", "euclid"), "'euclid'; choose one of diagonal, full, preset, effect"),
        (("--kl-schedule", "random"), "'random'; choose one of"),
        (("--free-bits", -1), "--free-bits is -1"),
        (("--then", "scl", "--then-epochs", 0), "epochs is 0"),
        (("--then", "mse"), "'mse'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    run: Command, small_dataset: Dataset, tmp_path: Path, arguments: tuple[object, ...], part: str
):
    code, out, err = run("train", "--data", small_dataset.path, "--out", "r", *arguments)
    assert (code, out) == (2, ""), err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert part in err
    assert not (tmp_path / "r").exists()


def test_help_has_every_setting_with_its_default_and_its_choices(run: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("TERMINAL_WIDTH", "250")
    code, out, _ = run("train", "--help")
    assert code == 0
    panels = re.findall(r"╭─ (\w[\w ]*) ─", out)
    assert panels == ["Options", "Data", "Loss", "Network", "Optimisation", "Run", "Recorded sounds"]
    options = [" ".join(re.sub("[│╭╮╰╯─]", " ", part).split()) for part in re.split(r"\n│ (?=--\w)", out)]
    for name, known in settings_of(TrainConfig).items():
        flag = f"--{name.replace('_', '-')}"
        assert known.flag == bool(re.search(rf"{flag}\b(?!-)", out)), name
        if known.flag:
            default = (known.shown and f"({known.shown})") or getattr(TrainConfig(), name)
            shown = f"no-{flag[2:]}" if default is False else default
            text = next(part for part in options if re.match(rf"{flag}\b(?!-)", part))
            assert f"{known.help} " in f"{text} ", name
            assert f"[default: {shown}]" in text, name
            assert not known.names or f"One of {', '.join(known.names)}" in text, name
    own = out.partition("Recorded sounds ─")[2]
    for name, known in settings_of(SoundConfig).items():
        flag = f"--{name.replace('_', '-')}"
        place = out if name in settings_of(TrainConfig) else own
        assert known.flag == bool(re.search(rf"{flag}\b(?!-)", place)), name
        if known.flag:
            text = next(part for part in options if re.match(rf"{flag}\b(?!-)", part))
            assert known.help in text, name
            assert not known.names or f"One of {', '.join(known.names)}" in text, name
            assert (
                place is own
                or getattr(SoundConfig(), name) == getattr(TrainConfig(), name)
                or (f"Default {getattr(SoundConfig(), name)}." in text)
            ), name


def test_what_happens_to_a_batch_that_is_not_finite_is_a_choice(
    run: Command, small_dataset: Dataset, small_run: Path, tmp_path: Path
):
    for command in (("train", "--data", small_dataset.path), ("train-encoder", small_run)):
        text = " ".join(re.sub("[│╭╮╰╯─]", " ", run(command[0], "--help")[1]).split())
        assert re.search(r"--on-nonfinite .*\bstop\b.*\bskip\b", text), command
        code, _, err = run(*command, "--on-nonfinite", "no")
        assert (code, err) == (2, "error: --on-nonfinite is 'no'; choose one of stop, skip\n")
    arguments = ("--data", small_dataset.path, "--loss", "none", "--epochs", 1, "--batch-size", 16)
    code, _, err = run("train", *arguments, "--lr", 1e30, "--out", "stopped")
    assert (code, err.count("\n")) == (2, 1)
    assert "not finite in epoch 1, step 2" in err
    assert "add --resume and --on-nonfinite skip" in err
    code, _, err = run("train", *arguments, "--on-nonfinite", "skip", "--out", "r")
    assert code == 0, err
    assert settings(tmp_path / "r")["on_nonfinite"] == "skip"


def test_a_model_that_diverged_in_the_last_step_of_an_epoch_is_named(
    run: Command, small_dataset: Dataset, tmp_path: Path
):
    arguments = ("--data", small_dataset.path, "--loss", "none", "--epochs", 1, "--lr", 1e30, "--out", "r")
    code, _, err = run("train", *arguments)  # one step
    assert (code, err.count("\n")) == (2, 1)
    assert re.search(r"^error: r: the validation .* of epoch 1 not finite, presets 46, .*; lower --lr", err)


def test_a_flag_that_repeats_the_default_wins_over_the_file(run: Command, small_dataset: Dataset, tmp_path: Path):
    (tmp_path / "c.toml").write_text(f'data = "{small_dataset.path}"\nloss = "none"\nalpha = 3.0\nepochs = 1\n')
    assert run("train", "--config", "c.toml", "--out", "file")[0] == 0
    code, _, err = run("train", "--config", "c.toml", "--out", "flag", "--alpha", 100, "--kl-weight", 0)
    assert code == 0, err
    assert [settings(tmp_path / name)["alpha"] for name in ("file", "flag")] == [3.0, 100.0]
    assert settings(tmp_path / "flag")["kl_weight"] == 0.0


def write_run_without_presets(tmp_path: Path) -> Path:
    out = tmp_path / "runs" / "r"
    out.mkdir(parents=True)
    config = dataclasses.asdict(AudioEncoderSettings.of(64, 0))
    document = {"format": "synthvae-run", "version": 1, "task": "audio-encoder", "config": config, "state": {}}
    (out / "run.json").write_text(json.dumps(document))
    return out


@pytest.mark.parametrize(
    "arguments",
    [
        ("decode", "RUN", "--random", 1),
        ("encode", "RUN", "sounds"),
        ("interpolate", "RUN", "--from", 0, "--to", 1),
        ("analyze", "RUN"),
        ("train-encoder", "RUN"),
        ("morph", 0, 1, "--run", "RUN"),
        ("vary", 0, "--run", "RUN"),
        ("blend", "--plus", 0, "--plus", 1, "--run", "RUN"),
        ("explore", "RUN"),
        ("match", "a.wav", "--run", "RUN"),
    ],
    ids=lambda arguments: " ".join(str(word) for word in arguments[:2]),
)
def test_commands_that_need_presets_refuse_a_run_without(run: Command, arguments: tuple[object, ...], tmp_path: Path):
    out = write_run_without_presets(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, printed, err = run(*[out if word == "RUN" else word for word in arguments])
    assert (code, printed) == (2, ""), err
    assert re.fullmatch(
        r"error: .*r: task is 'audio-encoder', which has no parameters( or sounds)?; name a run that has .*\n", err
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_it_ends_with_a_verdict_beside_what_needs_no_model(run: Command, small_dataset: Dataset, tmp_path: Path):
    arguments = ("--data", small_dataset.path, "--loss", "none", "--epochs", 2)
    code, out, err = run("train", *arguments, "--network", "mlp", "--architecture", "exp1", "--out", "r")
    assert code == 0, err
    verdict = re.search(
        r"log-mel error on 9 validation presets: (\d\.\d\d) relative to the mean preset \(\d\.\d\d to \d\.\d\d\), "
        r"(\d\.\d\d) relative to the mean spectrogram \(\d\.\d\d to \d\.\d\d\); below 1 is better than no model\n",
        out,
    )
    assert verdict, out
    best = min(records(tmp_path / "r/metrics.csv"), key=lambda row: row["validation/total"])
    assert float(verdict[1]) == pytest.approx(best["validation/log_mel_to_mean_preset"], abs=0.006)
    assert float(verdict[2]) == pytest.approx(best["validation/log_mel_to_mean_spectrogram"], abs=0.006)
    assert float(verdict[2]) > 1
    assert "try --network selective, or our best model: --config experiments/best-16.toml" in out
    code, out, err = run("train", *arguments, "--architecture", "512-512-40", "--out", "s")
    assert code == 0, err
    assert "below 1 is better" in out
    assert "try --network selective" not in out
