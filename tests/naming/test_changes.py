from __future__ import annotations

import pytest

from synthvae.naming.changes import CHANGES, changes

SOUND = {name: 1.0 for name in CHANGES} | {"pitch": 220.0, "brightness": 500.0, "vibrato": None, "tremolo": None}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"pitch": 440.0}, ["an octave higher"]),
        ({"pitch": 55.0}, ["2 octaves lower"]),
        ({"pitch": 330.0}, ["7 semitones higher"]),
        ({"pitch": 222.0}, []),
        ({"brightness": 1000.0}, ["brighter"]),
        ({"noisiness": 0.5}, ["purer"]),
        ({"attack": 0.01, "duration": 3.0}, ["faster attack", "longer"]),
        ({"pitch": None}, ["without a pitch"]),
        ({"vibrato": 3.0}, ["more vibrato"]),
        ({"decay": None}, []),
        ({"loudness": -20.0, "pitch": 440.0, "brightness": 250.0}, ["quieter", "an octave higher"]),
    ],
)
def test_the_largest_changes_in_words(change, said):
    assert changes(SOUND, SOUND | change) == said


def test_a_sound_gains_a_pitch():
    assert changes(SOUND | {"pitch": None}, SOUND) == ["pitched"]


def test_smaller_changes_count_where_they_are_asked_for():
    after = SOUND | {"pitch": 220.0 * 2 ** (1 / 12)}
    assert changes(SOUND, after) == []
    assert changes(SOUND, after, least=0.4) == ["a semitone higher"]
