"""Losses on the STFT and their gradients, sixteen sounds side by side: frames, transform, loss and adjoint in one pass.

A frame of both sounds is transformed, compared bin by bin, and the derivative with respect to the reconstruction's
spectrum is transformed back and added to the result, before the next frame is processed: nothing of the size of a
spectrogram is ever stored. The derivative of a loss with respect to samples is, with G[k] that with respect to the real
and imaginary part of bin k, window w and N = 2048,

    dL / dx[t] = w[t] Re sum_{k = 0..N/2} G[k] exp(2 pi i k t / N),

an inverse real transform of G, with bins 1 to N / 2 - 1 halved. Written by hand because no library computes a
transform, a function of it and its adjoint together.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from synthvae.core.compile import aligned, cached, flush_denormals, hash_of, inlined, plain, restore_denormals
from synthvae.features.fourier import HOP, N_FFT
from synthvae.features.kernels.fourier import (
    BINS,
    WORK,
    add_adjoint,
    frame_spectrum,
    places,
    spectrum,
)
from synthvae.features.kernels.mel import frame_bands, slope_of_bands
from synthvae.features.kernels.vector import (
    LANES,
    absolute,
    arctangent,
    interleave,
    larger,
    load,
    logarithm,
    multiply_add,
    root,
    separate,
    splat,
    store,
    where_less,
    with_sign,
)

__all__ = ["CONVERGENCE", "LINEAR", "LINEAR_PHASE", "LOG", "LOG_MEL", "LOG_PHASE", "compare"]

#: Kinds of comparison.
CONVERGENCE, LINEAR, LOG, LINEAR_PHASE, LOG_PHASE, LOG_MEL = range(6)

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_TINY = np.float32(1e-36)  # under the root of a power: the direction of 0 is 0
_NO_SIZE = np.float32(2e-18)
_SMALLEST = np.float32(1e-37)
_DECIBELS = np.float32(20.0 / math.log(10.0))
_TWICE_DECIBELS = np.float32(40.0 / math.log(10.0))


@inlined
def _power(real, imaginary):
    """The squared magnitude of a complex number, rounded the same way wherever it is computed."""
    return multiply_add(real, real, imaginary * imaginary)


@inlined
def _size(real, imaginary):
    """The magnitude, and its inverse, of a complex number; a little above 0 at 0."""
    magnitude = root(_power(real, imaginary) + splat(_TINY))
    return magnitude, splat(_ONE) / magnitude


@inlined
def _sign(x):
    """-1, 0 or 1."""
    return where_less(absolute(x), splat(_SMALLEST), splat(_ZERO), with_sign(splat(_ONE), x))


@inlined
def _off_the_pole(real, imaginary, offset, pole):
    """Real and imaginary part of S + eps, S set to 0 near the pole, and a factor that is 0 there and 1 elsewhere."""
    real = real + splat(offset)
    nearest = larger(absolute(real), absolute(imaginary))
    moves = where_less(nearest, splat(pole), splat(_ZERO), splat(_ONE))
    real = where_less(nearest, splat(pole), splat(offset), real)
    return real, imaginary * moves, moves


@inlined
def _bin(kind, tr, ti, er, ei, offset, pole):
    """Terms of the sums and the derivative with respect to a bin of the reconstruction.

    Returns:
        The term, for the convergence also that of the target's norm, and the derivative's real and imaginary part.
    """
    reference = splat(_ZERO)
    if kind == LINEAR_PHASE:
        size, inverse = _size(er - tr, ei - ti)
        return (
            where_less(size, splat(np.float32(2e-18)), splat(_ZERO), size),
            reference,
            (er - tr) * inverse,
            (ei - ti) * inverse,
        )
    if kind == LOG_PHASE:
        a, b, _ = _off_the_pole(tr, ti, offset, pole)
        c, d, moves = _off_the_pole(er, ei, offset, pole)
        power = _power(c, d)
        level = splat(_HALF) * logarithm(_power(a, b) / power)
        turn = arctangent(b * (c - a) - a * (d - b), a * c + b * d)  # b c - a d, and 0 for equal spectra
        square = level * level + turn * turn
        value = root(square)
        scale = where_less(splat(_ZERO), square, moves / (larger(value, splat(_SMALLEST)) * power), splat(_ZERO))
        return value, reference, scale * (turn * d - level * c), splat(_ZERO) - scale * (turn * c + level * d)
    wanted, _ = _size(tr, ti)
    found, inverse = _size(er, ei)
    if kind == CONVERGENCE:
        difference = found - wanted
        value, reference, slope = difference * difference, wanted * wanted, difference
    elif kind == LINEAR:
        difference = found - wanted
        value, slope = absolute(difference), _sign(difference)
    else:
        found = found + splat(offset)
        difference = logarithm(found / (wanted + splat(offset)))
        value, slope = absolute(difference), _sign(difference) / found
    slope = slope * inverse
    return value, reference, slope * er, slope * ei


@plain
def _compare_frame(kind, target, estimate, offset, pole, slopes, sums):
    """Compare two spectra of sixteen sounds.

    Args:
        kind: kind of comparison.
        target: target spectra from `spectrum`.
        estimate: spectra of the reconstructions from `spectrum`.
        offset: eps of the logarithms.
        pole: radius within which the complex logarithm reads a spectrum as 0.
        slopes: result, derivatives with respect to bins, real parts, then imaginary ones ``(2 * 1025 * 16,)``.
        sums: result, the sum over bins of the terms, then of the reference's ``(32,)``.
    """
    total = reference = splat(_ZERO)
    for k in range(BINS):
        tr, ti = load(target, k * LANES), load(target, (BINS + k) * LANES)
        er, ei = load(estimate, k * LANES), load(estimate, (BINS + k) * LANES)
        value, square, real, imaginary = _bin(kind, tr, ti, er, ei, offset, pole)
        total, reference = total + value, reference + square
        store(slopes, k * LANES, real)
        store(slopes, (BINS + k) * LANES, imaginary)
    store(sums, 0, total)
    store(sums, LANES, reference)


@plain
def _compare_bands(target, estimate, constants, filters, offset, bands, slopes, sums):
    """Compare log-mel bands: the sum over bands of squared differences of 20 log10(band + offset).

    Args:
        target: workspace of the targets after all passes.
        estimate: workspace of the reconstructions after all passes.
        constants: constants of the transform, a `Transform`.
        filters: filterbank, a `Bands`.
        offset: added to a band under the logarithm.
        bands: workspace, ``(2, number * 16)``.
        slopes: result, as in `_compare_frame`.
        sums: result, as in `_compare_frame`.
    """
    number, wanted, found = filters[4], bands[0], bands[1]
    frame_bands(target, constants, filters, slopes[:0], wanted)
    frame_bands(estimate, constants, filters, slopes, found)  # directions of the reconstruction
    total = splat(_ZERO)
    for band in range(number):
        at = band * LANES
        level = load(found, at) + splat(offset)
        difference = logarithm(level / (load(wanted, at) + splat(offset))) * splat(_DECIBELS)
        total = total + difference * difference
        store(found, at, difference / level * splat(_TWICE_DECIBELS))
    store(sums, 0, total)
    slope_of_bands(filters, found, slopes)


def _kernel(sources: str) -> Any:
    # See `cached` about `sources`.
    def compare(estimate, target, low, high, kind, frames, constants, filters, limits, value, gradient):
        sources  # noqa: B018
        denormals = flush_denormals()
        (first, step), (offset, pole, silence) = frames, limits
        samples, window, cosine, sine = estimate.shape[1], constants[0], constants[1], constants[2]
        given, wanted, found = aligned(samples * LANES), aligned(samples * LANES), aligned(samples * LANES)
        one, two, back, slopes = aligned(WORK), aligned(WORK), aligned(WORK), aligned(2 * BINS * LANES)
        bands = aligned(2 * filters[4] * LANES).reshape((2, filters[4] * LANES))
        spectra = aligned(4 * BINS * LANES).reshape((2, 2 * BINS * LANES))
        sums, totals, scales = aligned(2 * LANES), np.empty(2 * LANES), aligned(LANES)
        place, taper = np.empty(N_FFT, np.int64), np.empty(N_FFT, np.float32)
        derive = gradient.shape[0] > 0
        for start in range(low, high, LANES):
            end = min(start + LANES, high)
            interleave(estimate, start * samples, samples, end - start, given)
            interleave(target, start * samples, samples, end - start, wanted)
            found[:] = _ZERO
            totals[:] = 0.0
            for frame in range(first, samples // HOP + 1, step):
                places(frame, samples, -1, place, taper, window)
                frame_spectrum(wanted, 0, place, taper, one, cosine, sine)
                frame_spectrum(given, 0, place, taper, two, cosine, sine)
                if kind == LOG_MEL:
                    _compare_bands(one, two, constants, filters, offset, bands, slopes, sums)
                else:
                    spectrum(one, constants, spectra[0])
                    spectrum(two, constants, spectra[1])
                    _compare_frame(kind, spectra[0], spectra[1], offset, pole, slopes, sums)
                for lane in range(2 * LANES):
                    totals[lane] += sums[lane]
                if derive:
                    add_adjoint(slopes, constants, place, taper, back, found)
            for row in range(start, end):
                lane, scale = row - start, 1.0
                value[row] = totals[lane]
                if kind == CONVERGENCE:
                    norm, reference = np.sqrt(totals[lane]), max(np.sqrt(totals[LANES + lane]), silence)
                    value[row] = norm / reference
                    scale = 1.0 / (norm * reference) if norm > 0.0 else 0.0
                elif kind == LOG_MEL:
                    scale = 1.0 / (filters[4] * ((samples // HOP - first) // step + 1))
                    value[row] *= scale
                scales[lane] = scale
            if derive:
                factors = load(scales, 0)
                for n in range(samples):
                    store(found, n * LANES, load(found, n * LANES) * factors)
                separate(found, end - start, gradient, start * samples, samples)
        restore_denormals(denormals)

    return cached(compare)


#: ``compare(estimate, target, low, high, kind, frames, constants, filters, limits, value, gradient)`` compares rows
#: `low` to `high` of two batches of sounds ``(B, T)`` in some frames (the first, and the step to the next), into
#: `value` ``(B,)`` and the derivatives with respect to `estimate` into `gradient` ``(B, T)``; none are computed if that
#: has no row. `limits` are eps of the logarithms, the radius around the pole of the complex logarithm, and the minimum
#: norm of a target.
_PACKAGE = Path(__file__).parents[2]
compare = _kernel(
    hash_of([_PACKAGE / "core/compile.py", _PACKAGE / "features/fourier.py", *_PACKAGE.glob("features/kernels/*.py")])
)
