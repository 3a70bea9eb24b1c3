"""What moves in a sound: pitch that glides or wavers, level that pulses, brightness that opens or closes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

__all__ = ["VIBRATO", "change", "level_track", "pitch_track", "wavering"]

Array = NDArray[np.float64]

#: The part at either end whose median counts as where a movement starts and ends.
PART = 0.2
#: Values of which a movement can be told.
FEWEST = 5
#: Peaks that make a modulation, and how far the distances between them may spread, over their mean.
FEWEST_PEAKS, UNEVEN = 3, 0.3
#: Slowest and fastest vibrato in Hz: a pitch's frames lie 20 ms apart and are 67 ms long.
VIBRATO = (2.0, 12.0)
#: Seconds of each of the two running means behind the level: they take out periods from 30 Hz up.
SMOOTH = 0.025


def change(values: Array) -> float:
    """From the median of the first fifth to that of the last fifth of values ``(F,)``, 0 for fewer than 5 values."""
    if len(values) < FEWEST:
        return 0.0
    part = max(1, round(PART * len(values)))
    return float(np.median(values[-part:]) - np.median(values[:part]))


def wavering(values: Array, seconds: float, shallowest: float, band: tuple[float, float]) -> float | None:
    """How deep a regular modulation is.

    The peaks that stand out by at least `shallowest` (their prominence, as `scipy.signal.find_peaks` has it) have to
    be three or more and evenly spaced. A decay or a glide, however steep, has no such peaks, which a spectrum of the
    values could not tell.

    Args:
        values: ``(F,)``.
        seconds: between two values.
        shallowest: depth from which there is one, in the unit of the values.
        band: lowest and highest rate in Hz.

    Returns:
        The median prominence, peak to trough; None where there is no modulation.
    """
    peaks, found = find_peaks(values, prominence=shallowest)
    if len(peaks) < FEWEST_PEAKS:
        return None
    gaps = np.diff(peaks) * seconds
    if gaps.std() > UNEVEN * gaps.mean() or not band[0] <= 1.0 / gaps.mean() <= band[1]:
        return None
    return float(np.median(found["prominences"]))


def pitch_track(frequencies: Array) -> Array:
    """Frames ``(F,)`` in Hz, 0 where not periodic, in semitones from the first periodic frame to the last.

    Gaps are filled with straight lines.
    """
    periodic = np.flatnonzero(frequencies)
    if not len(periodic):
        return np.zeros(0)
    frames = np.arange(periodic[0], periodic[-1] + 1)
    return np.interp(frames, periodic, 12.0 * np.log2(frequencies[periodic]))


def level_track(power: Array, seconds: float, depth: float) -> Array:
    """Mean squares ``(E,)`` as a smooth level in dB, nothing lower than `depth` dB below the highest.

    Args:
        power: mean squares of a sound that is not silent.
        seconds: between two of them.
        depth: in dB.
    """
    count = max(1, round(SMOOTH / seconds))
    for _ in range(2):
        padded = np.pad(power, (count // 2, count - 1 - count // 2), "edge")
        power = np.convolve(padded, np.full(count, 1.0 / count), "valid")
    return 10.0 * np.log10(np.maximum(power, power.max() * 10.0 ** (-depth / 10.0)))
