"""The Voice's kernels: rows of unit parameters to sounds, and gradients by sounds to gradients by parameters.

Both compute a range of rows, one after the other and independently of each other, without the GIL: callers can split a
batch over threads in any way, and a row's samples and gradient are always the same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthvae.core.compile import aligned, cached, flush_denormals, plain, restore_denormals, summing, wide
from synthvae.synths.voice.kernels.audio import (
    BACKWARD_SECTIONS,
    FORWARD_SECTIONS,
    SECTION,
    mix,
    mix_backward,
    trace_oscillators,
)
from synthvae.synths.voice.kernels.control import ROWS, control, control_backward, denormalise
from synthvae.synths.voice.kernels.layout import BLOCK
from synthvae.synths.voice.kernels.oscillator import COLUMNS
from synthvae.synths.voice.kernels.sources import sources

__all__ = ["Grid", "Space", "backward", "forward", "not_finite", "workspace"]

_ONE = np.float32(1.0)
_MAGNITUDE = np.int32(0x7FFFFFFF)
_RUN = 1024


class Space(NamedTuple):
    """A parameter space: for each column its index among the kernels' human values, and its map.

    Attributes:
        columns: indices among the human values, ``(P,)``.
        minimum: minimum of the range.
        span: width of the range, half the width if symmetric.
        power: reciprocal of the curve.
        symmetric: whether the curve starts in the middle of the range.
        linear: whether the map is linear.
        fixed: human values of all 78 parameters; those of columns are overwritten.
    """

    columns: NDArray[np.int64]
    minimum: NDArray[np.float64]
    span: NDArray[np.float64]
    power: NDArray[np.float64]
    symmetric: NDArray[np.bool_]
    linear: NDArray[np.bool_]
    fixed: NDArray[np.float64]


class Grid(NamedTuple):
    """Blocks of samples between control points; see `synthvae.synths.voice.kernels.layout`.

    Attributes:
        before: control point before each block, ``(N,)``.
        first: first sample of each block and, last, T, ``(N + 1,)``.
        offset: position of the first sample between two control points, ``(N,)``.
        size: number of samples, ``(N,)``.
        step: control points per sample.
    """

    before: NDArray[np.int64]
    first: NDArray[np.int64]
    offset: NDArray[np.float64]
    size: NDArray[np.float64]
    step: float


@plain
def not_finite(values):
    """Whether any of the values is NaN or infinite."""
    total = 0.0
    for value in values:
        total += value - value
    return total != 0.0


@plain
def _normalise(row, bits, out):
    """Divide by the peak if it is above 1; returns the factor and the index of the peak (-1 if it is not above 1).

    `bits` are integers that share memory with `row`: magnitudes have the same order as their bits, and a compiler can
    vectorise the maximum of integers.
    """
    wide()
    largest = np.int32(0)
    for k in range(out.shape[0]):
        largest = max(largest, np.int32(bits[k] & _MAGNITUDE))  # numba's `&` gives an int64
    peak = np.int32(largest).view(np.float32)
    gain, where = _ONE, -1
    if peak > _ONE:
        gain = _ONE / peak
        if peak * gain > _ONE:
            gain = np.int32(np.float32(gain).view(np.int32) - 1).view(np.float32)
        for k in range(out.shape[0]):
            if bits[k] & _MAGNITUDE == largest:
                where = k
                break
    for k in range(out.shape[0]):
        out[k] = row[k] * gain
    return gain, where


@summing
def _dot(a, b):
    """Sum of a * b: float32 sums over short ranges, added in float64."""
    wide()
    total, size = 0.0, a.shape[0]
    for start in range(0, size - _RUN + 1, _RUN):
        part = np.float32(0.0)
        for k in range(np.uint64(_RUN)):
            part += a[np.uint64(start) + k] * b[np.uint64(start) + k]
        total += part
    for k in range(size // _RUN * _RUN, size):
        total += a[k] * b[k]
    return total


@plain
def workspace(control_size, blocks, sections):
    """Arrays for the computation of one preset: signals, tables, kinds, lanes with their ramp, and control points."""
    signals = np.empty((ROWS, control_size))
    tables = np.empty((2, COLUMNS, blocks))
    kinds = np.empty((2, blocks), np.int64)
    lanes = aligned(sections * SECTION)
    for k in range(BLOCK):
        lanes[k] = k + 1
    points = np.empty(control_size)
    for n in range(control_size):
        points[n] = n
    return signals, tables, kinds, lanes, points


def _kernels(sources: str) -> tuple[Any, Any]:
    # See `cached` about `sources`.

    def forward(unit, low, high, setting, out, peak_gains, peak_indices):
        sources  # noqa: B018
        denormals = flush_denormals()
        space, grid, chunks, rates, control_size, noise = setting
        columns, minimum, span, power, symmetric, linear, fixed = space
        control_rate, sample_rate = rates
        signals, tables, kinds, lanes, points = workspace(control_size, grid[0].shape[0], FORWARD_SECTIONS)
        human, slope = fixed.copy(), np.empty(unit.shape[1])
        row = aligned(out.shape[1] + BLOCK)
        bits = row.view(np.int32)
        for r in range(low, high):
            if not_finite(unit[r]):
                out[r], peak_gains[r], peak_indices[r] = np.nan, np.nan, -1
                continue
            denormalise(unit[r], columns, minimum, span, power, symmetric, linear, human, slope)
            control(human, control_rate, points, signals)
            trace_oscillators(human, signals, grid, sample_rate, tables, kinds)
            mix(human, signals, tables, kinds, grid, chunks, sample_rate, noise, lanes, row)
            peak_gains[r], peak_indices[r] = _normalise(row, bits, out[r])
        restore_denormals(denormals)

    def backward(unit, low, high, setting, found, grad, grad_unit, hold_phases):
        sources  # noqa: B018
        denormals = flush_denormals()
        space, grid, chunks, rates, control_size, noise = setting
        out, peak_gains, peak_indices = found
        columns, minimum, span, power, symmetric, linear, fixed = space
        control_rate, sample_rate = rates
        arrays = workspace(control_size, grid[0].shape[0], BACKWARD_SECTIONS)
        signals, tables, kinds, _, points = arrays
        human, slope, grad_human = fixed.copy(), np.empty(unit.shape[1]), np.empty(fixed.shape[0])
        grads, slopes = np.empty((ROWS, control_size)), np.empty((2, out.shape[1]), np.float32)
        for r in range(low, high):
            if not_finite(unit[r]):
                grad_unit[r] = np.nan
                continue
            denormalise(unit[r], columns, minimum, span, power, symmetric, linear, human, slope)
            control(human, control_rate, points, signals)
            trace_oscillators(human, signals, grid, sample_rate, tables, kinds)
            grad_human[:] = 0.0
            # With y = x g and g = 1 / |x_k|: dL/dx = g (dL/dy - [n = k] sign(x_k) sum of dL/dy y).
            where, share = peak_indices[r], np.float32(0.0)
            if where >= 0:
                share = np.float32(-_dot(grad[r], out[r]) * np.sign(out[r, where]))
            peak = where, share
            mix_backward(
                human, arrays, grid, chunks, sample_rate, noise, grad[r], peak, slopes, grads, grad_human, hold_phases
            )
            control_backward(human, control_rate, points, signals, grads, grad_human)
            for c in range(columns.shape[0]):
                grad_unit[r, c] = grad_human[columns[c]] * slope[c] * peak_gains[r]
        restore_denormals(denormals)

    return cached(forward), cached(backward)


#: ``forward(unit, low, high, setting, out, peak_gains, peak_indices)`` renders rows low to high of `unit` ``(B, P)``
#: into `out` ``(B, T)``, and writes their normalisation factors and the indices of their peaks. `setting` is a `Space`,
#: a `Grid`, its chunks, control and sample rate, the number of control points, and noise with BLOCK more elements than
#: samples.
#:
#: ``backward(unit, low, high, setting, found, grad, grad_unit, hold_phases)``, with `found` the three results of
#: `forward`, converts derivatives by samples, `grad` ``(B, T)``, to derivatives by unit parameters, `grad_unit`
#: ``(B, P)``; with `hold_phases` the phases of the oscillators are constants.
forward, backward = _kernels(sources())
