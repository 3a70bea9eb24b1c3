"""Envelopes at control rate: attack, decay and release ramps raised to a power, and their derivatives.

The reference multiplies three ramps. No two of them change at the same control point (the end of the note truncates
attack and decay), so an envelope consists of five segments, each with at most one power of a linear function x:

    attack   [0, a)   v = x^alpha B                     x = (n + eps)/A + eps
    decay    [a, d)   v = ((1 - s) x^alpha + s) R0      x = 1 - ((n - A) + eps)/D - eps
    sustain  [d, r)   v = L R0
    release  [r, e)   v = L x^alpha                     x = 1 - ((n - N) + eps)/R - eps
    silence  [e, C)   v = L Rend

A, D, N, R are the lengths of attack, decay, note and release in control points, s the sustain level; F0, R0 are
the values of the decay and release ramps before their start, Fend, Rend after their end (1 if a ramp has length 0,
else 0), B = ((1 - s) F0 + s) R0 and L = (1 - s) Fend + s.
"""

from __future__ import annotations

import math

from synthvae.core.compile import plain, summing, wide
from synthvae.synths.voice.kernels.arithmetic import power
from synthvae.synths.voice.kernels.layout import DURATION
from synthvae.synths.voice.reference import EPSILON

__all__ = ["envelope", "envelope_backward", "envelope_tangent"]

LN2 = math.log(2.0)


@plain
def _edge(position, size):
    """The first control point at or after a position, at most `size`; 0 if the position is NaN."""
    return math.ceil(min(position, float(size))) if position > 0.0 else 0


@plain
def _before(length, alpha):
    """Value, d/dlength and d/dalpha of a falling ramp before its start."""
    if length <= EPSILON:
        return (0.0 if length > 0.0 else 1.0), 0.0, 0.0
    quotient = EPSILON / length + EPSILON
    x = max(1.0 - quotient, 0.0)
    value, logarithm = power(x, alpha)
    slope = alpha * value / x * EPSILON / (length * length) if x > 0.0 else 0.0
    return value, slope, value * logarithm * LN2


@plain
def _stretches(human, at, rate, size):
    """Lengths in control points, A, D, N, R, and the ends of the first four segments, a, d, r, e."""
    attack, decay, release, note = human[at], human[at + 1], human[at + 3], human[DURATION]
    held_attack = min(attack, note) * rate
    held_decay = min(max(note - attack, 0.0), decay) * rate
    held_note, held_release = note * rate, release * rate
    a = _edge(held_attack - EPSILON, size)
    d = max(a, _edge(held_attack + held_decay - EPSILON, size)) if held_decay > EPSILON else a
    r = max(d, _edge(held_note, size))
    e = max(r, _edge(held_note + held_release - EPSILON, size)) if held_release > EPSILON else r
    return held_attack, held_decay, held_note, held_release, a, d, r, e


@plain
def envelope(human, at, rate, points, out):
    """Write the envelope whose parameters start at `at` into `out`; `points` is 0, 1, 2..."""
    wide()
    size = out.shape[0]
    sustain, alpha = human[at + 2], human[at + 4]
    attack, decay, note, release, a, d, r, e = _stretches(human, at, rate, size)
    fall = _before(decay, alpha)[0]
    tail = _before(release, alpha)[0]
    level = sustain if decay > 0.0 else 1.0
    top = ((1.0 - sustain) * fall + sustain) * tail

    per_attack = 1.0 / attack
    for n in range(a):
        x = min((points[n] + EPSILON) * per_attack + EPSILON, 1.0)
        out[n] = top * power(x, alpha)[0]
    per_decay, depth, floor = 1.0 / decay, (1.0 - sustain) * tail, sustain * tail
    for n in range(a, d):
        x = max(1.0 - ((max(points[n] - attack, 0.0) + EPSILON) * per_decay + EPSILON), 0.0)
        out[n] = depth * power(x, alpha)[0] + floor
    for n in range(d, r):
        out[n] = level * tail
    per_release = 1.0 / release
    for n in range(r, e):
        x = max(1.0 - ((points[n] - note + EPSILON) * per_release + EPSILON), 0.0)
        out[n] = level * power(x, alpha)[0]
    for n in range(e, size):
        out[n] = 0.0 if release > 0.0 else level


