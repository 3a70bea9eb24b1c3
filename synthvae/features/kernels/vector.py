"""Sixteen float32 numbers as one value, for loops whose independent work is not in consecutive iterations.

A compiler vectorises a loop over samples by itself, but not a Fourier transform of sixteen signals side by side.
These few operations are written as vector instructions; LLVM splits them into registers of the machine's width.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

from synthvae.core.compile import inlined, plain

__all__ = [
    "LANES",
    "absolute",
    "arctangent",
    "interleave",
    "larger",
    "load",
    "logarithm",
    "multiply_add",
    "root",
    "separate",
    "smaller",
    "splat",
    "store",
    "where_less",
    "with_sign",
]

LANES = 16
_LANES_IR = ir.VectorType(ir.FloatType(), LANES)
_FLAGS = ("contract", "nsz")


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name="float32x16")


_VECTOR = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _Vector) -> None:
        super().__init__(manager, kind, _LANES_IR)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _LANES_IR.as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """``array[index:index + 16]`` of a contiguous float32 array, without bounds checking."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], *arguments), align=4)

    return _VECTOR(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """``array[index:index + 16] = value``, without bounds checking."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        builder.store(value, _pointer(context, builder, signature.args[0], array, index), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, _VECTOR), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """Vector of sixteen copies of a number; in sums and products with a vector, numbers are converted implicitly."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = builder.insert_element(ir.Constant(_LANES_IR, ir.Undefined), arguments[0], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
        return builder.shuffle_vector(one, ir.Constant(_LANES_IR, ir.Undefined), zeros)

    return _VECTOR(types.float32), generate


def _llvm(name: str, count: int) -> Any:
    """An LLVM intrinsic on `count` vectors."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_LANES_IR, [_LANES_IR] * count)
        function = builder.module.declare_intrinsic(f"llvm.{name}.v{LANES}f32", (), kind)
        return builder.call(function, arguments)

    return generate


@intrinsic
def root(typing_context: Any, vector: Any) -> Any:
    """Square root."""
    return _VECTOR(_VECTOR), _llvm("sqrt", 1)


@intrinsic
def absolute(typing_context: Any, vector: Any) -> Any:
    """Absolute value."""
    return _VECTOR(_VECTOR), _llvm("fabs", 1)


@intrinsic
def with_sign(typing_context: Any, size: Any, sign: Any) -> Any:
    """Magnitude of the first argument with the sign of the second (copysign)."""
    return _VECTOR(_VECTOR, _VECTOR), _llvm("copysign", 2)


@intrinsic
def larger(typing_context: Any, left: Any, right: Any) -> Any:
    """The larger of two; the other if one is NaN."""
    return _VECTOR(_VECTOR, _VECTOR), _llvm("maxnum", 2)


@intrinsic
def smaller(typing_context: Any, left: Any, right: Any) -> Any:
    """The smaller of two; the other if one is NaN."""
    return _VECTOR(_VECTOR, _VECTOR), _llvm("minnum", 2)


@intrinsic
def multiply_add(typing_context: Any, left: Any, right: Any, added: Any) -> Any:
    """Left * right + added, with one rounding where the machine has an instruction for it.

    For sums of products whose rounding must not depend on the surrounding code.
    """
    return _VECTOR(_VECTOR, _VECTOR, _VECTOR), _llvm("fmuladd", 3)


@intrinsic
def where_less(typing_context: Any, left: Any, right: Any, then: Any, otherwise: Any) -> Any:
    """`then` where left < right, `otherwise` elsewhere and where one is NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, right, then, otherwise = arguments
        return builder.select(builder.fcmp_ordered("<", left, right), then, otherwise)

    return _VECTOR(_VECTOR, _VECTOR, _VECTOR, _VECTOR), generate


_INTS_IR = ir.VectorType(ir.IntType(32), LANES)
#: Bits of 1, and of sqrt(1/2), the lower end of the range of mantissas.
_ONE_BITS, _ROOT_HALF_BITS = 0x3F800000, 0x3F3504F3


def _all(number: int) -> Any:
    return ir.Constant(_INTS_IR, [number] * LANES)


def _exponent_bits(builder: Any, bits: Any) -> Any:
    shifted = builder.sub(bits, _all(_ROOT_HALF_BITS))
    return builder.ashr(shifted, _all(23))


@intrinsic
def _exponent(typing_context: Any, vector: Any) -> Any:
    """The integer e of x = m 2^e with m in [sqrt(1/2), sqrt(2)), x positive and normal."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sitofp(_exponent_bits(builder, builder.bitcast(arguments[0], _INTS_IR)), _LANES_IR)

    return _VECTOR(_VECTOR), generate


@intrinsic
def _mantissa(typing_context: Any, vector: Any) -> Any:
    """The m of `_exponent`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], _INTS_IR)
        whole = builder.shl(_exponent_bits(builder, bits), _all(23))
        return builder.bitcast(builder.sub(bits, whole), _LANES_IR)

    return _VECTOR(_VECTOR), generate


