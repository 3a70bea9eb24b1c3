from __future__ import annotations

import numpy as np
import torch

from synthvae.losses import build_loss
from synthvae.losses.transport import spectral_transport


def transport_of_grains(first: list[int], second: list[int]) -> float:
    """W_2^2 between whole numbers of equal grains: sorted grains are moved to sorted grains."""
    bins = len(first)
    places = [np.repeat(np.arange(bins) / (bins - 1), counts) for counts in (first, second)]
    size = np.lcm(len(places[0]), len(places[1]))
    one, other = (np.sort(np.repeat(p, size // len(p))) for p in places)
    return float(np.square(one - other).mean())


def test_equals_the_transport_of_equal_grains():
    generator = np.random.default_rng(0)
    for _ in range(20):
        first, second = generator.integers(0, 5, (2, 9))
        first[4] = second[2] = 6
        spectra = [torch.from_numpy(np.sqrt(100.0 * counts))[None, :, None] for counts in (first, second)]
        expected = transport_of_grains(first.tolist(), second.tolist())
        np.testing.assert_allclose(spectral_transport(*spectra).item(), expected, rtol=1e-9)


def test_two_peaks_are_as_far_apart_as_their_bins():
    target = torch.zeros(1, 101, 1, dtype=torch.float64)
    target[0, 20] = 3.0
    for bin_ in (0, 21, 90):
        estimate = torch.zeros_like(target)
        estimate[0, bin_] = 0.7  # loudness does not count
        torch.testing.assert_close(spectral_transport(estimate, target).item(), ((bin_ - 20) / 100) ** 2)


def test_silent_frames_count_as_nothing():
    target = torch.zeros(1, 11, 4, dtype=torch.float64)
    target[0, 0] = 1.0
    estimate = torch.zeros_like(target)
    estimate[0, 10, :2] = 1.0
    torch.testing.assert_close(spectral_transport(estimate, target).item(), 0.5)


def test_the_gradient_points_to_a_distant_sine():
    rate, time = 16000, torch.arange(8000, dtype=torch.float64) / 16000
    loss = build_loss("sot", rate)
    target = torch.sin(2 * torch.pi * 1000 * time)[None]
    for start in (300.0, 700.0, 2000.0, 5000.0):
        frequency = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        loss(torch.sin(2 * torch.pi * frequency * time)[None], target).sum().backward()
        assert torch.sign(frequency.grad) == np.sign(start - 1000)
