"""Elementary functions that a compiler can vectorise, in float32 and float64.

A call into a mathematical library prevents the vectorisation of a loop; these are short polynomials instead,
inlined into their callers. Coefficients are minimax fits (Lawson's iteration on a Chebyshev basis) of functions
chosen so that *relative* accuracy holds at the zeros that matter: 2^x - 1 at 0, sine and cosine at each of their zeros.

Angles are in turns: sin(2 pi t) of a phase reduced to [-1/2, 1/2]. Sine and cosine are computed from the half angle,
sin 2a = 2 sin a cos a and cos 2a = 1 - 2 sin^2 a, where a = pi t.

The compiler must not re-associate sums in these functions: adding and subtracting 1.5 * 2^23 (1.5 * 2^52 in
float64) rounds to an integer *and* leaves that integer in the low bits of the result.
"""

from __future__ import annotations

import math

import numpy as np

from synthvae.core.compile import inlined

__all__ = [
    "cos_turns",
    "exp2",
    "exp2m1",
    "exponential_ratio",
    "exponential_ratio_slope",
    "exponential_ratio_slope_64",
    "half_angle",
    "log2",
    "nearest",
    "power",
    "sin_turns",
    "sincos_64",
    "small_exponential_ratio",
    "tanh_parts",
]

_LN2 = math.log(2.0)
_MAGIC = 6755399441055744.0  # 1.5 * 2^52

_F = np.float32
_ONE, _TWO, _HALF = _F(1.0), _F(2.0), _F(0.5)
_MAGIC_32 = _F(12582912.0)  # 1.5 * 2^23
_MINUS_TWO_LOG2_E = _F(-2.0 / _LN2)
_TANH_END = _F(14.0)  # 1 - tanh(14) < 2e-12
_HALF_LN2 = _F(_LN2 / 2)

# (2^x - 1) / x on [-1/2, 1/2]; relative error 1e-8.
_E0, _E1, _E2, _E3, _E4, _E5 = (
    _F(c) for c in (0.693147182, 0.240226492, 0.0555035733, 0.00961823761, 0.00133907353, 0.000154035079)
)
# (2^x - 1) / x on [-1, 1]; 3e-8.
_G0, _G1, _G2, _G3, _G4, _G5, _G6 = (
    _F(c)
    for c in (0.693147182, 0.240226641, 0.0555040203, 0.00961698592, 0.00133353379, 0.000156345079, 1.52524963e-05)
)
# The same on [-1/16, 1/16], its Taylor series; 3e-8.
_T0, _T1, _T2, _T3 = (_F(_LN2), _F(_LN2**2 / 2), _F(_LN2**3 / 6), _F(_LN2**4 / 24))
# (d/dx ln((2^x - 1) / x) - ln(2)/2) / x on [-1, 1], in x^2; 3e-8.
_H0, _H1, _H2 = (_F(c) for c in (0.0400377512, -0.000320580002, 3.60235776e-06))
# sin(pi t) / t on [-1/2, 1/2], in t^2; 5e-9.
_S0, _S1, _S2, _S3, _S4 = (_F(c) for c in (3.14159274, -5.16770983, 2.55006981, -0.598242342, 0.0775607973))
# cos(pi t) / (1/4 - t^2) on [-1/2, 1/2], in t^2; 1e-9.
_C0, _C1, _C2, _C3, _C4 = (_F(c) for c in (4.0, -3.73920798, 1.27798986, -0.228738815, 0.0241546668))


# -- float32: the audio rate -----------------------------------------------------------------------------


@inlined
def nearest(x):
    """The integer nearest to x, |x| < 2^22."""
    return (x + _MAGIC_32) - _MAGIC_32


@inlined
def exponential_ratio(x):
    """(2^x - 1) / x for |x| <= 1; ln 2 at 0."""
    return _G0 + x * (_G1 + x * (_G2 + x * (_G3 + x * (_G4 + x * (_G5 + x * _G6)))))


@inlined
def small_exponential_ratio(x):
    """The same for |x| <= 1/16."""
    return _T0 + x * (_T1 + x * (_T2 + x * _T3))


@inlined
def exponential_ratio_slope(x):
    """d/dx ln((2^x - 1) / x) for |x| <= 1."""
    z = x * x
    return _HALF_LN2 + x * (_H0 + z * (_H1 + z * _H2))


@inlined
def half_angle(turns):
    """sin(pi t) for a phase in [-1/2, 1/2]."""
    z = turns * turns
    return turns * (_S0 + z * (_S1 + z * (_S2 + z * (_S3 + z * _S4))))


@inlined
def cos_turns(turns):
    """cos(2 pi t) for a phase in [-1/2, 1/2]."""
    sine = half_angle(turns)
    return _ONE - (sine + sine) * sine


