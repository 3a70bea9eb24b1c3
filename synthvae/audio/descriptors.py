"""Audio descriptors: brightness, noisiness, modulation, envelope, pitch.

The set follows Peeters, Giordano, Susini, Misdariis and McAdams, "The Timbre Toolbox", JASA 130:2902, 2011: of a
descriptor that moves, the median and the interquartile range over frames. Only loud frames count
(`synthvae.audio.pitch.loud_frames`): an inaudible spectrum has no timbre. Where frequency is an axis it is in
octaves, a perceptual scale, as in MPEG-7's AudioSpectrumCentroid and AudioSpectrumSpread (ISO/IEC 15938-4). The mean
of a sound and the two lowest bins of its spectrum (below 43 Hz at 44.1 kHz), where a drifting mean would be, are left
out: they are inaudible, and would dominate the moments.

Skewness and kurtosis are compressed: for a tone with a trace of noise they reach hundreds and tens of thousands, and
such tones would dominate any comparison by standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy  # which loads its parts on first use: the page of `explore` does not wait for them
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.linalg import vecdot
from torch.nn import functional as F

from synthvae.audio.loudness import integrated_loudness
from synthvae.audio.notes import midi_number
from synthvae.audio.pitch import LOWEST, QUIET, Pitch, check_sounds, loud_frames, track_pitch
from synthvae.core.executor import on_threads
from synthvae.features.base import as_constant
from synthvae.features.fourier import HOP, N_FFT
from synthvae.features.powers import stft_powers

__all__ = [
    "DESCRIPTORS",
    "PRESET_DESCRIPTORS",
    "TIMBRE",
    "TREMOLO",
    "VIBRATO",
    "Descriptor",
    "Measures",
    "attack_span",
    "change",
    "describe",
    "describe_timbre",
    "level_track",
    "measure",
    "modulation_depth",
    "pitch_track",
    "power_envelope",
]

#: Fraction at either end whose median is the start or end value of a change.
PART = 0.2
#: Minimum number of values from which a change is computed.
FEWEST = 5
#: Minimum number of peaks of a modulation, and maximum spread of their distances relative to the mean distance.
FEWEST_PEAKS, UNEVEN = 3, 0.3
#: Slowest and fastest vibrato in Hz: frames of the pitch are 20 ms apart and 67 ms long.
VIBRATO = (2.0, 12.0)
#: Duration in seconds of each of the two running means behind the level: they remove periods from 30 Hz up.
SMOOTH = 0.025


def change(values: Array) -> float:
    """Median of the last fifth minus median of the first fifth of values ``(F,)``; 0 for fewer than 5 values."""
    if len(values) < FEWEST:
        return 0.0
    part = max(1, round(PART * len(values)))
    return float(np.median(values[-part:]) - np.median(values[:part]))


def modulation_depth(values: Array, seconds: float, shallowest: float, band: tuple[float, float]) -> float | None:
    """Depth of a periodic modulation of values ``(F,)``: median peak-to-trough prominence, or None if there is none.

    The peaks that stand out by at least `shallowest` (their prominence, as `scipy.signal.find_peaks` has it) have to
    be three or more and evenly spaced, at a rate within `band`, in Hz. A decay or a glide, however steep, has no such
    peaks, which a spectrum of the values could not tell.
    """
    peaks, found = scipy.signal.find_peaks(values, prominence=shallowest)
    if len(peaks) < FEWEST_PEAKS:
        return None
    gaps = np.diff(peaks) * seconds
    if gaps.std() > UNEVEN * gaps.mean() or not band[0] <= 1.0 / gaps.mean() <= band[1]:
        return None
    return float(np.median(found["prominences"]))


def pitch_track(frequencies: Array) -> Array:
    """Convert frames ``(F,)`` in Hz, 0 where not periodic, to semitones from the first periodic frame to the last.

    Gaps are filled with straight lines.
    """
    periodic = np.flatnonzero(frequencies)
    if not len(periodic):
        return np.zeros(0)
    frames = np.arange(periodic[0], periodic[-1] + 1)
    return np.interp(frames, periodic, 12.0 * np.log2(frequencies[periodic]))


def level_track(power: Array, seconds: float, depth: float) -> Array:
    """Mean squares ``(E,)`` as a smooth level in dB, nothing lower than `depth` dB below the highest."""
    count = max(1, round(SMOOTH / seconds))
    for _ in range(2):
        padded = np.pad(power, (count // 2, count - 1 - count // 2), "edge")
        power = np.convolve(padded, np.full(count, 1.0 / count), "valid")
    return 10.0 * np.log10(np.maximum(power, power.max() * 10.0 ** (-depth / 10.0)))


SHARE = 0.95
"""Fraction of the power below the roll-off."""

LOWEST_BIN = 2
"""The Hann window spreads a constant over bins 0 and 1."""

WINDOW_POWER = 0.375 * N_FFT
"""Sum of the squares of the Hann window."""

RANGE = 1e-8
"""Bins more than 80 dB below the strongest of their frame count as that: what is under it is rounding."""

WINDOW, STEP = 0.010, 0.0025
"""Window and hop of the envelope in seconds. Shorter windows follow single periods."""

FROM, TO = 0.1, 0.9
"""Shares of the envelope's maximum between which it attacks."""

