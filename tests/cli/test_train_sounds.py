"""``train`` on a library of recorded sounds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from synthvae.data.presets import Dataset
from tests.training.records import records
from tests.training.sounds import write_small_library

Command = Callable[..., tuple[int, str, str]]
SMALL = ("--epochs", 1, "--batch-size", 8, "--device", "cpu", "--network", "dense", "--widths", 8)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return write_small_library(tmp_path / "datasets" / "lib").path


def test_a_library_is_trained_on_and_judged(run: Command, library: Path, tmp_path: Path):
    code, out, err = run("train", "--data", library, *SMALL)
    assert code == 0, err
    directory = tmp_path / "experiments/runs/dense-mel-0"
    assert json.loads((directory / "run.json").read_text())["task"] == "recorded-sounds"
    assert "dense on mel, 128 x 32, 128 dimensions" in out
    assert re.search(r"24 sounds in 3 steps: about .* an epoch on this machine; 1 epoch\b", out)
    verdict = re.search(
        r"squared error on 10 validation sounds relative to the mean spectrogram: this model (\d\.\d{3}) "
        r"\(\d\.\d{3} to \d\.\d{3}\), mean of the label (\d\.\d{3}) .*, nearest training sound (\d\.\d{3}) .*; "
        r"level within \d+\.\d dB \(RMS\)\n",
        out,
    )
    assert verdict, out
    (row,) = records(directory / "metrics.csv")
    assert float(verdict[1]) == pytest.approx(row["validation/to_mean_spectrogram"], rel=0.02)
    worse = float(verdict[1]) >= min(float(verdict[2]), 1.0)
    remedy = "is closer: train longer (--epochs), or try --network spectrogram-conv\n"
    assert (remedy in out) == worse


def test_a_run_is_resumed_with_more_epochs(run: Command, library: Path, tmp_path: Path):
    assert run("train", "--data", library, *SMALL, "--out", "r")[0] == 0
    code, out, err = run("train", "--data", library, *SMALL, "--epochs", 2, "--out", "r", "--resume")
    assert code == 0, err
    assert "2 epochs in " in out
    assert len(records(tmp_path / "r/metrics.csv")) == 2


def test_settings_come_from_a_file_of_that_task(run: Command, library: Path, tmp_path: Path):
    (tmp_path / "base.toml").write_text('task = "recorded-sounds"\nnetwork = "dense"\nwidths = "8"\nepochs = 1\n')
    (tmp_path / "c.toml").write_text(
        'base = "base.toml"\nrepresentation = "stft"\n[representation_options]\nphase = "none"\n'
    )
    code, _, err = run("train", "--data", library, "--config", "c.toml", "--device", "cpu", "--latent", 3, "--out", "r")
    assert code == 0, err
    config = json.loads((tmp_path / "r/run.json").read_text())["config"]
    assert (config["representation"], config["widths"], config["latent"]) == ("stft", "8", 3)
    assert config["representation_options"] == {"phase": "none"}
    # A file whose settings both tasks have fits both.
    (tmp_path / "both.toml").write_text("epochs = 1\nlr = 0.01\n")
    code, _, err = run("train", "--data", library, "--config", "both.toml", *SMALL, "--out", "s")
    assert code == 0, err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--synth-layer",), "--synth-layer: a setting of training on presets, but {} is a library of recordings"),
        (("--alpha", 3), "--alpha: a setting of training on presets"),
        (("--then", "logmel"), "--then: a setting of training on presets"),
        (("--then-epochs", 3), "--then-epochs: a setting of training on presets"),
        (("--network", "selective"), "'selective'; choose one of spectrogram-conv, spectrogram-iaf, dense"),
        (("--loss", "sclp"), "--loss is 'sclp'; choose one of auto, cross-entropy, gaussian, mse"),
        (("--representation", "wavelets"), "'wavelets'; choose one of auto, mel-r"),
        (("--network", "spectrogram-iaf", "--representation", "stft"), "--representation is 'stft'"),
        (("--condition", "colour"), "--condition is 'colour'"),
        (("--config", "presets.toml"), "presets.toml: has settings of the task presets, not of recorded-sounds"),
        (("--config", "mixed.toml"), "mixes settings of several tasks"),
        (("--config", "wrong.toml"), "task is 'sounds'; choose one of presets, recorded-sounds"),
    ],
)
def test_what_does_not_belong_is_refused_in_one_line(
    run: Command, library: Path, tmp_path: Path, arguments: tuple[object, ...], part: str
):
    (tmp_path / "presets.toml").write_text("alpha = 3.0\n")
    (tmp_path / "mixed.toml").write_text("alpha = 3.0\nflows = 2\n")
    (tmp_path / "wrong.toml").write_text('task = "sounds"\n')
    code, out, err = run("train", "--data", library, "--out", "r", *arguments)
    assert (code, out) == (2, ""), err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert part.format(library) in err
    assert not (tmp_path / "r").exists()


def test_options_of_recorded_sounds_are_refused_on_presets(run: Command, small_dataset: Dataset, tmp_path: Path):
    (tmp_path / "s.toml").write_text("flows = 2\n")
    for arguments, part in (
        (("--flows", 3), "--flows: a setting of training on recorded sounds, but"),
        (("--network", "dense"), "'dense'; choose one of mlp, selective"),
    ):
        code, out, err = run("train", "--data", small_dataset.path, *arguments, "--out", "r")
        assert (code, out) == (2, ""), err
        assert part in err
    code, _, err = run("train", "--data", small_dataset.path, "--config", "s.toml", "--out", "r")
    assert code == 2
    assert err.count("\n") == 1
    code, _, err = run("train", "--config", "s.toml", "--out", "r")
    assert (code, "--data" in err) == (2, True), err
