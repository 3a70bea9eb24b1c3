"""Sixteen float32 numbers as one value, for loops whose independent work is not in consecutive iterations.

A compiler vectorises a loop over samples by itself, but not a Fourier transform of sixteen signals side by side.
These few operations are written as vector instructions; LLVM cuts them into as many registers as a machine needs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

__all__ = ["LANES", "load", "root", "splat", "store"]

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
    """``array[index:index + 16]`` of a contiguous float32 array, without a check of bounds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], *arguments), align=4)

    return _VECTOR(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """``array[index:index + 16] = value``, without a check of bounds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        builder.store(value, _pointer(context, builder, signature.args[0], array, index), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, _VECTOR), generate


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """Sixteen times the same number; a number beside a vector in a sum or a product is splat by itself."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = builder.insert_element(ir.Constant(_LANES_IR, ir.Undefined), arguments[0], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
        return builder.shuffle_vector(one, ir.Constant(_LANES_IR, ir.Undefined), zeros)

    return _VECTOR(types.float32), generate


@intrinsic
def root(typing_context: Any, vector: Any) -> Any:
    """Square root."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_LANES_IR, [_LANES_IR])
        return builder.call(builder.module.declare_intrinsic(f"llvm.sqrt.v{LANES}f32", (), kind), arguments)

    return _VECTOR(_VECTOR), generate


def _operator(operation: Callable[..., Any], name: str) -> None:
    @intrinsic
    def apply(typing_context: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments, flags=_FLAGS)

        return _VECTOR(_VECTOR, _VECTOR), generate

    @overload(operation)
    def vector_operation(left, right):  # numba compares its signature with the lambda's
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
