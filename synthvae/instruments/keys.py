"""Notes as people write them, and the keys of a keyboard: middle C is C4 and key 60."""

from __future__ import annotations

import re

from synthvae.audio.notes import note_name, parse_note
from synthvae.core.checks import shown
from synthvae.core.errors import UserError

__all__ = ["HIGHEST_KEY", "frequency_of", "key_name", "parse_key", "sampled_keys", "switch_keys"]

HIGHEST_KEY = 127


def parse_key(text: str, option: str) -> int:
    """A note's key.

    Args:
        text: a letter, a sharp or a flat, an octave, as ``A4``, ``F#3`` or ``Bb-1``; or the key's number, 0 to 127.
        option: that `text` was given to, for the message.

    Returns:
        MIDI number, 0 to 127.

    Raises:
        UserError: if it is neither, or no key has that note.
    """
    key = parse_note(text)
    if key is None:
        if not re.fullmatch(r"[0-9]{1,3}", text.strip()):
            raise UserError(f"{option} is {shown(text)}, no note; write one as A4, F#3 or Bb2, or a MIDI number")
        key = int(text)
    if not 0 <= key <= HIGHEST_KEY:
        raise UserError(f"{option} is {shown(text)}, MIDI number {key}; give a note from C-1 to G9, 0 to {HIGHEST_KEY}")
    return key


def frequency_of(key: float) -> float:
    """Hz of a MIDI number, whole or not, at A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((key - 69.0) / 12.0))


def key_name(key: int) -> str:
    """The note of a key, ``C#3``."""
    return note_name(frequency_of(key))[0]


def sampled_keys(lowest: int, highest: int, every: int) -> list[int]:
    """The keys that get a sample of their own, from `lowest` up.

    Args:
        lowest: first key that plays.
        highest: last key that plays.
        every: semitones from one sample to the next.

    Returns:
        Keys, at least one.

    Raises:
        UserError: if the range is backwards or the step is not positive.
    """
    if lowest > highest:
        raise UserError(
            f"--lowest is {key_name(lowest)}, above --highest {key_name(highest)}; exchange them or choose others"
        )
    if every < 1:
        raise UserError(f"--every is {every}; give at least 1 semitone")
    return list(range(lowest, highest + 1, every))


def switch_keys(count: int, lowest: int, highest: int) -> list[int]:
    """Keys that choose between `count` articulations, outside of those that play.

    They start on the last C that leaves room for all of them below the lowest key, or right above the highest one.

    Args:
        count: how many.
        lowest: first key that plays.
        highest: last key that plays.

    Returns:
        `count` keys in a row.

    Raises:
        UserError: if there is no room.
    """
    if lowest >= count:
        first = (lowest - count) // 12 * 12
    elif highest + count <= HIGHEST_KEY:
        first = highest + 1
    else:
        raise UserError(
            f"--lengths gives {count} lengths, and {key_name(lowest)} to {key_name(highest)} leaves no keys to switch "
            "between them; give one length, or fewer keys (--lowest, --highest)"
        )
    return list(range(first, first + count))