@inlined
def sin_turns(turns):
    """sin(2 pi t) for a phase in [-1/2, 1/2], to float32's relative accuracy at all three zeros."""
    z = turns * turns
    cosine = (_HALF - turns) * (_HALF + turns) * (_C0 + z * (_C1 + z * (_C2 + z * (_C3 + z * _C4))))
    sine = half_angle(turns)
    return (sine + sine) * cosine


@inlined
def tanh_parts(y):
    """tanh(y) and 1 - tanh(y)^2, both to float32's relative accuracy.

    With E = exp(-2|y|): tanh|y| = (1 - E) / (1 + E) and 1 - tanh^2 = 4 E / (1 + E)^2, where E - 1 is computed
    without cancellation: 2^(k + f) - 1 = 2^k (2^f - 1) + (2^k - 1).
    """
    magnitude = min(abs(y), _TANH_END)
    z = magnitude * _MINUS_TWO_LOG2_E
    shifted = z + _MAGIC_32
    f = z - (shifted - _MAGIC_32)
    # numba widens sums of int32 to int64; the cast makes them int32 again, also in the machine code.
    scale = np.int32((np.float32(shifted).view(np.int32) + 127) << 23).view(np.float32)
    p = f * (_E0 + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * _E5)))))
    minus_one = scale * p + (scale - _ONE)
    inverse = _ONE / (_TWO + minus_one)
    tanh = math.copysign(-minus_one * inverse, y)
    twice = inverse + inverse
    return tanh, (scale + scale * p) * twice * twice


# -- float64: the control rate ---------------------------------------------------------------------------


@inlined
def _exp2_parts(x):
    """2^k and 2^f - 1, where x = k + f and |f| <= 1/2."""
    x = min(max(x, -1000.0), 1000.0)
    shifted = x + _MAGIC
    f = x - (shifted - _MAGIC)
    scale = np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)
    p = 1.3215611238833098e-06 + f * (1.0207108558235886e-07 + f * 7.04441665477787e-09)
    p = 0.0013333558211064329 + f * (0.00015403530132629834 + f * (1.5252666770094074e-05 + f * p))
    p = 0.6931471805599467 + f * (0.24022650695909867 + f * (0.055504108664590206 + f * (0.009618129107781967 + f * p)))
    return scale, f * p


@inlined
def exp2(x):
    """2^x."""
    scale, p = _exp2_parts(x)
    return scale + scale * p


@inlined
def exp2m1(x):
    """2^x - 1, without cancellation near 0."""
    scale, p = _exp2_parts(x)
    return scale * p + (scale - 1.0)


@inlined
def log2(x):
    """Base-2 logarithm of a positive, normal number: log2 m = 2 atanh((m - 1) / (m + 1)) / ln 2."""
    # Adding the distance from sqrt(1/2) to 1 makes the exponent field count from the mantissa sqrt(1/2).
    bits = np.float64(x).view(np.int64)
    biased = (bits + 0x0009_5F61_9980_C433) >> 52
    mantissa = np.int64(bits - ((biased - 1023) << 52)).view(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    p = 0.32060770826584684 + z * (0.2616722479732106 + z * 0.2406108925185591)
    p = 2.885390081777925 + z * (0.9617966939287953 + z * (0.5770780158964005 + z * (0.4121985596891244 + z * p)))
    # 2^52 + n has n in its low bits: this converts an integer to float without a conversion instruction.
    exponent = np.int64(biased + 0x4330_0000_0000_0000).view(np.float64) - (4503599627370496.0 + 1023.0)
    return exponent + s * p


@inlined
def power(x, exponent):
    """x^exponent and log2 x for x in [0, 1]; both are 0 at x = 0, where callers do not use the logarithm."""
    positive = x > 0.0
    logarithm = log2(x if positive else 1.0)
    result = exp2(exponent * logarithm)
    return (result if positive else 0.0), logarithm


@inlined
def exponential_ratio_slope_64(x):
    """d/dx ln((2^x - 1) / x) for |x| <= 1, in float64."""
    z = x * x
    p = -4.405151810203215e-08 + z * (5.342303583764401e-10 - z * 6.275829701985239e-12)
    return _LN2 / 2 + x * (0.04003775115985008 + z * (-0.0003206043035866379 + z * (3.6675072180618916e-06 + z * p)))


@inlined
def sincos_64(turns):
    """sin(2 pi t) and cos(2 pi t) of a phase in [-1/2, 1/2], in float64."""
    z = turns * turns
    p = 0.08214473160837364 + z * (-0.007363783457038431 + z * 0.00044719862902951163)
    p = 3.1415926535895977 + z * (-5.167712779977276 + z * (2.5501640354160395 + z * (-0.5992644256681051 + z * p)))
    sine = turns * p
    q = 0.02533075120912496 + z * (-0.0019024040612731106 + z * 9.986993039992051e-05)
    q = 3.999999999999968 + z * (-3.7392088021655705 + z * (1.2780132961264623 + z * (-0.22899786812212886 + z * q)))
    cosine = (0.5 - turns) * (0.5 + turns) * q
    return 2.0 * sine * cosine, 1.0 - 2.0 * sine * sine
