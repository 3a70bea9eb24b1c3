"""Sampling of a preset over keys: one tuned sample each, looped if it sustains.

The perceived pitch is not the played note: the Voice's oscillators are detuned, modulated, and mixed. So the pitch of a
few keys is measured (`synthvae.audio.pitch.track_pitch`), and the keyboard transposed by the difference: the Voice adds
in semitones, so the difference is the same on all keys. Then every key is measured, and the remaining difference,
usually a few cents, is left to the sampler. If a key's pitch differs by more than a semitone from that of the other
keys, the tracker followed another partial there, and the value of the others is used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from synthvae.audio.notes import HIGHEST_NOTE, midi_number, note_name, parse_note
from synthvae.audio.pitch import track_pitch
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset, render_preset, with_values
from synthvae.export.loops import Loop, find_loop, make_seamless, play_loop
from synthvae.synths.registry import synth_kind
from synthvae.synths.rendering import render_rows

__all__ = [
    "Articulation",
    "Sample",
    "frequency_of",
    "key_name",
    "on_key",
    "parse_key",
    "sample_keys",
    "sampled_keys",
    "switch_keys",
    "whole_sound",
]


def parse_key(text: str, argument: str) -> int:
    """A note's key, a MIDI number from 0 to 127.

    Args:
        text: a letter, a sharp or a flat, an octave, as ``A4``, ``F#3`` or ``Bb-1``; or the key's number, 0 to 127.
        argument: argument that `text` was given to.

    Raises:
        UserError: if it is neither, or no key has that note.
    """
    key = parse_note(text)
    if key is None:
        if not re.fullmatch(r"[0-9]{1,3}", text.strip()):
            raise UserError(argument, text, "write one as A4, F#3 or Bb2, or a MIDI number", why="not a note")
        key = int(text)
    if not 0 <= key <= HIGHEST_NOTE:
        raise UserError(argument, text, f"give a note from C-1 to G9, 0 to {HIGHEST_NOTE}", why=f"MIDI number {key}")
    return key


def frequency_of(key: float) -> float:
    """Hz of a MIDI number, whole or not, at A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((key - 69.0) / 12.0))


def key_name(key: int) -> str:
    """The note of a key, ``C#3``."""
    return note_name(frequency_of(key))[0]


def sampled_keys(lowest: int, highest: int, every: int) -> list[int]:
    """The keys that get a sample of their own, every so many semitones from `lowest` up; at least one.

    Raises:
        UserError: if the range is backwards or the step is not positive.
    """
    if lowest > highest:
        raise UserError(
            "lowest", key_name(lowest), "exchange them or choose others", why=f"above `highest` {key_name(highest)}"
        )
    if every < 1:
        raise UserError("every", every, "give at least 1 semitone")
    return list(range(lowest, highest + 1, every))


def switch_keys(count: int, lowest: int, highest: int) -> list[int]:
    """`count` keys in a row that choose between articulations, outside of those that play.

    They start on the last C that leaves room for all of them below the lowest key, or right above the highest one.

    Raises:
        UserError: if there is no room.
    """
    if lowest >= count:
        first = (lowest - count) // 12 * 12
    elif highest + count <= HIGHEST_NOTE:
        first = highest + 1
    else:
        raise UserError(
            "lengths",
            count,
            "give one length, or fewer keys (`lowest`, `highest`)",
            f"{count} lengths, and {key_name(lowest)} to {key_name(highest)} leaves no keys to switch between them",
        )
    return list(range(first, first + count))


Array = NDArray[np.float64]

PROBES = 5
"""Keys that are measured to find out how far the keyboard has to be moved."""

ASTRAY = 1.0
"""Semitones between a key's pitch and that of the others beyond which it is not believed."""

MOSTLY = 0.5
"""The preset has a pitch where so many of its keys have."""

TONAL = 0.5
"""Of an unpitched sound, the share of the power that has to move with the key for the sampler to move it too."""

ALIKE = 0.01
"""Of an unpitched sound, the share that moves with the key below which one sample stands for all keys."""

