"""Playable draws from the prior, and the sounds that are written for listening."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.audio.loudness import CEILING, integrated_loudness
from synthvae.data.preset import read_preset, render_preset
from synthvae.exploration import draw_presets, drawing, write_listening
from synthvae.training.run import Run
from tests.errors import user_error

COUNT = 6


@pytest.fixture(scope="module")
def sounds(selective_run: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Playable draws as files."""
    drawn = draw_presets(selective_run, COUNT, seed=1)
    return write_listening(tmp_path_factory.mktemp("drawn"), [f"n{i}" for i in range(COUNT)], drawn.presets)


def test_draws_go_on_in_the_order_of_the_seed(selective_run: Run):
    every = draw_presets(selective_run, 40, seed=1, everything=True)
    assert every.numbers == list(range(40))
    latents = selective_run.sample_latent(40, 1)
    expected = selective_run.parameters.denormalise(selective_run.decode(latents).double().numpy())
    np.testing.assert_array_equal([preset.human for preset in every.presets], expected)
    few, more = (draw_presets(selective_run, count, seed=1) for count in (2, COUNT))
    assert more.numbers[:2] == few.numbers
    assert more.numbers == sorted(set(more.numbers))
    assert more.left_out.total() == more.numbers[-1] + 1 - COUNT > 0
    for number, preset in zip(more.numbers, more.presets, strict=True):
        np.testing.assert_allclose(preset.human, expected[number], rtol=1e-5, atol=1e-6)
        assert preset.origin["draw"] == number


def test_what_is_drawn_is_audible_and_ends(sounds: list[Path]):
    for path in sounds:
        descriptors = json.loads(path.with_suffix(".json").read_text())["descriptors"]
        assert descriptors["loudness"] >= -40.0
        assert 80.0 <= descriptors["brightness"] <= 4000.0
        assert descriptors["pitch"] is not None or descriptors["attack"] <= 0.1


def test_sounds_have_one_loudness_below_the_ceiling(sounds: list[Path]):
    read = [soundfile.read(path, dtype="float32") for path in sounds]
    loudness = np.array([integrated_loudness(sound, rate) for sound, rate in read])
    assert np.abs(loudness - np.median(loudness)).max() <= 3.0
    assert all(np.abs(sound).max() <= CEILING for sound, _ in read)


def test_sounds_begin_and_end_without_a_click(sounds: list[Path]):
    for path in sounds:
        sound, rate = soundfile.read(path, dtype="float32")
        steps = np.abs(np.diff(sound, prepend=0.0, append=0.0))
        end = round(0.02 * rate)
        assert abs(sound[-1]) <= 1e-4
        assert steps[0] <= steps[1:-end].max()
        assert steps[-end:].max() <= 0.1 * steps[:-end].max()


def test_a_written_sound_is_its_preset_with_gain_and_fade(sounds: list[Path]):
    for path in sounds:
        preset = read_preset(path.with_suffix(".json"))
        sound, rate = soundfile.read(path, dtype="float32")
        own = render_preset(preset)
        assert len(own) == len(sound) == round(preset.settings.seconds * rate)
        before = len(own) - round(0.02 * rate)
        gain = float(own[:before] @ sound[:before] / (own[:before] @ own[:before]))
        np.testing.assert_allclose(sound[:before], gain * own[:before], atol=2e-3 * np.abs(sound).max())


def test_too_few_playable_draws_are_refused(selective_run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drawing, "MOST", 1)
    monkeypatch.setattr(drawing, "FEWEST", 4)
    with user_error("random", 4, r"of 4 draws are playable \(.*add `everything`"):
        draw_presets(selective_run, 4, seed=1)
    with user_error("random", 0):
        draw_presets(selective_run, 0)