@summing
def envelope_backward(human, at, rate, points, grad, grad_human):
    """Add the derivatives of sum(grad * envelope) to `grad_human`.

    Each segment uses some of these sums over its points: grad times 1, p = x^alpha, p ln x and p/x, and p/x times
    the numerator of the quotient in x.
    """
    wide()
    size = grad.shape[0]
    sustain, alpha = human[at + 2], human[at + 4]
    attack, decay, note, release, a, d, r, e = _stretches(human, at, rate, size)
    fall, fall_length, fall_alpha = _before(decay, alpha)
    tail, tail_length, tail_alpha = _before(release, alpha)
    held = (1.0 - sustain) * fall + sustain
    level = sustain if decay > 0.0 else 1.0

    # Attack.
    per_attack = 1.0 / attack
    sum_p = sum_log = sum_q = 0.0
    for n in range(a):
        elapsed = points[n] + EPSILON
        quotient = elapsed * per_attack + EPSILON
        x = min(quotient, 1.0)
        p, logarithm = power(x, alpha)
        gp = grad[n] * p
        sum_p += gp
        sum_log += gp * logarithm
        sum_q += gp / x * elapsed if quotient <= 1.0 else 0.0
    top = held * tail
    d_alpha = top * sum_log * LN2
    d_attack = -top * alpha * sum_q * per_attack * per_attack if a > 0 else 0.0
    d_held = sum_p * tail
    d_tail = sum_p * held
    d_sustain = d_held * (1.0 - fall)
    d_fall = d_held * (1.0 - sustain)
    d_alpha += d_fall * fall_alpha
    d_decay = d_fall * fall_length

    # Decay.
    per_decay = 1.0 / decay
    sum_g = sum_p = sum_log = sum_q = sum_x = 0.0
    for n in range(a, d):
        elapsed = max(points[n] - attack, 0.0) + EPSILON
        x = max(1.0 - (elapsed * per_decay + EPSILON), 0.0)
        p, logarithm = power(x, alpha)
        g = grad[n]
        gp = g * p
        slope = gp / x if x > 0.0 else 0.0
        sum_g += g
        sum_p += gp
        sum_log += gp * logarithm
        sum_q += slope * elapsed
        sum_x += slope if points[n] >= attack else 0.0
    depth = (1.0 - sustain) * tail
    d_tail += (1.0 - sustain) * sum_p + sustain * sum_g
    d_sustain += tail * (sum_g - sum_p)
    d_alpha += depth * sum_log * LN2
    if d > a:
        d_decay += depth * alpha * sum_q * per_decay * per_decay
        d_attack += depth * alpha * sum_x * per_decay

    # Sustain.
    sum_g = 0.0
    for n in range(d, r):
        sum_g += grad[n]
    d_level = sum_g * tail
    d_tail += sum_g * level

    # Release.
    per_release = 1.0 / release
    sum_p = sum_log = sum_q = sum_x = 0.0
    for n in range(r, e):
        elapsed = points[n] - note + EPSILON
        x = max(1.0 - (elapsed * per_release + EPSILON), 0.0)
        p, logarithm = power(x, alpha)
        gp = grad[n] * p
        slope = gp / x if x > 0.0 else 0.0
        sum_p += gp
        sum_log += gp * logarithm
        sum_q += slope * elapsed
        sum_x += slope
    d_level += sum_p
    d_alpha += level * sum_log * LN2
    d_release = d_note = 0.0
    if e > r:
        d_release = level * alpha * sum_q * per_release * per_release
        d_note = level * alpha * sum_x * per_release

    # Silence.
    if not release > 0.0:
        for n in range(e, size):
            d_level += grad[n]
    if decay > 0.0:
        d_sustain += d_level
    d_alpha += d_tail * tail_alpha
    d_release += d_tail * tail_length

    grad_human[at + 2] += d_sustain
    grad_human[at + 3] += d_release * rate
    grad_human[at + 4] += d_alpha
    _cut_short(human, at, d_attack * rate, d_decay * rate, d_note * rate, grad_human)


@plain
def _own_shares(attack, decay, note):
    """Derivatives of min(attack, note) by attack and of min(decay, room) by decay.

    Ties are split as in PyTorch. `room` is max(note - attack, 0); the third number is its derivative by the note.
    """
    room = max(note - attack, 0.0)
    own_attack = 1.0 if attack < note else (0.5 if attack == note else 0.0)
    own_decay = 1.0 if decay < room else (0.5 if decay == room else 0.0)
    return own_attack, own_decay, (1.0 if note >= attack else 0.0)