EFFECTIVE = 0.4
"""Share of the envelope's maximum above which a sound lasts (Peeters et al. 2011)."""

TREMOLO = (4.0, 20.0)
"""Rates of a tremolo in Hz: slower, a spectrum cannot tell a modulation from a decay; 20 is the fastest LFO."""

#: Placeholder for undefined frequencies: 1 kHz, the middle of the audible range, so as to be far from no value.
NEUTRAL = math.log2(1000.0)

#: Silence, in dB.
FLOOR = 10.0 * math.log10(QUIET)

_BATCH = 8  # sounds at a time: a spectrogram of a second is 0.7 MB


Array = NDArray[np.float64]
#: Decay of the envelope in dB: the smallest from which ISO 3382-1 derives a reverberation time (T20).
DECAY = 20.0
#: dB below the envelope's maximum that are audible next to it, as in `synthvae.audio.pitch.loud_frames`.
AUDIBLE_RANGE = 40.0
#: Minimum depth of a vibrato, in semitones, and of a tremolo, in dB.
SHALLOWEST_VIBRATO, SHALLOWEST_TREMOLO = 0.3, 3.0
#: Factor by which a sound without pitch is searched for periods below `LOWEST`.
DEEPER = 4


@dataclass(frozen=True)
class Descriptor:
    """A column of the table of descriptors.

    Attributes:
        name: name of the column.
        unit: unit of its values; empty for a plain ratio.
        meaning: one-line description.
        silence: its value for a sound without any loud frame; None where undefined.
    """

    name: str
    unit: str
    meaning: str
    silence: float | None = None


_OVER_FRAMES = (
    Descriptor("centroid", "log2 Hz", "centre of the power over log frequency: brightness", NEUTRAL),
    Descriptor("spread", "octaves", "standard deviation of the power around the centroid", 0.0),
    Descriptor("skewness", "asinh", "third standardised moment: a tail above (positive) or below the centroid", 0.0),
    Descriptor("kurtosis", "log2", "fourth standardised moment: long tails, log2(3) for a Gaussian", 0.0),
    Descriptor("rolloff", "log2 Hz", "frequency below which 95 % of the power lies", NEUTRAL),
    Descriptor("flatness", "dB", "geometric over arithmetic mean of the power: 0 for a flat spectrum", 0.0),
    Descriptor("crest", "dB", "largest over mean power of a bin", 0.0),
    Descriptor("slope", "dB/octave", "straight line through the level over log frequency, octaves counting alike", 0.0),
    Descriptor(
        "decrease", "", "mean slope of the magnitude from the lowest bin, over its sum: below 0 for a low tone", 0.0
    ),
    Descriptor("flux", "", "1 minus the correlation of magnitudes with the frame before, 0 to 1", 0.0),
    Descriptor("zero_crossings", "Hz", "changes of sign in a second", 0.0),
    Descriptor("level", "dB", "RMS level under the window of 2048 samples, a full-scale sine reads -3", FLOOR),
)

