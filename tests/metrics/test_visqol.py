"""The adapter, with a package that notes what it is asked; and the package itself where it is installed."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.metrics import visqol as module
from synthvae.metrics.visqol import visqol, visqol_installed


def sounds(count: int = 2, samples: int = 16000) -> torch.Tensor:
    time = torch.arange(samples) / 16000
    return torch.stack([0.5 * torch.sin(2 * np.pi * 220.0 * (n + 1) * time) for n in range(count)])


class Noting:
    """Scores with the ratio of the energies."""

    calls: list[tuple[int, int, int]]

    def create(self, mode: str) -> None:
        assert mode == "audio"
        Noting.calls = []

    def measure_from_arrays(self, first: np.ndarray, second: np.ndarray, rate: int) -> types.SimpleNamespace:
        Noting.calls.append((len(first), len(second), rate))
        return types.SimpleNamespace(moslqo=float((second**2).sum() / (first**2).sum()))


def test_every_pair_is_measured_at_48_khz(monkeypatch):
    monkeypatch.setitem(sys.modules, "visqol", types.SimpleNamespace(VisqolApi=Noting))
    monkeypatch.setattr(module, "visqol_installed", lambda: True)
    answers = sounds() * torch.tensor([1.0, 0.5])[:, None]
    np.testing.assert_allclose(visqol(sounds(), answers, 16000), [1.0, 0.25], rtol=1e-6)
    assert Noting.calls == [(48000, 48000, 48000)] * 2


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(module, "visqol_installed", lambda: False)
    with pytest.raises(UserError, match=r"not installed; run: pip install \"synthvae\[visqol\]\""):
        visqol(sounds(), sounds(), 16000)
    with pytest.raises(ValueError, match="differ"):
        visqol(sounds(), sounds(1), 16000)


@pytest.mark.skipif(not visqol_installed(), reason="needs the extra visqol")
def test_equal_sounds_are_best():
    target = sounds(1, 32000)
    noisy = target + 0.05 * torch.from_numpy(np.random.default_rng(0).standard_normal((1, 32000))).float()
    equal, other = (visqol(target, answer, 16000)[0] for answer in (target, noisy))
    assert 4.5 < equal <= 5.0
    assert 1.0 <= other < equal
