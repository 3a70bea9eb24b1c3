"""Low-frequency oscillators at control rate, and their derivatives.

    turns[n] = sum over m <= n of max(frequency + depth * envelope[m], 0) / rate + initial_phase / (2 pi)
    lfo[n]   = sum over k of w_k shape_k(turns[n]),   w_k = share_k^e / sum of share^e

with the shapes sine, triangle, saw, falling saw and square of the phase's fractional part.
"""

from __future__ import annotations

import math

import numpy as np

from synthvae.core.compile import plain, summing, wide
from synthvae.synths.voice.kernels.arithmetic import power, sincos_64
from synthvae.synths.voice.reference import LFO_EXPONENT, LFO_SILENT

__all__ = ["lfo", "lfo_backward", "lfo_tangent"]

PER_TURN = 1.0 / (2.0 * math.pi)
SHARES = 3


@plain
def _weights(human, at):
    """The five weights, and the factors from derivatives by weights to derivatives by shares.

    Returns:
        Weights, and d(share_k^e)/d(share_k) / sum of share^e; all 0 if every share counts as 0 (the weights
        are then equal).
    """
    largest = 0.0
    for k in range(5):
        largest = max(largest, human[at + SHARES + k])
    if largest < LFO_SILENT:
        return (0.2, 0.2, 0.2, 0.2, 0.2), (0.0, 0.0, 0.0, 0.0, 0.0)
    scale = largest if largest < 1e-3 else 1.0
    s0 = max(human[at + SHARES] / scale, 0.0)
    s1 = max(human[at + SHARES + 1] / scale, 0.0)
    s2 = max(human[at + SHARES + 2] / scale, 0.0)
    s3 = max(human[at + SHARES + 3] / scale, 0.0)
    s4 = max(human[at + SHARES + 4] / scale, 0.0)
    r0, r1, r2, r3, r4 = _sharpen(s0), _sharpen(s1), _sharpen(s2), _sharpen(s3), _sharpen(s4)
    m0, m1, m2, m3, m4 = r0 * s0, r1 * s1, r2 * s2, r3 * s3, r4 * s4
    inverse = 1.0 / (m0 + m1 + m2 + m3 + m4)
    slope = LFO_EXPONENT * inverse / scale
    return (
        (m0 * inverse, m1 * inverse, m2 * inverse, m3 * inverse, m4 * inverse),
        (r0 * slope, r1 * slope, r2 * slope, r3 * slope, r4 * slope),
    )


@plain
def _sharpen(share):
    """share^(e - 1)."""
    return power(share, LFO_EXPONENT - 1.0)[0]


@plain
def lfo(human, at, envelope, rate, turns, out):
    """Write the phase into `turns` and the oscillator into `out`, from the envelope of its rate."""
    wide()
    frequency, depth = human[at], human[at + 1]
    size = out.shape[0]
    per_point = 1.0 / rate
    for n in range(size):
        out[n] = max(frequency + depth * envelope[n], 0.0) * per_point
    total = human[at + 2] * PER_TURN
    for n in range(size):
        total += out[n]
        turns[n] = total
    (w0, w1, w2, w3, w4), _ = _weights(human, at)
    for n in range(size):
        reduced = turns[n] - np.rint(turns[n])
        saw = turns[n] - np.floor(turns[n])
        cosine = sincos_64(reduced)[1]
        triangle = 1.0 - abs(2.0 * saw - 1.0)
        square = 1.0 if abs(reduced) > 0.25 else 0.0
        out[n] = w0 * (0.5 - 0.5 * cosine) + w1 * triangle + w2 * saw + w3 * (1.0 - saw) + w4 * square


