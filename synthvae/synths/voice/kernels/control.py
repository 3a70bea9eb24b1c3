"""The control rate of one preset: from its parameters to five modulation signals, and the backward pass.

Rows of a workspace `signals` ``(ROWS, C)``: six envelopes, two oscillators before and after their envelope, their
phases in turns, and the five outputs of the modulation matrix.
"""

from __future__ import annotations

from synthvae.core.compile import plain, summing, wide
from synthvae.synths.voice.kernels.arithmetic import exp2, log2
from synthvae.synths.voice.kernels.envelope import envelope, envelope_backward
from synthvae.synths.voice.kernels.layout import (
    ADSR_1,
    ENVELOPES,
    LFO_1_AMP,
    LFO_1_RATE,
    LFOS,
    N_SOURCES,
    N_TARGETS,
    PER_ENVELOPE,
    PER_LFO,
    ROUTES,
)
from synthvae.synths.voice.kernels.lfo import lfo, lfo_backward

__all__ = ["ROWS", "TARGET", "control", "control_backward", "denormalise"]

RAW = 6
SOURCE = 8  # first row of the LFOs as sources; the rows of the envelopes are ADSR_1 and ADSR_1 + 1
TURNS = 10
TARGET = 12
ROWS = TARGET + N_TARGETS


@plain
def denormalise(unit, columns, minimum, span, power, symmetric, linear, human, slope):
    """Human values of one row of unit values, and d human / d unit; `ParameterSpace` has the formulas.

    `columns` is the index of each unit value in `human`, `power` the reciprocal of its curve.
    """
    wide()
    for c in range(unit.shape[0]):
        u = float(unit[c])
        distance = 2.0 * u - 1.0
        magnitude = abs(distance) if symmetric[c] else u
        positive = magnitude > 0.0
        logarithm = log2(magnitude if positive else 1.0)
        curved = exp2(power[c] * logarithm) if positive else 0.0
        rise = power[c] * curved / magnitude if positive else 0.0
        if linear[c]:
            curved = magnitude
            rise = 0.0 if symmetric[c] and not positive else 1.0
        if symmetric[c]:
            curved = (curved if distance > 0.0 else -curved) + 1.0
            rise = 2.0 * rise
        human[columns[c]] = minimum[c] + span[c] * curved
        slope[c] = span[c] * rise


@plain
def source_row(s):
    """The row of the s-th source of the modulation matrix."""
    return ADSR_1 + s if s < 2 else SOURCE + s - 2


@plain
def control(human, rate, points, signals):
    """Fill `signals` from the human values of one preset."""
    wide()
    size = signals.shape[1]
    for i in range(6):
        envelope(human, ENVELOPES + PER_ENVELOPE * i, rate, points, signals[i])
    for i in range(2):
        lfo(human, LFOS + PER_LFO * i, signals[LFO_1_RATE + i], rate, signals[TURNS + i], signals[RAW + i])
        raw, amp, out = signals[RAW + i], signals[LFO_1_AMP + i], signals[SOURCE + i]
        for n in range(size):
            out[n] = raw[n] * amp[n]
    s0, s1, s2, s3 = signals[0], signals[1], signals[SOURCE], signals[SOURCE + 1]
    for t in range(N_TARGETS):
        at = ROUTES + N_SOURCES * t
        r0, r1, r2, r3 = human[at], human[at + 1], human[at + 2], human[at + 3]
        out = signals[TARGET + t]
        for n in range(size):
            out[n] = r0 * s0[n] + r1 * s1[n] + r2 * s2[n] + r3 * s3[n]


@summing
def control_backward(human, rate, points, signals, grads, grad_human):
    """Add the derivatives of sum(grads[TARGET:] * signals[TARGET:]) to `grad_human`; `grads` is overwritten."""
    wide()
    size = signals.shape[1]
    for s in range(N_SOURCES):
        source, grad_source = signals[source_row(s)], grads[source_row(s)]
        grad_source[:] = 0.0
        for t in range(N_TARGETS):
            at = ROUTES + N_SOURCES * t + s
            route, grad_target = human[at], grads[TARGET + t]
            total = 0.0
            for n in range(size):
                total += grad_target[n] * source[n]
                grad_source[n] += route * grad_target[n]
            grad_human[at] += total
    for i in range(2):
        grad, grad_amp, grad_raw = grads[SOURCE + i], grads[LFO_1_AMP + i], grads[RAW + i]
        raw, amp = signals[RAW + i], signals[LFO_1_AMP + i]
        for n in range(size):
            grad_amp[n] = grad[n] * raw[n]
            grad_raw[n] = grad[n] * amp[n]
        grads[LFO_1_RATE + i][:] = 0.0
        lfo_backward(
            human,
            LFOS + PER_LFO * i,
            signals[LFO_1_RATE + i],
            rate,
            signals[TURNS + i],
            grad_raw,
            grads[LFO_1_RATE + i],
            grad_human,
        )
    for i in range(6):
        envelope_backward(human, ENVELOPES + PER_ENVELOPE * i, rate, points, grads[i], grad_human)
