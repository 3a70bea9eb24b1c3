from __future__ import annotations

import math

import pytest

from synthvae.audio.notes import midi_number, note_name, parse_note


@pytest.mark.parametrize(
    ("hz", "name", "cents"),
    [
        (440.0, "A4", 0.0),
        (261.6256, "C4", 0.0),
        (82.41, "E2", 0.06),
        (450.0, "A4", 38.9),
        (8.1758, "C-1", 0.0),
        (554.37, "C#5", 0.0),
    ],
)
def test_note_names(hz: float, name: str, cents: float):
    found = note_name(hz)
    assert found[0] == name
    assert found[1] == pytest.approx(cents, abs=0.1)


def test_notes_read_back():
    for number in range(128):
        hz = 440.0 * 2 ** ((number - 69) / 12)
        assert midi_number(hz) == pytest.approx(number)
        assert parse_note(note_name(hz)[0]) == number
    assert [parse_note(text) for text in ("Bb2", "a#2", "Cb4", " F♯3 ", "H2", "A", "440")] == [
        46,
        46,
        59,
        54,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("hz", [0.0, -1.0, math.nan, math.inf])
def test_what_has_no_note(hz: float):
    with pytest.raises(ValueError, match="positive and finite"):
        note_name(hz)
