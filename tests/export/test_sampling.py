"""Keys in tune, whatever the preset's oscillators are tuned to."""

from __future__ import annotations

import numpy as np
import pytest

from synthvae.audio.notes import midi_number
from synthvae.audio.pitch import track_pitch
from synthvae.data.preset import render_preset
from synthvae.export.loops import play_loop
from synthvae.export.sampling import (
    frequency_of,
    key_name,
    on_key,
    parse_key,
    sample_keys,
    sampled_keys,
    switch_keys,
    whole_sound,
)
from tests.errors import user_error

KEYS = [48, 60, 72]


def heard(sound: np.ndarray, rate: int = 16000) -> float:
    return midi_number(float(track_pitch(sound[None], rate).frequency[0]))


def test_a_mistuned_preset_is_sampled_in_tune(make_preset):
    articulation = sample_keys(make_preset(vco_1__tuning=7.3), KEYS, 0.5)
    assert articulation.pitched
    assert articulation.tracked
    assert [sample.key for sample in articulation.samples] == KEYS
    for sample in articulation.samples:
        assert sample.pitch == pytest.approx(sample.key, abs=0.02)
        assert heard(sample.sound[:4000]) == pytest.approx(sample.pitch, abs=0.01)


def test_a_sample_knows_its_pitch_where_the_keyboard_ends(make_preset):
    articulation = sample_keys(make_preset(vco_1__tuning=24.0), [12, 36, 48], 0.5)
    assert articulation.samples[0].pitch == pytest.approx(24.0, abs=0.05)  # key 12 would take midi_f0 -12
    assert [sample.pitch for sample in articulation.samples[1:]] == pytest.approx([36.0, 48.0], abs=0.02)


def test_what_sustains_is_looped_on_every_key_and_stays_in_tune(make_preset):
    articulation = sample_keys(make_preset(adsr_1__attack=0.05), KEYS, 0.6)
    for sample in articulation.samples:
        assert sample.loop is not None
        assert sample.loop.start >= 0.05 * 16000
        assert heard(play_loop(sample.sound, sample.loop, 16000)) == pytest.approx(sample.key, abs=0.01)


def test_what_decays_is_not_looped_and_rings_out(make_preset):
    pluck = make_preset(adsr_1__decay=0.4, adsr_1__sustain=0.2, adsr_1__release=0.3, adsr_1__alpha=1.0)
    articulation = sample_keys(pluck, KEYS, 0.4)
    for sample in articulation.samples:
        assert sample.loop is None
        assert 0.4 * 16000 < len(sample.sound) <= 0.71 * 16000
        assert np.abs(sample.sound[-1600:]).max() < 0.05


def test_noise_has_one_sample_for_all_keys_and_is_not_moved(make_preset):
    articulation = sample_keys(make_preset(mixer__vco_1=0.0, mixer__noise=0.5), KEYS, 0.4)
    assert not articulation.pitched
    assert not articulation.tracked
    assert articulation.follows < 0.01
    assert [sample.key for sample in articulation.samples] == [60]


def test_what_has_no_pitch_but_moves_with_the_key_is_moved(make_preset):
    wobble = {"mod_matrix__lfo_1->vco_1_pitch": 1.0, "vco_1__mod_depth": 48.0, "lfo_1__frequency": 15.0}
    wobble |= {"lfo_1_amp_adsr__sustain": 1.0, "lfo_1__sin": 1.0, "lfo_1__mod_depth": 0.0}
    articulation = sample_keys(make_preset(**wobble), KEYS, 0.4)
    assert not articulation.pitched
    assert articulation.tracked
    assert [sample.pitch for sample in articulation.samples] == KEYS


def test_silence_is_no_error(make_preset):
    articulation = sample_keys(make_preset(mixer__vco_1=0.0), KEYS, 0.3)
    assert not articulation.pitched
    assert np.abs(articulation.samples[0].sound).max() == 0.0


def test_progress_is_reported(make_preset):
    calls = []
    sample_keys(make_preset(), KEYS, 0.3, lambda: calls.append(1))
    assert len(calls) == 2


def test_one_key_is_tuned_at_the_presets_own_length(make_preset):
    preset = make_preset(vco_1__tuning=-5.4)
    tuned = on_key(preset, 64)
    assert tuned.settings == preset.settings
    assert heard(render_preset(tuned)) == pytest.approx(64.0, abs=0.02)


def test_one_key_of_noise_is_just_pressed(make_preset):
    tuned = on_key(make_preset(mixer__vco_1=0.0, mixer__noise=0.5), 64)
    assert tuned.parameters.to_dict(tuned.human)["keyboard.midi_f0"] == 64.0


def test_a_whole_sound_ends_where_it_has_rung_out(make_preset):
    preset = make_preset(keyboard__duration=0.4, adsr_1__release=0.5, adsr_1__alpha=1.0)
    own, whole = render_preset(preset), whole_sound(preset)
    assert len(own) == 4000
    assert len(whole) == pytest.approx(0.9 * 16000, abs=200)
    assert np.abs(own[-100:]).max() > 0.1
    assert np.abs(whole[-10:]).max() < 0.01


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("A4", 69),
        ("c4", 60),
        ("F#3", 54),
        ("Bb2", 46),
        ("B♭2", 46),
        ("C-1", 0),
        ("G9", 127),
        ("69", 69),
        ("4", 4),
        (" 0 ", 0),
    ],
)
def test_notes_and_numbers_are_keys(text: str, key: int):
    assert parse_key(text, "note") == key


@pytest.mark.parametrize("text", ["H4", "A", "", "A44", "C##3", "128", "-1", "A10", "1.5", "٣"])
def test_what_is_no_key_is_refused_by_name(text: str):
    with user_error("note", text):
        parse_key(text, "note")


def test_every_key_has_its_name_and_frequency():
    assert [parse_key(key_name(key), "") for key in range(128)] == list(range(128))
    assert frequency_of(69) == 440.0
    assert frequency_of(57) == pytest.approx(220.0, rel=1e-12)


def test_samples_lie_from_the_lowest_key_up():
    assert sampled_keys(36, 48, 5) == [36, 41, 46]
    assert sampled_keys(60, 60, 3) == [60]
    for bad, argument, value in (((61, 60, 3), "lowest", "C#4"), ((36, 48, 0), "every", 0)):
        with user_error(argument, value):
            sampled_keys(*bad)


def test_switches_lie_outside_of_the_keys_that_play():
    assert switch_keys(2, 36, 96) == [24, 25]
    assert switch_keys(2, 2, 96) == [0, 1]
    assert switch_keys(3, 1, 96) == [97, 98, 99]
    for count in range(1, 6):
        for lowest, highest in ((36, 96), (3, 100), (12, 127)):
            keys = switch_keys(count, lowest, highest)
            assert len(set(keys)) == count
            assert all(0 <= key <= 127 and not lowest <= key <= highest for key in keys)
    with user_error("lengths", 2):
        switch_keys(2, 1, 126)