LOOPED, HELD, SHORT = 0.5, 1.0, 0.25
"""Seconds whose pitch is measured: of a loop; at most of a key that is held without one; at least of any sound."""

CORRECTIONS = 2
"""Times that a single key is measured and moved."""

_SILENT = 1e-4  # of full scale: -80 dB, below which the end of a sample is cut off
_LEAST_TAIL = 0.05  # seconds after the key is let go


@dataclass(frozen=True)
class Sample:
    """One key's sound.

    Attributes:
        key: key that the sample was made for.
        sound: ``(T,)``; with a loop it ends a few samples after the loop's end.
        pitch: the MIDI number that it sounds at, with its fraction; `key` where it has no pitch.
        loop: what repeats while the key is down.
    """

    key: int
    sound: NDArray[np.float32]
    pitch: float
    loop: Loop | None


@dataclass(frozen=True)
class Articulation:
    """A preset held for one length, on all keys.

    Attributes:
        seconds: seconds for which the key was held.
        samples: samples from the lowest key up.
        pitched: whether it has a pitch at all.
        follows: share of the power that moves with the key, 0 to 1; 1 where pitched.
    """

    seconds: float
    samples: tuple[Sample, ...]
    pitched: bool
    follows: float

    @property
    def tracked(self) -> bool:
        """Whether a sampler should transpose the samples between their keys."""
        return self.pitched or self.follows >= TONAL


