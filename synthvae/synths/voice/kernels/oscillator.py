"""An oscillator's phase at audio rate, block by block, without a cumulative sum over samples.

The reference's phase is a running sum of f[n] / sample_rate. Within a block pitch is linear, so that the
frequency is a geometric sequence f r^k with r = 2^c, and the sum of its first n terms is

    u(n) = f (2^(c n) - 1) / (2^c - 1) = A n G(c n),   G(x) = (2^x - 1) / x,   A = f / G(c),

in turns, with f in turns per sample. A block starts at P, the sum of u(count) of all earlier blocks, in
float64. Blocks in which the pitch crosses an end of the MIDI range, or changes by more than an octave, are summed
sample by sample.

Derivatives, with H(x) = d/dx ln G(x):

    du(n)/d(pitch) = u(n) ln(2)/12,   du(n)/dc = u(n) (n H(c n) - H(c)).
"""

from __future__ import annotations

import math

import numpy as np

from synthvae.core.compile import inlined, plain, wide
from synthvae.features.kernels.vector import LANES, load, store
from synthvae.synths.voice.kernels.arithmetic import (
    exp2,
    exp2m1,
    exponential_ratio,
    exponential_ratio_slope_64,
    nearest,
    small_exponential_ratio,
)

__all__ = [
    "ADVANCE",
    "BEND",
    "COLUMNS",
    "CONSTANT",
    "HIGHEST",
    "IRREGULAR",
    "LEFT",
    "LN2_12",
    "OCTAVES",
    "ORIGIN",
    "RATE",
    "REGULAR",
    "RIGHT",
    "SUM",
    "SUM_BEND",
    "SUM_TRAVEL",
    "irregular_phases",
    "pitch_backward",
    "regular_phases",
    "trace",
    "turns_per_sample",
]

#: Rows of an oscillator's table ``(COLUMNS, N)``: A, c, u(count), P and the pitch at the two control points, and
#: three sums over the block's samples, of d times 1, u(n) and n H(c n) u(n), where d is the derivative by phase.
RATE, BEND, ADVANCE, ORIGIN, LEFT, RIGHT, SUM, SUM_TRAVEL, SUM_BEND = range(9)
COLUMNS = 9
#: Kinds of block: pitch linear inside the MIDI range; pitch completely outside it; summed sample by sample.
REGULAR, CONSTANT, IRREGULAR = range(3)
HIGHEST = 127.0
OCTAVES = 1.0 / 12.0
LN2_12 = math.log(2.0) / 12.0
#: Maximum change of a block's pitch, in octaves, for which the short polynomial is accurate.
NEARLY_STRAIGHT = np.float32(1.0 / 16.0)


@inlined
def _clamped(pitch):
    return min(max(pitch, 0.0), HIGHEST)


@inlined
def turns_per_sample(pitch, sample_rate):
    """Frequency of a MIDI pitch, in turns per sample."""
    return 440.0 * exp2((pitch - 69.0) * OCTAVES) / sample_rate


@plain
def trace(base, depth, modulation, phase, grid, sample_rate, table, kind):
    """Fill an oscillator's table ``(COLUMNS, N)`` and kinds ``(N,)`` for all blocks.

    The pitch is `base` plus `depth` semitones per unit of `modulation` ``(C,)``; `phase` is the initial phase in turns.
    """
    wide()
    before, first, offset, count, step = grid
    rate, bend, advance, origin = table[RATE], table[BEND], table[ADVANCE], table[ORIGIN]
    left, right = table[LEFT], table[RIGHT]
    size = before.shape[0]
    for b in range(size):
        i = before[b]
        left[b] = base + depth * modulation[i]
        right[b] = base + depth * modulation[i + 1]
    # Several short loops: the compiler checks at run time that arrays do not overlap, but not for many arrays at once.
    for b in range(size):
        rise = right[b] - left[b]
        start = left[b] + rise * offset[b]
        end = start + rise * step * (count[b] - 1.0)
        low, high = min(start, end), max(start, end)
        constant = (high < 0.0) | (low > HIGHEST)
        regular = (low >= 0.0) & (high <= HIGHEST) & (abs(rise * step) * count[b] <= 12.0)
        kind[b] = CONSTANT if constant else (REGULAR if regular else IRREGULAR)
    for b in range(size):
        # The bend of a block of one sample has no effect, but may be large.
        bend[b] = (right[b] - left[b]) * step * OCTAVES if (kind[b] == REGULAR) & (count[b] > 1.0) else 0.0
    for b in range(size):
        start = left[b] + (right[b] - left[b]) * offset[b]
        rate[b] = turns_per_sample(_clamped(start), sample_rate)
    for b in range(size):
        # As c goes to 0, c / (2^c - 1) goes to 1 / ln 2 and (2^(c n) - 1) / (2^c - 1) to n: 1e-100 is close enough.
        c = bend[b] if abs(bend[b]) > 1e-100 else 1e-100
        scale = rate[b] / exp2m1(c)
        rate[b] = scale * c
        advance[b] = scale * exp2m1(c * count[b])
    for b in range(size):
        if kind[b] == IRREGULAR:
            start, slope = left[b] + (right[b] - left[b]) * offset[b], (right[b] - left[b]) * step
            total = 0.0
            for k in range(first[b + 1] - first[b]):
                total += turns_per_sample(_clamped(start + slope * k), sample_rate)
            advance[b] = total
    total = phase
    for b in range(size):
        origin[b] = total
        total += advance[b]


