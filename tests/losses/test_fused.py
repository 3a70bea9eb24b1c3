from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synthvae.features import EVERY_FRAME, Frames
from synthvae.losses import build_loss
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice

#: Losses that have a kernel, each on its usual feature.
NAMES = ("scl", "sclp", "lmsl", "logsl", "lslp", "logslp", "logmel")
RATE = 44100


@pytest.fixture(scope="module")
def sounds() -> tuple[Tensor, Tensor]:
    """Reconstructions and targets: presets at random and on the faces of the cube, silence, and equal ones."""
    voice = Voice(VOICE_63, seconds=0.4)
    unit = torch.rand(2, 21, len(VOICE_63), generator=torch.Generator().manual_seed(5))
    faces = torch.rand(11, len(VOICE_63), generator=torch.Generator().manual_seed(6)) < 0.1
    unit[0, 10:] = torch.where(faces, unit[0, 10:].round(), unit[0, 10:])
    with torch.no_grad():
        estimate, target = voice(unit[0]), voice(unit[1])
    target[0] = estimate[1] = 0.0
    estimate[2], target[2] = 0.0, 0.0
    estimate[3] = target[3]
    return estimate, target


def derived(name: str, estimate: Tensor, target: Tensor, frames: Frames = EVERY_FRAME) -> tuple[Tensor, Tensor]:
    """Values and gradients."""
    leaf = estimate.clone().requires_grad_()
    value = build_loss(name, RATE)(leaf, target, frames)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), gradient


@pytest.fixture(scope="module")
def by_the_definition(sounds) -> dict[str, tuple[Tensor, Tensor]]:
    """In float64, which no kernel computes."""
    estimate, target = (audio.double() for audio in sounds)
    return {name: derived(name, estimate, target) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_definition(name, sounds, by_the_definition):
    value, _ = derived(name, *sounds)
    expected, _ = by_the_definition[name]
    # Magnitudes near eps, of rounding alone, count in a logarithm: silence against a sound is worse.
    tolerance = 3e-4 if name.startswith("log") and name != "logmel" else 1e-5
    torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=0.0)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_definition_where_every_bin_sounds(name):
    noise = torch.randn(2, 19, 9000, generator=torch.Generator().manual_seed(3))
    _, gradient = derived(name, *noise)
    _, expected = derived(name, *noise.double())
    error = (gradient.double() - expected).norm(dim=1) / expected.norm(dim=1)
    # The derivative of |a - b| turns around where float32 cannot tell which of the two is larger, and that of a complex
    # logarithm has a pole.
    assert error.max() < (1e-2 if name in ("lmsl", "logsl", "logslp") else 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_as_close_as_those_of_pytorch_where_bins_are_silent(name, sounds, by_the_definition):
    """The direction of a bin that holds nothing but rounding is arbitrary, in either."""
    estimate, target = sounds
    _, gradient = derived(name, estimate, target)
    _, expected = by_the_definition[name]
    leaf = estimate.clone().requires_grad_()
    moving = target.clone().requires_grad_()  # has derivatives, so that no kernel compares it
    (plain,) = torch.autograd.grad(build_loss(name, RATE)(leaf, moving).sum(), leaf)
    some = expected.norm(dim=1) > 0

    def error(found: Tensor) -> Tensor:
        return ((found.double() - expected).norm(dim=1) / expected.norm(dim=1))[some].log().mean().exp()

    assert error(gradient) < 1.25 * error(plain)


@pytest.mark.parametrize("name", NAMES)
def test_equal_sounds_and_silence_have_value_and_gradient_zero(name, sounds):
    value, gradient = derived(name, *sounds)
    assert value[2] == value[3] == 0.0
    assert not gradient[2:4].any()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", ["scl", "sclp", "logslp", "logmel"])
def test_a_row_is_the_same_alone_and_in_any_batch(name, sounds):
    value, gradient = derived(name, *sounds)
    for row in (5, 20):
        alone, own = derived(name, *(audio[row : row + 1] for audio in sounds))
        assert torch.equal(alone[0], value[row])
        assert torch.equal(own[0], gradient[row])


@pytest.mark.parametrize("name", ["scl", "sclp", "lslp", "logmel"])
@pytest.mark.parametrize("frames", [Frames(0, 4), Frames(3, 8), Frames(34, 1)])
def test_chosen_frames(name, frames, sounds):
    value, gradient = derived(name, *sounds, frames)
    expected, by_definition = derived(name, *(audio.double() for audio in sounds), frames)
    torch.testing.assert_close(value.double(), expected, rtol=2e-5, atol=1e-6)
    error = (gradient.double() - by_definition).norm(dim=1) / by_definition.norm(dim=1).clamp_min(1e-9)
    assert error.median() < 1e-2


@pytest.mark.parametrize("length", [1, 700, 1024, 1025, 5000])
def test_any_length_will_do(length):
    pair = torch.randn(2, 3, length, generator=torch.Generator().manual_seed(length))
    for name in ("scl", "sclp", "logmel"):
        value, gradient = derived(name, *pair)
        expected, by_definition = derived(name, *(audio.double() for audio in pair))
        torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=0.0)
        torch.testing.assert_close(gradient.double(), by_definition, rtol=1e-3, atol=1e-5 * by_definition.abs().max())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_number_is_not_hidden(name, sounds):
    estimate, target = (audio.clone() for audio in sounds)
    estimate[5, 700] = target[6, 9000] = torch.nan
    estimate[7, 30] = torch.inf
    value, _ = derived(name, estimate, target)
    assert value[5:8].isnan().all()
    assert value[8:].isfinite().all()


def test_forward_mode_agrees_with_reverse_mode(sounds):
    estimate, target = sounds
    direction = torch.randn(estimate.shape, generator=torch.Generator().manual_seed(1))
    loss = build_loss("scl", RATE)
    forward = torch.func.jvp(lambda x: loss(x, target), (estimate,), (direction,))[1]
    _, gradient = derived("scl", estimate, target)
    torch.testing.assert_close(forward, (direction * gradient).sum(1))


def test_threads_change_no_bit(sounds):
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(derived("lslp", *sounds))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_frames_that_are_not_there_are_refused(sounds):
    with pytest.raises(ValueError, match="no frame 99"):
        build_loss("scl", RATE)(*sounds, Frames(99, 1))


def test_gradients_add_up_however_often_they_are_asked_for(sounds):
    leaf = sounds[0].clone().requires_grad_()
    value = build_loss("sclp", RATE)(leaf, sounds[1]).sum()
    for _ in range(3):
        value.backward(retain_graph=True)
    torch.testing.assert_close(leaf.grad, 3.0 * derived("sclp", *sounds)[1])


@pytest.mark.parametrize("feature", ["stft", "mfcc", "cqt"])
def test_phase_aware_convergence_is_its_definition_on_every_sound(feature, sounds):
    def compare(estimate: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        leaf = estimate.clone().requires_grad_()
        value = build_loss("sclp", RATE, feature)(leaf, target)
        return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]

    value, gradient = compare(*sounds)
    expected, by_definition = compare(*(audio.double() for audio in sounds))
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=0.0)
    error = (gradient.double() - by_definition).norm(dim=1)
    assert (error <= 1e-4 * by_definition.norm(dim=1)).all()
