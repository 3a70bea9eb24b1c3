"""How functions are compiled by numba."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["cached", "inlined", "plain", "summing"]

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


def cached(kernel: Callable[..., None]) -> Any:  # noqa: ANN401
    """Compile a kernel on first use, to run without the interpreter's lock, and keep it on disk.

    numba watches the file that the kernel stands in, not those of the functions that it calls. But what a kernel
    closes over is part of the key under which it is kept: one that calls functions of other files closes over a hash
    of them.
    """
    options: dict[str, Any] = {**_OPTIONS, "nogil": True}
    try:
        return njit(cache=True, **options)(kernel)
    except RuntimeError as error:  # no directory can be written
        _log.warning("kernels are compiled anew in every process (%s); set NUMBA_CACHE_DIR to keep them", error)
        return njit(**options)(kernel)
