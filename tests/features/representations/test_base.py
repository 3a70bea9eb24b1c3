"""What all representations have in common."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.features.representations import (
    REPRESENTATIONS,
    SILENCE,
    Encoded,
    Representation,
    build_representation,
)
from synthvae.features.representations.base import compress, expand
from tests.features.representations.sounds import RATE, chord

#: Every kind, with options that change what it computes, and a phase that is found quickly.
KINDS = [
    ("mel-r", {"to_linear": "kl"}, "pghi"),
    ("mel", {}, "default"),
    ("stft-g", {"n_fft": 800, "hop": 100}, "default"),
    ("stft-g", {"inverse": "published"}, "default"),
    ("stft-g", {"n_fft": 800, "hop": 100}, "pghi+1"),
    ("stft", {"phase": "if"}, "default"),
    ("stft", {"phase": "unit"}, "default"),
    ("stft", {"phase": "none"}, "default"),
    ("stft", {"phase": "if", "n_fft": 400}, "pghi"),
    ("frames", {"scale": "mel"}, "default"),
    ("frames", {"scale": "linear"}, "default"),
]
BUILT = [pytest.param(*kind, id="-".join([kind[0], *map(str, kind[1].values()), kind[2]])) for kind in KINDS]


def build(name: str, options: dict[str, object], samples: int = 4000) -> Representation:
    return build_representation(name, RATE, samples, **options)


def test_every_name_is_tested_and_described():
    assert {kind[0] for kind in KINDS} == set(REPRESENTATIONS)
    for name, description in REPRESENTATIONS.items():
        assert description
        assert type(build_representation(name, RATE, 4000)).level


@pytest.mark.parametrize(("name", "options", "phase"), BUILT)
@pytest.mark.parametrize("samples", [1600, 1601, 12345, 160000])
def test_any_length_from_a_tenth_of_a_second_to_ten_comes_back(name, options, phase, samples):
    audio = chord(samples)[None]
    representation = build(name, options)
    encoded = representation.analyse(audio)
    planes, frames = representation.shape[:2], representation.frames(samples)
    assert encoded.values.shape == (1, *planes, frames)
    assert encoded.values.dtype == encoded.level.dtype == torch.float32
    found = representation.invert(encoded, samples, phase)
    assert found.shape == audio.shape
    assert torch.isfinite(found).all()
    assert representation.longest(frames) >= samples
    assert representation.frames(representation.longest(frames)) == frames


@pytest.mark.parametrize(("name", "options", "phase"), BUILT)
@pytest.mark.parametrize("samples", [1, 128])
def test_sounds_shorter_than_a_window(name, options, phase, samples):
    representation = build(name, options)
    audio = torch.linspace(0.5, -0.5, samples + 1)[None, :samples]
    found = representation.invert(representation.analyse(audio), samples, phase)
    assert found.shape == audio.shape
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(("name", "options", "phase"), BUILT)
def test_number_of_samples_where_none_is_given(name, options, phase):
    representation = build(name, options, samples=3333)
    encoded = representation.analyse(chord(3333)[None])
    assert encoded.values.shape[1:] == representation.shape
    assert representation.invert(encoded, phase=phase).shape == (1, 3333)
    longer = representation.analyse(chord(9999)[None])
    frames = longer.values.shape[3]
    assert representation.invert(longer, phase=phase).shape == (1, representation.longest(frames))


@pytest.mark.parametrize(("name", "options", "phase"), BUILT)
def test_silence(name, options, phase):
    representation = build(name, options)
    encoded = representation.analyse(torch.zeros(2, 4000))
    assert (encoded.level == SILENCE).all()
    assert torch.isfinite(encoded.values).all()
    assert (representation.invert(encoded, phase=phase) == torch.zeros(2, 4000)).all()


@pytest.mark.parametrize(("name", "options", "phase"), BUILT)
def test_almost_silence_is_finite(name, options, phase):
    representation = build(name, options)
    encoded = representation.analyse(torch.full((1, 4000), 1e-30))
    assert torch.isfinite(encoded.values).all()
    assert representation.invert(encoded, phase=phase).abs().max() < 1e-5


@pytest.mark.parametrize(("name", "options", "phase"), BUILT)
def test_a_row_is_a_function_of_that_row_alone(name, options, phase):
    audio = torch.stack([chord(4000), 0.1 * chord(4000, 1), torch.zeros(4000)])
    representation = build(name, options)
    together = representation.analyse(audio)
    found = representation.invert(together, phase=phase)
    for row in range(3):
        alone = representation.analyse(audio[row : row + 1])
        torch.testing.assert_close(alone.values[0], together.values[row], atol=1e-5, rtol=0)
        torch.testing.assert_close(alone.level[0], together.level[row], atol=1e-4, rtol=0)
        again = Encoded(together.values[row : row + 1], together.level[row : row + 1])
        torch.testing.assert_close(representation.invert(again, phase=phase)[0], found[row], rtol=0, atol=0)


@pytest.mark.parametrize(("name", "options", "phase"), BUILT)
def test_bounded_values_are(name, options, phase):
    representation = build(name, options)
    noise = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (1, 4000))).float()
    values = representation.analyse(torch.cat([noise, chord(4000)[None]])).values
    assert representation.bounded == (values.min() >= 0 and values.max() <= 1)


@pytest.mark.parametrize(("name", "options", "phase"), BUILT)
def test_header_makes_it_again(name, options, phase):
    representation = build(name, options)
    header = json.loads(json.dumps(representation.header()))
    again = build_representation(**header)
    assert again.header() == header
    assert again.shape == representation.shape
    audio = chord(4000)[None]
    torch.testing.assert_close(again(audio), representation(audio), rtol=0, atol=0)
    assert representation.state_dict() == {}
    assert name not in repr(representation).split("(", 1)[1]
    assert set(options) <= set(inspect.signature(type(representation)).parameters)


@pytest.mark.parametrize(("name", "options", "phase"), BUILT)
def test_values_that_a_model_may_answer_are_inverted(name, options, phase):
    representation = build(name, options)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, *representation.shape, generator=generator).requires_grad_()
    found = representation.invert(Encoded(values, torch.tensor([-10.0, 0.0])), phase=phase)
    assert torch.isfinite(found).all()
    assert not found.requires_grad


def test_scale_and_its_inverse():
    magnitude = torch.logspace(-8, 0, 90).reshape(1, 9, 10) * 37.0
    values, level = compress(magnitude, 37.0)
    assert values.min() >= 0
    assert values.max().item() == pytest.approx(1.0, abs=1e-6)
    assert level.item() == pytest.approx(0.0, abs=1e-5)
    found = expand(values, level, 37.0)
    # Exact far above the floor of -80 dB, and to a part in a million of the largest below it.
    torch.testing.assert_close(found, magnitude, rtol=1e-4, atol=37e-6)
    middle = 20 * torch.log10(magnitude.flatten()[67] / 37)
    assert values.flatten()[67].item() == pytest.approx(1 + middle.item() / 80, abs=1e-4)
    beyond = expand(torch.tensor([[[-1.0, 2.0]]]), torch.tensor([20.0]), 1.0)
    np.testing.assert_allclose(beyond.flatten().numpy(), [0.0, 10.0], rtol=1e-5)


def test_what_cannot_be_represented_is_refused():
    representation = build("mel", {})
    with pytest.raises(ValueError, match=r"\(B, T\)"):
        representation.analyse(torch.zeros(100))
    with pytest.raises(TypeError, match="float32 or float64"):
        representation.analyse(torch.zeros(1, 100, dtype=torch.int16))
    with pytest.raises(ValueError, match=r"values must be \(B, 1, 128, W\), got shape \(1, 128, 3\)"):
        representation.invert(Encoded(torch.zeros(1, 128, 3), torch.zeros(1)))
    with pytest.raises(ValueError, match=r"level must be \(1,\), got shape \(2,\)"):
        representation.invert(Encoded(torch.zeros(1, 1, 128, 3), torch.zeros(2)))
    with pytest.raises(UserError, match="samples is 0"):
        representation.invert(Encoded(torch.zeros(1, 1, 128, 3), torch.zeros(1)), samples=0)
    with pytest.raises(UserError, match="'cheap'"):
        representation.invert(Encoded(torch.zeros(1, 1, 128, 3), torch.zeros(1)), phase="cheap")


def test_what_cannot_be_built_is_refused():
    with pytest.raises(UserError, match=r"'wavelet'; choose one of mel-r, mel, stft-g, stft, frames"):
        build_representation("wavelet", RATE, 4000)
    for rate, samples in ((0, 4000), (16000.5, 4000), (RATE, 0), (RATE, True)):
        with pytest.raises(UserError, match="give a positive whole number"):
            build_representation("mel", rate, samples)
    with pytest.raises(UserError, match="unexpected keyword argument 'bands'"):
        build_representation("mel", RATE, 4000, bands=3)
