from __future__ import annotations

import numpy as np
import pytest
import torch

from synthvae.features.invertible_stft import EDGE, ShortTime, window_of


def audio(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((2, samples)))


@pytest.mark.parametrize(("window", "hop"), [("gauss", 32), ("hann", 100)])
@pytest.mark.parametrize("centred", [True, False])
def test_forward_is_its_definition(window, hop, centred):
    transform = ShortTime(256, hop, window, centred)
    sound = audio(1000)
    found = transform.forward(sound, 9).numpy()
    padded = np.pad(sound.numpy(), ((0, 0), (transform.offset, 3000)))
    kernel = np.exp(-2j * np.pi * np.outer(np.arange(129), np.arange(256)) / 256) * window_of(transform)
    for n in range(9):
        np.testing.assert_allclose(found[:, :, n], padded[:, n * hop : n * hop + 256] @ kernel.T, atol=1e-9)


def test_forward_is_differentiable_and_does_not_see_beyond_its_frames():
    transform = ShortTime(64, 8)
    sound = audio(400).requires_grad_()
    transform.forward(sound, 10).abs().square().sum().backward()
    last = 9 * 8 + 32
    assert sound.grad is not None
    assert (sound.grad[:, :last] != 0).all()
    assert (sound.grad[:, last:] == 0).all()


def test_windows():
    hann = window_of(ShortTime(512, 64, "hann"))
    np.testing.assert_allclose(hann, torch.hann_window(512, dtype=torch.float64).numpy(), atol=1e-15)
    transform = ShortTime(512, 64)
    gauss = window_of(transform)
    assert gauss[256] == 1.0
    # As wide in hops as in bins: exp(-pi t^2 / gamma) has the transform exp(-pi gamma f^2), up to its height.
    assert transform.gamma == 512 * 64
    np.testing.assert_allclose(gauss[256 + 64], np.exp(-np.pi * 64**2 / transform.gamma))


def test_the_gaussian_of_a_hann_window_is_the_closest_one():
    hann = ShortTime(4096, 512, "hann")
    time = np.arange(-8192, 8192)
    padded = np.pad(window_of(hann), 6144)

    def distance(gamma: float) -> float:
        return float(np.linalg.norm(np.exp(-np.pi * time**2 / gamma) - padded))

    assert distance(hann.gamma) < min(distance(0.99 * hann.gamma), distance(1.01 * hann.gamma))


def test_reciprocal_is_bounded_and_zero_without_frames():
    transform = ShortTime(64, 16, "hann", centred=False)
    found = transform.reciprocal(5, 200)
    assert (found[128:] == 0).all()
    assert found[0] == pytest.approx(1 / EDGE, rel=1e-6)
    np.testing.assert_allclose(found[48:80], 1 / 1.5, rtol=1e-6)  # what the squares of Hann windows add up to


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((511, 64), "size"), ((0, 1), "size"), ((512, 0), "hop"), ((512, 257), "hop"), ((512, 64, "rect"), "window")],
)
def test_impossible_transforms_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ShortTime(*arguments)
