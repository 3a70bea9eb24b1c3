"""Base class of features: stateless transforms of audio, applied to each row separately."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

__all__ = ["EVERY_FRAME", "Feature", "Frames", "as_constant", "check_audio", "frobenius"]
__all__ += ["has_derivative", "pad_centred"]


class Frames(NamedTuple):
    """Selection of the frames of a feature to compute: `first`, `first + step`, `first + 2 step`...

    With a random `first` below `step` the mean over them is an unbiased estimate of the mean over all, for
    a part of the work.
    """

    first: int = 0
    step: int = 1


EVERY_FRAME = Frames()


class Feature(nn.Module):
    """A time-frequency representation of audio.

    It has two forms: `spectrum` for phase-aware losses (complex for the STFT and the CQT, real and signed for MFCC and
    log-mel), and `forward` for plots and averages (the magnitude of a complex spectrum, a real one unchanged). Where
    `linear`, the spectrum of a difference is the difference of the spectra.

    Every row is a function of that row alone. Filterbanks and kernels follow the audio's dtype (float32 or
    float64) and device; they are made on first use and kept for the process, so a feature has no weights,
    buffers or state dict.

    Shape:
        audio `(B, T)`, any `T >= 1`; result `(B, F, N)`: `F` bands or coefficients,
        `N = T // 512 + 1` frames.

    Args:
        sample_rate: sample rate in Hz.

    Raises:
        ValueError: if `sample_rate` is not positive.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    complex: ClassVar[bool]
    linear: ClassVar[bool] = False

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        if sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, got {sample_rate}")
        self.sample_rate = sample_rate

    def spectrum(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """Transform `audio` `(B, T)`, phase or sign included.

        Returns:
            `(B, F, N)`, complex if `self.complex`; `N` is the number of selected frames.
        """
        raise NotImplementedError

    def norm(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """The Frobenius norm of the spectrum of `audio` `(B, T)`, `(B,)`; its gradient where the norm is 0 is 0."""
        return frobenius(self.spectrum(audio, frames))

    def forward(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """Transform `audio` `(B, T)` to real numbers `(B, F, N)`, `N` the number of selected frames.

        The magnitude is `torch.abs`, exact everywhere; its gradient at a zero is zero (the subgradient of
        smallest norm), so silence needs no offset that would move ordinary values.
        """
        spectrum = self.spectrum(audio, frames)
        return spectrum.abs() if self.complex else spectrum

    def extra_repr(self) -> str:
        """Show the sample rate in `repr`."""
        return f"sample_rate={self.sample_rate}"


def frobenius(spectrum: Tensor) -> Tensor:
    """The Frobenius norm of each `(F, N)` matrix of a batch, real or complex."""
    if spectrum.is_complex():  # several times faster than the norm of complex numbers
        spectrum = torch.view_as_real(spectrum.resolve_conj()).flatten(2)
    return torch.linalg.vector_norm(spectrum, dim=(1, 2))


def check_audio(audio: Tensor) -> None:
    """Check that the input is a batch of sounds.

    Raises:
        ValueError: if it is not `(B, T)` with `T >= 1`.
        TypeError: if it is neither float32 nor float64.
    """
    if audio.ndim != 2 or audio.shape[1] == 0:
        raise ValueError(f"audio must be (B, T) with T >= 1, got shape {tuple(audio.shape)}")
    if audio.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"audio must be float32 or float64, got {audio.dtype}")


def has_derivative(audio: Tensor) -> bool:
    """Whether `audio` needs a derivative, in backward or forward mode."""
    return audio.requires_grad or forward_ad.unpack_dual(audio).tangent is not None


def pad_centred(audio: Tensor, amount: int) -> Tensor:
    """Pad `amount` samples at both ends of `(B, T)` so that frames can be centred on their samples.

    The ends are mirrored about the first and last sample. Audio of `amount` samples or fewer is too short
    to mirror and gets zeros instead. (Not `torch.nn.functional.pad`: its reflecting backward is not
    deterministic on CUDA.)
    """
    if amount >= audio.shape[1]:
        return nn.functional.pad(audio, (amount, amount))
    left = audio[:, 1 : amount + 1].flip(1)
    right = audio[:, audio.shape[1] - amount - 1 : -1].flip(1)
    return torch.cat((left, audio, right), 1)


def as_constant(array: np.ndarray, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Make a contiguous tensor without gradient that can be cached whatever mode the first caller was in.

    A tensor created under `torch.inference_mode` cannot be used in a later training step.
    """
    with torch.inference_mode(False):
        return torch.from_numpy(np.ascontiguousarray(array)).to(device=device, dtype=dtype)
