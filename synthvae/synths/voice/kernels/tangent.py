"""Forward-mode derivatives of one preset's samples by all its parameters at once.

Every effect of a parameter on the mix passes through a few signals at audio rate. Within a block,

    d mix[n] / d parameter = sum over 14 rows k of weight_k(parameter, block) basis_k[n],

where the basis is that of the preset and contains, for each oscillator, the derivatives by the phase at the start of
the block and by pitch and amplitude at the two control points around it; for the noise, those by its amplitude at both
points; and those by the second oscillator's shape and steepness. The weights are derivatives at control rate.

Parameters are adjacent in memory, sixteen to a vector: sample n of parameter p is at ``[n, p]``.
"""

from __future__ import annotations

import math

import numpy as np

from synthvae.core.compile import plain, wide
from synthvae.features.kernels.vector import load, splat, store
from synthvae.synths.voice.kernels.arithmetic import exponential_ratio_slope, exponential_ratio_slope_64
from synthvae.synths.voice.kernels.audio import (
    COS_1,
    RAMP,
    SECTION,
    SIN_1,
    TRAVEL_1,
    TRAVEL_2,
    WAVE,
    WAVE_SHAPE,
    WAVE_STEEPNESS,
    WAVE_TURNS,
    amplitude,
    steepness,
    waves,
)
from synthvae.synths.voice.kernels.control import RAW, TARGET, TURNS, source_row
from synthvae.synths.voice.kernels.envelope import envelope_tangent
from synthvae.synths.voice.kernels.layout import (
    AMP_1,
    AMP_2,
    AMP_NOISE,
    DURATION,
    ENVELOPES,
    LANES,
    LFO_1_AMP,
    LFO_1_RATE,
    LFOS,
    MIDI_F0,
    MIXER,
    N_SOURCES,
    N_TARGETS,
    PER_ENVELOPE,
    PER_LFO,
    PITCH_1,
    PITCH_2,
    ROUTES,
    VCO_1,
    VCO_2,
)
from synthvae.synths.voice.kernels.lfo import lfo_tangent
from synthvae.synths.voice.kernels.oscillator import (
    ADVANCE,
    BEND,
    HIGHEST,
    IRREGULAR,
    LEFT,
    LN2_12,
    OCTAVES,
    REGULAR,
    RIGHT,
    turns_per_sample,
)

__all__ = ["DIRECT", "TANGENT_SECTIONS", "basis", "block_tangents", "control_tangents", "phase_tangents"]

#: Sections of `lanes` after those of the backward pass.
BASIS = 10 * SECTION
#: Rows of the basis: five of the first oscillator (by phase, by pitch left and right, by amplitude left and right),
#: five of the second, two of the noise, shape and steepness.
ROWS_PER_BLOCK = 14
TANGENT_SECTIONS = 10 + ROWS_PER_BLOCK
OSC_1, OSC_2, NOISE, SHAPE, STEEPNESS = 0, 5, 10, 12, 13
#: Number of derivatives by a parameter that are not signals: of both initial phases in turns, shape and steepness.
DIRECT = 4


@plain
def _factor(human, target):
    """Factor of a modulation signal: an oscillator's modulation depth or a mixer level."""
    if target == PITCH_1:
        return human[VCO_1 + 1]
    if target == PITCH_2:
        return human[VCO_2 + 1]
    if target == AMP_1:
        return human[MIXER]
    if target == AMP_2:
        return human[MIXER + 1] * (1.0 - human[VCO_2 + 3] / 2.0)
    return human[MIXER + 2]


@plain
def _spread(row, factor, target, lane, tangents):
    """Add factor * row to the column of one parameter in the derivatives of one target."""
    if factor != 0.0:
        for i in range(row.shape[0]):
            tangents[target, i, lane] += np.float32(factor * row[i])


@plain
def _through_matrix(human, source, row, slope, lane, tangents):
    """Add the derivative of a source, `row`, to all targets that it is routed to."""
    for target in range(N_TARGETS):
        route = human[ROUTES + N_SOURCES * target + source]
        _spread(row, slope * route * _factor(human, target), target, lane, tangents)


