"""Compilation with numba: decorators, on-disk caching, and LLVM settings beyond numba's own options."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import caching, cgutils, config, event
from numba.extending import intrinsic

from synthvae.core.files import temporary_folder, user_home

__all__ = [
    "aligned",
    "cached",
    "flush_denormals",
    "hash_of",
    "inlined",
    "keep_compiled",
    "plain",
    "restore_denormals",
    "summing",
    "tolerate_caches",
    "wide",
]

_log = logging.getLogger(__name__)

#: No checks for division by zero, which would prevent vectorisation; fused multiply-add is allowed, re-association
#: is not, so that rounding tricks and exact zeros are preserved.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}


def _jit(**options: Any) -> Callable[..., Any]:
    """Numba's ``njit``, ignoring ``NUMBA_DISABLE_JIT``, which is meant for debugging other programs."""

    def compile_(function: Callable[..., Any]) -> Any:
        before, config.DISABLE_JIT = config.DISABLE_JIT, 0  # type: ignore[attr-defined]
        try:
            return njit(**options)(function)
        finally:
            config.DISABLE_JIT = before  # type: ignore[attr-defined]

    return compile_


#: Compiled as a separate function, not inlined.
plain = _jit(**_OPTIONS)
#: For reduction loops, which the compiler may split over vector lanes; one binary always splits them the same way.
summing = _jit(error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
#: Inlined into its caller, so that a loop around it can be vectorised. It keeps its own rounding rules.
inlined = _jit(forceinline=True, **_OPTIONS)


#: numba's locator for the cache in the home directory; in older versions its name begins with an underscore.
_UserWide: Any = getattr(caching, "UserWideCacheLocator", None) or caching._UserWideCacheLocator  # type: ignore[attr-defined]

#: Functions compiled by `cached`.
_KERNELS: set[Callable[..., None]] = set()


class _Announcer(event.Listener):
    """Logs once per process that kernels are being compiled, which delays the first call after an installation."""

    def __init__(self) -> None:
        self._done = False

    def on_start(self, event: Any) -> None:
        if not self._done and event.data["dispatcher"].py_func in _KERNELS:
            self._done = True
            _log.info(
                "compiling kernels for this command, once for this installation: ten seconds to a minute ...",
                extra={"event": "compiling", "shown": True},
            )

    def on_end(self, event: Any) -> None:
        """Do nothing."""


_announcer = _Announcer()
event.register("numba:compile", _announcer)


def cached(kernel: Callable[..., None]) -> Any:
    """Compile a kernel on first use, to run without the GIL, and cache it on disk.

    numba invalidates its cache when the file of the kernel changes, but not when the files of the functions that it
    calls do. The cache key includes the values that a kernel closes over, so a kernel that calls functions of other
    files closes over a hash of those files.
    """
    _KERNELS.add(kernel)
    tolerate_caches()
    return _jit(cache=True, nogil=True, **_OPTIONS)(kernel)


class _TemporaryLocator(_UserWide):
    """Cache locator in a temporary directory, used until the process ends where no other directory is writable."""

    def __init__(self, function: Any, file: str) -> None:
        self._py_file = file
        self._lineno = function.__code__.co_firstlineno
        self._cache_path = str(temporary_folder() / "numba" / self.get_suitable_cache_subpath(file))

    @classmethod
    def from_function(cls, function: Any, file: str) -> Any:
        """The locator for a function; logs a warning."""
        _warn_once("compiled functions cannot be kept, as no folder can be written; set NUMBA_CACHE_DIR")
        return super().from_function(function, file)


@functools.cache
def _warn_once(message: str) -> None:
    _log.warning(message)


@functools.cache
def tolerate_caches() -> None:
    """Make numba tolerate cache errors, also for umap and librosa.

    An unreadable entry is recompiled and a failed write is skipped, where numba would raise. Where no directory is
    writable a temporary one is used; numba would fail to import the package or, for a user without a home directory,
    write into a directory called ``~``. Call it before importing a package that uses numba's cache.
    """
    locators = [one for one in caching.CacheImpl._locator_classes if user_home() or one is not _UserWide]
    caching.CacheImpl._locator_classes = [*locators, _TemporaryLocator]
    load, save = caching.Cache.load_overload, caching.Cache.save_overload

    def load_overload(cache: Any, signature: Any, context: Any) -> Any:
        try:
            return load(cache, signature, context)
        except Exception as error:  # whatever unpickling a damaged file raises
            _warn_once(f"a function is compiled anew: {cache.cache_path} is damaged ({error or type(error).__name__})")
            with contextlib.suppress(Exception):
                cache.flush()
            return None

    def save_overload(cache: Any, signature: Any, data: Any) -> None:
        try:
            save(cache, signature, data)
        except Exception as error:
            _warn_once(f"compiled functions cannot be kept in {cache.cache_path} ({error or type(error).__name__})")

    caching.Cache.load_overload, caching.Cache.save_overload = load_overload, save_overload  # type: ignore[method-assign]


def keep_compiled(function: Any) -> None:
    """Enable numba's on-disk cache for a function of another package that would be compiled in every process.

    The compiled code is the same; later processes start faster. Not for functions that take functions as arguments.

    Args:
        function: function as returned by ``numba.njit``.
    """
    tolerate_caches()
    if hasattr(function, "enable_caching"):  # not where NUMBA_DISABLE_JIT is set
        function.enable_caching()


def hash_of(files: Iterable[Path]) -> str:
    """Hash of the source files that a kernel is compiled from; see `cached`."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@intrinsic
def wide(typing_context: Any) -> Any:
    """Use 512-bit vectors in the calling function where the machine supports them.

    LLVM prefers 256 bits on many machines with 512-bit vectors because of lower clock rates; the loops here are long,
    consist almost entirely of multiplications and additions, and run nearly twice as fast.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # llvmlite's list of known attributes has none of the form key=value, hence set.add.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


def _x86_register(builder: Any) -> Any:
    """Stack slot for the floating-point control register (MXCSR), or None on machines other than x86."""
    if not builder.module.triple.startswith(("x86_64", "i386", "i686", "amd64")):
        return None
    return cgutils.alloca_once(builder, ir.IntType(32))


def _x86_intrinsic(builder: Any, name: str, place: Any) -> None:
    pointer = builder.bitcast(place, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [pointer])


@intrinsic
def flush_denormals(typing_context: Any) -> Any:
    """Treat denormals (below 1e-38) as 0 in this thread from here on; returns the state for `restore_denormals`.

    x86 takes a hundred times as long to multiply denormals, and decaying envelopes contain many.
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
    """Array of float32 zeros aligned to a cache line, so that no vector straddles two lines."""
    array = np.zeros(size + 16, np.float32)
    skip = (-array.ctypes.data % 64) // 4
    return array[skip : skip + size]
