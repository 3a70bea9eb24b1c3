"""The Voice's kernels in forward mode: all derivatives of samples, or of a log-mel spectrogram, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthvae.core.compile import aligned, cached, flush_denormals, plain, restore_denormals, wide
from synthvae.features.fourier import HOP, N_FFT
from synthvae.features.kernels.fourier import BINS, HALF, WORK, places
from synthvae.features.kernels.vector import LANES
from synthvae.synths.voice.kernels.audio import trace_oscillators
from synthvae.synths.voice.kernels.control import control, denormalise
from synthvae.synths.voice.kernels.layout import N_TARGETS, PITCH_1, PITCH_2
from synthvae.synths.voice.kernels.sources import sources
from synthvae.synths.voice.kernels.spectrum import RING, decibels, magnitudes, mel_tangents, mel_weights
from synthvae.synths.voice.kernels.tangent import (
    DIRECT,
    TANGENT_SECTIONS,
    basis,
    block_tangents,
    control_tangents,
    phase_tangents,
)
from synthvae.synths.voice.kernels.voice import not_finite, workspace

__all__ = ["mel_jacobian", "tangents"]


@plain
def _weights(control_size, blocks, width):
    """Arrays for the weights of the basis: by signal and control point, by phase of each block, and direct ones."""
    controls = aligned(N_TARGETS * control_size * width).reshape((N_TARGETS, control_size, width))
    phases = aligned(2 * blocks * width).reshape((2, blocks, width))
    return controls, phases, aligned(DIRECT * width).reshape((DIRECT, width))


@plain
def _prepare(unit, space, grid, rates, arrays, human, slope, controls, phases, direct):
    """Compute the control rate of one preset, with its derivatives."""
    columns, minimum, span, power, symmetric, linear, _ = space
    signals, tables, kinds, _, points = arrays
    control_rate, sample_rate = rates
    denormalise(unit, columns, minimum, span, power, symmetric, linear, human, slope)
    control(human, control_rate, points, signals)
    trace_oscillators(human, signals, grid, sample_rate, tables, kinds)
    control_tangents(human, slope, columns, control_rate, points, signals, controls, direct)
    phase_tangents(tables[0], kinds[0], grid, sample_rate, controls[PITCH_1], direct[0], phases[0])
    phase_tangents(tables[1], kinds[1], grid, sample_rate, controls[PITCH_2], direct[1], phases[1])


@plain
def _write(b, i, at, count, groups, sizes, weights, lanes, out, out_group, row, rows, out_step):
    """`block_tangents` for several groups of parameters, into a ring of rows.

    Block b follows control point i and has `count` samples, from `at` on in the sections of `lanes`. `groups` are the
    first and one-past-last group, at a distance of `out_group` in the flat `out`; `weights` are the flat arrays from
    `_weights`. The first sample is written to `row`; the index of rows wraps around at `rows`, and rows are at a
    distance of `out_step`.
    """
    controls, phases, direct = weights
    head = min(count, rows - row)
    for group in range(groups[0], groups[1]):
        place, lane = (group - groups[0]) * out_group, group * LANES
        to = place + row * out_step
        block_tangents(b, i, at, head, lane, sizes, controls, phases, direct, lanes, out, to, out_step)
        if count > head:
            more = count - head
            block_tangents(b, i, at + head, more, lane, sizes, controls, phases, direct, lanes, out, place, out_step)


@plain
def _at_peak(human, arrays, grid, chunks, sample_rate, noise, where, groups, sizes, weights, peak):
    """Derivatives of the mix at its peak, sample `where`, by the parameters of `groups`."""
    signals, tables, kinds, lanes, _ = arrays
    before, first = grid[0], grid[1]
    b = np.searchsorted(first, where, side="right") - 1
    c = np.searchsorted(chunks, b, side="right") - 1
    basis(human, signals, tables, kinds, grid, chunks[c], chunks[c + 1], sample_rate, noise, lanes)
    at, start = where - first[chunks[c]], groups[0] * LANES
    _write(b, before[b], at, 1, groups, sizes, weights, lanes, peak[start:], LANES, 0, 1, 0)


@plain
def _normalise(out, gain, where, result):
    """Derivatives of the normalised sound: with y = x g and g = 1 / |x_k|, dy = g (dx - y sign(y_k) dx_k)."""
    wide()
    width = result.shape[1]
    peak = np.zeros(width, np.float32)
    if where >= 0:
        for p in range(width):
            peak[p] = result[where, p] * np.sign(out[where])
    for n in range(out.shape[0]):
        y = out[n]
        for p in range(width):
            result[n, p] = gain * (result[n, p] - y * peak[p])


def _kernels(sources: str) -> tuple[Any, Any]:
    # See `cached` about `sources`.

    def tangents(unit, low, high, setting, found, result):
        sources  # noqa: B018
        denormals = flush_denormals()
        space, grid, chunks, rates, control_size, noise = setting
        out, peak_gains, peak_indices = found
        before, first, width = grid[0], grid[1], result.shape[2]
        arrays = workspace(control_size, before.shape[0], TANGENT_SECTIONS)
        signals, tables, kinds, lanes, _ = arrays
        human, slope = space[6].copy(), np.empty(unit.shape[1])
        controls, phases, direct = _weights(control_size, before.shape[0], width)
        weights = controls.reshape(-1), phases.reshape(-1), direct.reshape(-1)
        sizes, groups, samples = (control_size, before.shape[0], width), (0, width // LANES), out.shape[1]
        for r in range(low, high):
            if not_finite(unit[r]):
                result[r] = np.nan
                continue
            _prepare(unit[r], space, grid, rates, arrays, human, slope, controls, phases, direct)
            flat = result[r].reshape(-1)
            for c in range(chunks.shape[0] - 1):
                b_low, b_high = chunks[c], chunks[c + 1]
                basis(human, signals, tables, kinds, grid, b_low, b_high, rates[1], noise, lanes)
                for b in range(b_low, b_high):
                    at, count = first[b] - first[b_low], first[b + 1] - first[b]
                    _write(
                        b, before[b], at, count, groups, sizes, weights, lanes, flat, LANES, first[b], samples, width
                    )
            _normalise(out[r], peak_gains[r], peak_indices[r], result[r])
        restore_denormals(denormals)

    def mel_jacobian(unit, low, high, setting, found, mel_tables, floor, groups, result):
        sources  # noqa: B018
        denormals = flush_denormals()
        space, grid, chunks, rates, control_size, noise = setting
        out, peak_gains, peak_indices = found
        constants, filters = mel_tables
        group_low, group_high = groups
        before, first = grid[0], grid[1]
        samples, bands, frames = out.shape[1], result.shape[1], result.shape[2]
        lanes_of_result = result.shape[3]
        width = -(-unit.shape[1] // LANES) * LANES
        arrays = workspace(control_size, before.shape[0], TANGENT_SECTIONS)
        signals, tables, kinds, lanes, _ = arrays
        human, slope = space[6].copy(), np.empty(unit.shape[1])
        controls, phases, direct = _weights(control_size, before.shape[0], width)
        weights = controls.reshape(-1), phases.reshape(-1), direct.reshape(-1)
        sizes = control_size, before.shape[0], width
        frame_groups = -(-frames // LANES)
        direction = aligned(frame_groups * 2 * BINS * LANES).reshape((frame_groups, 2 * BINS * LANES))
        mel = aligned(frame_groups * bands * LANES).reshape((frame_groups, bands * LANES))
        work, bin_weights, band_tangents = aligned(WORK), aligned(4 * BINS), aligned(bands * LANES)
        place, taper = np.empty(N_FFT, np.int64), np.empty(N_FFT, np.float32)
        ring, peak = aligned((group_high - group_low) * RING * LANES), aligned(width)
        for r in range(low, high):
            if not_finite(unit[r]):
                result[r] = np.nan
                continue
            _prepare(unit[r], space, grid, rates, arrays, human, slope, controls, phases, direct)
            magnitudes(out[r], frames, constants, filters, work, direction, mel)
            peak[:] = 0.0
            if peak_indices[r] >= 0:
                _at_peak(human, arrays, grid, chunks, rates[1], noise, peak_indices[r], groups, sizes, weights, peak)
                peak *= np.sign(out[r, peak_indices[r]])
            flat = result[r].reshape(-1)
            chunk = done = 0
            for frame in range(frames):
                while done < min(samples, frame * HOP + HALF):
                    b_low, b_high = chunks[chunk], chunks[chunk + 1]
                    basis(human, signals, tables, kinds, grid, b_low, b_high, rates[1], noise, lanes)
                    for b in range(b_low, b_high):
                        at, count, row = first[b] - done, first[b + 1] - first[b], first[b] & (RING - 1)
                        size = RING * LANES
                        _write(b, before[b], at, count, groups, sizes, weights, lanes, ring, size, row, RING, LANES)
                    done = first[b_high]
                    chunk += 1
                places(frame, samples, RING - 1, place, taper, constants[0])
                lane, levels = frame % LANES, mel[frame // LANES]
                mel_weights(direction[frame // LANES], lane, constants, bin_weights)
                for group in range(group_low, group_high):
                    start, p = (group - group_low) * RING * LANES, group * LANES
                    to, step = frame * lanes_of_result + p, frames * lanes_of_result
                    mel_tangents(ring, start, place, taper, bin_weights, constants, filters, work, band_tangents)
                    decibels(band_tangents, lane, levels, floor, peak_gains[r], peak, p, flat, to, step)
        restore_denormals(denormals)

    return cached(tangents), cached(mel_jacobian)


#: The first arguments are those of `synthvae.synths.voice.kernels.voice.backward`.
#:
#: ``tangents(..., result)`` writes all derivatives of every sample, `result` ``(B, T, lanes)``, with parameters
#: padded to a multiple of 16 lanes.
#:
#: ``mel_jacobian(..., mel_tables, floor, groups, result)`` writes the derivatives of `20 log10(mel + floor)` by the
#: groups of sixteen parameters from ``groups[0]`` to ``groups[1] - 1``, `result` ``(B, bands, frames, lanes)``.
tangents, mel_jacobian = _kernels(sources())