@plain
def _through_envelope(human, e, part, slope, lane, rate, points, signals, row, other, tangents):
    """Add the derivative by a parameter of the e-th envelope to all targets."""
    envelope_tangent(human, ENVELOPES + PER_ENVELOPE * e, part, rate, points, row)
    if e < 2:
        _through_matrix(human, e, row, slope, lane, tangents)
        return
    i = (e - LFO_1_AMP) % 2
    if e < LFO_1_RATE:
        raw = signals[RAW + i]
        for n in range(row.shape[0]):
            row[n] *= raw[n]
        _through_matrix(human, 2 + i, row, slope, lane, tangents)
    else:
        _through_lfo(human, i, -1, slope, lane, rate, signals, row, other, tangents)


@plain
def _through_lfo(human, i, part, slope, lane, rate, signals, envelope_row, row, tangents):
    """Add the derivative by a parameter of the i-th LFO, or of the envelope of its rate, to all targets."""
    envelope, turns, raw, amp = signals[LFO_1_RATE + i], signals[TURNS + i], signals[RAW + i], signals[LFO_1_AMP + i]
    lfo_tangent(human, LFOS + PER_LFO * i, part, envelope, envelope_row, rate, turns, raw, row)
    for n in range(row.shape[0]):
        row[n] *= amp[n]
    _through_matrix(human, 2 + i, row, slope, lane, tangents)


@plain
def control_tangents(human, slope, columns, rate, points, signals, tangents, direct):
    """Derivatives at control rate by every column; `columns` are their indices among the human values.

    Those of both pitches and of the three amplitudes are written to `tangents` ``(5, C, lanes)``, the others to
    `direct` ``(DIRECT, lanes)``; `slope` ``(P,)`` is d human / d unit.
    """
    size = points.shape[0]
    row, other, ones = np.empty(size), np.zeros(size), np.ones(size)
    tangents[:] = 0.0
    direct[:] = 0.0
    per_turn = 1.0 / (2.0 * math.pi)
    d_steep = steepness(human)[1]
    for p in range(columns.shape[0]):
        h, s = columns[p], slope[p]
        if h == MIDI_F0:
            _spread(ones, s, PITCH_1, p, tangents)
            _spread(ones, s, PITCH_2, p, tangents)
            direct[3, p] = s * d_steep
        elif h == DURATION:
            for e in range(6):
                _through_envelope(human, e, 5, s, p, rate, points, signals, row, other, tangents)
        elif h < LFOS:
            e, part = (h - ENVELOPES) // PER_ENVELOPE, (h - ENVELOPES) % PER_ENVELOPE
            _through_envelope(human, e, part, s, p, rate, points, signals, row, other, tangents)
        elif h < ROUTES:
            i, part = (h - LFOS) // PER_LFO, (h - LFOS) % PER_LFO
            other[:] = 0.0
            _through_lfo(human, i, part, s, p, rate, signals, other, row, tangents)
        elif h < VCO_1:
            target, source = (h - ROUTES) // N_SOURCES, (h - ROUTES) % N_SOURCES
            _spread(signals[source_row(source)], s * _factor(human, target), target, p, tangents)
        elif h < MIXER:
            second = h >= VCO_2
            target, part = (PITCH_2, h - VCO_2) if second else (PITCH_1, h - VCO_1)
            if part == 0:
                _spread(ones, s, target, p, tangents)
            elif part == 1:
                _spread(signals[TARGET + target], s, target, p, tangents)
            elif part == 2:
                direct[1 if second else 0, p] = s * per_turn
            else:
                direct[2, p] = s
                _spread(signals[TARGET + AMP_2], -0.5 * s * human[MIXER + 1], AMP_2, p, tangents)
            if second and (part == 0 or (part == 1 and human[h] >= 0.0)):
                direct[3, p] = s * d_steep
        else:
            target = AMP_1 if h == MIXER else (AMP_2 if h == MIXER + 1 else AMP_NOISE)
            flat = 1.0 - human[VCO_2 + 3] / 2.0 if target == AMP_2 else 1.0
            _spread(signals[TARGET + target], s * flat, target, p, tangents)


@plain
def _by_pitch(table, b, k, offset, step, sample_rate):
    """Derivatives of turns per sample by the pitch at both control points, in the k-th sample of an irregular block."""
    position = offset[b] + step * k
    pitch = table[LEFT, b] + (table[RIGHT, b] - table[LEFT, b]) * position
    slope = LN2_12 * turns_per_sample(pitch, sample_rate) if (pitch >= 0.0) & (pitch <= HIGHEST) else 0.0
    return slope * (1.0 - position), slope * position


