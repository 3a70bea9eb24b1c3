from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
import torch
from auraloss.freq import SpectralConvergenceLoss, STFTMagnitudeLoss

from synthvae.features import FEATURES, Frames, build_feature
from synthvae.losses import LOSSES, build_loss
from synthvae.losses.spectral import LOG_OFFSET, SILENCE, convergence, log_phase

NAMES = ["scl", "logsl", "lmsl", "sclp", "logslp", "lslp"]
RATE = 8000


def pair(batch=3, length=1500, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(2, batch, length, generator=generator, dtype=torch.float64).to(dtype)
    return draw[0], draw[1]


def published(name, estimate, target):
    """The thesis's formulas, number by number, on one example's spectra."""
    s, s_hat = target.flatten().tolist(), estimate.flatten().tolist()
    if name in ("scl", "logsl", "lmsl"):
        s, s_hat = [abs(v) for v in s], [abs(v) for v in s_hat]
    if name in ("scl", "sclp"):
        top = math.sqrt(sum(abs(a - b) ** 2 for a, b in zip(s, s_hat, strict=True)))
        return top / math.sqrt(sum(abs(a) ** 2 for a in s))
    if name in ("logsl", "logslp"):
        total = 0.0
        for a, b in zip(s, s_hat, strict=True):
            difference = cmath.log(a + LOG_OFFSET) - cmath.log(b + LOG_OFFSET)
            turn = (difference.imag + math.pi) % (2 * math.pi) - math.pi
            total += math.hypot(difference.real, turn)
        return total
    return sum(abs(a - b) for a, b in zip(s, s_hat, strict=True))


def test_the_table_begins_with_the_published_names():
    assert list(LOSSES)[:6] == NAMES
    for name in NAMES:
        assert LOSSES[name].features == tuple(FEATURES)
        assert LOSSES[name].phase == (name in ("sclp", "logslp", "lslp"))


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_published_definitions(name, feature):
    feature = build_feature(feature, RATE)
    estimate, target = pair(2, 600)
    values = build_loss(name, RATE, feature.name)(estimate, target)
    for row in range(2):
        spectra = feature.spectrum(estimate)[row], feature.spectrum(target)[row]
        assert values[row].item() == pytest.approx(published(name, *spectra), rel=1e-9)


@pytest.mark.parametrize("feature", ["stft", "cqt"])
def test_auraloss_gives_the_same_on_ordinary_sound(feature):
    feature = build_feature(feature, RATE)
    estimate, target = pair(1, 4000)
    magnitudes = feature(estimate), feature(target)
    count = magnitudes[0].numel()

    def ours(name):
        return build_loss(name, RATE, feature.name)(estimate, target).item()

    assert ours("scl") == pytest.approx(SpectralConvergenceLoss()(*magnitudes).item(), rel=1e-9)
    linear, log = STFTMagnitudeLoss(log=False), STFTMagnitudeLoss(log=True)  # means over all bins and frames
    assert ours("lmsl") == pytest.approx(count * linear(*magnitudes).item(), rel=1e-9)
    shifted = [m + LOG_OFFSET for m in magnitudes]
    assert ours("logsl") == pytest.approx(count * log(*shifted).item(), rel=1e-9)
    assert ours("logsl") == pytest.approx(count * log(*magnitudes).item(), rel=1e-3)


def test_magnitude_losses_do_not_hear_a_sign_and_phase_losses_do():
    estimate, _ = pair()
    feature = build_feature("stft", RATE)
    for name in ("scl", "logsl", "lmsl"):
        assert build_loss(name, RATE, "stft")(-estimate, estimate).abs().max() == 0.0
    torch.testing.assert_close(
        build_loss("sclp", RATE, "stft")(-estimate, estimate), torch.full((3,), 2.0, dtype=torch.float64)
    )
    turned = build_loss("logslp", RATE, "stft")(-estimate, estimate) / feature(estimate)[0].numel()
    assert np.allclose(turned, math.pi, rtol=1e-3)  # every phase differs by pi, but for the offset


def test_the_norm_of_a_silent_target_is_not_divided_by():
    estimate, _ = pair(1)
    feature = build_feature("stft", RATE)
    value = build_loss("sclp", RATE, "stft")(estimate, torch.zeros_like(estimate))
    torch.testing.assert_close(value, torch.linalg.vector_norm(feature(estimate))[None] / SILENCE)
    just_audible = estimate * 1.001 * SILENCE / torch.linalg.vector_norm(feature(estimate))
    torch.testing.assert_close(
        build_loss("sclp", RATE, "stft")(2 * just_audible, just_audible), torch.ones(1, dtype=torch.float64)
    )


def test_the_pole_of_the_complex_logarithm_is_not_met():
    spectrum = torch.tensor([-LOG_OFFSET, 0.0, 1.0], dtype=torch.float64).to(torch.complex128).view(1, 1, 3)
    spectrum.requires_grad_()
    function = log_phase
    value = function(spectrum, torch.ones(1, 1, 3, dtype=torch.complex128))
    value.sum().backward()
    assert value.item() == pytest.approx(2 * math.log((1 + LOG_OFFSET) / LOG_OFFSET))
    assert torch.isfinite(torch.view_as_real(spectrum.grad)).all()


@pytest.mark.parametrize("name", ["stft", "cqt"])
@pytest.mark.parametrize("frames", [Frames(), Frames(1, 3)])
def test_sclp_of_linear_features_equals_its_definition(name, frames):
    torch.manual_seed(3)
    audio = 0.1 * torch.randn(4, 44100, dtype=torch.float64)
    near = (audio + 0.01 * torch.randn_like(audio)).requires_grad_()
    feature, loss = build_feature(name, RATE), build_loss("sclp", RATE, name)
    expected = convergence(feature.spectrum(near, frames), feature.spectrum(audio, frames))
    (wanted,) = torch.autograd.grad(expected.sum(), near)
    torch.testing.assert_close(loss(near, audio, frames), expected, rtol=1e-12, atol=0)
    (found,) = torch.autograd.grad(loss(near, audio, frames).sum(), near)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12 * float(wanted.abs().max()))
    single = loss(near.detach().float(), audio.float(), frames)
    torch.testing.assert_close(single.double(), expected.detach(), rtol=1e-5, atol=0)


def test_sclp_is_flat_on_identical_and_on_silent_sounds():
    audio = (0.1 * torch.randn(2, 5000)).requires_grad_()
    silence = torch.zeros(2, 5000, requires_grad=True)
    for estimate, target in ((audio, audio.detach()), (silence, torch.zeros(2, 5000))):
        value = build_loss("sclp", RATE, "stft")(estimate, target)
        (gradient,) = torch.autograd.grad(value.sum(), estimate)
        assert value.abs().max() == 0.0
        assert gradient.abs().max() == 0.0
