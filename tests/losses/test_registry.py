"""Properties of every loss on every feature that it accepts."""

from __future__ import annotations

import math

import pytest
import torch

from synthvae.features import Frames, build_feature
from synthvae.losses import LOSSES, build_loss
from synthvae.synths.voice.voice import Voice
from tests.errors import user_error

RATE = 8000
ON_SOUND = [name for name, spec in LOSSES.items() if spec.compares != "parameters"]
PAIRS = [(name, feature) for name in ON_SOUND for feature in LOSSES[name].features or ("auto",)]
every_loss = pytest.mark.parametrize(("name", "feature"), PAIRS, ids=["-".join(pair) for pair in PAIRS])


def pair(batch=3, length=1500, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(2, batch, length, generator=generator, dtype=torch.float64).to(dtype)
    return draw[0], draw[1]


def test_the_table_names_every_loss():
    ours = ["logmel", "mrstft", "sot", "envelope"]
    assert list(LOSSES) == ["scl", "logsl", "lmsl", "sclp", "logslp", "lslp", *ours, "pnp", "none"]
    assert all(name == spec.name for name, spec in LOSSES.items())
    others = {name: spec.compares for name, spec in LOSSES.items() if spec.compares != "audio"}
    assert others == {"pnp": "parameters", "none": "nothing"}
    assert [name for name, spec in LOSSES.items() if spec.needs_metric] == ["pnp"]
    with user_error("loss", "pnp"):
        build_loss("pnp", RATE)


def test_an_unknown_name_lists_the_legal_ones():
    with user_error("loss", "mse", r"scl, logsl, lmsl, sclp, logslp, lslp, .*, none"):
        build_loss("mse", RATE, "stft")


def test_a_feature_that_the_loss_cannot_compare_is_refused():
    with user_error("feature", "mfcc", "sot does not compare; choose one of stft, cqt, or auto"):
        build_loss("sot", RATE, "mfcc")
    with user_error("feature", "stft", "choose auto"):
        build_loss("envelope", RATE, "stft")
    with user_error("feature", "chroma"):
        build_loss("sot", RATE, "chroma")


def test_auto_is_the_usual_feature():
    estimate, target = pair()
    for name, spec in LOSSES.items():
        if spec.features:
            expected = build_loss(name, RATE, spec.features[0])(estimate, target)
            assert torch.equal(build_loss(name, RATE)(estimate, target), expected)


@every_loss
def test_finite_through_the_voice_on_1000_random_pairs(name, feature):
    generator = torch.Generator().manual_seed(8)
    voice = Voice(None, 16000, 0.125, 160)
    loss = build_loss(name, 16000, feature)
    for _ in range(4):
        unit = torch.rand(250, 63, generator=generator).requires_grad_()
        target = voice(torch.rand(250, 63, generator=generator))
        value = loss(voice(unit), target)
        value.sum().backward()
        assert value.shape == (250,)
        assert value.isfinite().all()
        assert (value >= 0).all()
        assert unit.grad.isfinite().all()


@every_loss
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
    value = build_loss(name, RATE, feature)(estimate, target)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(estimate.grad).all()
    identical = torch.arange(0, len(target), len(sounds) + 1)
    assert value[identical].abs().max() == 0.0
    assert estimate.grad[identical].abs().max() == 0.0


@every_loss
def test_an_example_counts_the_same_alone_and_in_a_batch(name, feature):
    estimate, target = pair(7, 3000, torch.float32)
    scale = torch.logspace(-3, 0, 7)[:, None]
    estimate, target = (scale * estimate).requires_grad_(), scale.flip(0) * target
    loss = build_loss(name, RATE, feature)
    together = loss(estimate, target)
    assert together.shape == (7,)
    (gradient,) = torch.autograd.grad(together.sum(), estimate)
    for row in range(7):
        one = estimate[row : row + 1].detach().requires_grad_()
        alone = loss(one, target[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=0)
        (own,) = torch.autograd.grad(alone.sum(), one)
        assert (gradient[row] - own).norm() <= 1e-4 * own.norm()


@every_loss
def test_gradients_agree_with_finite_differences(name, feature):
    estimate, target = pair(2, 1100)
    loss = build_loss(name, RATE, feature)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (estimate.requires_grad_(),), fast_mode=True)


@pytest.mark.parametrize("name", ON_SOUND)
def test_forward_mode_agrees_with_reverse_mode(name):
    estimate, target = pair(2, 1200)
    loss = build_loss(name, RATE)
    direction = torch.randn_like(estimate)
    forward = torch.func.jvp(lambda x: loss(x, target), (estimate,), (direction,))[1]
    (gradient,) = torch.func.vjp(lambda x: loss(x, target).sum(), estimate)[1](torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(forward, (direction * gradient).sum(1))


@pytest.mark.parametrize("length", [1, 300, 1024, 1025])
def test_any_length_will_do(length):
    estimate, target = pair(2, length)
    for name in ON_SOUND:
        assert build_loss(name, RATE)(estimate, target).isfinite().all()


def test_chosen_frames_are_an_unbiased_part_of_the_log_mel_error():
    estimate, target = pair(2, 512 * 15)  # 16 frames
    loss = build_loss("logmel", RATE)
    parts = torch.stack([loss(estimate, target, Frames(first, 4)) for first in range(4)])
    torch.testing.assert_close(parts.mean(0), loss(estimate, target))
    for name in ("mrstft", "envelope"):
        with pytest.raises(ValueError, match="cannot choose frames"):
            build_loss(name, RATE)(estimate, target, Frames(0, 2))


def test_logmel_is_the_mean_square_in_decibels():
    estimate, target = pair()
    feature = build_feature("logmel", RATE)
    expected = (feature(estimate) - feature(target)).square().flatten(1).mean(1)
    torch.testing.assert_close(build_loss("logmel", RATE)(estimate, target), expected)


def test_none_is_zero_without_a_transform_and_still_has_a_graph():
    estimate, target = pair()
    estimate.requires_grad_()
    value = build_loss("none", RATE)(estimate, target)
    value.sum().backward()
    assert value.tolist() == [0.0] * 3
    assert estimate.grad.abs().max() == 0.0


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        build_loss("scl", RATE)(torch.zeros(1, 100), torch.zeros(2, 100))


def test_repr_shows_the_formula():
    for name in ON_SOUND:
        spec = LOSSES[name]
        assert spec.formula in repr(build_loss(name, RATE))
