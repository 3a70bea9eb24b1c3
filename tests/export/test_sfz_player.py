"""Exported instruments played by sfizz, a sampler that is not ours: its pitch, its loops, its switches."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from synthvae.audio.notes import midi_number
from synthvae.audio.pitch import track_pitch
from synthvae.data.preset import Preset
from synthvae.export import ExportOptions, export_presets
from synthvae.synths.settings import RenderSettings

if platform.machine() == "aarch64":
    pytest.skip("pysfizz has no wheel for Linux on ARM, so there is no SFZ player", allow_module_level=True)

import pysfizz

RATE = 44100
FIVE = (43, 52, 60, 69, 80)
"""Keys that are played; of samples on 40, 47, 54 ... 82 only one is a sample's own."""
OPTIONS = ExportOptions(lowest=40, highest=84, every=7, lengths=(0.15, 1.0))


def play(path: Path, key: int, held: float, seconds: float, velocity: int = 127, switch: int | None = None):
    """Sound ``(T,)`` of a key in sfizz: of the unchanged file, with its samples loaded in advance rather than streamed.

    Samples that are streamed arrive late now and then, and sfizz drops the voice.
    """
    wrapper = path.with_name("played.sfz")
    wrapper.write_text(f'<control> hint_ram_based=1\n#include "{path.name}"\n')
    try:
        synth = pysfizz.Synth(sample_rate=RATE, block_size=64)
        assert synth.load_sfz_file(wrapper)
    finally:
        wrapper.unlink()
    if switch is not None:  # pysfizz has no public way to press a second key
        synth._synth.note_on(0, switch, 100)
        synth._synth.render_block()
        synth._synth.note_off(0, switch, 0)
    return synth.render_note(key, velocity, held, seconds).mean(0)


def heard(sound: np.ndarray) -> float:
    pitch = track_pitch(sound[None].astype(np.float32), RATE)
    assert pitch.pitched[0]
    return midi_number(float(pitch.frequency[0]))


@pytest.fixture
def preset(make_preset) -> Preset:
    """A saw 7.3 semitones off, with a quick attack, that sustains and rings for a tenth of a second."""
    settings = RenderSettings(sample_rate=32000, seconds=0.25, control_rate=320)
    return make_preset(
        settings,
        mixer__vco_1=0.0,
        mixer__vco_2=0.5,
        vco_2__tuning=7.3,
        vco_2__shape=1.0,
        adsr_1__attack=0.02,
        adsr_1__release=0.1,
    )


@pytest.fixture
def instrument(preset: Preset, tmp_path: Path) -> Path:
    return export_presets([preset], ["saw"], tmp_path, "sfz", OPTIONS)[0]


def test_sfizz_plays_five_notes_within_five_cents(instrument: Path):
    for key in FIVE:
        sound = play(instrument, key, 0.8, 0.8)
        assert 100 * abs(heard(sound[4410:]) - key) < 5.0, key


def test_a_held_key_sounds_for_as_long_as_it_is_held_without_a_click(instrument: Path):
    for key in FIVE:
        sound = play(instrument, key, 4.0, 5.0)
        late = sound[3 * RATE : 4 * RATE]  # the recording has ended after one second
        assert 100 * abs(heard(late) - key) < 5.0, key
        levels = np.sqrt(np.square(late.reshape(20, -1)).mean(1))
        assert levels.max() / levels.min() < 1.1
        period = round(RATE / 440.0 * 2 ** ((69 - key) / 12))
        jerk = np.abs(np.diff(sound[RATE // 4 : 4 * RATE - RATE // 4], 2))
        most = jerk[: len(jerk) // (2 * period) * 2 * period].reshape(-1, 2 * period).max(1)
        assert most.max() < 1.25 * np.median(most), key  # a saw jumps once in a period, and a click would be another
        assert np.abs(sound[-RATE // 4 :]).max() < 1e-3


def test_the_first_switch_chooses_the_short_recording(instrument: Path):
    short, long = (play(instrument, 60, 1.5, 1.5, switch=switch) for switch in (36, None))
    rest = slice(RATE // 2, RATE)
    assert np.abs(long[rest]).max() > 0.01
    assert np.abs(short[: RATE // 8]).max() > 0.01
    assert np.abs(short[rest]).max() < 1e-4


def test_velocity_sets_the_level(instrument: Path):
    loud, soft = (play(instrument, 60, 0.3, 0.3, velocity) for velocity in (127, 64))
    assert np.abs(soft).max() / np.abs(loud).max() == pytest.approx((64 / 127) ** 2, rel=0.02)


def test_the_middle_keys_are_one_instrument(instrument: Path):
    """All keys load, and none but them."""
    synth = pysfizz.Synth(sample_rate=RATE, block_size=64)
    assert synth.load_sfz_file(instrument)
    assert synth.playable_keys == list(range(40, 85))
