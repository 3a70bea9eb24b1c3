from __future__ import annotations

import pytest
import torch

from synthvae.features.base import Frames
from synthvae.features.fourier import HOP, N_FFT, real_fft, stft, stft_isometry


def plain_stft(audio):
    window = torch.hann_window(N_FFT, dtype=audio.dtype)
    return torch.stft(audio, N_FFT, HOP, window=window, center=True, pad_mode="reflect", return_complex=True)


@pytest.mark.parametrize("length", [1025, 4096, 10001])
def test_stft_has_the_values_and_derivatives_of_torch_stft(length):
    torch.manual_seed(0)
    audio = torch.randn(2, length, dtype=torch.float64)
    ours, plain = audio.clone().requires_grad_(), audio.clone().requires_grad_()
    result, expected = stft(ours), plain_stft(plain)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)
    weights = torch.randn_like(expected)
    for spectrum in (result, expected):
        (spectrum * weights).real.sum().backward()
    torch.testing.assert_close(ours.grad, plain.grad)
    tangent = torch.randn_like(audio)
    torch.testing.assert_close(torch.func.jvp(stft, (audio,), (tangent,))[1], plain_stft(tangent))


def test_stft_of_short_audio_is_the_windowed_sum_itself():
    audio = torch.randn(1, 300, dtype=torch.float64)
    window = torch.hann_window(N_FFT, dtype=torch.float64)
    time = torch.arange(300, dtype=torch.float64)
    for k in (0, 1, 7, 500, 1024):
        wave = torch.exp(-2j * torch.pi * k * (time + 1024) / N_FFT)
        expected = (audio[0] * window[1024:1324] * wave).sum()
        torch.testing.assert_close(stft(audio)[0, k, 0], expected)


def test_real_fft_has_the_values_and_derivatives_of_rfft():
    torch.manual_seed(1)
    signal = torch.randn(3, 40, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(real_fft(signal), torch.fft.rfft(signal), rtol=0, atol=0)
    assert torch.autograd.gradcheck(real_fft, (signal,), check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(real_fft, (signal,))


def test_stft_can_be_differentiated_twice():
    audio = torch.randn(1, 1100, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: stft(x).abs().square().sum((1, 2)), (audio,), fast_mode=True)


@pytest.mark.parametrize("frames", [Frames(0, 2), Frames(1, 3), Frames(3, 4), Frames(2, 7), Frames(19, 1)])
def test_chosen_frames_are_those_of_the_whole_transform(frames):
    torch.manual_seed(2)
    audio = torch.randn(2, 10001, dtype=torch.float64)
    part, whole = audio.clone().requires_grad_(), audio.clone().requires_grad_()
    chosen, expected = stft(part, frames), stft(whole)[:, :, frames.first :: frames.step]
    torch.testing.assert_close(chosen, expected, rtol=0, atol=1e-12)
    weights = torch.randn_like(expected)
    for spectrum in (chosen, expected):
        (spectrum * weights).real.sum().backward()
    torch.testing.assert_close(part.grad, whole.grad)
    tangent = torch.randn_like(audio)
    moved = torch.func.jvp(lambda x: stft(x, frames), (audio,), (tangent,))[1]
    torch.testing.assert_close(moved, stft(tangent)[:, :, frames.first :: frames.step])


@pytest.mark.parametrize("frames", [Frames(20, 1), Frames(-1, 2), Frames(0, 0)])
def test_frames_that_are_not_there_are_refused(frames):
    with pytest.raises(ValueError, match=f"no frame {frames.first}"):
        stft(torch.zeros(1, 10001), frames)


@pytest.mark.parametrize("frames", [Frames(), Frames(0, 2), Frames(1, 3), Frames(0, 8)])
@pytest.mark.parametrize("length", [1025, 4096, 10001])
def test_the_isometry_has_the_norm_of_the_stft(length, frames):
    audio = torch.randn(2, length, dtype=torch.float64, requires_grad=True)
    expected = torch.linalg.vector_norm(stft(audio, frames), dim=(1, 2))
    found = torch.linalg.vector_norm(stft_isometry(audio, frames), dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)
    gradients = [torch.autograd.grad(norm.sum(), audio)[0] for norm in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


def test_the_isometry_of_short_audio_and_of_frames_that_are_not_there():
    audio = torch.randn(1, 300, dtype=torch.float64)
    torch.testing.assert_close(stft_isometry(audio).norm(), torch.linalg.vector_norm(stft(audio)))
    with pytest.raises(ValueError, match="no frame 1"):
        stft_isometry(audio, Frames(1, 3))