@plain
def _irregular_basis(table, b, first, offset, step, sample_rate, lanes, out):
    """Compute the basis by pitch from that by phase, summed sample by sample."""
    left = right = 0.0
    for k in range(first[b + 1] - first[b]):
        by_left, by_right = _by_pitch(table, b, k, offset, step, sample_rate)
        left += by_left
        right += by_right
        lanes[out + np.uint64(SECTION + k)] = np.float32(left) * lanes[out + np.uint64(k)]
        lanes[out + np.uint64(2 * SECTION + k)] = np.float32(right) * lanes[out + np.uint64(k)]


@plain
def phase_tangents(table, kind, grid, sample_rate, pitch_tangents, start, out):
    """Write the derivatives ``(N, lanes)`` of an oscillator's phase at the start of every block to `out`.

    Computed from those of its pitch ``(C, lanes)`` and of the initial phase, `start` ``(lanes,)``.
    """
    wide()
    before, _, offset, count, step = grid
    lanes = start.shape[0]
    total = np.empty(lanes)
    for p in range(lanes):
        total[p] = start[p]
    for b in range(before.shape[0]):
        by_left = by_right = 0.0
        if kind[b] == REGULAR:
            c, advance = table[BEND, b], table[ADVANCE, b]
            by_start = LN2_12 * advance
            by_rise = count[b] * exponential_ratio_slope_64(c * count[b]) - exponential_ratio_slope_64(c)
            by_rise *= step * OCTAVES * advance
            by_right = by_start * offset[b] + by_rise
            by_left = by_start - by_right
        elif kind[b] == IRREGULAR:
            for k in range(int(count[b])):
                left, right = _by_pitch(table, b, k, offset, step, sample_rate)
                by_left += left
                by_right += right
        i = before[b]
        for p in range(lanes):
            out[b, p] = np.float32(total[p])
            total[p] += by_left * pitch_tangents[i, p] + by_right * pitch_tangents[i + 1, p]