_OF_THE_SOUND = (
    Descriptor("log_attack_time", "log10 s", "time from 10 % to 90 % of the envelope's maximum", math.log10(STEP)),
    Descriptor("temporal_centroid", "s", "centre of the envelope over time", 0.0),
    Descriptor("effective_duration", "s", "time for which the envelope is above 40 % of its maximum", 0.0),
    Descriptor("modulation", "", "depth of the strongest modulation of the envelope from 4 to 20 Hz", 0.0),
    Descriptor("rms", "dB", "RMS level of the whole sound, a full-scale sine reads -3", FLOOR),
    Descriptor("aperiodicity", "", "noise's share of the power, median over frames: noisiness, 0 to 1", 1.0),
    Descriptor("pitched", "", "share of loud frames that are periodic, 0 to 1", 0.0),
    Descriptor("f0", "log2 Hz", "fundamental frequency; that of 1 kHz where not pitched", NEUTRAL),
    Descriptor("f0_iqr", "octaves", "interquartile range of f0 over periodic frames: glide and vibrato", 0.0),
)


def _columns() -> dict[str, Descriptor]:
    table: dict[str, Descriptor] = {}
    for column in _OVER_FRAMES:
        unit = "octaves" if column.unit == "log2 Hz" else column.unit
        spread = Descriptor(f"{column.name}_iqr", unit, f"interquartile range over frames of the {column.name}", 0.0)
        table |= {column.name: column, spread.name: spread}
    return table | {column.name: column for column in _OF_THE_SOUND}


DESCRIPTORS: dict[str, Descriptor] = _columns()
"""Every column of `describe`, in order."""

PITCH = ("aperiodicity", "pitched", "f0", "f0_iqr")
"""The last columns, which need the pitch of a sound."""

TIMBRE: tuple[str, ...] = tuple(name for name in DESCRIPTORS if name not in PITCH)
"""Every column of `describe_timbre`, in order: the first ones of `DESCRIPTORS`."""


