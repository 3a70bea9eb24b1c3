"""Compilation: the message about its first, long run, and caches that are damaged or cannot be written."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synthvae.core import compile as compiling


def test_the_first_compilation_of_a_kernel_is_logged_once(monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    monkeypatch.setattr(compiling._log, "info", lambda message, extra: told.append(message))
    monkeypatch.setattr(compiling._announcer, "_done", False)

    def double(values):
        for number in range(values.shape[0]):
            values[number] *= 2

    def triple(values):
        for number in range(values.shape[0]):
            values[number] *= 3

    values = np.ones(3)
    compiling.plain(double)(values)
    assert told == [], "only kernels take long"
    for kernel in (double, triple):
        monkeypatch.setattr(compiling, "_KERNELS", compiling._KERNELS | {kernel})
        compiling.njit(nogil=True)(kernel)(values)
    assert told == ["compiling kernels for this command, once for this installation: ten seconds to a minute ..."]
    assert values.tolist() == [12.0] * 3


def test_what_another_package_compiles_is_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "other.py").write_text("def add(one, two):\n    return one + two\n")
    monkeypatch.syspath_prepend(tmp_path)
    add = importlib.import_module("other").add
    for found in ("cache_misses", "cache_hits"):  # a dispatcher each, as each process has its own
        function = compiling.njit(add)
        compiling.keep_compiled(function)
        assert function(1, 2) == 3
        assert sum(getattr(function.stats, found).values()) == 1


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """Compiles one function of a file with a cache beside it, as after a new start."""
    compiling.tolerate_caches()
    compiling._warn_once.cache_clear()
    source = tmp_path / "package" / "counting.py"
    source.parent.mkdir()
    source.write_text("def count(number):\n    return number + 1\n")
    monkeypatch.syspath_prepend(str(source.parent))

    def compile_() -> object:
        sys.modules.pop("counting", None)
        importlib.invalidate_caches()
        return compiling._jit(cache=True)(importlib.import_module("counting").count)

    return compile_


def test_a_function_is_kept_and_found_again(counting: Callable[[], object], tmp_path: Path):
    for hits in (0, 1):
        function = counting()
        assert function(2) == 3
        assert sum(function.stats.cache_hits.values()) == hits


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("length", [0, 1, 30, -1])
def test_damaged_caches_are_made_again(
    counting: Callable[[], object], tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, length: int
):
    counting()(2)
    (path,) = tmp_path.rglob(f"counting*.{kind}")
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    function = counting()
    assert function(2) == 3
    if function.stats.cache_hits:
        assert kind == "nbi", "numba may read an index without its last byte"
    assert counting()(2) == 3
    assert sum(counting().stats.cache_misses.values()) == 0


def test_a_cache_that_cannot_be_written_is_left_out(
    counting: Callable[[], object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compiling.caching.IndexDataCacheFile, "save", full)
    assert counting()(2) == 3
    assert "cannot be kept" in caplog.text
    assert "No space left" in caplog.text


def test_a_user_without_a_home_has_a_temporary_cache(
    counting: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compiling.caching.CacheImpl, "_locator_classes", [compiling._TemporaryLocator])
    function = counting()
    assert function(2) == 3
    assert Path(function._cache.cache_path).is_relative_to(compiling.temporary_folder())
    assert not (tmp_path / "~").exists()


def test_kernels_are_compiled_where_others_are_debugged(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compiling.config, "DISABLE_JIT", 1)
    assert hasattr(compiling.plain(lambda number: number), "py_func")
    assert compiling.config.DISABLE_JIT == 1
