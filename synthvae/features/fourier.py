"""Fourier transforms of real signals whose backward costs no more than their forward.

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

from synthvae.features.base import as_constant, check_audio, pad_centred

__all__ = ["HOP", "N_FFT", "real_fft", "stft"]

N_FFT = 2048
HOP = 512
_OVERLAP = N_FFT // HOP


def stft(audio: Tensor) -> Tensor:
    """Short-time Fourier transform: `torch.stft` with a periodic Hann window of 2048, hop 512, centred.

    `S[k, n] = sum_t w[t] x[512 n + t - 1024] exp(-2 pi i k t / 2048)`; the ends are mirrored, or zero
    where the audio has 1024 samples or fewer.

    Args:
        audio: `(B, T)`, float32 or float64.

    Returns:
        `(B, 1025, T // 512 + 1)`, complex.

    Raises:
        ValueError: if `audio` is not `(B, T)` with `T >= 1`.
        TypeError: if it is neither float32 nor float64.
    """
    check_audio(audio)
    return _Stft.apply(pad_centred(audio, N_FFT // 2), _hann(audio.dtype, audio.device))


def real_fft(signal: Tensor) -> Tensor:
    """`torch.fft.rfft` over the last axis, of even length.

    Args:
        signal: `(..., n)`, real, `n` even.

    Returns:
        `(..., n // 2 + 1)`, complex.
    """
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
    def forward(padded: Tensor, window: Tensor) -> Tensor:
        return torch.stft(padded, N_FFT, HOP, window=window, center=False, return_complex=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ANN401
        padded, window = inputs
        ctx.length = padded.shape[1]
        ctx.save_for_backward(window)
        ctx.save_for_forward(window)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (window,) = ctx.saved_tensors
        frames = _transposed_rfft(gradient.transpose(1, 2), N_FFT) * window
        count = frames.shape[1]
        pieces = frames.unflatten(2, (_OVERLAP, HOP))
        total = torch.nn.functional.pad(pieces[:, :, 0], (0, 0, 0, _OVERLAP - 1))
        for shift in range(1, _OVERLAP):
            total[:, shift : shift + count] += pieces[:, :, shift]
        audio = total.flatten(1)
        return torch.nn.functional.pad(audio, (0, ctx.length - audio.shape[1])), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:  # noqa: ANN401
        (window,) = ctx.saved_tensors
        return torch.stft(tangent, N_FFT, HOP, window=window, center=False, return_complex=True)