def describe(
    audio: NDArray[np.floating] | Tensor,
    sample_rate: int,
    pitch: Pitch | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> NDArray[np.float64]:
    """Describe sounds.

    Values are finite. A sound without any loud frame has the values `Descriptor.silence`; a sound that is not
    pitched has an `f0` of 1 kHz and an `f0_iqr` of 0, and `pitched` says so.

    Args:
        audio: shape (N, T), full scale is 1.
        sample_rate: sample rate in Hz.
        pitch: pitch of the same sounds, if already computed.
        progress: called with the number of sounds done.

    Returns:
        Shape (N, K), a column for each of `DESCRIPTORS`. Each row is a function of that sound alone.

    Raises:
        ValueError: if `audio` is not (N, T) or not floating point, or `pitch` is of another number of sounds.
        UserError: if it is empty or not finite.
    """
    sounds = check_sounds(audio, "audio")
    if pitch is None:
        pitch = track_pitch(sounds, sample_rate)
    if len(pitch.frequency) != len(sounds):
        raise ValueError(f"{len(sounds)} sounds, but the pitch of {len(pitch.frequency)}")

    rows = []
    for found in on_threads(lambda part: _timbre(part.double(), sample_rate), sounds.split(_BATCH)):
        rows.append(found)
        progress(sum(map(len, rows)))
    return _with_silence(np.concatenate([np.concatenate(rows), _pitch(pitch)], axis=1))


def describe_timbre(audio: NDArray[np.floating] | Tensor, sample_rate: int) -> NDArray[np.float64]:
    """Describe sounds without their pitch, in single precision: a fifth of the work of `describe`.

    Args:
        audio: shape (N, T), full scale is 1.
        sample_rate: sample rate in Hz.

    Returns:
        Shape (N, K), a column for each of `TIMBRE`: those of `describe` but for rounding. Each row is a function of
        that sound alone.

    Raises:
        ValueError: if `audio` is not (N, T) or not floating point.
        UserError: if it is empty or not finite.
    """
    sounds = check_sounds(audio, "audio")
    rows = on_threads(lambda part: _timbre(part.float(), sample_rate), sounds.split(_BATCH))
    return _with_silence(np.concatenate(list(rows)).astype(np.float64))


def _timbre(part: Tensor, sample_rate: int) -> NDArray[np.floating]:
    """Columns of `TIMBRE`, of the type of sounds ``(B, T)``; NaN for a silent one."""
    still = part - part.mean(1, keepdim=True)
    bins = stft_powers(still)[:, LOWEST_BIN:].transpose(1, 2).contiguous()
    power = bins.sum(2) * (2.0 / (N_FFT * WINDOW_POWER))
    loud = loud_frames(power)
    values = torch.cat((_spectral(bins, sample_rate), _crossings(still, sample_rate), _level(power)[..., None]), 2)
    rms = _level(still.square().mean(1, keepdim=True))
    found = torch.cat((_over_frames(values, loud), _envelope(still, sample_rate), rms), 1)
    described: NDArray[np.floating] = torch.where(loud.any(1, keepdim=True), found, torch.nan).numpy()
    return described


def _with_silence(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first columns of `DESCRIPTORS`, with their values for silence in rows of silent sounds."""
    silence = np.array([column.silence for column in DESCRIPTORS.values()], dtype=np.float64)[: table.shape[1]]
    return np.where(np.isnan(table[:, :1]), silence, table)


def _level(power: Tensor) -> Tensor:
    return 10.0 * torch.log10(power + QUIET)


def _spectral(bins: Tensor, sample_rate: int) -> Tensor:
    """Columns of `_OVER_FRAMES` from powers of bins ``(B, F, K)``, ``(B, F, 10)``; silent frames may hold NaN."""
    octaves = _octaves(sample_rate, bins.dtype)
    share = bins / bins.sum(2, keepdim=True)
    centroid = vecdot(share, octaves)
    distance = octaves - centroid[..., None]
    moment = share * distance
    moments = []
    for _ in range(3):
        moment = moment * distance
        moments.append(moment.sum(2))
    variance, third, fourth = moments
    rolloff = octaves[(share.cumsum(2) < SHARE).sum(2).clamp_max(len(octaves) - 1)]
    strongest = bins.amax(2)
    audible = bins.clamp_min(torch.finfo(bins.dtype).tiny).maximum(RANGE * strongest[..., None])
    level = 10.0 * torch.log10(audible)
    magnitude = bins.sqrt()
    return torch.stack(
        (
            centroid,
            variance.sqrt(),
            torch.asinh(third / (variance * variance.sqrt())),
            torch.log2(fourth / variance.square()),
            rolloff,
            level.mean(2) - 10.0 * torch.log10(audible.mean(2)),
            10.0 * torch.log10(strongest / bins.mean(2)),
            vecdot(level, _regression(sample_rate, bins.dtype)),
            _decrease(magnitude),
            _flux(magnitude),
        ),
        2,
    )


def _decrease(magnitude: Tensor) -> Tensor:
    """Sum of (a[k] - a[0]) / k for k from 1, over the sum of all a, ``(B, F)``.

    Peeters et al. divide by the sum without a[0], which is next to nothing for a low tone.
    """
    weight = 1.0 / torch.arange(1, magnitude.shape[2], dtype=magnitude.dtype)
    return (vecdot(magnitude[..., 1:], weight) - magnitude[..., 0] * weight.sum()) / magnitude.sum(2)


def _flux(magnitude: Tensor) -> Tensor:
    """Peeters et al. 2011, spectral variation, ``(B, F)``; the first frame has none before it and counts as still."""
    length = magnitude.square().sum(2).sqrt()
    product = (magnitude[:, 1:] * magnitude[:, :-1]).sum(2) / (length[:, 1:] * length[:, :-1])
    # A sound that starts from silence counts as fully changed.
    return F.pad(1.0 - product.nan_to_num(0.0).clamp_max(1.0), (1, 0))


def _crossings(audio: Tensor, sample_rate: int) -> Tensor:
    """Changes of sign in a second, of the 2048 samples around each frame, ``(B, F, 1)``."""
    changes = (audio[:, 1:] < 0) != (audio[:, :-1] < 0)
    changes = F.pad(changes.to(audio.dtype), (1, 0))
    rate = F.avg_pool1d(changes[:, None], N_FFT, HOP, N_FFT // 2, count_include_pad=False)
    return sample_rate * rate.transpose(1, 2)


def _over_frames(values: Tensor, loud: Tensor) -> Tensor:
    """Median and interquartile range over frames of ``(B, F, C)``, in turn, ``(B, 2 C)``."""
    loud_values = torch.where(loud[..., None], values, torch.nan)
    quarters = torch.tensor([0.25, 0.5, 0.75], dtype=values.dtype)
    low, middle, high = loud_values.nanquantile(quarters, dim=1)
    return torch.stack((middle, high - low), 2).flatten(1)


def power_envelope(audio: Tensor, sample_rate: int) -> tuple[Tensor, float]:
    """Mean squares of sounds ``(B, T)`` under a window of 10 ms, ``(B, E)``, and the seconds between two, 2.5 ms."""
    half = max(1, round(WINDOW * sample_rate / 2))
    step = max(1, round(STEP * sample_rate))
    power = F.avg_pool1d(audio.square()[:, None], 2 * half + 1, step, half, count_include_pad=False)[:, 0]
    return power, step / sample_rate


def attack_span(envelope: Tensor, seconds: float) -> tuple[Tensor, Tensor]:
    """Start and end of the attack of amplitude envelopes ``(B, E)`` whose values lie `seconds` apart, in seconds.

    The first moments, ``(B,)``, at which the envelope reaches 10 % and 90 % of its maximum; 0 where it is 0 throughout.
    """
    top = envelope.amax(1, keepdim=True)
    starts, arrives = ((envelope >= share * top).to(torch.uint8).argmax(1) * seconds for share in (FROM, TO))
    return starts, arrives


def _envelope(audio: Tensor, sample_rate: int) -> Tensor:
    """Attack, temporal centroid, duration and modulation, ``(B, 4)``."""
    power, seconds = power_envelope(audio, sample_rate)
    envelope = power.sqrt()
    top = envelope.amax(1, keepdim=True)
    starts, arrives = attack_span(envelope, seconds)
    attack = torch.log10((arrives - starts).clamp_min(STEP))
    times = torch.arange(envelope.shape[1], dtype=audio.dtype) * seconds
    centroid = vecdot(envelope, times) / envelope.sum(1)
    duration = (envelope >= EFFECTIVE * top).sum(1) * seconds
    return torch.stack((attack, centroid, duration, _modulation(envelope, seconds)), 1)


def _modulation(envelope: Tensor, seconds: float) -> Tensor:
    """The m of the strongest 1 + m cos(2 pi f t) in envelopes ``(B, E)`` whose values lie `seconds` apart, ``(B,)``.

    Amplitude over mean, both under a Hann window, after a straight line is taken out; 0 for less than two periods. Of
    an envelope that comes and goes it can be above 1, up to 2.
    """
    count = envelope.shape[1]
    low, high = max(TREMOLO[0], 2.0 / (count * seconds)), TREMOLO[1]
    window = torch.hann_window(count, periodic=False, dtype=envelope.dtype)
    # Not by SciPy's detrend, which solves for all rows at once: a row's rounding would depend on the others.
    line = torch.arange(count, dtype=envelope.dtype) - (count - 1) / 2
    slope = vecdot(envelope, line) / line.square().sum()
    moving = (envelope - envelope.mean(1, keepdim=True) - slope[:, None] * line) * window
    size = 4 * count  # between the bins of the bare window a modulation would lose up to 15 %
    frequencies = torch.fft.rfftfreq(size, seconds)
    spectrum = torch.fft.rfft(moving, size).abs()[:, (frequencies >= low) & (frequencies <= high)]
    if not spectrum.shape[1]:
        return torch.zeros_like(envelope[:, 0])
    return 2.0 * spectrum.amax(1) / vecdot(envelope, window)


def _pitch(pitch: Pitch) -> NDArray[np.float64]:
    """Aperiodicity, share of periodic frames, f0 and its interquartile range, ``(N, 4)``."""
    f0 = np.log2(pitch.frequency, out=np.full(len(pitch.frequency), NEUTRAL), where=pitch.pitched)
    track = torch.from_numpy(pitch.track)
    octaves = torch.where(track > 0, track, torch.nan).log2()
    low, high = octaves.nanquantile(torch.tensor([0.25, 0.75], dtype=octaves.dtype), dim=1).numpy()
    movement = np.where(pitch.pitched, high - low, 0.0)
    return np.stack([pitch.aperiodicity, pitch.share, f0, movement], axis=1)


@lru_cache(maxsize=8)
def _octaves(sample_rate: int, dtype: torch.dtype) -> Tensor:
    """log2 of the frequency in Hz of every bin that is used, ``(K,)``."""
    frequencies = np.arange(LOWEST_BIN, N_FFT // 2 + 1) * (sample_rate / N_FFT)
    return as_constant(np.log2(frequencies), dtype, torch.device("cpu"))


@lru_cache(maxsize=8)
def _regression(sample_rate: int, dtype: torch.dtype) -> Tensor:
    """Weights ``(K,)`` whose product with levels is the slope of their regression on octaves.

    Bin k weighs 1 / k, so that every octave weighs the same.
    """
    octaves = _octaves(sample_rate, torch.float64).numpy()
    weight = 1.0 / np.arange(LOWEST_BIN, N_FFT // 2 + 1)
    distance = octaves - np.average(octaves, weights=weight)
    return as_constant(weight * distance / (weight @ distance**2), dtype, torch.device("cpu"))


PRESET_DESCRIPTORS: dict[str, Descriptor] = {
    column.name: column
    for column in (
        Descriptor("pitch", "Hz", "median fundamental frequency, none where most of the sound has no pitch from 30 Hz"),
        Descriptor("note", "MIDI", "the note nearest to the pitch, 60 is C4"),
        Descriptor("cents", "cents", "from that note up to the pitch, -50 to 50"),
        Descriptor("brightness", "Hz", "centre of the spectrum, median over the audible part"),
        Descriptor("noisiness", "", "aperiodicity: noise's share of the power, 0 to 1"),
        Descriptor("attack", "s", "time from 10 % to 90 % of the envelope's maximum"),
        Descriptor("decay", "s", "time from the envelope's maximum until it is 20 dB below for good, none where never"),
        Descriptor("loudness", "LUFS", "integrated loudness by ITU-R BS.1770-4"),
        Descriptor("duration", "s", "time from the first to the last moment within 40 dB of the envelope's maximum"),
        Descriptor("glide", "semitones", "pitch at the end over pitch at the start, none where not pitched"),
        Descriptor("vibrato", "semitones", "depth of a regular movement of pitch, peak to trough, none where none"),
        Descriptor(
            "tremolo", "dB", "depth of a regular movement of level at 4 to 20 Hz, peak to trough, none where none"
        ),
        Descriptor("sweep", "octaves", "brightness at the end over brightness at the start"),
    )
}
"""All there are, in order. A silent sound has a duration of 0 and nothing else."""
_COLUMN = {name: number for number, name in enumerate(DESCRIPTORS)}


@dataclass(frozen=True)
class Measures:
    """One sound.

    Attributes:
        descriptors: a value for each of `PRESET_DESCRIPTORS`.
        audible: whether it is not silent.
        flatness: flatness of the spectrum, in dB, near 0 for noise.
        spread: spread of the power around its centre, in octaves.
        unsteadiness: interquartile range of the level over the audible part, in dB.
        fall: fall from the envelope's maximum to the last fifth of the audible part, in dB.
        span: range of the pitch, 5th to 95th percentile, in semitones; 0 where not pitched.
        subsonic: whether it is periodic at a frequency too low to be a pitch.
    """

    descriptors: dict[str, float | None]
    audible: bool
    flatness: float = 0.0
    spread: float = 0.0
    unsteadiness: float = 0.0
    fall: float = 0.0
    span: float = 0.0
    subsonic: bool = False


def measure(sounds: Tensor, sample_rate: int) -> list[Measures]:
    """Measure sounds ``(N, T)``, finite, full scale 1; each one's values are a function of it alone."""
    pitch = track_pitch(sounds, sample_rate)
    table = describe(sounds, sample_rate, pitch)
    return [_measure(sound, sample_rate, pitch, row, table[row]) for row, sound in enumerate(sounds)]


def _measure(sound: Tensor, sample_rate: int, pitch: Pitch, row: int, timbres: Array) -> Measures:
    still = sound.double()
    still = still - still.mean()
    brightness = _brightness_track(still, sample_rate)
    if not len(brightness):
        return Measures(dict.fromkeys(PRESET_DESCRIPTORS) | {"duration": 0.0}, False)
    column = {name: float(timbres[number]) for name, number in _COLUMN.items()}
    envelopes, seconds = power_envelope(still[None], sample_rate)
    power = envelopes[0].numpy()
    envelope = 10.0 * np.log10(np.maximum(power / power.max(), 1e-30))
    audible = np.flatnonzero(envelope >= -AUDIBLE_RANGE)
    loud = envelope[audible[0] : audible[-1] + 1]
    pitched = bool(pitch.pitched[row])
    noisiness, subsonic = column["aperiodicity"], False
    if not pitched:
        deep = track_pitch(sound[None], DEEPER * sample_rate)  # as if it were played so many times faster
        noisiness = min(noisiness, float(deep.aperiodicity[0]))
        subsonic = bool(deep.pitched[0]) and deep.frequency[0] / DEEPER < LOWEST
    values: dict[str, float | None] = dict.fromkeys(PRESET_DESCRIPTORS)
    semitones = np.zeros(0)
    if pitched:
        frequency = float(pitch.frequency[row])
        number = midi_number(frequency)
        semitones = pitch_track(pitch.track[row])
        step = float(pitch.times[1] - pitch.times[0]) if len(pitch.times) > 1 else 1.0
        values |= {
            "pitch": frequency,
            "note": float(round(number)),
            "cents": 100.0 * (number - round(number)),
            "glide": change(semitones),
            "vibrato": modulation_depth(semitones, step, SHALLOWEST_VIBRATO, VIBRATO),
        }
    if not subsonic:  # its level follows its periods one by one
        level = level_track(power, seconds, AUDIBLE_RANGE)
        values["tremolo"] = modulation_depth(level, seconds, SHALLOWEST_TREMOLO, TREMOLO)
    values |= {
        "brightness": 2.0 ** column["centroid"],
        "noisiness": noisiness,
        "attack": 10.0 ** column["log_attack_time"],
        "decay": _decay(envelope, seconds),
        "loudness": _loudness(still.numpy(), sample_rate),
        "duration": len(loud) * seconds,
        "sweep": change(brightness),
    }
    return Measures(
        {name: None if value is None else float(f"{value:.6g}") for name, value in values.items()},
        True,
        column["flatness"],
        column["spread"],
        column["level_iqr"],
        -float(np.median(loud[-max(1, len(loud) // 5) :])),
        float(np.subtract(*np.percentile(semitones, [95, 5]))) if len(semitones) else 0.0,
        subsonic,
    )


def _loudness(still: Array, sample_rate: int) -> float | None:
    """Loudness in LUFS; for a sound entirely below the gate, measured at full scale and corrected for that gain."""
    level = integrated_loudness(still, sample_rate)
    if not math.isfinite(level):
        peak = float(np.abs(still).max())
        level = integrated_loudness(still / peak, sample_rate) + 20.0 * math.log10(peak)
    return level if math.isfinite(level) else None


def _decay(envelope: Array, seconds: float) -> float | None:
    """Seconds from the maximum of an envelope ``(E,)`` in dB until it stays more than 20 dB below."""
    above = np.flatnonzero(envelope >= envelope.max() - DECAY)[-1]
    return None if above == len(envelope) - 1 else float((above + 1 - envelope.argmax()) * seconds)


def _brightness_track(still: Tensor, sample_rate: int) -> Array:
    """Centre of the power over log2 of the frequency in Hz, of every audible frame, ``(F,)``: none of silence."""
    bins = stft_powers(still[None])[0, LOWEST_BIN:].T.contiguous()
    power = bins.sum(1)
    loud = loud_frames(power[None] * (2.0 / (N_FFT * WINDOW_POWER)))[0]
    octaves = torch.arange(LOWEST_BIN, N_FFT // 2 + 1, dtype=bins.dtype).log2() + math.log2(sample_rate / N_FFT)
    return ((bins[loud] @ octaves) / power[loud]).numpy()
