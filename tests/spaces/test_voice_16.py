"""The space shipped with synthvae: complete, small, and as good as its model card states."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import torch

from synthvae.data.presets import read_dataset
from synthvae.matching.starts import encoder_of
from synthvae.studio.serve import open_session
from synthvae.training.quality import QualityMeter
from synthvae.training.run import load_run
from synthvae.training.spaces import check_manifest, find_space

Command = Callable[..., tuple[int, str, str]]
MEGABYTE = 10**6


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = find_space("voice-16")
    assert found is not None
    return found


def test_it_is_whole_and_light(space: Path):
    check_manifest(space)
    sizes = {path.name: path.stat().st_size for path in space.iterdir()}
    assert sizes["weights.safetensors"] + sizes["audio-encoder.safetensors"] < 6 * MEGABYTE
    assert sum(sizes.values()) < 10 * MEGABYTE
    assert len(json.loads((space / "manifest.json").read_text())["sha256"]) == len(sizes) - 1


def test_importing_synthvae_loads_nothing_of_it():
    code = (
        "import sys\nopened = []\n"
        "sys.addaudithook(lambda event, rest: opened.append(str(rest[0])) if event == 'open' else None)\n"
        "import synthvae, torch\nsynthvae.Voice\n"
        "assert not [name for name in opened if 'voice-16' in name], opened"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_fresh_presets_are_reconstructed_as_its_card_says(space: Path):
    model = load_run("voice-16")
    assert (model.path, model.latent_size) == (space, 16)
    unit = torch.rand(200, 63, generator=torch.Generator().manual_seed(987))
    quality = QualityMeter(model.voice, unit).measure(model.decode(model.encode(unit)))
    assert quality.mean_preset.value < 0.15
    told = orjson.loads((space / "figures.json").read_bytes())["log_mel_error"]["mean_preset"]
    assert quality.mean_preset.low < told["ratio"] < quality.mean_preset.high
    card = (space / "README.md").read_text()
    assert f"mean preset | {told['ratio']:.3f} ({told['low']:.3f} to {told['high']:.3f})" in card


def test_its_encoder_hears_what_was_played(space: Path):
    model = load_run("voice-16")
    encoder = encoder_of(model)
    assert encoder is not None
    unit = torch.rand(64, 63, generator=torch.Generator().manual_seed(986))
    meter = QualityMeter(model.voice, unit)
    with torch.inference_mode():
        heard = model.decode(encoder.encode(model.voice(unit))[0])
    assert meter.measure(heard).mean_preset.value < 0.3
    assert meter.measure(heard).mean_spectrogram.value < 0.6


def test_its_map_opens_without_making_anything(space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("synthvae.studio.maps.build_atlas", lambda *_: pytest.fail("a view is made"))
    session = open_session(space, bank=tmp_path / "bank.sqlite")
    try:
        assert len(session.collection) == 10_000
        assert session.measured.progress == 1.0
        atlas = session.view("sound")
        assert atlas.neighbour < 9.0
        assert atlas.snapped < 8.0
        assert atlas.null > 14.0
        clusters = session.maps.clusters()
        assert clusters is not None
        assert sum(map(bool, session.cluster_names(clusters))) >= 10
    finally:
        session.close()


def test_commands_work_in_an_empty_folder(command: Command, space: Path, tmp_path: Path):
    told = "run voice-16: comes with synthvae; used since experiments/runs has none"
    for arguments in (("decode", "--random", 2, "--out", "s"), ("morph", 3, 17, "--steps", 3, "--out", "m")):
        code, out, err = command(*arguments)
        assert code == 0, err
        assert told in out
    assert len(list((tmp_path / "s").glob("*.wav"))) == 2
    assert len(list((tmp_path / "m").glob("step_*.wav"))) == 3
    code, out, err = command("encode", "voice-16", "s", "--out", "z.json")
    assert code == 0, err
    latents = json.loads((tmp_path / "z.json").read_text())["latents"]
    assert len(latents) == 2
    assert len(latents[0]) == 16
    code, out, err = command("vary", 5, "--count", 1, "--run", "voice-16")
    assert code == 0, err
    assert told not in out
    code, out, err = command("analyze", "--plan", "--limit", 20)
    assert code == 0, err
    assert re.search(r"voice-16: errors\n", out)
    assert len(read_dataset(load_run("voice-16").dataset_path)) == 10_000
