from __future__ import annotations

import numpy as np
import pytest
import torch

from synthvae.features import FEATURES, build_feature
from synthvae.features.base import as_constant, check_audio, pad_centred


@pytest.mark.parametrize("shape", [(100,), (2, 1, 100), (2, 0)])
def test_check_audio_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"audio must be \(B, T\)"):
        check_audio(torch.zeros(shape))


@pytest.mark.parametrize("dtype", [torch.float16, torch.int16, torch.complex64])
def test_check_audio_refuses_other_dtypes(dtype):
    with pytest.raises(TypeError, match="float32 or float64"):
        check_audio(torch.zeros(1, 8, dtype=dtype))


@pytest.mark.parametrize("length", [2, 6, 40])
def test_pad_centred_mirrors_as_torch_does(length):
    audio = torch.randn(3, length)
    for amount in range(1, length):
        expected = torch.nn.functional.pad(audio[:, None], (amount, amount), mode="reflect")[:, 0]
        torch.testing.assert_close(pad_centred(audio, amount), expected, rtol=0, atol=0)


def test_pad_centred_puts_zeros_around_what_is_too_short_to_mirror():
    audio = torch.ones(1, 4)
    padded = pad_centred(audio, 4)
    assert padded.tolist() == [[0.0] * 4 + [1.0] * 4 + [0.0] * 4]


def test_a_constant_made_under_inference_mode_takes_part_in_training():
    with torch.inference_mode():
        constant = as_constant(np.ones(3), torch.float64, torch.device("cpu"))
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    (x * constant).sum().backward()
    assert x.grad is not None


def test_a_constant_made_under_a_function_transform_outlives_it():
    kept = []

    def function(x):
        kept.append(as_constant(np.ones(3), torch.float32, torch.device("cpu")))
        return x * kept[0]

    torch.func.jvp(function, (torch.ones(3),), (torch.ones(3),))
    x = torch.ones(3, requires_grad=True)
    (x * kept[0]).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_first_used_under_inference_mode_trains_later(name):
    feature = build_feature(name, 7990)  # a rate no other test uses, so nothing is cached
    with torch.inference_mode():
        feature(torch.rand(1, 700))
    audio = torch.rand(1, 700, requires_grad=True)
    feature(audio).sum().backward()
    assert torch.isfinite(audio.grad).all()


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_first_used_under_a_function_transform_trains_later(name):
    feature = build_feature(name, 7991)  # again nothing is cached
    audio = torch.rand(1, 700)
    directions = torch.rand(2, 1, 700)
    inside = torch.func.vmap(lambda d: torch.func.jvp(feature, (audio,), (d,))[1])(directions)
    again = torch.func.vmap(lambda d: torch.func.jvp(feature, (audio,), (d,))[1])(directions)
    torch.testing.assert_close(inside, again, rtol=0, atol=0)
    audio.requires_grad_()
    feature(audio).sum().backward()
    assert torch.isfinite(audio.grad).all()


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("length", [1, 2, 511, 512, 1024, 1025, 2049, 20000])
@pytest.mark.parametrize("sample_rate", [8000, 44100])
def test_any_length_has_a_frame_every_512_samples(name, length, sample_rate):
    feature = build_feature(name, sample_rate)
    result = feature(torch.rand(2, length) - 0.5)
    rows = {"stft": 1025, "mfcc": 20, "cqt": 84, "logmel": 128}[name]
    assert result.shape == (2, rows, length // 512 + 1)
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("name", FEATURES)
def test_a_row_has_the_same_values_alone_and_in_any_batch(name):
    torch.manual_seed(0)
    audio = torch.randn(9, 6000) * torch.logspace(-4, 0, 9)[:, None]
    feature = build_feature(name, 16000)
    together = feature.spectrum(audio)
    for row in range(9):
        alone = feature.spectrum(audio[row : row + 1])[0]
        assert (together[row] - alone).abs().max() <= 1e-6 * alone.abs().max()
    turned = feature.spectrum(audio.flip(0)).flip(0)
    assert ((turned - together).abs().amax((1, 2)) <= 1e-6 * together.abs().amax((1, 2))).all()


@pytest.mark.parametrize("name", FEATURES)
def test_float32_agrees_with_float64(name):
    torch.manual_seed(1)
    audio = torch.randn(2, 9000, dtype=torch.float64)
    feature = build_feature(name, 22050)
    exact, single = feature.spectrum(audio), feature.spectrum(audio.float())
    assert exact.dtype == (torch.complex128 if feature.complex else torch.float64)
    assert single.dtype == (torch.complex64 if feature.complex else torch.float32)
    assert (exact - single).abs().max() < 2e-6 * exact.abs().max()


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_silence_has_finite_values_and_gradients(name, dtype):
    audio = torch.zeros(2, 3000, dtype=dtype, requires_grad=True)
    result = build_feature(name, 16000)(audio)
    result.sum().backward()
    assert torch.isfinite(result).all()
    assert torch.isfinite(audio.grad).all()


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("length", [700, 2600])
def test_gradients_agree_with_finite_differences(name, length):
    torch.manual_seed(2)
    audio = torch.randn(2, length, dtype=torch.float64, requires_grad=True)
    feature = build_feature(name, 8000)
    assert torch.autograd.gradcheck(feature, (audio,), fast_mode=True)
    assert torch.autograd.gradcheck(feature.spectrum, (audio,), fast_mode=True)


@pytest.mark.parametrize("name", FEATURES)
def test_forward_mode_in_a_batch_of_directions_agrees_with_reverse_mode(name):
    torch.manual_seed(3)
    audio = torch.randn(1, 1500, dtype=torch.float64)
    directions = torch.randn(3, 1, 1500, dtype=torch.float64)
    feature = build_feature(name, 8000)
    forward = torch.func.vmap(lambda d: torch.func.jvp(feature, (audio,), (d,))[1])(directions)
    weights = torch.randn_like(forward[0])
    (gradient,) = torch.func.vjp(feature, audio)[1](weights)
    torch.testing.assert_close((forward * weights).sum((1, 2, 3)), (directions * gradient).sum((1, 2)))


@pytest.mark.parametrize("name", FEATURES)
def test_forward_is_the_magnitude_of_a_complex_spectrum_and_a_real_one_as_it_is(name):
    audio = torch.randn(2, 2000)
    feature = build_feature(name, 16000)
    spectrum = feature.spectrum(audio)
    assert spectrum.is_complex() == feature.complex
    torch.testing.assert_close(feature(audio), spectrum.abs() if feature.complex else spectrum)
    assert "sample_rate=16000" in repr(feature)
    assert not feature.state_dict()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", FEATURES)
def test_cuda_agrees_with_cpu(name):
    audio = torch.randn(3, 30000)
    feature = build_feature(name, 44100)
    here = feature.spectrum(audio)
    there = feature.spectrum(audio.cuda())
    assert there.is_cuda
    assert (there.cpu() - here).abs().max() < 1e-5 * here.abs().max()
