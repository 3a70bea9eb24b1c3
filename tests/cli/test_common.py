"""What several commands share: the newest run by default, loudness, folders of their own."""

from __future__ import annotations

import json
import os
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer

from synthvae import cli
from synthvae.audio.loudness import integrated_loudness
from tests.cli.refusal import refused

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def runs(small_run: Path, tmp_path: Path) -> Path:
    """Two runs where train puts them, ``new`` trained last."""
    folder = tmp_path / "experiments/runs"
    for number, name in enumerate(("new", "old")):
        (folder / name).mkdir(parents=True)
        for file in small_run.glob("*.*"):
            (folder / name / file.name).write_bytes(file.read_bytes())
            os.utime(folder / name / file.name, (1e9 - number, 1e9 - number))
    return folder


NEWEST = "run experiments/runs/new: trained last of 2 runs; name one to use another"


def test_commands_take_the_newest_run_and_say_so(run: Command, runs: Path, tmp_path: Path):
    code, out, err = run("decode")
    assert code == 0, err
    assert out.splitlines()[0] == NEWEST
    assert len(list((tmp_path / "sounds").glob("random_0_*.wav"))) == 8
    for arguments in (
        ("encode", "sounds"),
        ("interpolate", "--from", 1, "--to", 2, "--steps", 2),
        ("vary", 3, "--count", 1),
    ):
        code, out, err = run(*arguments)
        assert code == 0, err
        assert out.splitlines()[0] == NEWEST
    assert json.loads((tmp_path / "latents.json").read_text())["run"] == "new"
    code, out, _ = run("encode", runs / "old", "sounds", "--overwrite")
    assert (code, out.splitlines()[0]) == (0, "latents.json: latents of 8 presets, 16 dimensions each")
    assert json.loads((tmp_path / "latents.json").read_text())["run"] == "old"


def test_a_run_whose_training_has_not_ended_is_told(run: Command, runs: Path):
    document = json.loads((runs / "new/run.json").read_text())
    document["state"]["finished"] = ""
    (runs / "new/run.json").write_text(json.dumps(document))
    code, out, err = run("decode")
    assert code == 0, err
    assert out.splitlines()[0] == f"{NEWEST}; its training has not ended"


@pytest.mark.usefixtures("runs")
def test_a_run_named_without_its_directory_is_pointed_to(run: Command):
    refused(run("decode", "old"), "not a run directory", "give experiments/runs/old")


def test_explore_takes_the_newest_run(run: Command, runs: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("fastapi", reason="the studio is an extra")
    session = types.SimpleNamespace(run=types.SimpleNamespace(name="new"), collection=range(3))
    opened: list[Path] = []
    monkeypatch.setattr("synthvae.studio.serve.open_session", lambda path, *_: opened.append(path) or session)
    monkeypatch.setattr("synthvae.studio.serve.serve", lambda session, host, port, token, ready: ready("http://here/"))
    code, out, err = run("explore")
    assert code == 0, err
    assert opened == [Path("experiments/runs/new")]
    assert out.splitlines() == [NEWEST, "new: 3 sounds on the map at http://here/ (stop with Ctrl-C)", "stopped"]


@pytest.mark.parametrize(
    "arguments", [("decode",), ("encode", "sounds"), ("interpolate", "--from", 1, "--to", 2), ("explore",)]
)
@pytest.mark.usefixtures("no_space")
def test_without_any_run_it_is_said_how_to_make_one(run: Command, arguments: tuple[object, ...]):
    refused(run(*arguments), "experiments/runs", "no trained run in it", "synthvae train")


def test_loudness_is_that_of_export(run: Command, small_run: Path, tmp_path: Path):
    for loudness in ("-18", "-30", "off"):
        code, _, err = run("decode", small_run, "--random", 2, "--seed", 3, "--loudness", loudness, "--out", loudness)
        assert code == 0, err
    for path in sorted((tmp_path / "off").glob("*.wav")):
        own, rate = soundfile.read(path, dtype="float32")
        told = json.loads(path.with_suffix(".json").read_text())["descriptors"]["loudness"]
        assert integrated_loudness(own, rate) == pytest.approx(told, abs=0.3)
        for loudness in (-18.0, -30.0):
            sound, _ = soundfile.read(tmp_path / f"{loudness:g}" / path.name, dtype="float32")
            assert integrated_loudness(sound, rate) == pytest.approx(loudness, abs=0.05)
            gain = np.abs(sound).max() / np.abs(own).max()
            np.testing.assert_allclose(sound, gain * own, atol=1e-6)
        other = (tmp_path / "-18" / path.name).with_suffix(".json").read_bytes()
        assert path.with_suffix(".json").read_bytes() == other, "a preset has no loudness of its file's"
    refused(run("morph", 1, 2, "--loudness", "-99"), "--loudness is -99.0", "-60 to 0 LUFS")


def outputs(group: Any, *names: str) -> Iterator[tuple[str, str]]:
    """Commands with a default for ``--out``, and the default."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from outputs(command, *names, name)
        else:
            for parameter in command.params:
                if parameter.name == "out" and parameter.default is not None:
                    yield " ".join((*names, name)), str(parameter.default)


def test_no_two_commands_write_into_one_folder_by_default():
    found = dict(outputs(typer.main.get_command(cli.app)))
    assert found["decode"] == "sounds"
    assert found["interpolate"] == "interpolation"
    folders = [out for name, out in found.items() if name != "experiment report"]  # a folder of its own in analysis/
    assert len(set(folders)) == len(folders), found
