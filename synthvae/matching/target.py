"""Preparation of a recording as target of a match: mono, trimmed, resampled, at a level of the Voice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.audio.recordings import Recording, mix_down, read_recording, resting_level
from synthvae.audio.resampling import resample

__all__ = ["LONGEST", "Target", "prepare_target", "read_target"]

#: Maximum duration of a note of the Voice in seconds, and so of the matched part of a recording.
LONGEST = 4.0
#: Shortest target, in seconds.
SHORTEST = 0.25
#: Threshold in dB below the peak under which the start and end of a recording are cut off.
SILENCE_BELOW = 60.0
#: The same for the milliseconds that are kept before and after: what is quieter still is silence, and cut as well.
INAUDIBLE = 100.0
#: The peak of a target, -1 dB of full scale: the Voice's own sounds peak at 0 dB and below.
PEAK = 10 ** (-1 / 20)
#: Smallest constant offset that is reported: more than a step of 16 bits.
STEP = 2.0**-15
#: Seconds kept before the first loud sample, for the attack's first cycle.
LEAD_IN = 0.005
FADE = 0.01


@dataclass(frozen=True)
class Target:
    """A sound to be matched.

    Attributes:
        name: name of its file.
        audio: audio ``(T,)`` float32.
        sample_rate: sample rate in Hz.
        notes: messages on the processing of the recording, one each.
    """

    name: str
    audio: Tensor
    sample_rate: int
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.audio) / self.sample_rate


def read_target(
    path: Path | BinaryIO, sample_rate: int = 44100, name: str | None = None, most: int | None = None
) -> Target:
    """Read a recording of any rate, length and number of channels that libsndfile reads, and prepare it.

    Raises:
        UserError: if the file is missing, is not audio, is longer than ten minutes or than `most` samples of all
            channels, empty, silent, or holds samples that are not finite.
    """
    title = name or (path.name if isinstance(path, Path) else "recording")
    return _prepare(read_recording(path, name=name, most=most), title, sample_rate)


def prepare_target(samples: NDArray[np.float64], rate: int, name: str, sample_rate: int = 44100) -> Target:
    """Make a target, `SHORTEST` to `LONGEST` seconds long, of samples ``(T,)`` or ``(T, channels)``, full scale 1.

    Channels are averaged, or the loudest is used where they cancel each other; a constant offset is removed, and then
    silence before and after is cut; anything beyond `LONGEST` is faded out; the rate is changed; the peak is set to
    -1 dB.

    Raises:
        UserError: if there are no samples, one is not finite, or all are silent.
    """
    return _prepare(mix_down(samples, rate, name), name, sample_rate)


def _prepare(recording: Recording, name: str, sample_rate: int) -> Target:
    rate, mono = recording.sample_rate, recording.audio
    notes = []
    if recording.channels > 1:
        how = (
            ", of which the loudest was taken, because they cancel each other" if recording.loudest else " mixed to one"
        )
        notes.append(f"{recording.channels} channels{how}")
    offset = resting_level(mono, rate)
    if abs(offset) > STEP:
        notes.append(f"offset of {offset:.2g} removed")
    mono = mono - offset
    peak = float(np.abs(mono).max())
    loud = np.flatnonzero(np.abs(mono) > peak * 10 ** (-SILENCE_BELOW / 20))
    audible = np.flatnonzero(np.abs(mono) > peak * 10 ** (-INAUDIBLE / 20))
    lead, fade = round(LEAD_IN * rate), round(FADE * rate)
    first = 0 if loud[0] <= lead else max(audible[0], loud[0] - lead)
    last = len(mono) if loud[-1] >= len(mono) - 1 - fade else min(audible[-1], loud[-1] + fade) + 1
    if first > lead or len(mono) - last > round(0.05 * rate):
        notes.append(f"silence cut off: {first / rate:.2f} s before and {(len(mono) - last) / rate:.2f} s after")
    mono = mono[first:last]
    if len(mono) > LONGEST * rate:
        notes.append(f"the first {LONGEST:g} of {len(mono) / rate:.2f} s, as long as a note of the Voice can be")
        mono = mono[: round(LONGEST * rate)].copy()
        mono[-fade:] *= np.linspace(1.0, 0.0, fade)
    if rate != sample_rate:
        mono = resample(mono, rate, sample_rate)
        notes.append(f"resampled from {rate:,} to {sample_rate:,} Hz")
    mono = np.pad(mono, (0, max(0, math.ceil(SHORTEST * sample_rate) - len(mono))))
    gain = PEAK / float(np.abs(mono).max())
    if abs(_decibels(gain)) > 0.1:
        notes.append(f"level changed by {_decibels(gain):+.1f} dB, to a peak of -1 dB")
    return Target(name, torch.from_numpy((gain * mono).astype(np.float32)), sample_rate, tuple(notes))


def _decibels(ratio: float) -> float:
    return round(20 * math.log10(max(ratio, 1e-12)), 1)
