"""That compiling, which takes long once, is announced."""

from __future__ import annotations

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
