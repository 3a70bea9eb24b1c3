"""torchsynth's own Voice, given what was exported for it."""

from __future__ import annotations

import json
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.data.preset import Preset, read_presets, render_preset
from synthvae.export import export_presets, torchsynth_parameters
from synthvae.export.torchsynth_format import USAGE
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78, import_torchsynth
from tests.conftest import SHORT


def sound(voice) -> np.ndarray:
    return voice()[0].as_subclass(torch.Tensor)[0].numpy()


def drawn(seed: int) -> Preset:
    unit = np.random.default_rng(seed).uniform(size=63)
    return Preset(VOICE_63, VOICE_63.denormalise(unit), SHORT, {}, "drawn")


@pytest.mark.parametrize("seed", range(6))
def test_torchsynth_plays_the_same_sound(torchsynth_synth: types.ModuleType, seed: int):
    preset = drawn(seed)
    config = import_torchsynth("config").SynthConfig(1, 16000, 0.25, 160, reproducible=False)
    voice = torchsynth_synth.Voice(config)
    voice.set_parameters(torchsynth_parameters(preset))
    ours = render_preset(preset)
    assert np.sqrt(np.mean(np.square(sound(voice) - ours))) < 0.01 * np.sqrt(np.mean(np.square(ours)))


def test_the_file_makes_the_call_in_the_two_lines_that_it_says(torchsynth_synth: types.ModuleType, tmp_path: Path):
    preset = drawn(7)
    (path,) = export_presets([preset], ["drawn"], tmp_path, "torchsynth")
    document = json.loads(path.read_text())
    assert path.name == "drawn.torchsynth.json"
    assert document["usage"] == list(USAGE)
    config = import_torchsynth("config").SynthConfig(**document["config"])
    voice = torchsynth_synth.Voice(config)
    exec("\n".join(document["usage"]), {"json": json, "torch": torch, "FILE": path, "voice": voice})
    from_file = sound(voice)
    voice.set_parameters(torchsynth_parameters(preset))
    np.testing.assert_array_equal(from_file, sound(voice))


def test_all_parameters_are_there_and_the_ends_of_their_ranges_are_taken(torchsynth_synth: types.ModuleType):
    voice = torchsynth_synth.Voice(import_torchsynth("config").SynthConfig(1, 16000, 0.1, 160, reproducible=False))
    for position in (0.0, 0.5, 1.0):
        human = VOICE_78.denormalise(np.full(78, position))
        span = np.array([p.maximum - p.minimum for p in VOICE_78])
        slack = human + 0.9e-6 * span * np.sign(position - 0.5)  # as much as a file may be off
        parameters = torchsynth_parameters(Preset(VOICE_78, slack, SHORT))
        assert set(parameters) == set(voice.get_parameters())
        voice.set_parameters(parameters)


def test_files_for_torchsynth_beside_presets_are_no_presets(tmp_path: Path):
    preset = drawn(8)
    export_presets([preset], ["drawn"], tmp_path, "torchsynth")
    export_presets([preset], ["drawn"], tmp_path, "json")
    assert [path.name for path, _ in read_presets(tmp_path, VOICE_63)] == ["drawn.json"]
