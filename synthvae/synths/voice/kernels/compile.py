"""What the kernels tell the compiler beyond numba's own options, and the hash of their sources."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from synthvae.core.compile import plain

__all__ = ["aligned", "flush_denormals", "restore_denormals", "sources", "wide"]


@intrinsic
def wide(typing_context: Any) -> Any:
    """Called in a function: use 512-bit vectors in it where the machine has them.

    LLVM prefers 256 bits on many machines that have 512, for fear of a lower clock; here the loops are long and
    made of little but multiplications and additions, and run nearly twice as fast.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # llvmlite's list of known attributes has none of the form key=value, hence set.add.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


def _x86_register(builder: Any) -> Any:
    """Where to keep the register that controls floating-point arithmetic, or None on other machines than x86."""
    if not builder.module.triple.startswith(("x86_64", "i386", "i686", "amd64")):
        return None
    return cgutils.alloca_once(builder, ir.IntType(32))


def _x86_intrinsic(builder: Any, name: str, place: Any) -> None:
    pointer = builder.bitcast(place, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [pointer])


@intrinsic
def flush_denormals(typing_context: Any) -> Any:
    """From here on numbers below 1e-38 count as 0 in this thread; returns what `restore_denormals` needs.

    x86 takes a hundred times as long to multiply them, and decaying envelopes are full of them.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _x86_register(builder)
        if place is None:
            return ir.Constant(ir.IntType(32), 0)
        _x86_intrinsic(builder, "llvm.x86.sse.stmxcsr", place)
        before = builder.load(place)
        builder.store(builder.or_(before, ir.Constant(ir.IntType(32), 0x8040)), place)
        _x86_intrinsic(builder, "llvm.x86.sse.ldmxcsr", place)
        return before

    return types.int32(), generate


@intrinsic
def restore_denormals(typing_context: Any, before: Any) -> Any:
    """Undo `flush_denormals`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _x86_register(builder)
        if place is not None:
            builder.store(arguments[0], place)
            _x86_intrinsic(builder, "llvm.x86.sse.ldmxcsr", place)
        return context.get_dummy_value()

    return types.void(types.int32), generate


@plain
def aligned(size):
    """An array of float32 zeros that starts on a cache line: a vector then never lies across two of them."""
    array = np.zeros(size + 16, np.float32)
    skip = (-array.ctypes.data % 64) // 4
    return array[skip : skip + size]


def sources() -> str:
    """A hash of all that the kernels are compiled from."""
    here = Path(__file__).parent
    others = [
        here.parents[2] / name for name in ("core/compile.py", "features/fourier.py", "synths/voice/reference.py")
    ]
    digest = hashlib.sha256()
    for path in [*sorted(here.glob("*.py")), *others]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
