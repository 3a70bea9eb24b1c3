"""Mel filterbanks, and the log-mel spectrogram used for every figure and error in dB."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from synthvae.features.base import EVERY_FRAME, Feature, Frames, as_constant
from synthvae.features.fourier import N_FFT, check_frames, stft

if TYPE_CHECKING:
    from synthvae.features.kernels.fourier import Transform
    from synthvae.features.kernels.mel import Bands

__all__ = ["LogMel", "at_level", "band_tables", "htk_filterbank", "kernel_tables", "log_mel", "mel_centres", "project"]
__all__ += ["slaney_filterbank", "takes_kernel"]

BANDS = 128
LOWEST = 20.0
FULL_SCALE = 512.0
FLOOR = 1e-4
#: RMS below which a sound is silence and is not scaled: -100 dB.
SILENT = 1e-5


class LogMel(Feature):
    """Log-mel spectrogram in dB, `(B, 128, N)`.

    `20 log10(M |S| / 512 + 1e-4)`, with S the STFT (Hann 2048, hop 512, centred) and M 128 triangular HTK-mel
    bands of unit height from 20 Hz to Nyquist. 512 is half the sum of the window: a full-scale sine on a bin
    has magnitude 1. A triangle sums the bins of the sine's main lobe, so its band is up to 6 dB above that where
    bands are wide. Silence is -80 dB. A band that falls between two bins of the transform is -80 dB too: there is
    none at sample rates from 100 Hz to 96 kHz, and 3 at 192 kHz.

    Args:
        sample_rate: sample rate in Hz, above 40.

    Raises:
        ValueError: if Nyquist is not above 20 Hz.
    """

    name: ClassVar[str] = "logmel"
    description: ClassVar[str] = "log-mel spectrogram in dB, 128 HTK bands from 20 Hz to Nyquist"
    complex: ClassVar[bool] = False

    def __init__(self, sample_rate: int) -> None:
        super().__init__(sample_rate)
        if sample_rate <= 2 * LOWEST:
            raise ValueError(f"sample_rate must be above {2 * LOWEST:g} Hz for log-mel, got {sample_rate}")

    def spectrum(self, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """Project the magnitude on the mel bands and take decibels; see the class."""
        weights = _weights(self.sample_rate, audio.dtype, audio.device)
        bands = project(audio, frames, kernel_tables, self.sample_rate, weights, powers=False)
        return 20.0 * torch.log10(bands / FULL_SCALE + FLOOR)


def project(
    audio: Tensor,
    frames: Frames,
    tables: Callable[[int], tuple[Transform, Bands]],
    sample_rate: int,
    weights: Tensor,
    powers: bool,
) -> Tensor:
    """A filterbank applied to the magnitudes or powers of the STFT, ``(B, bands, N)``.

    float32 on a CPU is computed by a compiled kernel, which is many times faster than the transform of all frames.

    Args:
        audio: sounds ``(B, T)``.
        frames: frames to compute.
        tables: function from a sample rate to the filterbank in the form that the kernel reads.
        sample_rate: sample rate in Hz.
        weights: the filterbank, ``(1025, bands)``.
        powers: whether the filterbank is applied to powers.
    """
    check_frames(audio, frames)
    if takes_kernel(audio):
        from synthvae.features.kernels.mel_bands import mel_bands  # loads numba

        return mel_bands(audio, frames, tables(sample_rate), weights, powers).contiguous()
    transform = stft(audio, frames)
    size = transform.real.square() + transform.imag.square() if powers else transform.abs()
    return (size.transpose(1, 2) @ weights).transpose(1, 2)


def takes_kernel(audio: Tensor) -> bool:
    """Whether compiled kernels process such a tensor: float32 on a CPU."""
    return audio.dtype == torch.float32 and audio.device.type == "cpu"


def log_mel(audio: Tensor, sample_rate: int) -> Tensor:
    """Log-mel spectrogram of `audio` `(B, T)`, `(B, 128, T // 512 + 1)` in dB, from -80 up; see `LogMel`."""
    return LogMel(sample_rate)(audio)


def at_level(audio: Tensor, level: float) -> Tensor:
    """Sounds ``(B, T)`` scaled to a root mean square of `level`; silence is returned unchanged."""
    present = audio.square().mean(dim=1, keepdim=True).sqrt()
    return audio * torch.where(present > SILENT, level / present.clamp_min(SILENT), 1.0)


def htk_filterbank(sample_rate: int, bands: int = BANDS, lowest: float = LOWEST, n_fft: int = N_FFT) -> np.ndarray:
    """Triangles of unit height, evenly spaced on the HTK mel scale `2595 log10(1 + f / 700)`.

    Band b rises from corner b to corner b + 1 and falls to corner b + 2, straight in Hz; the `bands + 2`
    corners go from `lowest` to Nyquist. Reference: S. Young et al., The HTK Book, section 5.4.

    Returns:
        `(bands, n_fft // 2 + 1)`, float64: the weight of every bin of the STFT in every band.
    """
    return _triangles(_corners(sample_rate, bands, lowest), sample_rate, n_fft)


def _triangles(corners: np.ndarray, sample_rate: int, n_fft: int) -> np.ndarray:
    frequencies = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    rising = (frequencies - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - frequencies) / np.diff(corners)[1:, None]
    return np.maximum(0.0, np.minimum(rising, falling))


def slaney_filterbank(sample_rate: int, bands: int, n_fft: int, norm: Literal["slaney"] | None = None) -> np.ndarray:
    """Triangles from 0 Hz to Nyquist, evenly spaced on Slaney's mel scale, of unit height or normalised to equal area.

    The scale is linear up to 1 kHz, 200 / 3 Hz a mel, and logarithmic above, 27 mel for a factor of 6.4 (Slaney,
    Auditory Toolbox, 1998). The result equals that of `librosa.filters.mel`.

    Returns:
        `(bands, n_fft // 2 + 1)`, float64.
    """
    step, corner, slope = 200.0 / 3.0, 1000.0, math.log(6.4) / 27.0
    highest = sample_rate / 2.0
    last = highest / step if highest < corner else corner / step + math.log(highest / corner) / slope
    mel = np.linspace(0.0, last, bands + 2)
    above = corner * np.exp(slope * np.maximum(mel - corner / step, 0.0))
    corners = np.where(mel < corner / step, mel * step, above)
    weights = _triangles(corners, sample_rate, n_fft)
    if norm == "slaney":
        weights *= 2.0 / (corners[2:] - corners[:-2])[:, None]
    return weights


def mel_centres(sample_rate: int) -> np.ndarray:
    """The frequency in Hz at which each band of `LogMel` peaks, `(128,)`, increasing."""
    return _corners(sample_rate, BANDS, LOWEST)[1:-1]


def _corners(sample_rate: int, bands: int, lowest: float) -> np.ndarray:
    first, last = 2595.0 * np.log10(1.0 + np.array([lowest, sample_rate / 2]) / 700.0)
    return 700.0 * (10.0 ** (np.linspace(first, last, bands + 2) / 2595.0) - 1.0)


@lru_cache(maxsize=8)
def _weights(sample_rate: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return as_constant(htk_filterbank(sample_rate).T, dtype, device)


@lru_cache(maxsize=8)
def kernel_tables(sample_rate: int) -> tuple[Transform, Bands]:
    """`band_tables` of the filterbank of `LogMel`."""
    return band_tables(htk_filterbank(sample_rate))


def band_tables(filterbank: np.ndarray) -> tuple[Transform, Bands]:
    """Constants of the transform, and a filterbank ``(bands, 1025)``, in the form that kernels read; loads numba."""
    from synthvae.features.kernels.fourier import transform
    from synthvae.features.kernels.mel import bands

    return transform(), bands(filterbank)
