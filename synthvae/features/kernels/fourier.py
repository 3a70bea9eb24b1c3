"""Fourier transforms of sixteen signals side by side.

A frame of 2048 real samples x is transformed as 1024 complex numbers z[m] = x[2m] + i x[2m + 1], Z their transform:

    S[k] = E + W O,  E = (Z[k] + Z*[1024 - k]) / 2,  O = -i (Z[k] - Z*[1024 - k]) / 2,  W = exp(-2 pi i k / 2048).

Written by hand because no library transforms interleaved signals, and a library call cannot be fused with the
computation that follows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthvae.core.compile import inlined, plain
from synthvae.features.fourier import HOP, N_FFT
from synthvae.features.kernels.vector import LANES, load, splat, store

__all__ = [
    "BINS",
    "HALF",
    "PLANE",
    "WORK",
    "Transform",
    "add_adjoint",
    "all_passes",
    "bin_of",
    "frame_spectrum",
    "places",
    "spectrum",
    "transform",
]

HALF = N_FFT // 2
BINS = HALF + 1
#: Real parts first, then imaginary ones.
PLANE = HALF * LANES
#: Size of a workspace for one transform of sixteen frames.
WORK = 2 * PLANE
_ZERO, _HALF = np.float32(0.0), np.float32(0.5)


class Transform(NamedTuple):
    """Constants of the transform.

    Attributes:
        window: periodic Hann, ``(2048,)``.
        cosine: cosine of 2 pi k / 1024, ``(1024,)``.
        sine: sine of -2 pi k / 1024.
        half_cosine: cosine of 2 pi k / 2048, ``(1025,)``.
        half_sine: sine of -2 pi k / 2048.
        place: position of Z[k] in the workspace after all passes, ``(1024,)``.
    """

    window: NDArray[np.float32]
    cosine: NDArray[np.float32]
    sine: NDArray[np.float32]
    half_cosine: NDArray[np.float32]
    half_sine: NDArray[np.float32]
    place: NDArray[np.int64]


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


@plain
def places(frame, samples, ring_mask, place, taper, window):
    """Source rows and window values of a frame's samples; ends are mirrored, or 0 in a short sound."""
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
    """Radix-4 decimation-in-frequency butterfly of four complex numbers; twiddles multiply the last three."""
    ar, ai, br, bi, cr, ci, dr, di = numbers
    sr, si, tr, ti = ar + cr, ai + ci, ar - cr, ai - ci
    ur, ui, vr, vi = br + dr, bi + di, bi - di, dr - br  # v = -i (b - d)
    store(work, at, sr + ur)
    store(work, at + PLANE, si + ui)
    xr, xi = tr + vr, ti + vi
    wr, wi = splat(cosine[w]), splat(sine[w])
    store(work, at + span, xr * wr - xi * wi)
    store(work, at + span + PLANE, xr * wi + xi * wr)
    xr, xi = sr - ur, si - ui
    wr, wi = splat(cosine[2 * w]), splat(sine[2 * w])
    store(work, at + 2 * span, xr * wr - xi * wi)
    store(work, at + 2 * span + PLANE, xr * wi + xi * wr)
    xr, xi = tr - vr, ti - vi
    wr, wi = splat(cosine[3 * w]), splat(sine[3 * w])
    store(work, at + 3 * span, xr * wr - xi * wi)
    store(work, at + 3 * span + PLANE, xr * wi + xi * wr)


@inlined
def _four(work, at, span):
    """Load four complex numbers at a distance of `span`."""
    return (
        load(work, at),
        load(work, at + PLANE),
        load(work, at + span),
        load(work, at + span + PLANE),
        load(work, at + 2 * span),
        load(work, at + 2 * span + PLANE),
        load(work, at + 3 * span),
        load(work, at + 3 * span + PLANE),
    )


@inlined
def _pass(work, base, quarter, cosine, sine, step):
    """One decimation-in-frequency pass over ``4 * quarter`` numbers starting at `base`, in place."""
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
    store(work, at + PLANE, si + ui)
    store(work, at + LANES, tr + vr)
    store(work, at + LANES + PLANE, ti + vi)
    store(work, at + 2 * LANES, sr - ur)
    store(work, at + 2 * LANES + PLANE, si - ui)
    store(work, at + 3 * LANES, tr - vr)
    store(work, at + 3 * LANES + PLANE, ti - vi)


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
    """Window one frame of sixteen signals and transform it; the first pass reads directly from the signals."""
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
def all_passes(work, cosine, sine):
    """Transform 1024 complex numbers of sixteen signals, in place; `Transform.place` gives the position of Z[k]."""
    _pass(work, 0, 256, cosine, sine, 1)
    _later_passes(work, cosine, sine)


@inlined
def bin_of(work, k, spot, half_cosine, half_sine):
    """Real and imaginary part of S[k] from a workspace after all passes."""
    z, y = spot[k & (HALF - 1)] * LANES, spot[(HALF - k) & (HALF - 1)] * LANES
    a, b, c, d = load(work, z), load(work, z + PLANE), load(work, y), load(work, y + PLANE)
    wr, wi, half = splat(half_cosine[k]), splat(half_sine[k]), splat(_HALF)
    real = half * ((a + c) + wr * (b + d) + wi * (a - c))
    imaginary = half * ((b - d) + wi * (b + d) - wr * (a - c))
    return real, imaginary


@plain
def spectrum(work, constants, out):
    """The bins of a workspace after all passes: real parts, then imaginary ones ``(2 * 1025 * 16,)``.

    A separate function, so that equal sounds have bit-identical bins; in one loop with the subsequent computation the
    compiler may round those of two sounds differently.
    """
    half_cosine, half_sine, spot = constants[3], constants[4], constants[5]
    for k in range(BINS):
        real, imaginary = bin_of(work, k, spot, half_cosine, half_sine)
        store(out, k * LANES, real)
        store(out, (BINS + k) * LANES, imaginary)


@plain
def add_adjoint(slopes, constants, place, taper, work, gradient):
    """Add a frame's derivatives with respect to samples, given those with respect to bins.

    The inverse transform of 1024 numbers is the forward transform with real and imaginary parts exchanged before and
    after.
    """
    cosine, sine, half_cosine, half_sine, spot = constants[1], constants[2], constants[3], constants[4], constants[5]
    half = splat(_HALF)
    for k in range(HALF):
        mirror = HALF - k
        ar, ai = load(slopes, k * LANES), load(slopes, (BINS + k) * LANES)
        br, bi = load(slopes, mirror * LANES), load(slopes, (BINS + mirror) * LANES)
        if k == 0:  # bins 0 and N / 2 are real and not halved
            ar, ai, br, bi = ar + ar, splat(_ZERO), br + br, splat(_ZERO)
        # X[k] + X*[N/2 - k], and i exp(2 pi i k / N) times their difference
        sr, si, dr, di = ar + br, ai - bi, ar - br, ai + bi
        wr, wi = splat(half_cosine[k]), splat(half_sine[k])  # exp(-2 pi i k / N)
        xr, xi = dr * wr + di * wi, di * wr - dr * wi
        store(work, k * LANES + PLANE, half * (sr - xi))
        store(work, k * LANES, half * (si + xr))
    all_passes(work, cosine, sine)
    for m in range(HALF):
        at = spot[m] * LANES
        even, odd = place[2 * m] * LANES, place[2 * m + 1] * LANES
        store(gradient, even, load(gradient, even) + load(work, at + PLANE) * splat(taper[2 * m]))
        store(gradient, odd, load(gradient, odd) + load(work, at) * splat(taper[2 * m + 1]))
