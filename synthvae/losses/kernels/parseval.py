"""Spectral convergence of complex STFTs, and its gradient, without an STFT: one pass over both waveforms.

By Parseval's theorem (`synthvae.features.fourier.stft_isometry`), over the frames of a signal x padded as for the
transform,

    sum |S[k, n]|^2 = N sum_t W[t] x[t]^2 + sum_n (E_n^2 + O_n^2),

with N half the length of a frame, W the sum of the squared windows that cover a sample, and E_n, O_n the windowed
sums of frame n's even and odd samples. A frame is four hops long and the window is 1/2 - 1/2 cos, so that all of this
follows from each hop's sums of x, x cos and x sin, theta = 2 pi t / 2N, and W within a hop is a combination of 1, cos
theta, sin theta and cos 2 theta.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthvae.core.compile import aligned, cached, flush_denormals, hash_of, plain, restore_denormals, wide
from synthvae.features.fourier import HOP, N_FFT
from synthvae.features.kernels.vector import LANES, load, splat, store

__all__ = ["compare", "coverage", "waves"]

_REACH = N_FFT // 2
_OVERLAP = N_FFT // HOP
_ZERO = np.float32(0.0)


@lru_cache(maxsize=64)
def coverage(count: int, step: int) -> NDArray[np.float32]:
    """N W of every hop, ``(hops, 4)``: coefficients of 1, cos theta, sin theta and cos 2 theta.

    Args:
        count: number of frames.
        step: number of hops from one frame to the next.
    """
    # (1/2 - 1/2 cos(theta + p pi / 2))^2 for each of a frame's four hops.
    own = np.array(
        [[0.375, -0.5, 0.0, 0.125], [0.375, 0.0, 0.5, -0.125], [0.375, 0.5, 0.0, 0.125], [0.375, 0.0, -0.5, -0.125]]
    )
    total = np.zeros(((count - 1) * step + _OVERLAP, 4))
    for part in range(_OVERLAP):
        total[part : part + (count - 1) * step + 1 : step] += own[part]
    return (total * _REACH).astype(np.float32)


@lru_cache(maxsize=1)
def waves() -> NDArray[np.float32]:
    """Cos theta, sin theta and cos 2 theta over a hop, flat, ``(3 * 512,)``."""
    theta = 2.0 * math.pi * np.arange(HOP) / N_FFT
    return np.concatenate([np.cos(theta), np.sin(theta), np.cos(2.0 * theta)]).astype(np.float32)


@plain
def _pad(out):
    """Mirror ``out[1024:-1024]`` at both ends, as `synthvae.features.base.pad_centred` does."""
    samples = out.shape[0] - 2 * _REACH
    last = _REACH + samples - 1
    short = samples <= _REACH
    for k in range(1, _REACH + 1):
        out[_REACH - k] = _ZERO if short else out[_REACH + k]
        out[last + k] = _ZERO if short else out[last - k]


@plain
def _constant(covered, hop):
    """Whether W is constant within a hop, as in all but the first and the last ones if all frames are selected."""
    return (covered[hop, 1] == _ZERO) & (covered[hop, 2] == _ZERO) & (covered[hop, 3] == _ZERO)


@plain
def _squared_norm(padded, start, step, covered, table, sums, ends):
    """The squared norm of the transform of a padded signal, starting at its sample `start`.

    Args:
        padded: signal, flat.
        start: first sample of its first hop.
        step: number of hops from one frame to the next.
        covered: coefficients from `coverage`.
        table: functions from `waves`.
        sums: workspace, each hop's sums of x, x cos and x sin, of even and of odd samples, ``(hops, 3, 2)``.
        ends: result, E_n and O_n of every frame ``(count, 2)``.
    """
    part, squares = np.empty(3 * LANES, np.float32), splat(_ZERO)
    for hop in range(covered.shape[0]):
        base = start + hop * HOP
        one, own = splat(covered[hop, 0]), splat(_ZERO)
        plain_sum = by_cosine = by_sine = splat(_ZERO)
        if _constant(covered, hop):
            for k in range(0, HOP, LANES):
                x = load(padded, base + k)
                own = own + x * x
                plain_sum = plain_sum + x
                by_cosine = by_cosine + x * load(table, k)
                by_sine = by_sine + x * load(table, HOP + k)
            own = own * one
        else:
            cosine, sine, double = splat(covered[hop, 1]), splat(covered[hop, 2]), splat(covered[hop, 3])
            for k in range(0, HOP, LANES):
                x, c, s = load(padded, base + k), load(table, k), load(table, HOP + k)
                weight = one + cosine * c + sine * s + double * load(table, 2 * HOP + k)
                own = own + weight * x * x
                plain_sum = plain_sum + x
                by_cosine = by_cosine + x * c
                by_sine = by_sine + x * s
        squares = squares + own
        store(part, 0, plain_sum)
        store(part, LANES, by_cosine)
        store(part, 2 * LANES, by_sine)
        for which in range(3):
            even = odd = 0.0
            for lane in range(which * LANES, (which + 1) * LANES, 2):
                even += part[lane]
                odd += part[lane + 1]
            sums[hop, which, 0], sums[hop, which, 1] = even, odd
    store(part, 0, squares)
    energy = 0.0
    for lane in range(LANES):
        energy += part[lane]
    for frame in range(ends.shape[0]):
        h = frame * step
        for parity in range(2):
            end = sums[h, 0, parity] + sums[h + 1, 0, parity] + sums[h + 2, 0, parity] + sums[h + 3, 0, parity]
            end += sums[h + 2, 1, parity] - sums[h, 1, parity] + sums[h + 1, 2, parity] - sums[h + 3, 2, parity]
            ends[frame, parity] = 0.5 * end
            energy += 0.25 * end * end
    return energy


@plain
def _derive(padded, start, step, covered, table, ends, scale, shares):
    """Convert a padded signal to `scale` times half the derivative of its squared norm, in place.

    `ends` are from `_squared_norm`; `shares` is a workspace like its sums, for the contributions of `ends` to each hop.
    """
    shares[:] = 0.0
    for frame in range(ends.shape[0]):
        h = frame * step
        for parity in range(2):
            half = 0.5 * scale * ends[frame, parity]
            for p in range(_OVERLAP):
                shares[h + p, 0, parity] += half
            shares[h, 1, parity] -= half
            shares[h + 1, 2, parity] += half
            shares[h + 2, 1, parity] += half
            shares[h + 3, 2, parity] -= half
    for k in range(start):
        padded[k] = _ZERO
    for k in range(start + covered.shape[0] * HOP, padded.shape[0]):
        padded[k] = _ZERO
    part, factor = np.empty(3 * LANES, np.float32), np.float32(scale)
    for hop in range(covered.shape[0]):
        base = start + hop * HOP
        one, cosine, sine = covered[hop, 0] * factor, covered[hop, 1] * factor, covered[hop, 2] * factor
        one, cosine, sine, double = splat(one), splat(cosine), splat(sine), splat(covered[hop, 3] * factor)
        for which in range(3):
            for lane in range(LANES):
                part[which * LANES + lane] = shares[hop, which, lane & 1]
        level, along, across = load(part, 0), load(part, LANES), load(part, 2 * LANES)
        if _constant(covered, hop):
            for k in range(0, HOP, LANES):
                given = level + along * load(table, k) + across * load(table, HOP + k)
                store(padded, base + k, one * load(padded, base + k) + given)
            continue
        for k in range(0, HOP, LANES):
            c, s = load(table, k), load(table, HOP + k)
            weight = one + cosine * c + sine * s + double * load(table, 2 * HOP + k)
            store(padded, base + k, weight * load(padded, base + k) + (level + along * c + across * s))


@plain
def _fold(padded, out):
    """The transpose of `_pad`: derivatives with respect to the signal before padding."""
    wide()
    samples = out.shape[0]
    for n in range(samples):
        out[n] = padded[_REACH + n]
    if samples > _REACH:
        for k in range(1, _REACH + 1):
            out[k] += padded[_REACH - k]
            out[samples - 1 - k] += padded[_REACH + samples - 1 + k]


def _kernel(sources: str) -> Any:
    # See `cached` about `sources`.
    def compare(estimate, target, low, high, frames, covered, table, silence, value, gradient):
        sources  # noqa: B018
        denormals = flush_denormals()
        (first, step), samples = frames, estimate.shape[1]
        padded = aligned(samples + 2 * _REACH)
        inner = padded[_REACH : _REACH + samples]
        hops, start = covered.shape[0], first * HOP
        sums, ends = np.empty((hops, 3, 2)), np.empty(((hops - _OVERLAP) // step + 1, 2))
        for row in range(low, high):
            for n in range(samples):
                inner[n] = target[row, n]
            _pad(padded)
            reference = math.sqrt(_squared_norm(padded, start, step, covered, table, sums, ends))
            # Not `max`, which hides NaN.
            reference = silence if reference < silence else reference
            for n in range(samples):
                inner[n] = estimate[row, n] - target[row, n]
            _pad(padded)
            norm = math.sqrt(_squared_norm(padded, start, step, covered, table, sums, ends))
            value[row] = norm / reference
            if gradient.shape[0] > 0:
                scale = 1.0 / (norm * reference) if norm != 0.0 else 0.0
                _derive(padded, start, step, covered, table, ends, scale, sums)
                _fold(padded, gradient[row])
        restore_denormals(denormals)

    return cached(compare)


#: ``compare(estimate, target, low, high, frames, covered, table, silence, value, gradient)`` compares rows `low` to
#: `high` of two batches of sounds ``(B, T)`` in some frames (the first, and the step to the next), into `value`
#: ``(B,)`` and the derivatives with respect to `estimate` into `gradient` ``(B, T)``; none are computed if that has no
#: row. `covered` and `table` are from `coverage` and `waves`; `silence` is the minimum norm of a target.
_PACKAGE = Path(__file__).parents[2]
compare = _kernel(hash_of([_PACKAGE / "core/compile.py", _PACKAGE / "features/kernels/vector.py"]))
