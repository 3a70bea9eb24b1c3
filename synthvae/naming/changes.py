"""Words for the difference of two sounds, from their descriptors."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["CHANGES", "changes"]

Descriptors = Mapping[str, float | None]

#: Words for more and for less of each descriptor, whether it is compared by its logarithm to base 2, and the
#: difference that counts as one step: one that most listeners notice immediately.
CHANGES: dict[str, tuple[str, str, bool, float]] = {
    "pitch": ("higher", "lower", True, 1 / 6),
    "brightness": ("brighter", "darker", True, 0.5),
    "noisiness": ("noisier", "purer", False, 0.1),
    "attack": ("slower attack", "faster attack", True, 1.0),
    "decay": ("longer decay", "shorter decay", True, 1.0),
    "duration": ("longer", "shorter", True, 0.5),
    "glide": ("gliding up", "gliding down", False, 2.0),
    "sweep": ("opening", "closing", False, 0.5),
    "vibrato": ("more vibrato", "less vibrato", False, 1.0),
    "tremolo": ("more tremolo", "less tremolo", False, 3.0),
    "loudness": ("louder", "quieter", False, 3.0),
}
OCTAVE = 12.0
_APPEARS = 2.0  # steps counted for a descriptor that only one of the two sounds has


def changes(before: Descriptors, after: Descriptors, most: int = 2, least: float = 1.0) -> list[str]:
    """Words for the differences of a sound, the largest first; empty if none reaches `least` steps.

    Example:
        >>> changes({"pitch": 220.0, "brightness": 400.0}, {"pitch": 440.0, "brightness": 410.0})
        ['an octave higher']

    Args:
        before: descriptors of the first sound, by name; None where undefined.
        after: descriptors of the second sound.
        most: maximum number of changes.
        least: smallest change that counts, in steps of `CHANGES`.
    """
    found: list[tuple[float, str]] = []
    for name, (more, less, logarithmic, step) in CHANGES.items():
        first, second = before.get(name), after.get(name)
        if name in ("vibrato", "tremolo"):
            first, second = first or 0.0, second or 0.0
        if first is None and second is None:
            continue
        if first is None or second is None:
            if name == "pitch":
                found.append((_APPEARS, "pitched" if first is None else "without a pitch"))
            continue
        if logarithmic:
            if first <= 0.0 or second <= 0.0:
                continue
            difference = math.log2(second / first)
        else:
            difference = second - first
        size = abs(difference) / step
        if size >= least:
            found.append((size, _interval(difference) if name == "pitch" else more if difference > 0 else less))
    found.sort(key=lambda change: -change[0])
    return [words for _, words in found[:most]]


def _interval(octaves: float) -> str:
    """A difference of pitch: semitones, or octaves where it is whole ones."""
    way = "higher" if octaves > 0 else "lower"
    semitones = round(OCTAVE * abs(octaves))
    if semitones % OCTAVE == 0:
        return f"an octave {way}" if semitones == OCTAVE else f"{semitones // 12} octaves {way}"
    return f"a semitone {way}" if semitones == 1 else f"{semitones} semitones {way}"
