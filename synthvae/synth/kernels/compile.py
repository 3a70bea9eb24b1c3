"""How the kernels are compiled."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit, types
from numba.extending import intrinsic

__all__ = ["cached", "inlined", "plain", "sources", "summing", "wide"]

_log = logging.getLogger(__name__)

#: Without checks for division by zero, which would stop the compiler from vectorising; with fused multiplication
#: and addition, but without re-association, so that rounding tricks and exact zeros survive.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}

#: A function of its own.
plain = njit(**_OPTIONS)
#: For loops that sum, which the compiler may split over lanes; the same binary splits them the same way always.
summing = njit(error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
#: Copied into its caller, so that a loop around it can be vectorised. It keeps its own rules of rounding.
inlined = njit(forceinline=True, **_OPTIONS)


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


def sources() -> str:
    """A hash of all that the kernels are compiled from."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in [*sorted(here.glob("*.py")), here.parent / "reference.py", here.parents[1] / "features" / "fourier.py"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def cached(kernel: Callable[..., None]) -> Any:
    """Compile a kernel on first use, and keep it on disk: next to its source or in the user's cache.

    numba watches the file that the kernel stands in, not those of the functions that it calls. But what a kernel
    closes over is part of the key under which it is kept: every kernel closes over the hash from `sources`.

    Args:
        kernel: a function; it runs without the interpreter's lock.
    """
    options: dict[str, Any] = {**_OPTIONS, "nogil": True}
    try:
        return njit(cache=True, **options)(kernel)
    except RuntimeError as error:  # no directory can be written
        _log.warning("kernels are compiled anew in every process (%s); set NUMBA_CACHE_DIR to keep them", error)
        return njit(**options)(kernel)
