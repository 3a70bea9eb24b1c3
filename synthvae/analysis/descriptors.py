"""What a sound is like, in numbers with names: brightness, noisiness, movement, envelope, pitch.

The set follows Peeters, Giordano, Susini, Misdariis and McAdams, "The Timbre Toolbox", JASA 130:2902, 2011: of a
descriptor that moves, the median and the interquartile range over frames. Only loud frames count
(`synthvae.analysis.pitch.loud_frames`): a spectrum nobody hears has no timbre. Where frequency is an axis it is in
octaves, as in MPEG-7's AudioSpectrumCentroid and AudioSpectrumSpread (ISO/IEC 15938-4), because that is how it is
heard. A sound is taken without its mean and its spectrum without the two lowest bins, where a mean that drifts would
lie (below 43 Hz at 44.1 kHz): neither is heard, and both would rule the moments.

Skewness and kurtosis are compressed: of a tone with a trace of noise they run into the hundreds and ten thousands, and
any comparison by standard deviations would be of such tones alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import detrend
from torch import Tensor
from torch.nn import functional as F

from synthvae.analysis.parallel import on_threads
from synthvae.analysis.pitch import QUIET, Pitch, check_sounds, loud_frames, track_pitch
from synthvae.features.base import as_constant
from synthvae.features.fourier import HOP, N_FFT, stft

__all__ = ["DESCRIPTORS", "TREMOLO", "Descriptor", "describe", "power_envelope"]

SHARE = 0.95
"""Of the power lies below the roll-off."""

LOWEST_BIN = 2
"""The Hann window spreads a constant over bins 0 and 1."""

WINDOW_POWER = 0.375 * N_FFT
"""Sum of the squares of the Hann window."""

RANGE = 1e-8
"""Bins more than 80 dB below the strongest of their frame count as that: what is under it is rounding."""

WINDOW, STEP = 0.010, 0.0025
"""Seconds of sound behind a value of the envelope, and between two. Shorter windows see single periods."""

FROM, TO = 0.1, 0.9
"""Shares of the envelope's maximum between which it attacks."""

EFFECTIVE = 0.4
"""Share of the envelope's maximum above which a sound lasts (Peeters et al. 2011)."""

TREMOLO = (4.0, 20.0)
"""Rates of a tremolo in Hz: slower, a spectrum cannot tell a modulation from a decay; 20 is the fastest LFO."""

#: Where there is no frequency the middle of what is heard stands for it, 1 kHz, so as to be far from nothing.
NEUTRAL = math.log2(1000.0)

#: Silence, in dB.
FLOOR = 10.0 * math.log10(QUIET)

_BATCH = 8  # sounds at a time: a spectrogram of a second is 0.7 MB


