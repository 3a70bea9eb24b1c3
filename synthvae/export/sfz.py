"""SFZ instruments: mapping of samples to keys as text.

Only opcodes of SFZ 1.0 and the switches between lengths, so that every player reads it: samplers that know no loops in
WAV files find them here too. The Voice has no velocity, so layers of velocity would be one recording at several
levels; ``amp_veltrack`` is the same without the files.

A loop goes on while the key is released, under the release of the envelopes that made the sound; a sample without one
rings out as the Voice played it, and is cut by the same release where its key is let go earlier.

Ours, because SFZ is lines of text, and no maintained library writes them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from synthvae.audio.files import SamplerData, Stamp, has_stamp, quantise, sampler_wav_bytes
from synthvae.audio.loudness import Level, common_level
from synthvae.core.errors import UserError
from synthvae.data.names import slug
from synthvae.data.preset import Preset
from synthvae.export.options import length_name
from synthvae.export.sampling import Articulation, Sample, key_name, switch_keys
from synthvae.synths.registry import synth_kind

__all__ = ["LOWEST_PAD", "SAMPLES", "has_instrument", "instrument_files", "kit_text", "play_sound"]

SAMPLES = "samples"
"""The folder beside the SFZ file that its samples are in."""

LEAST_RELEASE = 0.02
"""Seconds: a sound that stops at once clicks."""

_HEAD = re.compile(r"// .*\n// synthvae export, made from ([0-9a-f]{16}), text ([0-9a-f]{16})\n")
_SAMPLE = re.compile(r"^sample=(.+)$", re.MULTILINE)


_INSTEAD = "'synthvae export PRESET --to wav' writes a file instead"


LOWEST_PAD = 36
"""MIDI number of the first key of a kit, C2: the bass drum of General MIDI, and the first pad of most controllers."""


def kit_text(samples: Sequence[str], lowest: int = LOWEST_PAD) -> str:
    """An SFZ instrument that plays one sample whole on each key, from `lowest` up, in their order."""
    regions = [
        f"<region> sample={name} key={lowest + number} pitch_keytrack=0 loop_mode=one_shot"
        for number, name in enumerate(samples)
    ]
    return "\n".join([f"// a kit of {len(samples)} sounds, from {key_name(lowest)} up", *regions, ""])


def instrument_files(
    preset: Preset,
    articulations: Sequence[Articulation],
    keys: tuple[int, int],
    stem: str,
    stamp: Stamp,
    sample_format: str,
    loudness: float | None,
) -> tuple[dict[str, bytes], Level]:
    """An instrument's files from one articulation for each length, the shortest first.

    `keys` are the lowest and the highest key that plays; `loudness` is what the middle sample is brought to, in LUFS,
    or None for the Voice's own level.

    Returns:
        Contents by file name within the instrument's folder, the SFZ file last, and what was done to the level.
    """
    rate = preset.settings.sample_rate
    level = common_level([sample.sound for one in articulations for sample in one.samples], rate, loudness)
    kind = synth_kind(preset.settings.synth)
    release = max(kind.release(preset.parameters.to_dict(preset.human)), LEAST_RELEASE)
    files: dict[str, bytes] = {}
    groups = []
    for articulation in articulations:
        held = f"-{length_name(articulation.seconds)}" if len(articulations) > 1 else ""
        names = [f"{SAMPLES}/{stem}-{slug(key_name(sample.key))}{held}.wav" for sample in articulation.samples]
        for name, sample in zip(names, articulation.samples, strict=True):
            loop = None if sample.loop is None else (sample.loop.start, sample.loop.end)
            samples = quantise(sample.sound * level.gain, sample_format)
            files[name] = sampler_wav_bytes(samples, rate, sample_format, stamp, SamplerData(sample.pitch, loop))
        groups.append(_group(articulation, names, keys, release))
    files[f"{stem}.sfz"] = _text(groups, articulations, keys, stamp).encode()
    return files, level


def has_instrument(path: Path, source: str) -> bool:
    """Whether an SFZ file and all its samples were made from `source` and are unchanged.

    Args:
        path: the SFZ file, or whatever lies under that name.
        source: 16 hexadecimal digits.
    """
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return False
    head = _HEAD.match(text)
    if head is None or head[1] != source or head[2] != _digest(text[head.end() :]):
        return False
    return all(has_stamp(path.parent / name, source) for name in _SAMPLE.findall(text))


def _text(groups: Sequence[str], articulations: Sequence[Articulation], keys: tuple[int, int], stamp: Stamp) -> str:
    lines = ["// The Voice has no velocity: it sets the level alone.", "<global>", "amp_veltrack=100"]
    if len(articulations) > 1:
        switches = switch_keys(len(articulations), *keys)
        lengths = [
            f"{key_name(key)} {length_name(one.seconds)}" for key, one in zip(switches, articulations, strict=True)
        ]
        lines.insert(1, f"// Keys that choose how long a key was held for the recording: {', '.join(lengths)}.")
        lines += [f"sw_lokey={switches[0]}", f"sw_hikey={switches[-1]}", f"sw_default={switches[-1]}"]
        groups = [
            group.replace("<group>", f"<group>\nsw_last={key}\nsw_label=held {length_name(one.seconds)}")
            for group, key, one in zip(groups, switches, articulations, strict=True)
        ]
    body = "\n".join([*lines, "", *groups])
    return f"// {stamp.title}\n// synthvae export, made from {stamp.source}, text {_digest(body)}\n{body}"


def _group(articulation: Articulation, names: Sequence[str], keys: tuple[int, int], release: float) -> str:
    lines = ["<group>", f"ampeg_release={release:.3f}"]
    if not articulation.tracked:
        lines.append("pitch_keytrack=0")
    ranges = _ranges([sample.key for sample in articulation.samples], *keys)
    for name, sample, (low, high) in zip(names, articulation.samples, ranges, strict=True):
        lines += ["", "<region>", f"sample={name}"]
        lines += [f"{key}={value}" for key, value in _region(sample, low, high).items()]
    return "\n".join([*lines, ""])


def _region(sample: Sample, low: int, high: int) -> Mapping[str, object]:
    centre = min(max(round(sample.pitch), 0), 127)
    tune = round(100.0 * (centre - sample.pitch))
    region: dict[str, object] = {"lokey": low, "hikey": high, "pitch_keycenter": centre}
    if tune:
        region["tune"] = tune
    if sample.loop is None:
        return region | {"loop_mode": "no_loop"}
    # The last sample of a loop, where Loop.end is the one after it.
    return region | {"loop_mode": "loop_continuous", "loop_start": sample.loop.start, "loop_end": sample.loop.end - 1}


def _ranges(sampled: Sequence[int], lowest: int, highest: int) -> list[tuple[int, int]]:
    """The keys that each sample plays on: those nearer to it than to the others, the lower ones of two as near."""
    ends = [below + (above - below) // 2 for below, above in pairwise(sampled)]
    return list(zip([lowest, *(end + 1 for end in ends)], [*ends, highest], strict=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def play_sound(sound: NDArray[np.float32], sample_rate: int) -> None:
    """Play a sound ``(T,)``, full scale 1, on the default output and wait until it has ended.

    Raises:
        UserError: if the package or the library that plays is missing, or the machine has no output for sound, or
            none that takes this rate.
    """
    sounddevice = _sounddevice()
    try:
        sounddevice.play(sound, sample_rate)
        sounddevice.wait()
    except sounddevice.PortAudioError as error:
        reason = str(error).split(":")[0]
        raise UserError(
            "play", sample_rate, _INSTEAD, f"this machine has no output for sound at {sample_rate} Hz ({reason})"
        ) from None
    finally:
        sounddevice.stop()


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise UserError(
            "play", "sounddevice", f"pip install 'synthvae[play]'; {_INSTEAD}", "the package sounddevice is missing"
        ) from None
    except OSError as error:  # the package is there, the library PortAudio behind it is not
        raise UserError(
            "play", "PortAudio", f"install PortAudio (Debian: apt install libportaudio2); {_INSTEAD}", str(error)
        ) from None
    module: ModuleType = sounddevice
    return module
