"""The compiled Voice against its definition in float64, at least as close as torchsynth's own float32 path."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.oracle import TorchsynthVoice
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from synthvae.synths.voice.voice import Voice
from tests.synths.voice.cube import corners, faces, interior

SPACES = pytest.mark.parametrize("space", [VOICE_63, VOICE_78], ids=["63", "78"])
# Sample rate, seconds, control rate: segments of 100, 100, 18, 1 and 1600 samples, and more points than samples.
SETTINGS = [
    (44100, 0.5, 441),
    (16000, 0.5, 160),
    (8000, 0.7, 441),
    (441, 1.0, 441),
    (48000, 0.31, 30),
    (300, 1.0, 441),
]


def vjp(render, unit: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Audio, and the gradient of sum(weight * audio)."""
    unit = unit.clone().requires_grad_()
    audio = render(unit)
    (gradient,) = torch.autograd.grad(audio, unit, weight.to(audio.dtype))
    return audio.detach(), gradient


def weights(rows: int, samples: int) -> Tensor:
    return torch.randn(rows, samples, generator=torch.Generator().manual_seed(9))


def relative_error(gradient: Tensor, reference: Tensor) -> Tensor:
    """Of every row's gradient, as a vector."""
    return (gradient - reference).norm(dim=1) / reference.norm(dim=1)


@SPACES
def test_closer_to_float64_than_torchsynth_in_float32(space: ParameterSpace):
    unit, weight = interior(48, len(space), seed=11), weights(48, 44100)
    voice = Voice(space)
    assert voice.path == "compiled kernels, float32 on cpu"
    audio, gradient = vjp(Voice(space, exact=True), unit.double(), weight)
    ours, our_gradient = vjp(voice, unit, weight)
    theirs = TorchsynthVoice(space, 48)(unit)
    # torchsynth's own gradients hold NaN in about half of all presets; the definition in float32 has the same audio.
    _, their_gradient = vjp(Voice(space, exact=True), unit, weight)
    our_error, their_error = (ours - audio).abs(), (theirs - audio).abs()
    assert our_error.mean() < 0.05 * their_error.mean()
    assert our_error.max() < 0.2 * their_error.max()
    assert our_error.mean() < 3e-7
    assert our_error.max() < 1e-3
    our_error, their_error = relative_error(our_gradient, gradient), relative_error(their_gradient, gradient)
    assert our_error.median() < 0.05 * their_error.median()
    assert our_error.max() < 0.2 * their_error.max()
    assert our_error.median() < 2e-5
    assert our_error.max() < 1e-2


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_equals_the_definition_at_any_rate_and_length(setting: tuple[int, float, int]):
    unit = torch.cat([interior(24, 78, seed=5), faces(78)[::6]])
    voice = Voice(VOICE_78, *setting)
    weight = weights(len(unit), voice.samples)
    audio, gradient = vjp(Voice(VOICE_78, *setting, exact=True), unit.double(), weight)
    ours, our_gradient = vjp(voice, unit, weight)
    assert (ours - audio).abs().mean() < 1e-6
    assert (ours - audio).abs().amax(dim=1).median() < 2e-5
    error = relative_error(our_gradient, gradient)
    assert error.median() < 5e-5
    assert error.max() < 2e-2


def test_every_derivative_equals_float64s_on_faces():
    """Each parameter on its own, not only the vector in which pitch outweighs the rest."""
    setting = (16000, 1.0, 160)
    unit = torch.cat([interior(78, 78, seed=6), faces(78)])
    weight = weights(len(unit), 16000)
    _, reference = vjp(Voice(VOICE_78, *setting, exact=True), unit.double(), weight)
    _, ours = vjp(Voice(VOICE_78, *setting), unit, weight)
    scale = reference.abs().mean(dim=0)
    error = (ours - reference).abs() / (reference.abs() + 1e-2 * scale)
    assert (error.quantile(0.9, dim=0) < 1e-3).all()
    assert (error.median(dim=0).values < 2e-5).all()


def test_corners():
    unit = corners(78, 60)
    setting = (16000, 1.0, 441)
    weight = weights(len(unit), 16000)
    audio, reference = vjp(Voice(VOICE_78, *setting, exact=True), unit.double(), weight)
    ours, gradient = vjp(Voice(VOICE_78, *setting), unit, weight)
    assert gradient.isfinite().all()
    # At a corner a saw or a square LFO may jump exactly at a control point, on either side of it: a few rows differ.
    assert ((ours - audio).abs().amax(dim=1) < 2e-3).float().mean() > 0.95
    significant = reference.norm(dim=1) > 1e-2
    error = relative_error(gradient, reference)[significant]
    assert (error < 2e-2).float().mean() > 0.95


def test_finite_on_10_000_presets_faces_and_corners():
    voice = Voice(VOICE_78, 44100, 0.25)
    for part in torch.cat([interior(10_000, 78), faces(78), corners(78)]).split(1024):
        audio, gradient = vjp(voice, part, torch.ones(len(part), voice.samples))
        assert audio.isfinite().all()
        assert audio.abs().max() <= 1.0
        bad = [VOICE_78.names[c] for c in (~gradient.isfinite()).any(dim=0).nonzero().flatten().tolist()]
        assert not bad


