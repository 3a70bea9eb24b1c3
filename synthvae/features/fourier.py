"""Fourier transforms of real signals whose backward pass costs no more than the forward pass.

PyTorch differentiates a real FFT with a complex FFT of the full length, and frames with a scattered sum.
The transpose of a real FFT is an inverse real FFT, and frames that overlap by whole hops add up slice by
slice: several times less work, the same numbers, and a fixed order of summation on every device.
Forward-mode derivatives and `torch.func` transforms work as for the built-in operators.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from synthvae.features.base import EVERY_FRAME, Frames, as_constant, check_audio, pad_centred

__all__ = ["HOP", "N_FFT", "check_frames", "real_fft", "stft", "stft_isometry"]

N_FFT = 2048
HOP = 512
_OVERLAP = N_FFT // HOP


def stft(audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
    """Short-time Fourier transform: `torch.stft` with a periodic Hann window of 2048, hop 512, centred.

    `S[k, n] = sum_t w[t] x[512 n + t - 1024] exp(-2 pi i k t / 2048)`; the ends are mirrored, or zero
    where the audio has 1024 samples or fewer.

    Returns:
        `(B, 1025, N)`, complex, of `(B, T)`; N = T // 512 + 1 if all frames are selected.

    Raises:
        ValueError: if `audio` is not `(B, T)` with `T >= 1`, or has no such frame.
        TypeError: if it is neither float32 nor float64.
    """
    return _Stft.apply(_padded(audio, frames), _hann(audio.dtype, audio.device), frames.step)


def stft_isometry(audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
    """A linear map of audio that has the same Frobenius norm as its `stft`, without a Fourier transform.

    By Parseval's theorem the bins 0 to N of one frame of 2N windowed samples contain half of the frame's energy plus
    half of the squares of bins 0 and N. Over all frames, with `x` padded as for `stft` and `W[t]` the sum of the
    squared windows that cover sample t,

        sum |S[k, n]|^2 = sum_t N W[t] x[t]^2 + sum_n (S[0, n]^2 + S[N, n]^2) / 2.

    Args:
        audio: sounds `(B, T)`, float32 or float64.
        frames: frames of the transform that contribute.

    Returns:
        `(B, M)`, real: the terms of that sum before they are squared.

    Raises:
        ValueError: as `stft`.
        TypeError: as `stft`.
    """
    step = frames.step
    padded = _padded(audio, frames)
    count = (padded.shape[1] - N_FFT) // (step * HOP) + 1
    window = _hann(audio.dtype, audio.device)
    weights = _overlapping_windows(count, step, audio.dtype, audio.device)
    covered = padded[:, : len(weights)]
    # Windowed sums and alternating sums of frames, from those of their four hops.
    signs = torch.ones_like(window)
    signs[1::2] = -1.0
    ends = torch.stack((window, window * signs), 1).unflatten(0, (_OVERLAP, HOP))
    hops = covered.unflatten(1, (-1, HOP)) @ ends.permute(1, 0, 2).flatten(1)
    hops = hops.unflatten(2, (_OVERLAP, 2))
    last = (count - 1) * step
    sums = torch.stack([hops[:, part : part + last + 1 : step, part] for part in range(_OVERLAP)]).sum(0)
    return torch.cat((covered * weights, sums.flatten(1) * 0.5**0.5), 1)


def check_frames(audio: Tensor, frames: Frames) -> None:
    """Check that the input is a batch of sounds that has the selected frames.

    Raises:
        ValueError: as `stft`.
        TypeError: as `stft`.
    """
    check_audio(audio)
    first, step = frames
    if not (0 <= first <= audio.shape[1] // HOP and step >= 1):
        raise ValueError(f"no frame {first} (step {step}) among {audio.shape[1] // HOP + 1}")


def _padded(audio: Tensor, frames: Frames) -> Tensor:
    check_frames(audio, frames)
    return pad_centred(audio, N_FFT // 2)[:, frames.first * HOP :]


@lru_cache(maxsize=64)
def _overlapping_windows(count: int, step: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Square roots of N W[t] for `count` frames at a distance of `step` hops; see `stft_isometry`."""
    square = _hann(torch.float64, torch.device("cpu")).square().unflatten(0, (_OVERLAP, HOP)).numpy()
    total = np.zeros(((count - 1) * step + _OVERLAP, HOP))
    for part in range(_OVERLAP):
        total[part : part + (count - 1) * step + 1 : step] += square[part]
    return as_constant(np.sqrt(N_FFT / 2 * total.ravel()), dtype, device)


def real_fft(signal: Tensor) -> Tensor:
    """`torch.fft.rfft` over the last axis, of even length: `(..., n)` to `(..., n // 2 + 1)`."""
    return _RealFft.apply(signal)


@lru_cache(maxsize=8)
def _hann(dtype: torch.dtype, device: torch.device) -> Tensor:
    return as_constant(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT), dtype, device)


def _transposed_rfft(gradient: Tensor, length: int) -> Tensor:
    """Sum of `Re(gradient[k] exp(2 pi i k t / length))` over the `length // 2 + 1` bins that are stored."""
    weight = torch.full((gradient.shape[-1],), 0.5, dtype=gradient.real.dtype, device=gradient.device)
    weight[0] = weight[-1] = 1.0  # irfft counts every other bin twice, for its mirror image
    return torch.fft.irfft(gradient * weight, length, norm="forward")


class _RealFft(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(signal: Tensor) -> Tensor:
        return torch.fft.rfft(signal)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ANN401
        ctx.length = inputs[0].shape[-1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        return _transposed_rfft(gradient, ctx.length)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:  # noqa: ANN401
        return torch.fft.rfft(tangent)


class _Stft(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(padded: Tensor, window: Tensor, step: int) -> Tensor:
        return torch.stft(padded, N_FFT, step * HOP, window=window, center=False, return_complex=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:  # noqa: ANN401
        padded, window, ctx.step = inputs
        ctx.length = padded.shape[1]
        ctx.save_for_backward(window)
        ctx.save_for_forward(window)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (window,) = ctx.saved_tensors
        frames = _transposed_rfft(gradient.transpose(1, 2), N_FFT) * window
        last = (frames.shape[1] - 1) * ctx.step
        pieces = frames.unflatten(2, (_OVERLAP, HOP))
        total = pieces.new_zeros(frames.shape[0], last + _OVERLAP, HOP)
        for shift in range(_OVERLAP):
            total[:, shift : shift + last + 1 : ctx.step] += pieces[:, :, shift]
        audio = total.flatten(1)
        return torch.nn.functional.pad(audio, (0, ctx.length - audio.shape[1])), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:  # noqa: ANN401
        (window,) = ctx.saved_tensors
        return torch.stft(tangent, N_FFT, ctx.step * HOP, window=window, center=False, return_complex=True)
