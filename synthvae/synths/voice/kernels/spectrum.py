"""Derivatives of log-mel spectrograms by sixteen parameters at a time.

The derivative of a magnitude is d|S| = Re(u* dS) with u = S / |S|, a weighted sum of the real and imaginary parts of
the two dZ (see `synthvae.features.kernels.fourier`) whose four weights depend only on the preset. The spectrum of a
derivative is therefore never assembled: its Z is added to the mel bands directly.
"""

from __future__ import annotations

import math

import numpy as np

from synthvae.core.compile import plain
from synthvae.features.fourier import N_FFT
from synthvae.features.kernels.fourier import BINS, HALF, PLANE, all_passes, frame_spectrum, places
from synthvae.features.kernels.mel import frame_bands
from synthvae.features.kernels.vector import LANES, load, splat, store

__all__ = ["RING", "decibels", "magnitudes", "mel_tangents", "mel_weights"]

#: Number of rows of derivatives in the ring: one frame, and the same again for rows computed ahead. A power of two.
RING = 2 * N_FFT
_ZERO, _HALF = np.float32(0.0), np.float32(0.5)
_DECIBELS = np.float32(20.0 / math.log(10.0))


@plain
def magnitudes(audio, count, constants, filters, work, direction, mel):
    """Spectrum of one sound ``(T,)``, sixteen frames per vector.

    Args:
        audio: sound ``(T,)``.
        count: number of frames.
        constants: constants of the transform, a `Transform`.
        filters: mel filters, a `Bands`.
        work: workspace.
        direction: result, as in `frame_bands`, ``(groups, 2 * 1025 * 16)``.
        mel: result, as in `frame_bands`, ``(groups, number * 16)``.
    """
    window, cosine, sine = constants[0], constants[1], constants[2]
    place, taper = np.empty(N_FFT, np.int64), np.empty(N_FFT, np.float32)
    for group in range(direction.shape[0]):
        for lane in range(LANES):
            places(min(group * LANES + lane, count - 1), audio.shape[0], -1, place, taper, window)
            for m in range(HALF):
                work[m * LANES + lane] = audio[place[2 * m]] * taper[2 * m]
                work[m * LANES + lane + PLANE] = audio[place[2 * m + 1]] * taper[2 * m + 1]
        all_passes(work, cosine, sine)
        frame_bands(work, constants, filters, direction[group], mel[group])


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
def decibels(tangents, lane, mel, floor, gain, peak, peak_at, out, out_at, out_step):
    """Convert derivatives of the bands of the mix to derivatives of the decibels of the normalised sound.

    With y = g x and g = 1 / |x_k|, dy = g (dx - y sign(y_k) dx_k): the bands of y itself are those of its `mel`.

    Args:
        tangents: derivatives of the bands, from `mel_tangents`.
        lane: lane of the frame in `mel`.
        mel: bands of the sound, sixteen frames per vector.
        floor: constant added to a band before the logarithm.
        gain: normalisation factor g.
        peak: sign(y_k) dx_k by all parameters; 0 if the sound was not normalised.
        peak_at: index in `peak` of the sixteen parameters.
        out: result, flat.
        out_at: index in `out` of the sixteen derivatives of the first band.
        out_step: distance from one band to the next.
    """
    at_peak = load(peak, peak_at)
    for band in range(mel.shape[0] // LANES):
        level = mel[band * LANES + lane]
        scale = splat(_DECIBELS * gain / (level + floor))
        store(out, out_at + band * out_step, (load(tangents, band * LANES) - at_peak * splat(level)) * scale)


@plain
def mel_tangents(ring, ring_at, place, taper, weights, constants, filters, work, out):
    """Derivatives ``(number * 16,)`` of the mel bands of one frame by sixteen parameters.

    Computed from derivatives of samples in a flat ring, in which row 0 of these parameters is at `ring_at`, with the
    rows and window of the frame from `places` and weights from `mel_weights`.
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
            one = load(work, z) * splat(weights[4 * k]) + load(work, z + PLANE) * splat(weights[4 * k + 1])
            two = load(work, y) * splat(weights[4 * k + 2]) + load(work, y + PLANE) * splat(weights[4 * k + 3])
            both = one + two
            below = below + both * splat(low[k])
            above = above + both * splat(high[k])
        at = lower[run] * LANES
        store(out, at, load(out, at) + below)
        if lower[run] + 1 < number:
            store(out, at + LANES, load(out, at + LANES) + above)
