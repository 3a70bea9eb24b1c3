"""Words for descriptors.

Every threshold is a percentile of 1,024 uniform presets of `VOICE_63` (`synthvae.data.sampling.uniform_unit`, seed 1,
one second at 44.1 kHz), so that a word distinguishes some of them from the rest; the percentile is noted beside it.
Values with a unit are rounded.
"""

from __future__ import annotations

from synthvae.audio.descriptors import Measures
from synthvae.audio.notes import note_name

__all__ = ["LONGEST", "name_of"]

#: Maximum number of characters of a name.
LONGEST = 40

#: LUFS, percentiles 15 and 85.
QUIET, LOUD = -45.0, -16.5
#: Hz of brightness, percentiles 16, 40, 62 and 85.
DEEP, DARK, BRIGHT, PIERCING = 65.0, 200.0, 1000.0, 5000.0
#: Octaves of spread, percentiles 20 and 67: a sine alone is pure, a saw or a square with all its harmonics buzzes.
PURE, BUZZY = 0.06, 0.7
#: Noise's share of the power, percentile 70, and the flatness in dB, percentile 64: a tone that moves is aperiodic too,
#: but its spectrum is not flat.
NOISY, FLAT = 0.05, -42.0
#: dB of flatness of what is noise and nothing else, percentile 96.
NOISE = -15.0
#: Seconds of attack, percentiles 40 and 65.
QUICK, SLOW = 0.1, 0.25
#: Maximum duration of a click in seconds, percentile 1.
CLICK = 0.08
#: Semitones of glide, percentiles 21 and 80 of the pitched; an octave, percentiles 10 and 90, is a sweep.
GLIDE, SWEEP = 1.0, 12.0
#: Octaves of sweep of the brightness, percentiles 6 and 92.
OPENING = 1.0
#: Semitones between the highest and the lowest pitch of one that bends, percentile 61.
BENDING = 2.0
#: dB by which the level of a steady sound may move, percentile 20, and of one that fades has to fall, percentile 60.
STEADY, FADING = 3.0, 10.0
#: Hz above which noise hisses and below which it rumbles, percentiles 79 and 46, and below which every sound without
#: pitch rumbles or rattles, percentile 30: periods there are too slow to be a pitch, and vary.
HISS, RUMBLE, LOW = 3000.0, 300.0, 100.0


def name_of(sound: Measures) -> str:
    """Name of a sound: loudness, brightness, texture and movement, then its kind, then its note.

    At most `LONGEST` characters; of too many words, loudness goes first, then texture.
    """
    if not sound.audible:
        return "silence"
    noun = _noun(sound)
    words = [_loudness(sound), _brightness(sound), _texture(sound, noun), _movement(sound, noun), noun]
    pitch = sound.descriptors["pitch"]
    note = "" if pitch is None or noun == "sweep" else f", {note_name(pitch)[0]}"
    for dropped in (None, 0, 2):
        if dropped is not None:
            words[dropped] = ""
        name = " ".join(word for word in words if word) + note
        if len(name) <= LONGEST:
            break
    return name


def _loudness(sound: Measures) -> str:
    loudness = sound.descriptors["loudness"]
    return "quiet" if loudness is None or loudness < QUIET else "loud" if loudness > LOUD else ""


def _brightness(sound: Measures) -> str:
    brightness = _known(sound, "brightness")
    if brightness < DARK:
        return "deep" if brightness < DEEP else "dark"
    if brightness > BRIGHT:
        return "piercing" if brightness > PIERCING else "bright"
    return ""


def _texture(sound: Measures, noun: str) -> str:
    if _is_noise(sound) or noun == "rattle":
        return ""  # the noun says so
    flat = NOISE if noun in ("sweep", "warble", "rumble") else FLAT  # a tone that moves has no sharp lines
    if _known(sound, "noisiness") > NOISY and sound.flatness > flat:
        return "noisy"
    return "pure" if sound.spread < PURE else "buzzy" if sound.spread > BUZZY else ""


def _movement(sound: Measures, noun: str) -> str:
    """The largest movement; a sweep includes its direction, and a click is too short to move."""
    glide, sweep = _known(sound, "glide"), _known(sound, "sweep")
    if noun == "click":
        return ""
    if noun == "sweep":
        return "rising" if (glide or sweep) > 0 else "falling"
    if abs(glide) >= GLIDE:
        return "rising" if glide > 0 else "falling"
    if sound.descriptors["vibrato"] is not None:
        return "wavering"
    if sound.descriptors["tremolo"] is not None:
        return "pulsing"
    if sound.span >= BENDING:
        return "bending"
    if abs(sweep) >= OPENING:
        return "opening" if sweep > 0 else "closing"
    if noun in ("pluck", "burst", "swell"):
        return ""
    if sound.fall >= FADING:
        return "fading"
    return "steady" if max(sound.unsteadiness, sound.fall) < STEADY else ""


def _noun(sound: Measures) -> str:
    attack, decays = _known(sound, "attack"), sound.descriptors["decay"] is not None
    brightness = _known(sound, "brightness")
    if _known(sound, "duration") < CLICK:
        return "click"
    if sound.subsonic or (sound.descriptors["pitch"] is None and brightness < LOW):
        return "rattle" if sound.spread > BUZZY else "rumble"
    if _is_noise(sound):
        if attack < QUICK and decays:
            return "burst"
        return "hiss" if brightness > HISS else "rumble" if brightness < RUMBLE else "noise"
    if abs(_known(sound, "glide")) >= SWEEP:
        return "sweep"
    if sound.descriptors["pitch"] is None:
        return "sweep" if abs(_known(sound, "sweep")) >= OPENING else "warble"
    if attack >= SLOW:
        return "swell"
    return "pluck" if attack < QUICK and decays else "tone"


def _is_noise(sound: Measures) -> bool:
    """Whether the sound is noise only."""
    return sound.descriptors["pitch"] is None and sound.flatness > NOISE and not sound.subsonic


def _known(sound: Measures, name: str) -> float:
    """A descriptor, 0 where there is none."""
    return sound.descriptors[name] or 0.0
