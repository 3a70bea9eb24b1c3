"""Spectra of sixteen signals side by side, and derivatives of log-mel spectrograms.

A frame of 2048 real samples x is transformed as 1024 complex numbers z[m] = x[2m] + i x[2m + 1], Z their transform:

    S[k] = E + W O,  E = (Z[k] + Z*[1024 - k]) / 2,  O = -i (Z[k] - Z*[1024 - k]) / 2,  W = exp(-2 pi i k / 2048).

The derivative of a magnitude is d|S| = Re(u* dS) with u = S / |S|, a weighted sum of the real and imaginary parts of
the two dZ whose four weights depend on the preset alone. So no spectrum of a derivative is ever put together: its Z
goes into the mel bands directly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthvae.core.compile import inlined, plain
from synthvae.features.fourier import HOP, N_FFT
from synthvae.synths.voice.kernels.vector import LANES, load, root, splat, store

__all__ = [
    "BINS",
    "HALF",
    "RING",
    "WORK",
    "Bands",
    "Transform",
    "bands",
    "decibels",
    "frame_spectrum",
    "magnitudes",
    "mel_tangents",
    "mel_weights",
    "places",
    "transform",
]

HALF = N_FFT // 2
BINS = HALF + 1
#: Rows of derivatives that are kept: a frame, and as much again for what is computed ahead. A power of two.
RING = 2 * N_FFT
_PLANE = HALF * LANES  # real parts first, then imaginary ones
#: Size of a workspace for one transform of sixteen frames.
WORK = 2 * _PLANE
_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_DECIBELS = np.float32(20.0 / math.log(10.0))
_TINY = np.float32(1e-36)  # under the root of a power spectrum: the direction of 0 is 0


class Transform(NamedTuple):
    """Constants of the transform.

    Attributes:
        window: periodic Hann, ``(2048,)``.
        cosine: of 2 pi k / 1024, ``(1024,)``.
        sine: of -2 pi k / 1024.
        half_cosine: of 2 pi k / 2048, ``(1025,)``.
        half_sine: of -2 pi k / 2048.
        place: where in the workspace Z[k] ends up, ``(1024,)``.
    """

    window: NDArray[np.float32]
    cosine: NDArray[np.float32]
    sine: NDArray[np.float32]
    half_cosine: NDArray[np.float32]
    half_sine: NDArray[np.float32]
    place: NDArray[np.int64]


class Bands(NamedTuple):
    """A filterbank in which every bin is heard in two neighbouring bands at most.

    Attributes:
        lower: the lower of two bands, for each run of bins.
        first: first bin of each run and, last, the end of the last run.
        low: each bin's weight in the lower band, ``(1025,)``.
        high: each bin's weight in the band above that.
        number: of bands.
    """

    lower: NDArray[np.int64]
    first: NDArray[np.int64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    number: int


def transform() -> Transform:
    """The constants of the transform."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    angle, half = 2 * np.pi * np.arange(HALF) / HALF, 2 * np.pi * np.arange(BINS) / N_FFT
    digits = np.arange(HALF)
    place = np.zeros(HALF, dtype=np.int64)
    for _ in range(5):  # 1024 = 4^5: the digits of k in base 4 come out reversed
        place, digits = 4 * place + digits % 4, digits // 4
    single = np.float32
    return Transform(
        window.astype(single),
        np.cos(angle).astype(single),
        -np.sin(angle).astype(single),
        np.cos(half).astype(single),
        -np.sin(half).astype(single),
        place,
    )


