"""That compiling, which takes long once, is announced."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from synthvae.core import compile as compiling


def test_the_first_compilation_of_a_kernel_is_logged_once(monkeypatch: pytest.MonkeyPatch, caplog):
    announcers = [listener for listener in compiling.event._registered["numba:compile"]]
    (announcer,) = [found for found in announcers if isinstance(found, compiling._Announcer)]
    monkeypatch.setattr(announcer, "_done", False)
    monkeypatch.setattr(compiling.logging.getLogger("synthvae.core.compile"), "propagate", True)
    caplog.set_level(logging.INFO, "synthvae.core.compile")

    def double(values):
        for number in range(values.shape[0]):
            values[number] *= 2

    def triple(values):
        for number in range(values.shape[0]):
            values[number] *= 3

    values = np.ones(3)
    compiling.plain(double)(values)
    assert caplog.messages == [], "only kernels take long"
    for kernel in (double, triple):
        made = compiling.njit(nogil=True)(kernel)
        compiling._KERNELS.add(kernel)
        made(values)
        compiling._KERNELS.discard(kernel)
    assert caplog.messages == ["compiling kernels, once for this installation: about ten seconds"]
    assert values.tolist() == [12.0] * 3