def sample_keys(
    preset: Preset, keys: Sequence[int], seconds: float, progress: Callable[[], object] = lambda: None
) -> Articulation:
    """Play a preset on keys, MIDI numbers, each held for `seconds`, 0.01 to 4, and let it ring out.

    `progress` is called twice, when the keyboard is moved and when the keys are played.

    Returns:
        The samples. An unpitched preset is played with its note at the key itself, and has one sample
        alone where nothing of it moves with the key.
    """
    wanted = np.asarray(keys, dtype=np.float64)
    probes = np.unique(np.linspace(0, len(keys) - 1, PROBES).round().astype(int))
    offset = _pitches_held(_play(preset, wanted[probes], seconds)) - wanted[probes]
    progress()
    midi = wanted
    if np.isfinite(offset).mean() >= MOSTLY:
        midi = np.clip(wanted - np.nanmedian(offset), 0.0, HIGHEST_NOTE)
    played = _play(preset, midi, seconds)
    measured = _pitches_held(played)
    progress()
    if np.isfinite(measured).mean() >= MOSTLY:
        pitches = midi + _believed(measured - midi)
        samples = [
            Sample(key, sound, pitch, loop)
            for key, (sound, loop), pitch in zip(keys, played.sounds, pitches.tolist(), strict=True)
        ]
        return Articulation(seconds, tuple(samples), True, 1.0)
    if midi is not wanted:  # a few keys had a pitch, and most have none
        played = _play(preset, wanted, seconds)
    follows = _follows(played.whole)
    samples = [Sample(key, sound, float(key), loop) for key, (sound, loop) in zip(keys, played.sounds, strict=True)]
    if follows < ALIKE:
        samples = samples[len(samples) // 2 :][:1]
    return Articulation(seconds, tuple(samples), False, follows)


def on_key(preset: Preset, key: int) -> Preset:
    """The preset moved so that its own sound, at its own length, has the pitch of a key.

    One without pitch is played with its note at the key, a MIDI number.

    Raises:
        UserError: if its synth plays no notes.
    """
    note = synth_kind(preset.settings.synth).require_note()
    midi = float(key)
    for _ in range(CORRECTIONS):
        offset = _pitches([render_preset(with_values(preset, {note: midi}))], preset.settings.sample_rate)
        if not np.isfinite(offset[0]):
            break
        midi = float(np.clip(midi + key - offset[0], 0.0, HIGHEST_NOTE))
    return with_values(preset, {note: midi})


def whole_sound(preset: Preset) -> NDArray[np.float32]:
    """The preset's sound until it has rung out, ``(T,)``, however long its own settings let it sound.

    Raises:
        UserError: if its synth holds no keys, so that nobody knows when a sound has rung out.
    """
    kind = synth_kind(preset.settings.synth)
    values = preset.parameters.to_dict(preset.human)
    seconds = values[kind.require_hold()] + max(kind.tail(values), _LEAST_TAIL)
    return _trimmed(render_preset(with_values(preset, seconds=seconds)))


@dataclass(frozen=True)
class _Played:
    sounds: list[tuple[NDArray[np.float32], Loop | None]]
    whole: NDArray[np.float32]
    sample_rate: int
    seconds: float


def _play(preset: Preset, midi: Array, seconds: float) -> _Played:
    """Render keys and find their loops: on all of them or on none, or some notes of a chord would stop."""
    values = preset.parameters.to_dict(preset.human)
    kind = synth_kind(preset.settings.synth)
    tail = max(kind.tail(values), _LEAST_TAIL)
    held = with_values(preset, {kind.require_hold(): seconds}, seconds + tail)
    rate = held.settings.sample_rate
    whole = _on_keys(held, midi)
    tone = _on_keys(with_values(held, {kind.noise: 0.0}), midi) if kind.noise and values[kind.noise] else whole
    first, last = round(kind.rise(values) * rate), round(seconds * rate)
    loops: list[Loop] = []
    for sound, pure in zip(whole, tone, strict=True):
        loop = find_loop(pure, sound, first, last, rate)
        if loop is None:
            return _Played([(_trimmed(sound), None) for sound in whole], whole, rate, seconds)
        loops.append(loop)
    seamless = [(make_seamless(sound, loop, rate), loop) for sound, loop in zip(whole, loops, strict=True)]
    return _Played(list(seamless), whole, rate, seconds)


def _on_keys(preset: Preset, midi: Array) -> NDArray[np.float32]:
    human = np.repeat(preset.human[None], len(midi), axis=0)
    human[:, preset.parameters.index(synth_kind(preset.settings.synth).require_note())] = midi
    return render_rows(human, preset.parameters, preset.settings)


def _pitches_held(played: _Played) -> Array:
    """The pitch of each key while it is held: of its loop, or of its first second. NaN where it has none."""
    rate = played.sample_rate
    held = round(max(SHORT, min(HELD, played.seconds)) * rate)
    parts = [
        sound[:held] if loop is None else play_loop(sound, loop, round(LOOPED * rate)) for sound, loop in played.sounds
    ]
    return _pitches(parts, rate)


def _pitches(sounds: Sequence[NDArray[np.floating]], sample_rate: int) -> Array:
    """MIDI numbers with their fractions, NaN where there is no pitch."""
    numbers = []
    with threadpool_limits(1, "openmp"):  # one sound is too little to share out, as in synthvae.naming
        for sound in sounds:
            pitch = track_pitch(sound[None], sample_rate)
            numbers.append(midi_number(float(pitch.frequency[0])) if pitch.pitched[0] else math.nan)
    return np.array(numbers)


def _believed(offset: Array) -> Array:
    """Each key's own offset where it is near the middle one, the middle one where it is not or there is none."""
    middle = float(np.nanmedian(offset))
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(offset - middle) <= ASTRAY, offset, middle)


def _follows(sounds: NDArray[np.float32]) -> float:
    """Share of the power of the lowest and the highest key that they do not have in common.

    The noise of the Voice is the same on every key, and oscillators at different frequencies have nothing in common:
    of sounds n + a and n + b the difference has the power a^2 + b^2.
    """
    low, high = sounds[0].astype(np.float64), sounds[-1].astype(np.float64)
    power = float(low @ low + high @ high)
    return float(np.square(low - high).sum()) / power if power > 0 else 0.0


def _trimmed(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sound without inaudible samples at its end."""
    loud = np.flatnonzero(np.abs(sound) > _SILENT)
    return sound[: int(loud[-1]) + 1] if len(loud) else sound[:1]