def _operator(operation: Callable[..., Any], name: str) -> None:
    @intrinsic
    def apply(typing_context: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments, flags=_FLAGS)

        return _VECTOR(_VECTOR, _VECTOR), generate

    @overload(operation)
    def vector_operation(left, right):  # numba requires the same argument names as in the lambda
        if isinstance(left, _Vector) and isinstance(right, _Vector):
            return lambda left, right: apply(left, right)
        if isinstance(left, _Vector) and isinstance(right, types.Float):
            return lambda left, right: apply(left, splat(right))
        if isinstance(left, types.Float) and isinstance(right, _Vector):
            return lambda left, right: apply(splat(left), right)
        return None


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")


# 2 atanh(s) / s, in s^2, for |s| <= 0.172; relative error 7e-10.
_L = tuple(np.float32(c) for c in (2.0, 0.666668177, 0.399747938, 0.299256504))
# atan(t) / t, in t^2, for |t| <= 1; relative error 1.5e-8.
_A = tuple(
    np.float32(c)
    for c in (1.0, -0.333330721, 0.199926198, -0.142036438, 0.106409334, -0.0750429258, 0.042691499, -0.016068615,
              0.00284988643)
)  # fmt: skip
_LN2, _ONE, _ZERO, _TINY = np.float32(math.log(2.0)), np.float32(1.0), np.float32(0.0), np.float32(1e-37)
_PI, _HALF_PI = np.float32(math.pi), np.float32(math.pi / 2)


@inlined
def logarithm(x):
    """Natural logarithm of a positive, normal number: ln m = 2 atanh((m - 1) / (m + 1)), with x = m 2^e.

    NaN if x is infinite or NaN.
    """
    m = _mantissa(x)
    s = (m - _ONE) / (m + _ONE)
    z = s * s
    return s * (_L[0] + z * (_L[1] + z * (_L[2] + z * _L[3]))) + _exponent(x) * _LN2 + (x - x)


@inlined
def arctangent(y, x):
    """The angle of (x, y) in (-pi, pi]; 0 if both are 0, NaN if one is not finite."""
    along, across = absolute(x), absolute(y)
    t = smaller(along, across) / larger(larger(along, across), splat(_TINY))
    z = t * t
    p = _A[4] + z * (_A[5] + z * (_A[6] + z * (_A[7] + z * _A[8])))
    angle = t * (_A[0] + z * (_A[1] + z * (_A[2] + z * (_A[3] + z * p))))
    angle = where_less(along, across, _HALF_PI - angle, angle)
    angle = where_less(x, splat(_ZERO), _PI - angle, angle)
    return with_sign(angle, y) + (x - x) + (y - y)


@intrinsic
def _transpose(typing_context: Any, rows: Any, at: Any, step: Any, out: Any, to: Any, out_step: Any) -> Any:
    """``out[to + j * out_step + i] = rows[at + i * step + j]`` of contiguous arrays, for i and j below 16."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, at, step, out, to, out_step = arguments
        number = at.type

        def pointers(kind: Any, array: Any, start: Any, stride: Any) -> list[Any]:
            places = [builder.add(start, builder.mul(stride, ir.Constant(number, i))) for i in range(LANES)]
            return [_pointer(context, builder, kind, array, place) for place in places]

        values = [builder.load(place, align=4) for place in pointers(signature.args[0], rows, at, step)]
        for width in (1, 2, 4, 8):  # squares of so many numbers change places with those across the diagonal
            for i in (i for i in range(LANES) if not i & width):
                pair = values[i], values[i + width]
                for side, mask in enumerate(_exchange(width)):
                    values[i + side * width] = builder.shuffle_vector(*pair, ir.Constant(_INTS_IR, mask))
        for value, place in zip(values, pointers(signature.args[3], out, to, out_step), strict=True):
            builder.store(value, place, align=4)
        return context.get_dummy_value()

    index = types.intp
    return types.void(rows, index, index, out, index, index), generate


def _exchange(width: int) -> tuple[list[int], list[int]]:
    """Indices into the 32 numbers of two rows after their blocks have been exchanged."""
    upper = [j if not j & width else LANES + j - width for j in range(LANES)]
    lower = [j + width if not j & width else LANES + j for j in range(LANES)]
    return upper, lower


@plain
def interleave(rows, at, step, count, out):
    """Interleave sixteen rows: ``out[n * 16 + i]`` is number n of row i; with fewer rows the last one is repeated.

    Args:
        rows: contiguous array that contains the rows.
        at: index at which the first row begins.
        step: distance between the starts of consecutive rows.
        count: number of rows, at most 16.
        out: result, ``(length * 16,)``.
    """
    length = out.shape[0] // LANES
    whole = length - length % LANES if count == LANES else 0
    for n in range(0, whole, LANES):
        _transpose(rows, at + n, step, out, n * LANES, LANES)
    flat = rows.reshape(rows.size)
    for lane in range(LANES):
        start = at + min(lane, count - 1) * step
        for n in range(whole, length):
            out[n * LANES + lane] = flat[start + n]


@plain
def separate(values, count, rows, at, step):
    """The inverse of `interleave`: interleaved numbers, ``(length * 16,)``, into up to sixteen rows."""
    length = values.shape[0] // LANES
    whole = length - length % LANES if count == LANES else 0
    for n in range(0, whole, LANES):
        _transpose(values, n * LANES, LANES, rows, at + n, step)
    flat = rows.reshape(rows.size)
    for lane in range(count):
        start = at + lane * step
        for n in range(whole, length):
            flat[start + n] = values[n * LANES + lane]
