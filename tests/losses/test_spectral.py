from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
import torch
from auraloss.freq import SpectralConvergenceLoss, STFTMagnitudeLoss

from synthvae.errors import UserError
from synthvae.features import FEATURES, build_feature
from synthvae.losses import LOSSES, build_loss
from synthvae.losses.spectral import LOG_OFFSET, SILENCE

NAMES = ["scl", "logsl", "lmsl", "sclp", "logslp", "lslp", "none"]
RATE = 8000


def pair(batch=3, length=1500, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(2, batch, length, generator=generator, dtype=torch.float64).to(dtype)
    return draw[0], draw[1]


def published(name, estimate, target):
    """The study's formulas, number by number, on one example's spectra."""
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


def test_the_table_holds_the_published_names():
    assert list(LOSSES) == NAMES
    for name, spec in LOSSES.items():
        assert spec.name == name
        assert spec.phase == (name in ("sclp", "logslp", "lslp"))


def test_an_unknown_name_lists_the_legal_ones():
    with pytest.raises(UserError, match=r"'mse'.*scl, logsl, lmsl, sclp, logslp, lslp, none"):
        build_loss("mse", build_feature("stft", RATE))


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("name", NAMES[:-1])
def test_values_are_the_published_definitions(name, feature):
    feature = build_feature(feature, RATE)
    estimate, target = pair(2, 600)
    values = build_loss(name, feature)(estimate, target)
    for row in range(2):
        spectra = feature.spectrum(estimate)[row], feature.spectrum(target)[row]
        assert values[row].item() == pytest.approx(published(name, *spectra), rel=1e-9)


def test_none_is_zero_without_a_transform_and_still_has_a_graph():
    loss = build_loss("none", torch.nn.Identity())
    estimate, target = pair()
    estimate.requires_grad_()
    value = loss(estimate, target)
    value.sum().backward()
    assert value.tolist() == [0.0] * 3
    assert estimate.grad.abs().max() == 0.0


@pytest.mark.parametrize("feature", ["stft", "cqt"])
def test_auraloss_gives_the_same_on_ordinary_sound(feature):
    feature = build_feature(feature, RATE)
    estimate, target = pair(1, 4000)
    magnitudes = feature(estimate), feature(target)
    count = magnitudes[0].numel()

    def ours(name):
        return build_loss(name, feature)(estimate, target).item()

    assert ours("scl") == pytest.approx(SpectralConvergenceLoss()(*magnitudes).item(), rel=1e-9)
    linear, log = STFTMagnitudeLoss(log=False), STFTMagnitudeLoss(log=True)  # means over all bins and frames
    assert ours("lmsl") == pytest.approx(count * linear(*magnitudes).item(), rel=1e-9)
    shifted = [m + LOG_OFFSET for m in magnitudes]
    assert ours("logsl") == pytest.approx(count * log(*shifted).item(), rel=1e-9)
    assert ours("logsl") == pytest.approx(count * log(*magnitudes).item(), rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("feature", FEATURES)
def test_gradients_agree_with_finite_differences(name, feature):
    estimate, target = pair(2, 1100)
    loss = build_loss(name, build_feature(feature, RATE))
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (estimate.requires_grad_(),), fast_mode=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_on_silence_and_on_identical_sounds(name, feature, dtype):
    sound, other = pair(1, 1500, dtype)
    tone = torch.sin(2 * math.pi * 440 / RATE * torch.arange(1500, dtype=dtype))[None]
    silence, click = torch.zeros_like(sound), torch.zeros_like(sound)
    click[0, 700] = 1.0
    faint = 1e-30 * sound
    sounds = [sound, other, tone, silence, click, faint]
    estimate = torch.cat([a for a in sounds for _ in sounds]).requires_grad_()
    target = torch.cat([b for _ in sounds for b in sounds])
    value = build_loss(name, build_feature(feature, RATE))(estimate, target)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(estimate.grad).all()
    identical = torch.arange(0, len(target), len(sounds) + 1)
    assert value[identical].abs().max() == 0.0
    assert estimate.grad[identical].abs().max() == 0.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("feature", FEATURES)
def test_an_example_counts_the_same_alone_and_in_a_batch(name, feature):
    estimate, target = pair(7, 3000, torch.float32)
    scale = torch.logspace(-3, 0, 7)[:, None]
    estimate, target = (scale * estimate).requires_grad_(), scale.flip(0) * target
    loss = build_loss(name, build_feature(feature, RATE))
    together = loss(estimate, target)
    assert together.shape == (7,)
    (gradient,) = torch.autograd.grad(together.sum(), estimate)
    for row in range(7):
        one = estimate[row : row + 1].detach().requires_grad_()
        alone = loss(one, target[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=0)
        (own,) = torch.autograd.grad(alone.sum(), one)
        assert (gradient[row] - own).abs().max() <= 1e-4 * own.abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_a_target_that_is_transformed_once_gives_the_same(name):
    estimate, target = pair()
    loss = build_loss(name, build_feature("stft", RATE))
    kept = loss.target(target.requires_grad_())
    assert kept.requires_grad == (name == "none")  # which keeps the audio itself
    torch.testing.assert_close(loss.from_features(loss.represent(estimate), kept), loss(estimate, target))


@pytest.mark.parametrize("name", NAMES)
def test_forward_mode_agrees_with_reverse_mode(name):
    estimate, target = pair(2, 1200)
    loss = build_loss(name, build_feature("stft", RATE))
    direction = torch.randn_like(estimate)
    forward = torch.func.jvp(lambda x: loss(x, target), (estimate,), (direction,))[1]
    (gradient,) = torch.func.vjp(lambda x: loss(x, target).sum(), estimate)[1](torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(forward, (direction * gradient).sum(1))


def test_magnitude_losses_do_not_hear_a_sign_and_phase_losses_do():
    estimate, _ = pair()
    feature = build_feature("stft", RATE)
    for name in ("scl", "logsl", "lmsl"):
        assert build_loss(name, feature)(-estimate, estimate).abs().max() == 0.0
    torch.testing.assert_close(
        build_loss("sclp", feature)(-estimate, estimate), torch.full((3,), 2.0, dtype=torch.float64)
    )
    turned = build_loss("logslp", feature)(-estimate, estimate) / feature(estimate)[0].numel()
    assert np.allclose(turned, math.pi, rtol=1e-3)  # every phase differs by pi, but for the offset


def test_the_norm_of_a_silent_target_is_not_divided_by():
    estimate, _ = pair(1)
    feature = build_feature("stft", RATE)
    value = build_loss("sclp", feature)(estimate, torch.zeros_like(estimate))
    torch.testing.assert_close(value, torch.linalg.vector_norm(feature(estimate))[None] / SILENCE)
    just_audible = estimate * 1.001 * SILENCE / torch.linalg.vector_norm(feature(estimate))
    torch.testing.assert_close(
        build_loss("sclp", feature)(2 * just_audible, just_audible), torch.ones(1, dtype=torch.float64)
    )


def test_the_pole_of_the_complex_logarithm_is_not_met():
    spectrum = torch.tensor([-LOG_OFFSET, 0.0, 1.0], dtype=torch.float64).to(torch.complex128).view(1, 1, 3)
    spectrum.requires_grad_()
    function = LOSSES["logslp"].function
    value = function(spectrum, torch.ones(1, 1, 3, dtype=torch.complex128))
    value.sum().backward()
    assert value.item() == pytest.approx(2 * math.log((1 + LOG_OFFSET) / LOG_OFFSET))
    assert torch.isfinite(torch.view_as_real(spectrum.grad)).all()


def test_shapes_that_differ_are_refused():
    loss = build_loss("scl", build_feature("stft", RATE))
    with pytest.raises(ValueError, match="shapes differ"):
        loss(torch.zeros(1, 100), torch.zeros(2, 100))


def test_repr_shows_the_formula():
    assert LOSSES["lslp"].formula in repr(build_loss("lslp", build_feature("cqt", RATE)))
