"""How the kernels are compiled."""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

__all__ = ["OPTIONS", "inlined", "plain", "summing", "wide"]

#: Without checks for division by zero, which would stop the compiler from vectorising; with fused multiplication
#: and addition, but without re-association, so that rounding tricks and exact zeros survive.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}

#: A function of its own.
plain = njit(**OPTIONS)
#: For loops that sum, which the compiler may split over lanes; the same binary splits them the same way always.
summing = njit(error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
#: Copied into its caller, so that a loop around it can be vectorised. It keeps its own rules of rounding.
inlined = njit(forceinline=True, **OPTIONS)


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
