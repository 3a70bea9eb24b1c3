from __future__ import annotations

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.parameters.voice import VOICE_63, VOICE_78
from synthvae.synth.kernels.layout import NAMES
from synthvae.synth.voice import Voice
from synthvae.synths.parameters import ParameterSpace
from tests.synth.cube import corners, faces, interior


def test_default_is_the_thesis_set_at_one_second():
    voice = Voice()
    assert voice.parameter_space == VOICE_63
    assert voice(torch.rand(2, 63)).shape == (2, 44100)
    assert "44100 Hz" in repr(voice)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_type_and_range_of_the_audio(dtype: torch.dtype):
    audio = Voice(VOICE_78, 16000, 0.25, 160)(interior(16, 78).to(dtype))
    assert audio.dtype == dtype
    assert audio.abs().max() <= 1.0
    assert audio.abs().amax(dim=1).gt(0.01).float().mean() > 0.5


def test_gradients_are_finite_for_10_000_presets_faces_and_corners():
    voice = Voice(VOICE_63, 16000, 0.125, 160)
    points = torch.cat([interior(10_000, 63), faces(63), corners(63)])
    for part in points.split(512):
        unit = part.clone().requires_grad_()
        audio = voice(unit)
        assert audio.isfinite().all()
        audio.abs().sum().backward()
        bad = [VOICE_63.names[c] for c in (~unit.grad.isfinite()).any(dim=0).nonzero().flatten().tolist()]
        assert not bad


def test_every_parameter_receives_a_gradient():
    voice = Voice(VOICE_63, 16000, 0.5, 160)
    unit = interior(64, 63, seed=3).requires_grad_()
    voice(unit).square().sum().backward()
    silent = [name for name, g in zip(VOICE_63.names, unit.grad.T, strict=True) if not g.any()]
    assert not silent


def test_state_is_empty():
    assert Voice().state_dict() == {}


@pytest.mark.parametrize(
    "arguments", [{"sample_rate": 0}, {"seconds": 0.0}, {"control_rate": -1}, {"seconds": 0.001, "control_rate": 441}]
)
def test_impossible_settings_are_refused(arguments: dict[str, float]):
    with pytest.raises(ValueError, match="positive|control points"):
        Voice(VOICE_63, **arguments)


def test_wrong_shapes_are_refused():
    voice = Voice(VOICE_63, 16000, 0.25, 160)
    with pytest.raises(ValueError, match="63"):
        voice(torch.rand(63))
    with pytest.raises(ValueError, match="expected 63 columns"):
        voice(torch.rand(2, 78))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_cuda_equals_cpu():
    unit = interior(32, 63).double()
    voice = Voice(VOICE_63, 16000, 0.5, 160)
    on_gpu = Voice(VOICE_63, 16000, 0.5, 160).cuda()(unit.cuda()).cpu()
    torch.testing.assert_close(on_gpu, voice(unit), rtol=0, atol=1e-8)


def test_other_parameters_than_the_voices_are_refused_by_name():
    less = ParameterSpace(VOICE_63.parameters[:-1], VOICE_63.fixed)
    with pytest.raises(UserError, match=r"mixer\.noise is missing"):
        Voice(less)
    more = ParameterSpace(VOICE_63.parameters, {**VOICE_63.fixed, "vcf.cutoff": 1.0})
    with pytest.raises(UserError, match=r"vcf\.cutoff is unknown"):
        Voice(more)


def test_the_kernels_know_torchsynths_parameters():
    assert set(NAMES) == set(VOICE_78.names)
    assert len(NAMES) == 78