@summing
def lfo_backward(human, at, envelope, rate, turns, grad, grad_envelope, grad_human):
    """Add the derivatives of sum(grad * lfo) to `grad_human` and to `grad_envelope`; `grad` is overwritten."""
    wide()
    size = grad.shape[0]
    (w0, w1, w2, w3, w4), (v0, v1, v2, v3, v4) = _weights(human, at)
    g0 = g1 = g2 = g3 = g4 = 0.0
    for n in range(size):
        g = grad[n]
        reduced = turns[n] - np.rint(turns[n])
        saw = turns[n] - np.floor(turns[n])
        sine, cosine = sincos_64(reduced)
        g0 += g * (0.5 - 0.5 * cosine)
        g1 += g * (1.0 - abs(2.0 * saw - 1.0))
        g2 += g * saw
        g3 += g * (1.0 - saw)
        g4 += g if abs(reduced) > 0.25 else 0.0
        grad[n] = g * (w0 * math.pi * sine + w1 * (2.0 if saw <= 0.5 else -2.0) + w2 - w3)
    mean = w0 * g0 + w1 * g1 + w2 * g2 + w3 * g3 + w4 * g4
    grad_human[at + SHARES] += v0 * (g0 - mean)
    grad_human[at + SHARES + 1] += v1 * (g1 - mean)
    grad_human[at + SHARES + 2] += v2 * (g2 - mean)
    grad_human[at + SHARES + 3] += v3 * (g3 - mean)
    grad_human[at + SHARES + 4] += v4 * (g4 - mean)

    # A frequency affects the phase of its own point and of all later ones.
    later = 0.0
    for n in range(size - 1, -1, -1):
        later += grad[n]
        grad[n] = later
    frequency, depth = human[at], human[at + 1]
    per_point = 1.0 / rate
    d_frequency = d_depth = 0.0
    for n in range(size):
        g = grad[n] * per_point if frequency + depth * envelope[n] >= 0.0 else 0.0
        d_frequency += g
        d_depth += g * envelope[n]
        grad_envelope[n] += g * depth
    grad_human[at] += d_frequency
    grad_human[at + 1] += d_depth
    grad_human[at + 2] += later * PER_TURN


@plain
def lfo_tangent(human, at, part, envelope, envelope_tangent, rate, turns, raw, out):
    """Write d lfo / d parameter ``(C,)`` into `out`.

    `part` is 0 to 7 for frequency, depth, initial phase and the five shares, which start at `at`; -1 for a parameter of
    the envelope of its rate, from `envelope_tangent`. `turns` is the phase and `raw` the oscillator itself.
    """
    wide()
    size = out.shape[0]
    (w0, w1, w2, w3, _), (v0, v1, v2, v3, v4) = _weights(human, at)
    if part >= SHARES:
        k = part - SHARES
        v = v0 if k == 0 else (v1 if k == 1 else (v2 if k == 2 else (v3 if k == 3 else v4)))
        for n in range(size):
            reduced = turns[n] - np.rint(turns[n])
            saw = turns[n] - np.floor(turns[n])
            smooth = 0.5 - 0.5 * sincos_64(reduced)[1] if k == 0 else 1.0 - abs(2.0 * saw - 1.0)
            straight = saw if k == 2 else 1.0 - saw
            square = 1.0 if abs(reduced) > 0.25 else 0.0
            shape = smooth if k < 2 else (straight if k < 4 else square)
            out[n] = v * (shape - raw[n])
        return
    frequency, depth = human[at], human[at + 1]
    per_point = 1.0 / rate
    for n in range(size):
        open_ = per_point if frequency + depth * envelope[n] >= 0.0 else 0.0
        by_envelope = envelope[n] if part == 1 else depth * envelope_tangent[n]
        out[n] = open_ if part == 0 else (0.0 if part == 2 else open_ * by_envelope)
    total = PER_TURN if part == 2 else 0.0
    for n in range(size):
        total += out[n]
        out[n] = total
    for n in range(size):
        reduced = turns[n] - np.rint(turns[n])
        saw = turns[n] - np.floor(turns[n])
        sine = sincos_64(reduced)[0]
        out[n] *= w0 * math.pi * sine + w1 * (2.0 if saw <= 0.5 else -2.0) + w2 - w3