def test_a_row_is_the_same_bits_anywhere():
    voice = Voice(VOICE_78, 44100, 0.5)
    unit = torch.cat([interior(30, 78, seed=8), corners(78, 10)])
    weight = weights(len(unit), voice.samples)
    audio, gradient = vjp(voice, unit, weight)
    order = torch.randperm(len(unit), generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            shuffled_audio, shuffled_gradient = vjp(voice, unit[order], weight[order])
            assert torch.equal(shuffled_audio, audio[order])
            assert torch.equal(shuffled_gradient, gradient[order])
    finally:
        torch.set_num_threads(threads)
    for row in (0, 17, 45):
        alone, alone_gradient = vjp(voice, unit[row : row + 1], weight[row : row + 1])
        assert torch.equal(alone[0], audio[row])
        assert torch.equal(alone_gradient[0], gradient[row])


def test_clipped_sounds_are_normalised_and_their_peak_is_differentiated():
    voice, exact = Voice(VOICE_78, 16000, 0.25, 160), Voice(VOICE_78, 16000, 0.25, 160, exact=True)
    unit = interior(64, 78, seed=2)
    unit[:, -3:] = 1.0
    clipped = voice(unit).abs().amax(dim=1) > 0.9999
    assert clipped.float().mean() > 0.5
    unit = unit[clipped]
    weight = weights(len(unit), voice.samples)
    _, gradient = vjp(voice, unit, weight)
    _, reference = vjp(exact, unit.double(), weight)
    # A louder mix changes nothing but the peak it is divided by.
    mixer = slice(len(VOICE_78) - 3, None)
    torch.testing.assert_close(gradient[:, mixer].double(), reference[:, mixer], rtol=1e-3, atol=1e-3)


def test_shapes_strides_and_modes():
    voice = Voice(VOICE_63, 16000, 0.125, 160)
    unit = interior(6, 63)
    audio = voice(unit)
    assert voice(unit[:0]).shape == (0, voice.samples)
    assert torch.equal(voice(unit.t().contiguous().t()), audio)
    assert torch.equal(voice(unit[::2]), audio[::2])
    with torch.inference_mode():
        assert torch.equal(voice(unit), audio)
    summed = unit.clone().requires_grad_()
    voice(summed).sum().backward()  # an expanded gradient, of stride 0
    _, gradient = vjp(voice, unit, torch.ones_like(audio))
    assert torch.equal(summed.grad, gradient)
    with pytest.raises(ValueError, match="63 columns"):
        voice(interior(2, 78))


def test_not_a_number_in_a_row_stays_in_that_row():
    voice = Voice(VOICE_63, 16000, 0.125, 160)
    unit = interior(4, 63)
    unit[1, 20] = float("nan")
    audio, gradient = vjp(voice, unit, weights(4, voice.samples))
    assert audio[1].isnan().all()
    assert gradient[1].isnan().all()
    assert audio[[0, 2, 3]].isfinite().all()
    assert gradient[[0, 2, 3]].isfinite().all()


def test_audio_changed_in_place_is_noticed_before_the_backward_pass():
    unit = interior(2, 63).requires_grad_()
    audio = Voice(VOICE_63, 16000, 0.125, 160)(unit)
    loss = audio.square().sum()
    with torch.no_grad():
        audio.mul_(0.5)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_the_path_is_reported():
    voice = Voice(VOICE_63, 16000, 0.125, 160)
    assert voice.path_of(torch.float64, "cpu") == "reference, float64 on cpu"
    assert Voice(VOICE_63, exact=True).path == "reference, float32 on cpu"
    assert voice.path in repr(voice)
    exact = Voice(VOICE_63, 16000, 0.125, 160, exact=True)
    unit = interior(3, 63)
    assert torch.equal(voice(unit.double()), exact(unit.double()))
    assert not torch.equal(voice(unit), exact(unit))


def test_one_differentiation_only_and_the_reference_for_more():
    for exact in (False, True):
        unit = interior(1, 63).requires_grad_()
        audio = Voice(VOICE_63, 16000, 0.125, 160, exact=exact)(unit)
        (gradient,) = torch.autograd.grad(audio.square().sum(), unit, create_graph=True)
        if exact:
            gradient.sum().backward()
            assert unit.grad.isfinite().all()
        else:
            with pytest.raises(RuntimeError, match="once_differentiable"):
                gradient.sum().backward()


@SPACES
def test_held_phases_give_the_definitions_derivative(space: ParameterSpace):
    unit = torch.cat([interior(24, len(space), seed=21), faces(len(space))[::5]])
    voice, exact = Voice(space, 16000, 0.5, 160), Voice(space, 16000, 0.5, 160, exact=True)
    weight = weights(len(unit), voice.samples)
    audio, gradient = vjp(lambda u: exact(u, hold_phases=True), unit.double(), weight)
    ours, our_gradient = vjp(lambda u: voice(u, hold_phases=True), unit, weight)
    assert torch.equal(ours, voice(unit))
    assert torch.equal(audio, exact(unit.double()))
    error = relative_error(our_gradient, gradient)
    assert error.median() < 5e-5
    assert error.max() < 2e-2