@plain
def basis(human, signals, tables, kinds, grid, low, high, sample_rate, noise, lanes):
    """Write the basis of blocks `low` to `high` into ``lanes[BASIS:]``, one section per row."""
    wide()
    before, first, offset, _, step = grid
    steep, shape = steepness(human)[0], human[VCO_2 + 3]
    waves(low, high, tables, kinds, first, offset, step, sample_rate, np.float32(steep), np.float32(shape), lanes)
    start = first[low]
    two_pi = np.float32(2.0 * math.pi)
    for b in range(low, high):
        i, at = before[b], np.uint64(first[b] - start)
        width = np.uint64((first[b + 1] - first[b] + LANES - 1) // LANES * LANES)
        position, rise = np.float32(offset[b] - step), np.float32(step)
        for o in range(2):
            target = AMP_1 if o == 0 else AMP_2
            left, right = signals[TARGET + target, i], signals[TARGET + target, i + 1]
            value, slope = amplitude(left, right, _factor(human, target), offset[b], step)
            wave, turns, travel = (COS_1, SIN_1, TRAVEL_1) if o == 0 else (WAVE, WAVE_TURNS, TRAVEL_2)
            wave, turns, travel = at + np.uint64(wave), at + np.uint64(turns), at + np.uint64(travel)
            out = at + np.uint64(BASIS + SECTION * (OSC_1 if o == 0 else OSC_2))
            sign = -two_pi if o == 0 else two_pi
            bend = np.float32(tables[o, BEND, b])
            here = np.float32(exponential_ratio_slope_64(tables[o, BEND, b]))
            by_start = np.float32(LN2_12 if kinds[o, b] == REGULAR else 0.0)
            by_rise = np.float32(step * OCTAVES if kinds[o, b] == REGULAR else 0.0)
            by_right = by_start * np.float32(offset[b])
            for k in range(width):
                n = lanes[k + np.uint64(RAMP)]
                d = sign * (value + slope * n) * lanes[turns + k]
                u = d * lanes[travel + k]
                by_right_pitch = u * (by_right + by_rise * (n * exponential_ratio_slope(bend * n) - here))
                lanes[out + k] = d
                lanes[out + np.uint64(SECTION) + k] = u * by_start - by_right_pitch
                lanes[out + np.uint64(2 * SECTION) + k] = by_right_pitch
            for k in range(width):
                by_right_amp = lanes[wave + k] * (position + rise * lanes[k + np.uint64(RAMP)])
                lanes[out + np.uint64(3 * SECTION) + k] = lanes[wave + k] - by_right_amp
                lanes[out + np.uint64(4 * SECTION) + k] = by_right_amp
            if kinds[o, b] == IRREGULAR:
                _irregular_basis(tables[o], b, first, offset, step, sample_rate, lanes, out)
            if o == 1:
                for k in range(width):
                    amp = value + slope * lanes[k + np.uint64(RAMP)]
                    lanes[at + k + np.uint64(BASIS + SECTION * SHAPE)] = amp * lanes[at + k + np.uint64(WAVE_SHAPE)]
                    lanes[at + k + np.uint64(BASIS + SECTION * STEEPNESS)] = (
                        amp * lanes[at + k + np.uint64(WAVE_STEEPNESS)]
                    )
        sample = np.uint64(first[b])
        for k in range(width):
            by_right_amp = noise[sample + k] * (position + rise * lanes[k + np.uint64(RAMP)])
            lanes[at + k + np.uint64(BASIS + SECTION * NOISE)] = noise[sample + k] - by_right_amp
            lanes[at + k + np.uint64(BASIS + SECTION * (NOISE + 1))] = by_right_amp


@plain
def block_tangents(b, i, at, count, group, sizes, tangents, phases, direct, lanes, out, out_at, out_step):
    """Write the derivatives of one block by the sixteen parameters from `group` on.

    All arrays are flat.

    Args:
        b: index of the block.
        i: control point before the block.
        at: index of the block's first sample in the sections of `lanes`.
        count: number of samples of the block.
        group: first of sixteen lanes.
        sizes: numbers of control points, of blocks and of lanes.
        tangents: result of `control_tangents`.
        phases: results of `phase_tangents` for both oscillators.
        direct: result of `control_tangents`.
        lanes: buffer with the basis.
        out: result.
        out_at: index in `out` of the sixteen derivatives of the first sample.
        out_step: distance from one sample to the next.
    """
    size, blocks, width = sizes
    left, point = i * width + group, size * width
    right = left + width
    w0, w5 = load(phases, b * width + group), load(phases, (blocks + b) * width + group)
    w1, w2 = load(tangents, PITCH_1 * point + left), load(tangents, PITCH_1 * point + right)
    w3, w4 = load(tangents, AMP_1 * point + left), load(tangents, AMP_1 * point + right)
    w6, w7 = load(tangents, PITCH_2 * point + left), load(tangents, PITCH_2 * point + right)
    w8, w9 = load(tangents, AMP_2 * point + left), load(tangents, AMP_2 * point + right)
    w10, w11 = load(tangents, AMP_NOISE * point + left), load(tangents, AMP_NOISE * point + right)
    w12, w13 = load(direct, 2 * width + group), load(direct, 3 * width + group)
    begin, section = np.uint64(BASIS + at), np.uint64(SECTION)
    for k in range(np.uint64(count)):
        j = begin + k
        one = w0 * splat(lanes[j]) + w1 * splat(lanes[j + section])
        one = one + w2 * splat(lanes[j + np.uint64(2) * section])
        one = one + w3 * splat(lanes[j + np.uint64(3) * section])
        one = one + w4 * splat(lanes[j + np.uint64(4) * section])
        two = w5 * splat(lanes[j + np.uint64(5) * section]) + w6 * splat(lanes[j + np.uint64(6) * section])
        two = two + w7 * splat(lanes[j + np.uint64(7) * section])
        two = two + w8 * splat(lanes[j + np.uint64(8) * section])
        two = two + w9 * splat(lanes[j + np.uint64(9) * section])
        three = w10 * splat(lanes[j + np.uint64(10) * section]) + w11 * splat(lanes[j + np.uint64(11) * section])
        three = three + w12 * splat(lanes[j + np.uint64(12) * section])
        three = three + w13 * splat(lanes[j + np.uint64(13) * section])
        store(out, out_at + out_step * np.int64(k), one + (two + three))
