"""Frequencies as notes."""

from __future__ import annotations

import math
import re

__all__ = ["HIGHEST_NOTE", "midi_number", "note_name", "parse_note"]

#: The last MIDI note number; the first is 0.
HIGHEST_NOTE = 127
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def midi_number(hz: float) -> float:
    """A frequency on MIDI's scale, 69 + 12 log2(f / 440 Hz): 60 is middle C, a semitone counts 1.

    Raises:
        ValueError: if `hz` is not positive and finite.
    """
    if not (math.isfinite(hz) and hz > 0):
        raise ValueError(f"a frequency must be positive and finite, got {hz}")
    return 69.0 + 12.0 * math.log2(hz / 440.0)


def note_name(hz: float) -> tuple[str, float]:
    """The nearest note of equal temperament at A4 = 440 Hz, and how far above it a frequency lies, -50 to 50 cents.

    Example:
        >>> name, cents = note_name(445.0)
        >>> name, round(cents, 2)
        ('A4', 19.56)

    Raises:
        ValueError: if `hz` is not positive and finite.
    """
    place = midi_number(hz)
    number = round(place)
    return f"{NOTES[number % 12]}{number // 12 - 1}", 100.0 * (place - number)


def parse_note(text: str) -> int | None:
    """The MIDI number of a note as `note_name` writes it, or with a flat: ``A4``, ``c#3``, ``Bb2``; None for others.

    Example:
        >>> parse_note("Bb2")
        46
    """
    match = re.fullmatch(r"([A-Ga-g])([#♯b♭]?)(-?\d{1,2})", text.strip())
    if not match:
        return None
    letter, sign, octave = match.groups()
    shift = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[sign]
    return NOTES.index(letter.upper()) + shift + 12 * (int(octave) + 1)
