"""Parallel loops over rows, on PyTorch's own OpenMP threads where possible.

PyTorch's OpenMP threads busy-wait for about ten milliseconds after every operation. Separate threads would compete with
them for the cores and lose a third of their time. So the rows run on the same threads: with GNU OpenMP, which PyTorch
ships on Linux, through its documented entry point for compilers, ``GOMP_parallel``. Elsewhere, and in a forked process,
which must not use OpenMP again, they run on Python threads.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

__all__ = ["over_rows"]

_Team = Callable[[Callable[[], None], int], None]


def over_rows(size: int, work: Callable[[int, int], None], at_once: int) -> None:
    """Call ``work(low, high)`` for all of `size` rows, on as many threads as PyTorch uses, this one included.

    `work` should release the GIL; with several threads each call gets at most `at_once` rows.

    Raises:
        BaseException: the first exception that `work` raised on any thread.
    """
    threads = min(torch.get_num_threads(), size)
    if threads <= 1:
        work(0, size)
        return
    rows = min(at_once, -(-size // threads))
    starts = itertools.count(0, rows)
    errors: list[BaseException] = []

    def take() -> None:
        try:
            while not errors and (low := next(starts)) < size:
                work(low, min(low + rows, size))
        except BaseException as error:
            errors.append(error)

    (openmp_team() or own_team)(take, threads)
    if errors:
        raise errors[0]


@lru_cache(maxsize=1)
def openmp_team() -> _Team | None:
    """A runner on PyTorch's OpenMP threads, or None if PyTorch does not use GNU's OpenMP."""
    library: Any = None
    for path in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        try:
            library = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_NOLOAD)
        except OSError:  # installed, but not loaded by PyTorch
            continue
    if library is None:
        return None
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    parallel = library.GOMP_parallel
    parallel.argtypes, parallel.restype = [function, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None

    def run(take: Callable[[], None], threads: int) -> None:
        parallel(function(lambda _: take()), None, threads, 0)

    return run


def own_team(take: Callable[[], None], threads: int) -> None:
    """Run a function on Python threads and on this one."""
    helpers = [_pool().submit(take) for _ in range(threads - 1)]
    take()
    for helper in helpers:
        helper.result()


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="synthvae")


def _after_fork() -> None:
    """Switch to Python threads after a fork: the child has no OpenMP threads, but a team that waits for them."""
    global openmp_team
    _pool.cache_clear()
    openmp_team = lru_cache(maxsize=1)(lambda: None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