def bands(weights: NDArray[np.float64]) -> Bands:
    """Arrange a filterbank of triangles ``(number, 1025)``.

    Raises:
        ValueError: if a bin is heard in more than two bands or in two that are not neighbours.
    """
    number = weights.shape[0]
    heard = weights > 0
    lowest = np.where(heard.any(0), heard.argmax(0), -1)
    highest = np.where(heard.any(0), number - 1 - heard[::-1].argmax(0), -1)
    if (highest - lowest > 1).any():
        raise ValueError("every bin must be heard in at most two bands, and those must be neighbours")
    bins = np.flatnonzero(lowest >= 0)
    # A bin in one band only belongs to the run of the bins below or above it; any will do.
    starts = [k for k in bins if k == bins[0] or lowest[k] != lowest[k - 1]]
    low, high = np.zeros((2, BINS), dtype=np.float32)
    low[bins] = weights[lowest[bins], bins]
    both = bins[highest[bins] > lowest[bins]]
    high[both] = weights[highest[both], both]
    first = np.array([*starts, bins[-1] + 1], dtype=np.int64)
    return Bands(lowest[first[:-1]].astype(np.int64), first, low, high, number)


@plain
def places(frame, samples, ring_mask, place, taper, window):
    """Where a frame's samples come from: their rows, and their window; ends are mirrored, or 0 in a short sound."""
    start = frame * HOP - HALF
    for i in range(N_FFT):
        n, weight = start + i, window[i]
        if samples > HALF:
            n = abs(n)
            n = n if n < samples else 2 * (samples - 1) - n
        elif n < 0 or n >= samples:
            n, weight = 0, np.float32(0.0)
        place[i] = n & ring_mask
        taper[i] = weight


@inlined
def _butterfly(work, at, span, numbers, cosine, sine, w):
    """Four complex numbers to the first, and with twiddles to the other three, of a radix-4 step in frequency."""
    ar, ai, br, bi, cr, ci, dr, di = numbers
    sr, si, tr, ti = ar + cr, ai + ci, ar - cr, ai - ci
    ur, ui, vr, vi = br + dr, bi + di, bi - di, dr - br  # v = -i (b - d)
    store(work, at, sr + ur)
    store(work, at + _PLANE, si + ui)
    xr, xi = tr + vr, ti + vi
    wr, wi = splat(cosine[w]), splat(sine[w])
    store(work, at + span, xr * wr - xi * wi)
    store(work, at + span + _PLANE, xr * wi + xi * wr)
    xr, xi = sr - ur, si - ui
    wr, wi = splat(cosine[2 * w]), splat(sine[2 * w])
    store(work, at + 2 * span, xr * wr - xi * wi)
    store(work, at + 2 * span + _PLANE, xr * wi + xi * wr)
    xr, xi = tr - vr, ti - vi
    wr, wi = splat(cosine[3 * w]), splat(sine[3 * w])
    store(work, at + 3 * span, xr * wr - xi * wi)
    store(work, at + 3 * span + _PLANE, xr * wi + xi * wr)


@inlined
def _four(work, at, span):
    """Four complex numbers, `span` apart."""
    return (
        load(work, at),
        load(work, at + _PLANE),
        load(work, at + span),
        load(work, at + span + _PLANE),
        load(work, at + 2 * span),
        load(work, at + 2 * span + _PLANE),
        load(work, at + 3 * span),
        load(work, at + 3 * span + _PLANE),
    )


@inlined
def _pass(work, base, quarter, cosine, sine, step):
    """One pass of a decimation in frequency over ``4 * quarter`` numbers from `base` on, in place."""
    span = quarter * LANES
    for j in range(quarter):
        at = (base + j) * LANES
        _butterfly(work, at, span, _four(work, at, span), cosine, sine, j * step)


@inlined
def _last_pass(work, base):
    """The pass over four numbers, without twiddles."""
    at = base * LANES
    ar, ai, br, bi, cr, ci, dr, di = _four(work, at, LANES)
    sr, si, tr, ti = ar + cr, ai + ci, ar - cr, ai - ci
    ur, ui, vr, vi = br + dr, bi + di, bi - di, dr - br
    store(work, at, sr + ur)
    store(work, at + _PLANE, si + ui)
    store(work, at + LANES, tr + vr)
    store(work, at + LANES + _PLANE, ti + vi)
    store(work, at + 2 * LANES, sr - ur)
    store(work, at + 2 * LANES + _PLANE, si - ui)
    store(work, at + 3 * LANES, tr - vr)
    store(work, at + 3 * LANES + _PLANE, ti - vi)


