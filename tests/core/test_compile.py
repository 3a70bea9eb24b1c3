"""That compiling, which takes long once, is announced."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from synthvae.core import compile as compiling


def test_the_first_compilation_of_a_kernel_is_logged_once(monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    monkeypatch.setattr(compiling._log, "info", told.append)
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
    assert told == ["compiling kernels, once for this installation: about ten seconds"]
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