@plain
def _cut_short(human, at, d_held_attack, d_held_decay, d_note, grad_human):
    """Convert derivatives by truncated lengths to derivatives by attack, decay and the duration of the note."""
    own_attack, own_decay, room = _own_shares(human[at], human[at + 1], human[DURATION])
    by_room = room * (1.0 - own_decay) * d_held_decay
    grad_human[at] += own_attack * d_held_attack - by_room
    grad_human[at + 1] += own_decay * d_held_decay
    grad_human[DURATION] += d_note + (1.0 - own_attack) * d_held_attack + by_room


@plain
def envelope_tangent(human, at, part, rate, points, out):
    """Write d envelope / d parameter ``(C,)`` into `out`.

    `part` is 0 to 4 for attack, decay, sustain, release and alpha, which start at `at`, and 5 for the note's duration.
    """
    wide()
    size = out.shape[0]
    sustain, alpha = human[at + 2], human[at + 4]
    attack, decay, note, release, a, d, r, e = _stretches(human, at, rate, size)
    fall, fall_length, fall_alpha = _before(decay, alpha)
    tail, tail_length, tail_alpha = _before(release, alpha)
    level = sustain if decay > 0.0 else 1.0
    held = (1.0 - sustain) * fall + sustain

    # Derivatives of the lengths, of the sustain level and of alpha by the parameter.
    own_attack, own_decay, room = _own_shares(human[at], human[at + 1], human[DURATION])
    d_attack = d_decay = d_release = d_note = d_sustain = d_alpha = 0.0
    if part == 0:
        d_attack, d_decay = own_attack * rate, -room * (1.0 - own_decay) * rate
    elif part == 1:
        d_decay = own_decay * rate
    elif part == 2:
        d_sustain = 1.0
    elif part == 3:
        d_release = rate
    elif part == 4:
        d_alpha = 1.0
    else:
        d_attack, d_decay, d_note = (1.0 - own_attack) * rate, room * (1.0 - own_decay) * rate, rate
    d_fall = fall_length * d_decay + fall_alpha * d_alpha
    d_tail = tail_length * d_release + tail_alpha * d_alpha
    d_level = d_sustain if decay > 0.0 else 0.0
    d_held = (1.0 - fall) * d_sustain + (1.0 - sustain) * d_fall

    top, d_top = held * tail, d_held * tail + held * d_tail
    per_attack, d_alpha_2 = 1.0 / attack, d_alpha * LN2
    for n in range(a):
        elapsed = points[n] + EPSILON
        quotient = elapsed * per_attack + EPSILON
        x = min(quotient, 1.0)
        dx = -elapsed * per_attack * per_attack * d_attack if quotient <= 1.0 else 0.0
        p, logarithm = power(x, alpha)
        out[n] = d_top * p + top * p * (alpha * dx / x + logarithm * d_alpha_2)
    per_decay = 1.0 / decay
    for n in range(a, d):
        elapsed = max(points[n] - attack, 0.0) + EPSILON
        x = max(1.0 - (elapsed * per_decay + EPSILON), 0.0)
        dx = elapsed * per_decay * per_decay * d_decay + (per_decay * d_attack if points[n] >= attack else 0.0)
        p, logarithm = power(x, alpha)
        dp = p * (alpha * dx / x + logarithm * d_alpha_2) if x > 0.0 else 0.0
        shape = (1.0 - sustain) * p + sustain
        out[n] = d_tail * shape + tail * (d_sustain * (1.0 - p) + (1.0 - sustain) * dp)
    for n in range(d, r):
        out[n] = d_level * tail + level * d_tail
    per_release = 1.0 / release
    for n in range(r, e):
        elapsed = points[n] - note + EPSILON
        x = max(1.0 - (elapsed * per_release + EPSILON), 0.0)
        dx = elapsed * per_release * per_release * d_release + per_release * d_note
        p, logarithm = power(x, alpha)
        dp = p * (alpha * dx / x + logarithm * d_alpha_2) if x > 0.0 else 0.0
        out[n] = d_level * p + level * dp
    for n in range(e, size):
        out[n] = 0.0 if release > 0.0 else d_level