@plain
def _later_passes(work, cosine, sine):
    """All passes but the first."""
    for second in range(0, HALF, 256):  # a quarter at a time: it stays in the L1 cache
        _pass(work, second, 64, cosine, sine, 4)
        for third in range(second, second + 256, 64):
            _pass(work, third, 16, cosine, sine, 16)
            for fourth in range(third, third + 64, 16):
                _pass(work, fourth, 4, cosine, sine, 64)
                for fifth in range(fourth, fourth + 16, 4):
                    _last_pass(work, fifth)


@plain
def frame_spectrum(ring, ring_at, place, taper, work, cosine, sine):
    """Window one frame of sixteen signals and transform it; the first pass reads the signals themselves."""
    span = 256 * LANES
    for j in range(256):
        e0, e1, e2, e3 = 2 * j, 2 * j + 512, 2 * j + 1024, 2 * j + 1536
        numbers = (
            load(ring, ring_at + place[e0] * LANES) * splat(taper[e0]),
            load(ring, ring_at + place[e0 + 1] * LANES) * splat(taper[e0 + 1]),
            load(ring, ring_at + place[e1] * LANES) * splat(taper[e1]),
            load(ring, ring_at + place[e1 + 1] * LANES) * splat(taper[e1 + 1]),
            load(ring, ring_at + place[e2] * LANES) * splat(taper[e2]),
            load(ring, ring_at + place[e2 + 1] * LANES) * splat(taper[e2 + 1]),
            load(ring, ring_at + place[e3] * LANES) * splat(taper[e3]),
            load(ring, ring_at + place[e3 + 1] * LANES) * splat(taper[e3 + 1]),
        )
        _butterfly(work, j * LANES, span, numbers, cosine, sine, j)
    _later_passes(work, cosine, sine)


@plain
def magnitudes(audio, count, constants, filters, work, direction, mel):
    """Spectrum of one sound ``(T,)``, sixteen frames side by side.

    To `direction` goes S / |S| (0 where S is), ``(groups, 2 * 1025 * 16)``, real parts, then imaginary ones; to `mel`
    the filterbank applied to |S|, ``(groups, number * 16)``.
    """
    window, cosine, sine, half_cosine, half_sine, spot = constants
    lower, first, low, high, number = filters
    place, taper = np.empty(N_FFT, np.int64), np.empty(N_FFT, np.float32)
    nothing, half, one, tiny = splat(_ZERO), splat(_HALF), splat(_ONE), splat(_TINY)
    for group in range(direction.shape[0]):
        for lane in range(LANES):
            places(min(group * LANES + lane, count - 1), audio.shape[0], -1, place, taper, window)
            for m in range(HALF):
                work[m * LANES + lane] = audio[place[2 * m]] * taper[2 * m]
                work[m * LANES + lane + _PLANE] = audio[place[2 * m + 1]] * taper[2 * m + 1]
        _pass(work, 0, 256, cosine, sine, 1)
        _later_passes(work, cosine, sine)
        into, bands_of = direction[group], mel[group]
        bands_of[:] = _ZERO
        for run in range(lower.shape[0] + 2):
            # Before, in and behind the runs of bins that some band hears.
            start = 0 if run == 0 else first[run - 1]
            end = BINS if run > lower.shape[0] else first[run]
            below = above = nothing
            for k in range(start, end):
                z, y = spot[k & (HALF - 1)] * LANES, spot[(HALF - k) & (HALF - 1)] * LANES
                a, b, c, d = load(work, z), load(work, z + _PLANE), load(work, y), load(work, y + _PLANE)
                wr, wi = splat(half_cosine[k]), splat(half_sine[k])
                real = half * ((a + c) + wr * (b + d) + wi * (a - c))
                imaginary = half * ((b - d) + wi * (b + d) - wr * (a - c))
                magnitude = root(real * real + imaginary * imaginary + tiny)
                inverse = one / magnitude
                store(into, k * LANES, real * inverse)
                store(into, (BINS + k) * LANES, imaginary * inverse)
                below = below + magnitude * splat(low[k])
                above = above + magnitude * splat(high[k])
            if (run > 0) & (run <= lower.shape[0]):
                at = lower[run - 1] * LANES
                store(bands_of, at, load(bands_of, at) + below)
                if lower[run - 1] + 1 < number:
                    store(bands_of, at + LANES, load(bands_of, at + LANES) + above)


