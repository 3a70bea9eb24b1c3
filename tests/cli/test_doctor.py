"""What ``doctor`` finds, and that it says so where something is wrong."""

from __future__ import annotations

import json
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
    assert "space voice-16: whole" in out


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
