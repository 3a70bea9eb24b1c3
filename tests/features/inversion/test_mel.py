from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from synthvae.features.inversion import mel_to_linear, nonnegative_least_squares
from synthvae.features.mel import slaney_filterbank

FILTERS = slaney_filterbank(16000, 128, 1024)


def spectra(frames: int = 21) -> torch.Tensor:
    """Magnitudes over four powers of ten, smooth enough for mel bands to hold most of them."""
    generator = np.random.default_rng(0)
    rough = generator.uniform(-4, 0, (2, 33, frames))
    places = np.linspace(0, 32, 513)
    smooth = np.stack([[np.interp(places, np.arange(33), row[:, n]) for n in range(frames)] for row in rough])
    return torch.from_numpy(10.0**smooth).float().transpose(1, 2)


def plain(mel: np.ndarray, iterations: int) -> np.ndarray:
    """The same updates written down in float64, of one sound's bands."""
    seen = FILTERS.sum(0) > 0
    found = np.where(seen, 1.0, 0.0)[:, None] * np.ones(mel.shape[1])
    for _ in range(iterations):
        ratio = mel / np.maximum(FILTERS @ found, 1e-30)
        found = found * (FILTERS.T @ ratio) / np.where(seen, FILTERS.sum(0), 1.0)[:, None]
    return found


@pytest.mark.parametrize("iterations", [1, 7, 30])
def test_updates_are_their_definition(iterations):
    mel = torch.from_numpy(FILTERS).float() @ spectra()
    found = mel_to_linear(mel, FILTERS, iterations)
    assert found.shape == (2, 513, 21)
    for row in range(2):
        np.testing.assert_allclose(found[row].numpy(), plain(mel[row].double().numpy(), iterations), rtol=2e-4)


def test_the_divergence_never_rises():
    mel = torch.from_numpy(FILTERS).float() @ spectra()

    def divergence(found: torch.Tensor) -> float:
        model = torch.from_numpy(FILTERS) @ found.double()
        return float((mel * torch.log(mel / model) - mel + model).sum())

    course = [divergence(mel_to_linear(mel, FILTERS, n)) for n in (1, 2, 4, 8, 16, 32)]
    assert all(later < earlier for earlier, later in itertools.pairwise(course))
    assert course[-1] < 1e-4 * course[0]


def test_bands_come_back_and_levels_are_closer_than_by_least_squares():
    linear = spectra()
    mel = torch.from_numpy(FILTERS).float() @ linear
    found = {"kl": mel_to_linear(mel, FILTERS), "nnls": nonnegative_least_squares(mel, FILTERS)}
    for values in found.values():
        assert values.shape == linear.shape
        assert values.min() >= 0
        again = torch.from_numpy(FILTERS).float() @ values
        assert ((again - mel).norm() / mel.norm()).item() < 0.02
    error = {
        name: (20 * torch.log10((values[:, 1:-1] + 1e-5) / (linear[:, 1:-1] + 1e-5))).square().mean().sqrt().item()
        for name, values in found.items()
    }
    assert error["kl"] < 0.5 * error["nnls"]


def test_silence_and_bins_that_no_band_sees_stay_zero():
    assert (mel_to_linear(torch.zeros(1, 128, 3), FILTERS) == 0).all()
    found = mel_to_linear(torch.ones(1, 128, 3), FILTERS)
    assert (found[:, FILTERS.sum(0) == 0] == 0).all()
    assert found[:, 1:-1].min() > 0


def test_other_shapes_are_refused():
    for function in (mel_to_linear, nonnegative_least_squares):
        with pytest.raises(ValueError, match=r"expected \(B, 128, frames\)"):
            function(torch.ones(1, 80, 3), FILTERS)
