"""Inaudible sustain loops of held sounds.

The end of the loop is laid into the late part of the held sound, and cross-correlation finds every earlier place where
the sound is the same for a while: whole periods of the oscillators, of their beating and of an LFO, whatever there is.
With t the sound around the end and x around a candidate, the seam error is sum (x - t)^2 / sum t^2, computed for all
places at once as (E_x + E_t - 2 x * t) / E_t. A sound that decays has no steady place, and gets no loop.

What does not repeat is noise. It is kept out of the comparison (the caller renders the preset without it) and
crossfaded: the last samples before the end become those before the start, so that the jump back is between neighbours.
Gains keep the power whatever the two have in common (M. Fink, M. Holters and U. Zölzer, "Signal-matched
power-complementary cross-fading and dry-wet mixing", DAFx 2016).

Ours, because no library that we depend on finds loops.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy  # which loads its parts on first use: the page of `explore` does not wait for them
from numpy.typing import NDArray

__all__ = ["GUARD", "Loop", "find_loop", "make_seamless", "play_loop"]

Array = NDArray[np.floating]

SHORTEST = 0.1
"""Seconds: below it, a loop of a sound that is not perfectly still is heard as a tone or a flutter."""

MATCH = 0.05
"""Seconds of sound that are compared, half of them before the seam and half after it."""

WORST = -24.0
"""dB: a twentieth of the amplitude. With more error at the seam the crossfade is audible."""

LEAN = 6.0
"""dB above the smallest error, up to which a longer loop is preferred to a better one."""

LEVEL = 0.1
"""Seconds over which the level beside the seam is taken."""

DRIFT = 1.0
"""dB in a second: what falls faster decays, and a loop would saw."""

QUIET = 1e-4
"""RMS of -80 dB, which is inaudible and not looped."""

GUARD = 64
"""Samples kept after the loop's end, those after its start: interpolators look ahead."""

FADE = 0.02
"""Seconds of crossfade."""

_ENDS = 6  # places of the end that are tried
_SILENT = 1e-3  # RMS of the sound without noise over that with it, below which there is nothing but noise


@dataclass(frozen=True)
class Loop:
    """A sustain loop.

    Attributes:
        start: first sample.
        end: one past the last sample; the next one played is `start`.
        error: seam error in dB, of the sound without its noise; minus infinity for nothing but noise.
    """

    start: int
    end: int
    error: float


def find_loop(tone: Array, sound: Array, first: int, last: int, sample_rate: int) -> Loop | None:
    """The longest loop whose seam is nearly as good as the best one's; None where the sound is not steady so long.

    Args:
        tone: ``(T,)``, the sound without its noise, at any level.
        sound: ``(T,)``, the whole sound.
        first: sample at which the sound has risen.
        last: sample at which it is let go.
        sample_rate: sample rate in Hz.
    """
    half, margin = round(MATCH * sample_rate / 2), round(max(MATCH, LEVEL) * sample_rate / 2)
    shortest = round(SHORTEST * sample_rate)
    first, last = first + margin, min(last, len(sound)) - margin  # so that all that is compared is held
    if last - first < shortest or _rms(sound[first:last]) < QUIET:
        return None
    noise_only = _rms(tone[first:last]) < _SILENT * _rms(sound[first:last])
    latest = min((last - first) // 4, shortest, last - first - shortest)
    candidates = []
    for end in np.unique(last - np.linspace(0, latest, _ENDS).astype(int)):
        starts = np.arange(first, end - shortest + 1)
        error = np.zeros(len(starts)) if noise_only else _seam_errors(tone, starts[0], len(starts), end, half)
        candidates.append((error, starts, np.full(len(starts), end)))
    error, starts, ends = (np.concatenate(parts) for parts in zip(*candidates, strict=True))
    steady = np.flatnonzero(error <= 10.0 ** (WORST / 10.0))
    steady = steady[_drift(sound, starts[steady], ends[steady], sample_rate) <= DRIFT]
    error, starts, ends = error[steady], starts[steady], ends[steady]
    if not len(error):
        return None
    near = error <= max(float(error.min()), 1e-12) * 10.0 ** (LEAN / 10.0)
    best = np.flatnonzero(near)[np.argmax((ends - starts)[near])]
    decibels = -math.inf if noise_only else 10.0 * math.log10(max(float(error[best]), 1e-12))
    return Loop(int(starts[best]), int(ends[best]), decibels)


def make_seamless(sound: Array, loop: Loop, sample_rate: int) -> NDArray[np.float32]:
    """The sound ``(T,)`` up to the end of its loop, its last samples faded into those before the loop's start.

    Returns:
        ``(loop.end + GUARD,)``; after the end come the first samples of the loop once more.
    """
    length = min(round(FADE * sample_rate), loop.start, loop.end - loop.start)
    out = sound[: loop.end].astype(np.float64)
    leaving, coming = out[loop.end - length :].copy(), out[loop.start - length : loop.start]
    share = np.sin(0.5 * np.pi * np.arange(1, length + 1) / length) ** 2
    power = float(leaving @ leaving) * float(coming @ coming)
    common = min(max(float(leaving @ coming) / math.sqrt(power), 0.0), 1.0) if power > 0 else 1.0
    gain = 1.0 / np.sqrt((1.0 - share) ** 2 + share**2 + 2.0 * common * share * (1.0 - share))
    out[loop.end - length :] = gain * ((1.0 - share) * leaving + share * coming)
    return np.concatenate([out, np.resize(out[loop.start :], GUARD)]).astype(np.float32)


def play_loop(sound: Array, loop: Loop, samples: int) -> Array:
    """The output of a looped sample from the start of the loop, ``(samples,)``."""
    return np.resize(sound[loop.start : loop.end], samples)


def _seam_errors(tone: Array, first: int, count: int, end: int, half: int) -> Array:
    """Seam error, as a ratio of energies, of every start from `first` on, ``(count,)``."""
    wanted = tone[end - half : end + half].astype(np.float64)
    region = tone[first - half : first + count - 1 + half].astype(np.float64)
    energy = np.concatenate([[0.0], np.cumsum(region**2)])
    own = float(wanted @ wanted)
    products = scipy.signal.fftconvolve(region, wanted[::-1], mode="valid")
    errors: Array = np.maximum(energy[2 * half :] - energy[: -2 * half] + own - 2.0 * products, 0.0)
    return errors / max(own, 1e-30)


def _drift(sound: Array, starts: NDArray[np.int64], ends: NDArray[np.int64], sample_rate: int) -> Array:
    """Slope of the level from the start of a loop to its end, in dB/s."""
    half = round(LEVEL * sample_rate / 2)
    energy = np.concatenate([[0.0], np.cumsum(sound.astype(np.float64) ** 2)])

    def level(place: NDArray[np.int64]) -> Array:
        low, high = np.maximum(place - half, 0), np.minimum(place + half, len(sound))
        decibels: Array = 10.0 * np.log10(np.maximum((energy[high] - energy[low]) / (high - low), 1e-20))
        return decibels

    seconds = (ends - starts) / sample_rate
    drift: Array = np.abs(level(ends) - level(starts)) / seconds
    return drift


def _rms(sound: Array) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
