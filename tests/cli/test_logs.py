"""What commands write to standard error, as text and as lines of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthvae.cli.logs import options_first
from synthvae.data.presets import Dataset
from tests.cli.conftest import Command

TRAIN = ("train", "--loss", "none", "--network", "mlp", "--architecture", "exp1", "--epochs", "2")


def events(text: str) -> list[str]:
    return [json.loads(line)["event"] for line in text.splitlines()]


def test_messages_and_errors_are_lines_of_json(run: Command, small_dataset: Dataset, tmp_path: Path):
    code, out, err = run(*TRAIN, "--data", small_dataset.path, "--out", tmp_path / "r", "--log-json", "-v")
    assert code == 0, err
    assert "all epochs done" in out
    assert [name for name in events(err) if name in ("began", "epoch", "ended")] == ["began", "epoch", "epoch", "ended"]
    row = next(line for line in map(json.loads, err.splitlines()) if line["event"] == "epoch")
    assert row["validation/total"] > 0
    code, _, err = run("--log-json", *TRAIN, "--data", small_dataset.path, "--out", tmp_path / "r")
    assert code == 2
    (line,) = map(json.loads, err.splitlines())
    assert (line["event"], line["level"], line["code"]) == ("error", "error", 2)
    assert "already holds a run" in line["message"]


def test_events_are_text_with_v_and_nothing_without(run: Command, small_dataset: Dataset, tmp_path: Path):
    _, _, err = run(*TRAIN, "--data", small_dataset.path, "--out", tmp_path / "quiet")
    assert "epoch 1 done" not in err
    _, _, err = run(*TRAIN, "--data", small_dataset.path, "--out", tmp_path / "told", "-v")
    assert f"{tmp_path / 'told'}: epoch 1 done\n" in err
    assert f"{tmp_path / 'told'}: all epochs done\n" in err


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        (["train", "-v", "--out", "r"], ["-v", "train", "--out", "r"]),
        (["bank", "add", "--log-json", "--", "-v"], ["--log-json", "bank", "add", "--", "-v"]),
        (["-vv", "analyze"], ["-vv", "analyze"]),
    ],
)
def test_options_of_the_log_stand_anywhere(given: list[str], ordered: list[str]):
    assert options_first(given) == ordered
