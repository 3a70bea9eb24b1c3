from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.oracle import TorchsynthVoice
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from synthvae.synths.voice.reference import SOURCES, TARGETS, control_signals, limit, render
from synthvae.synths.voice.voice import control_points, noise_signal
from tests.synths.voice.cube import corners, faces, interior

SPACES = pytest.mark.parametrize("space", [VOICE_63, VOICE_78], ids=["63", "78"])


def reference(
    space: ParameterSpace, unit: Tensor, sample_rate: int = 44100, seconds: float = 1.0, control_rate: int = 441
) -> Tensor:
    human = space.denormalise(unit)
    values = dict(zip(space.names, human.split(1, dim=1), strict=True))
    values |= {name: torch.full_like(human[:, :1], value) for name, value in space.fixed.items()}
    samples = round(sample_rate * seconds)
    points = control_points(samples, sample_rate, control_rate)
    return render(values, noise_signal(samples).to(unit.dtype), points, sample_rate, control_rate)


@SPACES
def test_float64_equals_torchsynths_modules(space: ParameterSpace):
    unit = interior(24, len(space)).double()
    theirs = TorchsynthVoice(space, 24, dtype=torch.float64)(unit)
    torch.testing.assert_close(reference(space, unit), theirs, rtol=0.0, atol=1e-12)


@SPACES
def test_float32_equals_torchsynths_modules(space: ParameterSpace):
    unit = interior(64, len(space))
    theirs = TorchsynthVoice(space, 64)(unit)
    # On the machines tried the difference is 0; another mathematics library may differ in the last bit, which
    # a phase of thousands of turns magnifies.
    torch.testing.assert_close(reference(space, unit), theirs, rtol=0.0, atol=5e-3)
    assert (reference(space, unit) - theirs).abs().mean() < 2e-5


@pytest.mark.parametrize(("rate", "seconds", "control"), [(16000, 0.5, 160), (48000, 0.31, 441), (8000, 1.7, 100)])
def test_any_rate_and_length_equals_torchsynth(rate: int, seconds: float, control: int):
    unit = interior(8, 78, seed=4).double()
    ours = reference(VOICE_78, unit, rate, seconds, control)
    theirs = TorchsynthVoice(VOICE_78, 8, rate, seconds, control, dtype=torch.float64)(unit)
    assert ours.shape == (8, round(rate * seconds))
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=1e-10)


def test_noise_is_the_first_of_torchsynths_and_a_prefix_of_a_longer_one():
    voice = TorchsynthVoice(VOICE_63, 2, 16000, 0.5, 160)
    torch.testing.assert_close(noise_signal(8000), voice.modules["noise"].noise[0], rtol=0, atol=0)
    torch.testing.assert_close(noise_signal(16000)[:8000], noise_signal(8000), rtol=0, atol=0)


@SPACES
def test_audio_and_gradients_are_finite_everywhere(space: ParameterSpace):
    width = len(space)
    points = torch.cat([interior(400, width), faces(width), corners(width)])
    for part in points.split(128):
        unit = part.clone().requires_grad_()
        audio = reference(space, unit, 16000, 0.25, 160)
        assert audio.abs().max() <= 1.0
        audio.square().sum().backward()
        bad = [space.names[c] for c in (~unit.grad.isfinite()).any(dim=0).nonzero().flatten().tolist()]
        assert not bad


def test_gradient_against_finite_differences():
    # Central differences in float64; what has jumps or kinks is left out: square LFOs (sign), saws (remainder) and
    # the pitch clamp, which a mid-range pitch with little modulation stays clear of.
    unit = interior(3, 78, seed=6).double() * 0.6 + 0.2
    for lfo in ("lfo_1", "lfo_2"):
        for shape in ("tri", "saw", "rsaw", "sqr"):
            unit[:, VOICE_78.index(f"{lfo}.{shape}")] = 0.0
    for vco in ("vco_1", "vco_2"):
        unit[:, VOICE_78.index(f"{vco}.mod_depth")] = 0.7
        unit[:, VOICE_78.index(f"{vco}.tuning")] = 0.45
    unit[:, VOICE_78.index("keyboard.midi_f0")] = 0.35
    weights = torch.randn(1600, generator=torch.Generator().manual_seed(7), dtype=torch.float64)

    def score(x: Tensor) -> Tensor:
        return reference(VOICE_78, x, 8000, 0.2, 200) @ weights

    unit.requires_grad_()
    (gradient,) = torch.autograd.grad(score(unit).sum(), unit)
    skipped = {"tri", "saw", "rsaw", "sqr"}  # at 0, on the edge of the cube
    step, compared = 1e-7, 0
    for column, name in enumerate(VOICE_78.names):
        if name.split(".")[1] in skipped:
            continue
        shift = torch.zeros(78, dtype=torch.float64)
        shift[column] = step
        with torch.no_grad():
            difference = (score(unit + shift) - score(unit - shift)) / (2 * step)
        scale = gradient.abs().amax(dim=1) + 1.0
        error = ((difference - gradient[:, column]).abs() / scale).max()
        assert error < 1e-4, (name, float(error))
        compared += 1
    assert compared == 70


def test_derivatives_at_the_limits_do_not_depend_on_pytorchs_release():
    signal = torch.tensor([-1.0, 0.0, 0.5, 127.0, 128.0], requires_grad=True)
    limited = limit(signal, 0.0, 127.0)
    torch.testing.assert_close(limited, signal.clamp(0.0, 127.0), rtol=0, atol=0)
    (slope,) = torch.autograd.grad(limited.sum(), signal)
    assert slope.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert limit(signal, low=0.0).tolist() == [0.0, 0.0, 0.5, 127.0, 128.0]
    assert limit(signal, high=0.5).tolist() == [-1.0, 0.0, 0.5, 0.5, 0.5]


def test_every_routed_parameter_changes_the_sound():
    base = interior(24, 63, seed=8) * 0.7 + 0.05
    base[:, VOICE_63.index("keyboard.duration")] = 0.4
    base[:, [column for column, name in enumerate(VOICE_63.names) if name.endswith(".attack")]] = 0.1
    base[:, VOICE_63.index("mixer.noise")] = 0.99  # its curve is steep: below 0.8 there is nothing to hear
    sound = reference(VOICE_63, base)
    for column, name in enumerate(VOICE_63.names):
        moved = base.clone()
        moved[:, column] += torch.where(moved[:, column] > 0.75, -0.2, 0.2)
        assert (reference(VOICE_63, moved) - sound).abs().amax() > 1e-4, name


def test_unrouted_modulation_is_silent():
    values = {name: torch.full((1, 1), 0.5) for name in VOICE_78.names}
    for source in SOURCES:
        for target in TARGETS:
            values[f"mod_matrix.{source}->{target}"] = torch.zeros(1, 1)
    for signal in control_signals(values, 100, 100).values():
        assert not signal.any()


def test_an_lfo_without_shapes_is_their_even_mixture():
    unit = torch.full((2, 78), 0.5)
    columns = [VOICE_78.index(f"lfo_1.{shape}") for shape in ("sin", "tri", "saw", "rsaw", "sqr")]
    unit[0, columns] = 0.0
    unit[1, columns] = 1e-9
    audio = reference(VOICE_78, unit)
    torch.testing.assert_close(audio[0], audio[1], rtol=0, atol=1e-3)
