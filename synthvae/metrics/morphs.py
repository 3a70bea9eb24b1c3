"""Metrics of a morph between two sounds: whether the midpoint is one sound or a mixture of both ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.audio.loudness import integrated_loudness
from synthvae.audio.pitch import check_sounds, track_pitch
from synthvae.features import log_mel
from synthvae.metrics.distances import Audio
from synthvae.metrics.logmel_distance import consecutive

__all__ = ["MorphFigures", "harmonic_share", "morph_figures"]

#: Maximum distance in cents from a multiple of the fundamental at which energy belongs to the series.
TOLERANCE = 15.0
#: Number of harmonics: for higher ones 15 cents are a large part of the distance to the next.
HARMONICS = 20


@dataclass(frozen=True)
class MorphFigures:
    """Figures of a path from one sound to another.

    Attributes:
        on_middle_series: share of the midpoint's energy on multiples of the geometric mean of the ends' fundamentals,
            within 15 cents; None where an end has no pitch.
        dip: mean loudness of the ends minus that of the midpoint, in LU; negative where it is louder. None for silence.
        pitch_jump: largest step of the pitch, in cents; None where two neighbouring steps have none.
        even_jump: step of the pitch for equal steps from end to end, in cents; None where an end has no pitch.
        unpitched: number of steps without a pitch.
        distances: RMS difference of log-mel spectrograms from each step to the next, ``(S - 1,)`` in dB.
        unevenness: the largest of these distances over their mean, 1 at best.
    """

    on_middle_series: float | None
    dip: float | None
    pitch_jump: float | None
    even_jump: float | None
    unpitched: int
    distances: NDArray[np.float64]
    unevenness: float


def harmonic_share(sound: NDArray[np.floating], sample_rate: int, fundamental: float) -> float:
    """Share of a sound's energy ``(T,)`` within 15 cents of the first twenty multiples of a frequency in Hz.

    The whole sound is analysed with one Hann window, from half the frequency to half way above the last multiple. Where
    half the width of the window's main lobe, 2 / T, is more than 15 cents, it is used instead. 0 for silence.
    """
    samples = np.asarray(sound, np.float64)
    size = 4 * len(samples)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size)) ** 2
    frequency = np.fft.rfftfreq(size, 1.0 / sample_rate)
    inside = (frequency > 0.5 * fundamental) & (frequency < (HARMONICS + 0.5) * fundamental)
    multiple = np.maximum(np.rint(frequency / fundamental), 1.0) * fundamental
    width = np.maximum(multiple * (2.0 ** (TOLERANCE / 1200.0) - 1.0), 2.0 * sample_rate / len(samples))
    total = power[inside].sum()
    return float(power[inside & (np.abs(frequency - multiple) <= width)].sum() / total) if total > 0.0 else 0.0


def morph_figures(steps: Sequence[NDArray[np.floating]], midpoint: Audio, sample_rate: int) -> MorphFigures:
    """Measure a path.

    Args:
        steps: S sounds ``(T,)`` of equal length, including the ends, at their own levels.
        midpoint: sound half way between the ends, ``(T,)``.
        sample_rate: sample rate in Hz.

    Raises:
        UserError: if a sound is not finite.
    """
    sounds = check_sounds(torch.as_tensor(np.stack([*steps, np.asarray(midpoint)])), "sounds").float()
    pitch = track_pitch(sounds, sample_rate)
    frequency, pitched = pitch.frequency[:-1], pitch.pitched[:-1]
    loudness = [integrated_loudness(sounds[number].numpy(), sample_rate) for number in (0, -2, -1)]
    share = even = None
    if pitched[0] and pitched[-1]:
        share = harmonic_share(sounds[-1].numpy(), sample_rate, math.sqrt(frequency[0] * frequency[-1]))
        even = abs(1200.0 * math.log2(frequency[-1] / frequency[0])) / (len(frequency) - 1)
    both = pitched[1:] & pitched[:-1]
    jumps = 1200.0 * np.abs(np.log2(frequency[1:][both] / frequency[:-1][both]))
    distances = consecutive(log_mel(sounds[:-1], sample_rate).flatten(1))
    mean = float(distances.mean())
    return MorphFigures(
        share,
        0.5 * (loudness[0] + loudness[1]) - loudness[2] if np.isfinite(loudness).all() else None,
        float(jumps.max()) if len(jumps) else None,
        even,
        int((~pitched).sum()),
        distances,
        float(distances.max()) / mean if mean > 0.0 else 1.0,
    )
