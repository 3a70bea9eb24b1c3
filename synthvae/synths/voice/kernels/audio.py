"""The audio rate of one preset: two oscillators and noise, mixed; and the derivatives of the mix.

    mix[n] = a_1[n] cos(2 pi t_1[n]) + a_2[n] tanh(q sin(2 pi t_2[n])) (1 + h cos(2 pi t_2[n])) + a_3[n] noise[n]

with phases t in turns and amplitudes a that are linear between control points: mixer level times modulation
signal, times 1 - h/2 for the second oscillator, whose shape h ranges from square (0) to saw (1).

A sound is computed in chunks of blocks: phases block by block, then everything independent of blocks for the
whole chunk, then the mix block by block. Each loop has few operations, so that the processor can execute several
iterations in parallel. Arrays of a chunk are sections of one buffer, `lanes`, at constant offsets, so that the
compiler can tell that they do not overlap.
"""

from __future__ import annotations

import math

import numpy as np

from synthvae.core.compile import inlined, plain, summing, wide
from synthvae.features.kernels.vector import load, store
from synthvae.synths.voice.kernels.arithmetic import cos_turns, exp2, exponential_ratio_slope, sin_turns, tanh_parts
from synthvae.synths.voice.kernels.control import TARGET
from synthvae.synths.voice.kernels.layout import (
    AMP_1,
    AMP_2,
    AMP_NOISE,
    BLOCK,
    CHUNK,
    LANES,
    MIDI_F0,
    MIXER,
    PITCH_1,
    PITCH_2,
    VCO_1,
    VCO_2,
)
from synthvae.synths.voice.kernels.oscillator import (
    BEND,
    IRREGULAR,
    ORIGIN,
    RATE,
    SUM,
    SUM_BEND,
    SUM_TRAVEL,
    irregular_phases,
    pitch_backward,
    regular_phases,
    trace,
)

__all__ = ["BACKWARD_SECTIONS", "FORWARD_SECTIONS", "SECTION", "mix", "mix_backward", "trace_oscillators"]

SECTION = CHUNK + BLOCK
# Sections of `lanes`.
RAMP, PHASE_1, PHASE_2, SINE, FORM = (SECTION * k for k in range(5))
FORWARD_SECTIONS = 5
# Sections of `lanes` in the backward pass.
COS_1, SIN_1, TRAVEL_1, TRAVEL_2, WAVE, WAVE_TURNS, WAVE_SHAPE, WAVE_STEEPNESS, GRAD = (
    SECTION * k for k in range(1, 10)
)
BACKWARD_SECTIONS = 10

_ONE = np.float32(1.0)
_LN2_12 = math.log(2.0) / 12.0


@plain
def steepness(human):
    """The factor q inside tanh, and dq / d(highest pitch)."""
    highest = human[MIDI_F0] + human[VCO_2] + max(human[VCO_2 + 1], 0.0)
    f0 = 440.0 * exp2((highest - 69.0) / 12.0)
    logarithm = math.log(f0)
    q = math.pi / 2.0 * 12000.0 * math.log(10.0) / (f0 * logarithm)
    return q, -q * _LN2_12 * (1.0 + 1.0 / logarithm)


@plain
def trace_oscillators(human, signals, grid, sample_rate, tables, kinds):
    """Fill the tables of both oscillators."""
    per_turn = 1.0 / (2.0 * math.pi)
    for o in range(2):
        at, row = (VCO_1, PITCH_1) if o == 0 else (VCO_2, PITCH_2)
        base, depth, phase = human[MIDI_F0] + human[at], human[at + 1], human[at + 2] * per_turn
        trace(base, depth, signals[TARGET + row], phase, grid, sample_rate, tables[o], kinds[o])


@inlined
def amplitude(left, right, level, offset, step):
    """Value at n = 0 and slope of an amplitude over a block's sample counter n = 1, 2..., as float32."""
    rise = level * (right - left)
    return np.float32(level * left + rise * (offset - step)), np.float32(rise * step)