@dataclass(frozen=True)
class Descriptor:
    """One column.

    Attributes:
        name: of the column.
        unit: of its values; empty for a plain ratio.
        meaning: one line.
        silence: its value for a sound without any loud frame; None where it has none.
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
        "decrease",
        "",
        "mean slope of the magnitude from the lowest bin, over its sum: below 0 for a low tone",
        0.0,
    ),
    Descriptor("flux", "", "1 minus the correlation of magnitudes with the frame before, 0 to 1", 0.0),
    Descriptor("zero_crossings", "Hz", "changes of sign in a second", 0.0),
    Descriptor("level", "dB", "RMS level under the window of 2048 samples, a full-scale sine reads -3", FLOOR),
)

_OF_THE_SOUND = (
    Descriptor("log_attack_time", "log10 s", "time from 10 % to 90 % of the envelope's maximum", math.log10(STEP)),
    Descriptor("temporal_centroid", "s", "centre of the envelope over time", 0.0),
    Descriptor("effective_duration", "s", "time for which the envelope is above 40 % of its maximum", 0.0),
    Descriptor(
        "modulation",
        "",
        "depth of the strongest modulation of the envelope from 4 to 20 Hz",
        0.0,
    ),
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
        sample_rate: in Hz.
        pitch: of the same sounds, where it is known already.
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

    def rows_of(part: Tensor) -> NDArray[np.float64]:
        still = part.double()
        still = still - still.mean(1, keepdim=True)
        bins = stft(still)[:, LOWEST_BIN:].transpose(1, 2).abs().square()
        power = bins.sum(2) * (2.0 / (N_FFT * WINDOW_POWER))
        loud = loud_frames(power)
        values = torch.cat((_spectral(bins, sample_rate), _crossings(still, sample_rate), _level(power)[..., None]), 2)
        rms = _level(still.square().mean(1, keepdim=True))
        found = torch.cat((_over_frames(values, loud), _envelope(still, sample_rate), rms), 1)
        described: NDArray[np.float64] = torch.where(loud.any(1, keepdim=True), found, torch.nan).numpy()
        return described

    rows = []
    for found in on_threads(rows_of, sounds.split(_BATCH)):
        rows.append(found)
        progress(sum(map(len, rows)))
    table = np.concatenate([np.concatenate(rows), _pitch(pitch)], axis=1)
    silence = np.array([column.silence for column in DESCRIPTORS.values()], dtype=np.float64)
    return np.where(np.isnan(table[:, :1]), silence, table)


def _level(power: Tensor) -> Tensor:
    return 10.0 * torch.log10(power + QUIET)


def _spectral(bins: Tensor, sample_rate: int) -> Tensor:
    """Columns of `_OVER_FRAMES` from powers of bins ``(B, F, K)``, ``(B, F, 10)``; silent frames may hold NaN."""
    octaves = _octaves(sample_rate)
    share = bins / bins.sum(2, keepdim=True)
    centroid = share @ octaves
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
            torch.asinh(third / variance**1.5),
            torch.log2(fourth / variance.square()),
            rolloff,
            level.mean(2) - 10.0 * torch.log10(audible.mean(2)),
            10.0 * torch.log10(strongest / bins.mean(2)),
            level @ _regression(sample_rate),
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
    return (magnitude[..., 1:] @ weight - magnitude[..., 0] * weight.sum()) / magnitude.sum(2)


def _flux(magnitude: Tensor) -> Tensor:
    """Peeters et al. 2011, spectral variation, ``(B, F)``; the first frame has none before it and counts as still."""
    length = magnitude.square().sum(2).sqrt()
    product = (magnitude[:, 1:] * magnitude[:, :-1]).sum(2) / (length[:, 1:] * length[:, :-1])
    # A sound that starts from nothing has changed altogether.
    return F.pad(1.0 - product.nan_to_num(0.0).clamp_max(1.0), (1, 0))


def _crossings(audio: Tensor, sample_rate: int) -> Tensor:
    """Changes of sign in a second, of the 2048 samples around each frame, ``(B, F, 1)``."""
    changes = (audio[:, 1:] < 0) != (audio[:, :-1] < 0)
    changes = F.pad(changes.to(audio.dtype), (1, 0))
    rate = F.avg_pool1d(changes[:, None], N_FFT, HOP, N_FFT // 2, count_include_pad=False)
    return sample_rate * rate.transpose(1, 2)


def _over_frames(values: Tensor, loud: Tensor) -> Tensor:
    """Median and interquartile range over frames of ``(B, F, C)``, in turn, ``(B, 2 C)``."""
    heard = torch.where(loud[..., None], values, torch.nan)
    quarters = torch.tensor([0.25, 0.5, 0.75], dtype=values.dtype)
    low, middle, high = heard.nanquantile(quarters, dim=1)
    return torch.stack((middle, high - low), 2).flatten(1)


def power_envelope(audio: Tensor, sample_rate: int) -> tuple[Tensor, float]:
    """Mean squares of sounds ``(B, T)`` under a window of 10 ms, ``(B, E)``, and the seconds between two, 2.5 ms."""
    half = max(1, round(WINDOW * sample_rate / 2))
    step = max(1, round(STEP * sample_rate))
    power = F.avg_pool1d(audio.square()[:, None], 2 * half + 1, step, half, count_include_pad=False)[:, 0]
    return power, step / sample_rate


def _envelope(audio: Tensor, sample_rate: int) -> Tensor:
    """Attack, temporal centroid, duration and modulation, ``(B, 4)``."""
    power, seconds = power_envelope(audio, sample_rate)
    envelope = power.sqrt()
    top = envelope.amax(1, keepdim=True)
    starts, arrives = ((envelope >= share * top).to(torch.uint8).argmax(1) for share in (FROM, TO))
    attack = torch.log10(((arrives - starts) * seconds).clamp_min(STEP))
    times = torch.arange(envelope.shape[1], dtype=audio.dtype) * seconds
    centroid = envelope @ times / envelope.sum(1)
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
    moving = torch.from_numpy(detrend(envelope.numpy(), axis=1)) * window
    size = 4 * count  # between the bins of the bare window a modulation would lose up to 15 %
    frequencies = torch.fft.rfftfreq(size, seconds)
    spectrum = torch.fft.rfft(moving, size).abs()[:, (frequencies >= low) & (frequencies <= high)]
    if not spectrum.shape[1]:
        return torch.zeros_like(envelope[:, 0])
    return 2.0 * spectrum.amax(1) / (envelope @ window)


def _pitch(pitch: Pitch) -> NDArray[np.float64]:
    """Aperiodicity, share of periodic frames, f0 and its interquartile range, ``(N, 4)``."""
    f0 = np.log2(pitch.frequency, out=np.full(len(pitch.frequency), NEUTRAL), where=pitch.pitched)
    track = torch.from_numpy(pitch.track)
    octaves = torch.where(track > 0, track, torch.nan).log2()
    low, high = octaves.nanquantile(torch.tensor([0.25, 0.75], dtype=octaves.dtype), dim=1).numpy()
    movement = np.where(pitch.pitched, high - low, 0.0)
    return np.stack([pitch.aperiodicity, pitch.share, f0, movement], axis=1)


@lru_cache(maxsize=8)
def _octaves(sample_rate: int) -> Tensor:
    """log2 of the frequency in Hz of every bin that is used, ``(K,)``."""
    frequencies = np.arange(LOWEST_BIN, N_FFT // 2 + 1) * (sample_rate / N_FFT)
    return as_constant(np.log2(frequencies), torch.float64, torch.device("cpu"))


@lru_cache(maxsize=8)
def _regression(sample_rate: int) -> Tensor:
    """Weights ``(K,)`` whose product with levels is the slope of their regression on octaves.

    Bin k weighs 1 / k, so that every octave weighs the same.
    """
    octaves = _octaves(sample_rate).numpy()
    weight = 1.0 / np.arange(LOWEST_BIN, N_FFT // 2 + 1)
    distance = octaves - np.average(octaves, weights=weight)
    return as_constant(weight * distance / (weight @ distance**2), torch.float64, torch.device("cpu"))
