from __future__ import annotations

import pytest
import torch
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.features.kernels.mel import bands
from synthvae.features.mel import LogMel
from synthvae.features.short_time import StftFeature
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.kernels.layout import NAMES
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from synthvae.synths.voice.voice import Voice
from tests.synths.voice.cube import corners, faces, interior

# PyTorch loads its forward-mode decompositions through an interface that it has itself deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
SETTING = (16000, 0.25, 160)


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


def error(ours: Tensor, reference: Tensor) -> Tensor:
    """Relative, of every parameter's derivative as a vector; absolute where there is next to none."""
    ours, reference = ours.flatten(2).double(), reference.flatten(2).double()
    norm = reference.norm(dim=2)
    return (ours - reference).norm(dim=2) / torch.where(norm > 1e-6, norm, 1.0)


@pytest.mark.parametrize("setting", [SETTING, (44100, 0.1, 441), (441, 0.5, 441)], ids=str)
def test_of_the_audio_equals_the_definition_in_float64(setting: tuple[int, float, int]):
    unit = torch.cat([interior(3, 78, seed=1), faces(78)[::80]])
    ours = Voice(VOICE_78, *setting).jacobian(unit)
    reference = Voice(VOICE_78, *setting).jacobian(unit.double())
    assert ours.shape == reference.shape == (len(unit), 78, round(setting[0] * setting[1]))
    assert error(ours, reference).median() < 5e-6
    assert error(ours, reference).quantile(0.98) < 1e-3


def test_of_the_audio_equals_reverse_mode_on_faces_and_corners():
    voice = Voice(VOICE_78, *SETTING)
    unit = torch.cat([faces(78)[::3], corners(78, 10)]).requires_grad_()
    audio = voice(unit)
    weight = torch.randn(audio.shape, generator=torch.Generator().manual_seed(0))
    (reverse,) = torch.autograd.grad(audio, unit, weight)
    forward = torch.einsum("bpt,bt->bp", voice.jacobian(unit).double(), weight.double())
    assert forward.isfinite().all()
    # Both take the same samples and the same derivatives of the control rate; only sums differ.
    assert ((forward - reverse).norm(dim=1) <= 1e-4 * reverse.norm(dim=1) + 1e-6).all()


@pytest.mark.parametrize(
    ("space", "setting"),
    [(VOICE_63, (44100, 0.5, 441)), (VOICE_78, SETTING), (VOICE_78, (44100, 0.02, 441)), (VOICE_63, (8000, 0.4, 100))],
    ids=["63", "78", "shorter than half a frame", "8 kHz"],
)
def test_of_a_log_mel_spectrogram_equals_pytorchs_forward_mode(space, setting):
    voice, unit = Voice(space, *setting), interior(4, len(space), seed=2)
    feature = LogMel(setting[0])
    ours = voice.jacobian(unit, feature)
    assert ours.shape == (4, len(space), *feature(voice(unit)).shape[1:])
    general = voice.jacobian(unit, lambda audio: feature(audio))  # not the class that the kernels know
    # In float32 the phase of a bin that holds next to nothing is uncertain, in both.
    assert error(ours, general).median() < 1e-4
    assert error(ours, general).quantile(0.9) < 2e-3


def test_of_a_log_mel_spectrogram_equals_float64():
    voice, unit, feature = Voice(VOICE_63, *SETTING), interior(3, 63, seed=4), LogMel(16000)
    assert error(voice.jacobian(unit, feature), voice.jacobian(unit.double(), feature)).median() < 1e-4


def test_of_any_feature():
    voice, unit, feature = Voice(VOICE_63, *SETTING), interior(2, 63, seed=5), StftFeature(16000)
    ours = voice.jacobian(unit, feature)
    assert ours.shape == (2, 63, *feature(voice(unit)).shape[1:])
    assert error(ours, voice.jacobian(unit.double(), feature)).median() < 1e-4
    loudness = voice.jacobian(unit, lambda audio: audio.square().mean(dim=1))
    assert loudness.shape == (2, 63)
    row = unit.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(voice(row).square().mean(dim=1).sum(), row)
    torch.testing.assert_close(loudness, gradient, rtol=1e-3, atol=1e-6)


def test_a_row_is_the_same_bits_anywhere():
    voice, unit, feature = Voice(VOICE_78, *SETTING), interior(5, 78, seed=6), LogMel(16000)
    spectra, samples = voice.jacobian(unit, feature), voice.jacobian(unit)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3, 16):
            torch.set_num_threads(count)
            assert torch.equal(voice.jacobian(unit[2:3], feature)[0], spectra[2])
            assert torch.equal(voice.jacobian(unit.flip(0), feature), spectra.flip(0))
            assert torch.equal(voice.jacobian(unit.flip(0)), samples.flip(0))
    finally:
        torch.set_num_threads(threads)


def test_bands_and_frames_flatten_without_a_copy():
    jacobian = Voice(VOICE_63, *SETTING).jacobian(interior(2, 63), LogMel(16000))
    assert jacobian.flatten(2).data_ptr() == jacobian.data_ptr()


def test_finite_on_faces_corners_and_silence():
    voice, feature = Voice(VOICE_78, *SETTING), LogMel(16000)
    silent = interior(1, 78)
    silent[:, -3:] = 0.0
    unit = torch.cat([faces(78)[::4], corners(78, 20), silent])
    assert voice.jacobian(unit, feature).isfinite().all()
    assert voice.jacobian(unit[:1] * float("nan"), feature).isnan().all()


def test_wrong_shapes_of_tangents_are_refused():
    with pytest.raises(ValueError, match="63 columns"):
        Voice(VOICE_63, *SETTING).jacobian(torch.rand(1, 78))
    with pytest.raises(ValueError, match="neighbours"):
        bands(torch.ones(3, 1025).double().numpy())
