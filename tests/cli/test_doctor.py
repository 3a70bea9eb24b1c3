"""Findings of ``doctor``, and its messages where something is wrong."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice
from tests.cli.conftest import Command


def test_a_sound_installation_is_described(run: Command, shipped: Path):
    code, out, err = run("doctor", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["versions"].keys() >= {"python", "torch", "torchsynth", "numba"}
    assert found["devices"][0] == "cpu"
    assert found["voice"]["equal"] is True
    assert found["voice"]["path"] == Voice(VOICE_63).path
    assert found["voice"]["largest_difference_float64"] <= 1e-9
    assert found["voice"]["sounds_per_second"] > 100
    assert found["space"] == {"name": "voice-16", "whole": True}
    assert found["extras"]["match"].keys() == {"installed", "for"}
    kernels = found["kernels"]
    assert kernels["kept_in"] is None or kernels["files"] == len(list(Path(kernels["kept_in"]).glob("*.nbc"))) > 0
    code, out, _ = run("doctor")
    assert code == 0
    assert "equals torchsynth's modules on 16 presets" in out
    assert "space voice-16: complete" in out


def test_a_fault_is_said_and_ends_with_1(run: Command, shipped: Path, monkeypatch: pytest.MonkeyPatch):
    (shipped / "weights.safetensors").write_bytes(b"")
    code, out, _ = run("doctor")
    assert code == 1
    assert "differs from its sum in the manifest" in out
    monkeypatch.setattr("synthvae.synths.voice.equality.TOLERANCE", -1.0)
    code, out, _ = run("doctor")
    assert code == 1
    assert "DIFFERS FROM torchsynth's modules" in out


def test_a_missing_part_is_named_with_what_installs_it(run: Command, shipped: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("synthvae.cli.doctor.find_spec", lambda name: None)
    code, out, _ = run("doctor")
    assert code == 0
    for extra in ("studio", "match", "play"):
        assert f"not installed (pip install 'synthvae[{extra}]')" in out


def test_a_bundle_says_nothing_of_the_user(
    run: Command, shipped: Path, small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home = tmp_path / "Jane Doe"
    copy = home / "secret project" / "my run"
    shutil.copytree(small_run, copy)
    settings = json.loads((copy / "run.json").read_text())
    settings["config"]["data"] = str(home / "secret project" / "bell sounds.json")
    (copy / "run.json").write_text(json.dumps(settings))
    lines = [{"event": "began", "message": f"{copy}: training begins"}, {"event": "failed", "message": "of janedoe"}]
    lines.append({"event": "epoch", "train/total": 1.5, "validation/total": 2.5})
    (copy / "events.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"event": "ep')
    for name, value in {"HOME": home, "LOGNAME": "janedoe", "OMP_NUM_THREADS": "2", "TOKEN": "abc"}.items():
        monkeypatch.setenv(name, str(value))
    code, _, err = run("doctor", "--bundle", tmp_path / "report.zip", "--run", copy)
    assert code == 0, err
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert list(files) == [
        "doctor.json",
        "packages.txt",
        "variables.json",
        "run.json",
        "events.jsonl",
        "metrics.csv",
    ]
    whole = "".join(files.values())
    for private in ("Jane", "Doe", "secret", "bell", "janedoe", "abc", str(tmp_path)):
        assert private not in whole, private
    assert json.loads(files["variables.json"])["OMP_NUM_THREADS"] == "2"
    assert json.loads(files["run.json"])["config"]["loss"] == settings["config"]["loss"]
    told = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert [line.get("message") for line in told] == ["PATH: training begins", "of NAME", None]
    assert told[2] == lines[2], "figures stay as they are"
    assert files["metrics.csv"] == (copy / "metrics.csv").read_text()
    assert "torch==" in files["packages.txt"]


def test_a_run_is_asked_for_where_it_cannot_be_added(run: Command, shipped: Path, tmp_path: Path):
    for more, reason in ((["--run", tmp_path], "add --bundle"), (["--bundle", "x", "--run", tmp_path], "not a run")):
        code, _, err = run("doctor", *more)
        assert code == 2
        assert reason in err


def test_kernels_are_compiled_ahead(run: Command, shipped: Path):
    code, out, err = run("doctor", "--compile")
    assert code == 0, err
    assert out.startswith("compiled in ")
    code, _, err = run("doctor", "--compile", "--json")
    assert code == 2
    assert "--compile: cannot be combined with --json or --bundle" in err