@plain
def mel_weights(direction, lane, constants, weights):
    """The four weights of every bin's two complex numbers Z, for one frame; ``(1025 * 4,)``."""
    half_cosine, half_sine = constants[3], constants[4]
    for k in range(BINS):
        ur, ui = direction[k * LANES + lane], direction[(BINS + k) * LANES + lane]
        wr, wi = half_cosine[k], half_sine[k]
        cross, dot = ur * wi - ui * wr, ur * wr + ui * wi
        weights[4 * k] = _HALF * (ur + cross)
        weights[4 * k + 1] = _HALF * (dot + ui)
        weights[4 * k + 2] = _HALF * (ur - cross)
        weights[4 * k + 3] = _HALF * (dot - ui)


@plain
def decibels(heard, lane, mel, floor, gain, peak, peak_at, out, out_at, out_step):
    """From derivatives of the bands of the mix to derivatives of the decibels of the normalised sound.

    With y = g x and g = 1 / |x_k|, dy = g (dx - y sign(y_k) dx_k): the bands of y itself are those of its `mel`.

    Args:
        heard: derivatives of the bands, from `mel_tangents`.
        lane: the frame's.
        mel: bands of the sound, sixteen frames side by side.
        floor: added to a band under the logarithm.
        gain: g.
        peak: sign(y_k) dx_k by all parameters; 0 if the sound was not normalised.
        peak_at: where those of the sixteen parameters are.
        out: result, flat.
        out_at: where the first band's sixteen derivatives go.
        out_step: distance from one band to the next.
    """
    at_peak = load(peak, peak_at)
    for band in range(mel.shape[0] // LANES):
        level = mel[band * LANES + lane]
        scale = splat(_DECIBELS * gain / (level + floor))
        store(out, out_at + band * out_step, (load(heard, band * LANES) - at_peak * splat(level)) * scale)


@plain
def mel_tangents(ring, ring_at, place, taper, weights, constants, filters, work, out):
    """The mel bands' derivatives of one frame by sixteen parameters, ``(number * 16,)``.

    From derivatives of samples in a flat ring, where row 0 of these parameters stands at `ring_at`, with the frame's
    rows and window from `places` and weights from `mel_weights`.
    """
    _, cosine, sine, _, _, spot = constants
    lower, first, low, high, number = filters
    frame_spectrum(ring, ring_at, place, taper, work, cosine, sine)
    nothing = splat(_ZERO)
    for band in range(number):
        store(out, band * LANES, nothing)
    for run in range(lower.shape[0]):
        below = above = nothing
        for k in range(first[run], first[run + 1]):
            z, y = spot[k & (HALF - 1)] * LANES, spot[(HALF - k) & (HALF - 1)] * LANES
            one = load(work, z) * splat(weights[4 * k]) + load(work, z + _PLANE) * splat(weights[4 * k + 1])
            two = load(work, y) * splat(weights[4 * k + 2]) + load(work, y + _PLANE) * splat(weights[4 * k + 3])
            both = one + two
            below = below + both * splat(low[k])
            above = above + both * splat(high[k])
        at = lower[run] * LANES
        store(out, at, load(out, at) + below)
        if lower[run] + 1 < number:
            store(out, at + LANES, load(out, at + LANES) + above)