@plain
def mix(human, signals, tables, kinds, grid, chunks, sample_rate, noise, lanes, row):
    """Write one preset's mix into `row`, which like `noise` has BLOCK more elements than there are samples."""
    wide()
    before, first, offset, _, step = grid
    q, shape = np.float32(steepness(human)[0]), np.float32(human[VCO_2 + 3])
    level_1, level_2, level_3 = human[MIXER], human[MIXER + 1] * (1.0 - human[VCO_2 + 3] / 2.0), human[MIXER + 2]
    amp_1, amp_2, amp_3 = signals[TARGET + AMP_1], signals[TARGET + AMP_2], signals[TARGET + AMP_NOISE]
    for c in range(chunks.shape[0] - 1):
        start = first[chunks[c]]
        for b in range(chunks[c], chunks[c + 1]):
            at, width = first[b] - start, (first[b + 1] - first[b] + LANES - 1) // LANES * LANES
            if kinds[0, b] == IRREGULAR:
                irregular_phases(tables[0], b, first, offset, step, sample_rate, lanes, PHASE_1 + at, width)
            else:
                rate, bend, origin = tables[0, RATE, b], tables[0, BEND, b], tables[0, ORIGIN, b]
                regular_phases(rate, bend, origin, lanes, RAMP, PHASE_1 + at, 0, width, False)
            if kinds[1, b] == IRREGULAR:
                irregular_phases(tables[1], b, first, offset, step, sample_rate, lanes, PHASE_2 + at, width)
            else:
                rate, bend, origin = tables[1, RATE, b], tables[1, BEND, b], tables[1, ORIGIN, b]
                regular_phases(rate, bend, origin, lanes, RAMP, PHASE_2 + at, 0, width, False)
        size = np.uint64((first[chunks[c + 1]] - start + LANES - 1) // LANES * LANES)
        for k in range(size):
            lanes[k + np.uint64(PHASE_1)] = cos_turns(lanes[k + np.uint64(PHASE_1)])
        for k in range(size):
            turns = lanes[k + np.uint64(PHASE_2)]
            lanes[k + np.uint64(SINE)] = q * sin_turns(turns)
            lanes[k + np.uint64(FORM)] = _ONE + shape * cos_turns(turns)
        for k in range(size):
            lanes[k + np.uint64(PHASE_2)] = tanh_parts(lanes[k + np.uint64(SINE)])[0] * lanes[k + np.uint64(FORM)]
        for b in range(chunks[c], chunks[c + 1]):
            width = (first[b + 1] - first[b] + LANES - 1) // LANES * LANES
            target, source, i = first[b], first[b] - start, before[b]
            value_1, slope_1 = amplitude(amp_1[i], amp_1[i + 1], level_1, offset[b], step)
            value_2, slope_2 = amplitude(amp_2[i], amp_2[i + 1], level_2, offset[b], step)
            value_3, slope_3 = amplitude(amp_3[i], amp_3[i + 1], level_3, offset[b], step)
            for k in range(0, width, LANES):
                n = load(lanes, RAMP + k)
                first_ = (value_1 + slope_1 * n) * load(lanes, PHASE_1 + source + k)
                second = (value_2 + slope_2 * n) * load(lanes, PHASE_2 + source + k)
                store(row, target + k, first_ + second + (value_3 + slope_3 * n) * load(noise, target + k))


@inlined
def amplitude_backward(total, total_n, offset, step):
    """Derivatives by `left` and `right` of `amplitude`, from the sums over a block of dL/da[n] and of n dL/da[n]."""
    right = (offset - step) * total + step * total_n
    return total - right, right


@plain
def waves(low, high, tables, kinds, first, offset, step, sample_rate, q, shape, lanes):
    """Both waves and their derivatives in blocks `low` to `high`, into sections of `lanes`.

    The derivative of the second oscillator's wave S by its phase in turns is

        dS/dt = 2 pi (q (1 - tanh^2) cos (1 + h cos) - h tanh sin).
    """
    wide()
    start = first[low]
    for b in range(low, high):
        at, width = first[b] - start, (first[b + 1] - first[b] + LANES - 1) // LANES * LANES
        if kinds[0, b] == IRREGULAR:
            irregular_phases(tables[0], b, first, offset, step, sample_rate, lanes, COS_1 + at, width)
        else:
            rate, bend, origin = tables[0, RATE, b], tables[0, BEND, b], tables[0, ORIGIN, b]
            regular_phases(rate, bend, origin, lanes, RAMP, COS_1 + at, TRAVEL_1 + at, width, True)
        if kinds[1, b] == IRREGULAR:
            irregular_phases(tables[1], b, first, offset, step, sample_rate, lanes, WAVE + at, width)
        else:
            rate, bend, origin = tables[1, RATE, b], tables[1, BEND, b], tables[1, ORIGIN, b]
            regular_phases(rate, bend, origin, lanes, RAMP, WAVE + at, TRAVEL_2 + at, width, True)
    size = np.uint64((first[high] - start + LANES - 1) // LANES * LANES)
    for k in range(size):
        turns = lanes[k + np.uint64(COS_1)]
        lanes[k + np.uint64(COS_1)] = cos_turns(turns)
        lanes[k + np.uint64(SIN_1)] = sin_turns(turns)
    for k in range(size):
        turns = lanes[k + np.uint64(WAVE)]
        lanes[k + np.uint64(WAVE_STEEPNESS)] = sin_turns(turns)
        lanes[k + np.uint64(WAVE_SHAPE)] = cos_turns(turns)
    for k in range(size):
        sine, cosine = lanes[k + np.uint64(WAVE_STEEPNESS)], lanes[k + np.uint64(WAVE_SHAPE)]
        square, rest = tanh_parts(q * sine)
        form = _ONE + shape * cosine
        rest *= form
        lanes[k + np.uint64(WAVE)] = square * form
        lanes[k + np.uint64(WAVE_TURNS)] = q * rest * cosine - shape * square * sine
        lanes[k + np.uint64(WAVE_SHAPE)] = square * cosine
        lanes[k + np.uint64(WAVE_STEEPNESS)] = rest * sine


@summing
def mix_backward(human, arrays, grid, chunks, sample_rate, noise, grad, peak, slopes, grads, grad_human, hold_phases):
    """Convert d / d(mix) ``(T,)`` to d / d(modulation signals), in ``grads[TARGET:]``, and d / d(human values).

    Recomputes the waves, with their derivatives: nothing at audio rate is stored in the forward pass.

    Args:
        human: human values ``(78,)``.
        arrays: result of `workspace`, with the signals and the tables and kinds of both oscillators.
        grid: blocks of samples, a `Grid`.
        chunks: first block of each chunk and, last, the number of blocks.
        sample_rate: sample rate in Hz.
        noise: white noise ``(T + BLOCK,)``.
        grad: derivatives by the mix ``(T,)``.
        peak: index of the peak, negative for none, and the term to add to its derivative.
        slopes: workspace, ``(2, T)``.
        grads: result, ``(ROWS, C)``.
        grad_human: result, added to.
        hold_phases: whether the phases of both oscillators are constants.
    """
    wide()
    signals, tables, kinds, lanes, _ = arrays
    where, share = peak
    before, first, offset, _, step = grid
    steep, d_steep = steepness(human)
    q, shape = np.float32(steep), np.float32(human[VCO_2 + 3])
    flat = 1.0 - human[VCO_2 + 3] / 2.0
    level_1, level_2, level_3 = human[MIXER], human[MIXER + 1] * flat, human[MIXER + 2]
    amp_1, amp_2 = signals[TARGET + AMP_1], signals[TARGET + AMP_2]
    grads[TARGET:] = 0.0
    total_shape = total_steep = 0.0
    for c in range(chunks.shape[0] - 1):
        start = first[chunks[c]]
        waves(chunks[c], chunks[c + 1], tables, kinds, first, offset, step, sample_rate, q, shape, lanes)
        for b in range(chunks[c], chunks[c + 1]):
            count = first[b + 1] - first[b]
            width = np.uint64((count + LANES - 1) // LANES * LANES)
            target, at, i = np.uint64(first[b]), np.uint64(first[b] - start), before[b]
            # Samples of the next block, computed as padding of the last vector, count as 0.
            for k in range(np.uint64(LANES)):
                lanes[width - np.uint64(LANES) + k + np.uint64(GRAD)] = np.float32(0.0)
            for k in range(np.uint64(count)):
                lanes[k + np.uint64(GRAD)] = grad[target + k]
            if (where >= first[b]) & (where < first[b + 1]):
                lanes[where - first[b] + GRAD] += share
            value_1, slope_1 = amplitude(amp_1[i], amp_1[i + 1], level_1, offset[b], step)
            value_2, slope_2 = amplitude(amp_2[i], amp_2[i + 1], level_2, offset[b], step)
            bend_1, bend_2 = np.float32(tables[0, BEND, b]), np.float32(tables[1, BEND, b])
            cos = cos_n = sin = sin_travel = sin_bend = np.float32(0.0)
            wave = wave_n = turn = turn_travel = turn_bend = np.float32(0.0)
            by_shape = by_steepness = by_noise = by_noise_n = np.float32(0.0)
            for k in range(width):
                n, g = lanes[k + np.uint64(RAMP)], lanes[k + np.uint64(GRAD)]
                gc = g * lanes[at + k + np.uint64(COS_1)]
                cos += gc
                cos_n += gc * n
                d = g * (value_1 + slope_1 * n) * lanes[at + k + np.uint64(SIN_1)]
                sin += d
                d *= lanes[at + k + np.uint64(TRAVEL_1)]
                sin_travel += d
                sin_bend += d * n * exponential_ratio_slope(bend_1 * n)
                gw = g * lanes[at + k + np.uint64(WAVE)]
                wave += gw
                wave_n += gw * n
                g2 = g * (value_2 + slope_2 * n)
                by_shape += g2 * lanes[at + k + np.uint64(WAVE_SHAPE)]
                by_steepness += g2 * lanes[at + k + np.uint64(WAVE_STEEPNESS)]
                d = g2 * lanes[at + k + np.uint64(WAVE_TURNS)]
                turn += d
                d *= lanes[at + k + np.uint64(TRAVEL_2)]
                turn_travel += d
                turn_bend += d * n * exponential_ratio_slope(bend_2 * n)
                gn = g * noise[target + k]
                by_noise += gn
                by_noise_n += gn * n
            left, right = amplitude_backward(cos, cos_n, offset[b], step)
            grads[TARGET + AMP_1, i] += left
            grads[TARGET + AMP_1, i + 1] += right
            left, right = amplitude_backward(wave, wave_n, offset[b], step)
            grads[TARGET + AMP_2, i] += left
            grads[TARGET + AMP_2, i + 1] += right
            left, right = amplitude_backward(by_noise, by_noise_n, offset[b], step)
            grads[TARGET + AMP_NOISE, i] += left
            grads[TARGET + AMP_NOISE, i + 1] += right
            total_shape += by_shape
            total_steep += by_steepness
            tables[0, SUM, b], tables[0, SUM_TRAVEL, b], tables[0, SUM_BEND, b] = sin, sin_travel, sin_bend
            tables[1, SUM, b], tables[1, SUM_TRAVEL, b], tables[1, SUM_BEND, b] = turn, turn_travel, turn_bend
            if kinds[0, b] == IRREGULAR:
                for k in range(count):
                    g = lanes[k + GRAD] * (value_1 + slope_1 * lanes[k + RAMP])
                    slopes[0, first[b] + k] = g * lanes[first[b] - start + k + SIN_1]
            if kinds[1, b] == IRREGULAR:
                for k in range(count):
                    g = lanes[k + GRAD] * (value_2 + slope_2 * lanes[k + RAMP])
                    slopes[1, first[b] + k] = g * lanes[first[b] - start + k + WAVE_TURNS]

    for o in range(2):
        # Missing factor of the derivative by turns: cos' = -2 pi sin for the first, 2 pi for the second.
        factor = -2.0 * math.pi if o == 0 else 2.0 * math.pi
        if hold_phases:
            factor = 0.0
        at, row = (VCO_1, PITCH_1) if o == 0 else (VCO_2, PITCH_2)
        signal, grad_signal = signals[TARGET + row], grads[TARGET + row]
        d_phase = pitch_backward(tables[o], kinds[o], grid, sample_rate, slopes[o], grad_signal)
        d_base = d_depth = 0.0
        for n in range(signal.shape[0]):
            d_pitch = factor * grad_signal[n]
            d_base += d_pitch
            d_depth += d_pitch * signal[n]
            grad_signal[n] = d_pitch * human[at + 1]
        grad_human[MIDI_F0] += d_base
        grad_human[at] += d_base
        grad_human[at + 1] += d_depth
        grad_human[at + 2] += d_phase * factor / (2.0 * math.pi)

    for o in range(3):
        row = AMP_1 if o == 0 else (AMP_2 if o == 1 else AMP_NOISE)
        level = level_1 if o == 0 else (level_2 if o == 1 else level_3)
        signal, grad_signal = signals[TARGET + row], grads[TARGET + row]
        d_level = 0.0
        for n in range(signal.shape[0]):
            d_level += grad_signal[n] * signal[n]
            grad_signal[n] *= level
        if o == 1:
            grad_human[VCO_2 + 3] += total_shape - 0.5 * human[MIXER + 1] * d_level
            d_level *= flat
        grad_human[MIXER + o] += d_level

    d_highest = total_steep * d_steep
    grad_human[MIDI_F0] += d_highest
    grad_human[VCO_2] += d_highest
    if human[VCO_2 + 1] >= 0.0:
        grad_human[VCO_2 + 1] += d_highest
