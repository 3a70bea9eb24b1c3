"""Networks for spectrograms: sizes and weights as published, and what all of them have in common."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.core.randomness import generator
from synthvae.losses.terms import kl_divergence
from synthvae.models.spectrogram import (
    SPECTROGRAM_NETWORKS,
    SpectrogramModel,
    build_spectrogram_model,
    weight_count,
)
from synthvae.models.spectrogram.base import parse_widths
from synthvae.models.spectrogram.convolutional import Convolution, TransposedConvolution
from tests.errors import user_error

#: Every network, as published and corrected.
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("spectrogram-conv", {"options": {}}),
    ("spectrogram-conv", {"options": {"published": True}}),
    ("spectrogram-conv", {"options": {"published": True, "autoencoder": True}}),
    ("spectrogram-iaf", {"flows": 2}),
    ("spectrogram-iaf", {"flows": 0, "options": {"published": True, "logits": True}}),
    ("dense", {"widths": "32-16"}),
    ("dense", {"widths": "32", "frames": 4}),
]


def sounds(count: int, *shape: int) -> tuple[Tensor, Tensor]:
    values = torch.rand(count, *shape, generator=generator(0))
    return values, -20.0 + 5.0 * torch.randn(count, generator=generator(1))


@pytest.mark.parametrize("width", [2, 3, 4, 8])
def test_convolutions_in_bfloat16_are_those_in_float32_and_their_gradients_as_well(width: int):
    # With AMX an output of width 1, and a gradient with respect to an input of width 1, were left undefined.
    there = Convolution(32, 16, 4, stride=2, padding=1)
    back = TransposedConvolution(16, 32, 4, stride=2, padding=1)
    given = torch.rand(4, 32, 16, width, generator=generator(0), requires_grad=True)
    results = []
    for enabled in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            inner = there(given)
            found = back(inner)
        weights = (there.weight, back.weight)
        results.append(
            (inner.float(), found.float(), *torch.autograd.grad(found.float().square().sum(), (given, *weights)))
        )
    for one, exact in zip(*results, strict=True):
        torch.testing.assert_close(one, exact, rtol=0.05, atol=0.05 * float(exact.abs().max()))


@pytest.mark.parametrize(
    ("latent", "flows", "weights"),
    [(8, 10, 2_195_296), (64, 10, 8_284_512), (256, 10, 74_873_184), (64, 0, 2_097_632), (64, 20, 14_471_392)],
)
def test_the_published_flow_network_has_the_published_number_of_weights(latent: int, flows: int, weights: int):
    with torch.device("meta"):
        model = build_spectrogram_model(
            "spectrogram-iaf", (1, 128, 250), latent, flows=flows, options={"published": True}
        )
    assert weight_count(model) == weights
    if latent == 64:
        assert weight_count(model.autoregressive) == flows * 618_688


def sizes(model: nn.Module, *shape: int, device: str = "meta") -> list[tuple[int, ...]]:
    """Of what each layer gives, without the batch."""
    found: list[tuple[int, ...]] = []
    for layer in model.modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda layer, given, answer: found.append(tuple(answer.shape[1:])))
    model(torch.zeros(1, *shape, device=device), torch.zeros(1, device=device))
    return found


def test_the_published_flow_network_has_the_published_sizes():
    model = build_spectrogram_model("spectrogram-iaf", (1, 128, 250), 64, options={"published": True})
    assert model.sizes == [(128, 250), (63, 124), (31, 62), (15, 30), (7, 15)]
    assert model.bottleneck == (32, 7, 15)
    found = sizes(model, 1, 128, 250, device="cpu")
    assert found[:4] == [(32, 128, 250), (64, 63, 124), (32, 31, 62), (32, 15, 30)]
    assert found[4:8] == [(512,), (512,), (64,), (64,)]
    assert found[-6:] == [(3360,), (3360,), (32, 15, 30), (64, 31, 62), (32, 63, 124), (1, 128, 250)]


def test_the_published_convolutional_network_has_the_published_sizes():
    with torch.device("meta"):
        model = build_spectrogram_model(
            "spectrogram-conv", (2, 4000, 201), 200, options={"published": True, "autoencoder": True}
        )
    found = [size for size in sizes(model, 2, 4000, 201) if len(size) == 3]
    assert found[::3][:3] == [(16, 2000, 101), (32, 1000, 51), (64, 500, 26)]
    assert found[-2:] == [(2, 3993, 201)] * 2
    assert model.bottleneck == (64, 500, 26)
    assert model(torch.zeros(1, 2, 4000, 201, device="meta"), torch.zeros(1)).raw.shape == (1, 2, 4000, 201)
    convolutional = sum(weight_count(part) for part in (model.encoder, model.decoder))
    assert convolutional == 47_042
    assert weight_count(model) == pytest.approx(333.7e6, rel=1e-3)


@pytest.mark.parametrize(("network", "more"), KINDS)
@pytest.mark.parametrize("shape", [(1, 128, 250), (1, 128, 13), (2, 65, 33), (1, 17, 1250), (2, 9, 5)])
def test_every_network_returns_the_size_that_it_was_given(
    network: str, more: dict[str, Any], shape: tuple[int, int, int]
):
    model = build_spectrogram_model(network, shape, 3, **more).eval()
    values, level = sounds(2, *shape)
    latent = model.embed(values, level)
    assert latent.shape == (2 * model.latents_of(shape[2]), 3)
    assert model.decode(latent).values.shape == (2, *shape)
    assert model.decode(latent).level.shape == (2,)
    output = model(values, level, noise=torch.randn(latent.shape, generator=generator(2)))
    assert (output.raw.shape, output.kl.shape) == ((2, *shape), (2, 3))
    (output.raw.square().mean() + output.kl.mean()).backward()
    unused = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    if model.autoencoder:
        assert unused == []
    assert set(unused) <= {"level.weight", "level.bias"}


@pytest.mark.parametrize("frames", [1, 13, 400])
def test_a_network_of_frames_takes_any_length(frames: int):
    model = build_spectrogram_model("dense", (1, 8, 20), 3, widths="16", frames=5)
    values, level = sounds(2, 1, 8, frames)
    latent = model.embed(values, level)
    assert latent.shape == (2 * -(-frames // 5), 3)
    assert model.decode(latent, frames=frames).values.shape == values.shape
    # Each latent is of its own frames alone.
    changed = torch.cat([values[..., :-1], values[..., -1:] + 1.0], 3)
    moved = (model.embed(changed, level) != latent).any(1).view(2, -1)
    assert moved.tolist() == [[False] * (moved.shape[1] - 1) + [True]] * 2


@pytest.mark.parametrize("network", SPECTROGRAM_NETWORKS)
def test_a_condition_reaches_encoder_and_decoder(network: str):
    model = build_spectrogram_model(network, (1, 32, 32), 3, flows=1, options={"condition_size": 2}).eval()
    values, level = sounds(2, 1, 32, 32)
    one, other = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([[0.0, 1.0]] * 2)
    latent = model.embed(values, level, one)
    assert not torch.equal(latent, model.embed(values, level, other))
    assert not torch.equal(model.decode(latent, one).values, model.decode(latent, other).values)
    with pytest.raises(ValueError, match=r"needs a condition \(2, 2\)"):
        model.embed(values, level)
    with pytest.raises(ValueError, match="condition must be"):
        model.decode(latent, one[:, :1])


@pytest.mark.parametrize("logits", [False, True])
def test_a_network_starts_near_the_mean_spectrogram_and_the_mean_level(logits: bool):
    values, _level = sounds(2, 1, 32, 32)
    model = build_spectrogram_model("spectrogram-conv", (1, 32, 32), 3, options={"logits": logits})
    mean = 0.2 + 0.6 * values[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    model.standardise(mean, torch.tensor([0.3]), -20.0, 5.0)
    found = model.decode(torch.zeros(2, 3))
    torch.testing.assert_close(found.values, mean.expand(2, -1, -1, -1))
    torch.testing.assert_close(found.level, torch.full((2,), -20.0))


def test_the_level_of_a_sound_reaches_the_latents_only_where_there_is_one():
    values, level = sounds(2, 1, 32, 32)
    for published in (False, True):
        model = build_spectrogram_model("spectrogram-iaf", (1, 32, 32), 3, options={"published": published}).eval()
        same = torch.equal(model.embed(values, level), model.embed(values, level + 10.0))
        assert same == published
        assert (model(values, level).level is None) == published


def test_without_a_flow_the_divergence_is_the_closed_form():
    model = build_spectrogram_model("spectrogram-iaf", (1, 32, 32), 3, flows=0).eval()
    values, level = sounds(2, 1, 32, 32)
    mean, log_variance, _ = model.encode(values, level)
    noise = torch.randn(2, 3, generator=generator(3))
    torch.testing.assert_close(model(values, level, noise=noise).kl, kl_divergence(mean, log_variance))


def test_log_variances_are_bounded_unless_as_published():
    for published, most in ((False, 10.0), (True, 20.0)):
        model = build_spectrogram_model("spectrogram-conv", (1, 32, 32), 3, options={"published": published})
        with torch.no_grad():
            model.log_variance.bias.fill_(1e6)
        found = model.encode(*sounds(2, 1, 32, 32)).log_variance
        assert torch.equal(found, torch.full((2, 3), most))


def test_decoded_values_are_in_range_where_the_output_is_a_logit():
    model: SpectrogramModel = build_spectrogram_model("dense", (1, 4, 4), 2, options={"logits": True})
    values = model.decode(1e4 * torch.randn(8, 2, generator=generator(1))).values
    assert bool(((values >= 0) & (values <= 1)).all())


def test_bad_widths_and_networks_are_refused():
    assert parse_widths("256-64", "widths", ()) == (256, 64)
    assert (parse_widths("auto", "widths", (1, 2)), parse_widths("none", "widths", (3,))) == ((1, 2), ())
    for text in ("", "0", "a-b", "3--4", "1_0", "²"):
        with user_error("widths", text):
            parse_widths(text, "widths", (8,))
    with user_error("widths", "none"):
        build_spectrogram_model("spectrogram-conv", (1, 8, 8), 2, widths="none")
    with pytest.raises(UserError, match="'mlp'; choose one of spectrogram-conv, spectrogram-iaf, dense"):
        build_spectrogram_model("mlp", (1, 8, 8), 2)
    with pytest.raises(ValueError, match=r"values must be \(B, 1, 8, 8\), got \(2, 1, 8, 9\)"):
        build_spectrogram_model("dense", (1, 8, 8), 2).encode(*sounds(2, 1, 8, 9))