@plain
def irregular_phases(table, b, first, offset, step, sample_rate, lanes, at, width):
    """Write an irregular block's phases, reduced to [-1/2, 1/2], to ``lanes[at:at + width]``."""
    rise = table[RIGHT, b] - table[LEFT, b]
    start, slope = table[LEFT, b] + rise * offset[b], rise * step
    total = table[ORIGIN, b]
    count = first[b + 1] - first[b]
    for k in range(count):
        total += turns_per_sample(_clamped(start + slope * k), sample_rate)
        lanes[at + k] = np.float32(total - np.rint(total))
    # The padding of the last vector is multiplied by 0 later, so it must be finite.
    for k in range(count, width):
        lanes[at + k] = np.float32(0.0)


@inlined
def regular_phases(rate, bend, origin, lanes, ramp, at, travel_at, width, keeps):
    """Write any other block's phases to ``lanes[at:at + width]`` and, if `keeps`, its u(n) to ``lanes[travel_at:]``.

    ``lanes[ramp:]`` is 1, 2, 3... Numbers are passed instead of the table: inside a loop over blocks, slicing an array
    updates a reference count, which takes as long as a vector of samples.
    """
    rate, bend, origin = np.float32(rate), np.float32(bend), np.float32(origin - np.rint(origin))
    if abs(bend) * width <= NEARLY_STRAIGHT:  # most blocks by far
        for k in range(0, width, LANES):
            n = load(lanes, ramp + k)
            _phase(rate * n * small_exponential_ratio(bend * n), origin, lanes, at + k, travel_at + k, keeps)
    else:
        for k in range(0, width, LANES):
            n = load(lanes, ramp + k)
            _phase(rate * n * exponential_ratio(bend * n), origin, lanes, at + k, travel_at + k, keeps)


@inlined
def _phase(travel, origin, lanes, at, travel_at, keeps):
    if keeps:
        store(lanes, travel_at, travel)
    # The whole turns are subtracted, exactly, before the small numbers are added.
    store(lanes, at, (travel - nearest(origin + travel)) + origin)


@plain
def pitch_backward(table, kind, grid, sample_rate, slopes, grad_pitch):
    """Add d / d(pitch at the control points) to `grad_pitch` ``(C,)``, from the derivatives by phase.

    The pitch of a block affects the phase of its own samples, through the sums in the table, and of all later ones
    through its advance. `slopes`, the derivatives by the phase of every sample, are used for irregular blocks.

    Returns:
        The derivative by the initial phase: the sum of the derivatives by all phases.
    """
    before, first, offset, count, step = grid
    later = 0.0
    for b in range(before.shape[0] - 1, -1, -1):
        d_left = d_right = 0.0
        if kind[b] == REGULAR:
            c, advance, travel = table[BEND, b], table[ADVANCE, b], table[SUM_TRAVEL, b]
            here = exponential_ratio_slope_64(c)
            there = count[b] * exponential_ratio_slope_64(c * count[b])
            d_start = LN2_12 * (travel + later * advance)
            d_rise = step * OCTAVES * (table[SUM_BEND, b] - travel * here + later * advance * (there - here))
            d_right = d_start * offset[b] + d_rise
            d_left = d_start - d_right
        if kind[b] == IRREGULAR:
            rise = table[RIGHT, b] - table[LEFT, b]
            at_or_after = later
            for k in range(first[b + 1] - first[b] - 1, -1, -1):
                position = offset[b] + step * k
                pitch = table[LEFT, b] + rise * position
                at_or_after += slopes[first[b] + k]
                if (pitch >= 0.0) & (pitch <= HIGHEST):
                    d_pitch = LN2_12 * turns_per_sample(pitch, sample_rate) * at_or_after
                    d_left += d_pitch * (1.0 - position)
                    d_right += d_pitch * position
            later = at_or_after
        else:
            later += table[SUM, b]
        grad_pitch[before[b]] += d_left
        grad_pitch[before[b] + 1] += d_right
    return later
