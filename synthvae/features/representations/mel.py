"""Mel spectrograms as representations: as published by Rebnord (2022), and corrected."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.features.base import as_constant
from synthvae.features.invertible_stft import ShortTime, window_of
from synthvae.features.mel import slaney_filterbank
from synthvae.features.representations.base import (
    RANGE,
    SILENCE,
    Representation,
    compress,
    decibels,
    expand,
)

__all__ = ["Mel", "PublishedMel"]

BANDS = 128
LARGEST = 2**14  # samples of a frame


class _Bands(Representation):
    """Base of representations with 128 bands and one frame per started hop."""

    bounded = True
    transform: ShortTime

    @property
    def _planes(self) -> tuple[int, int]:
        return 1, BANDS

    def frames(self, samples: int) -> int:
        """Number of hops that start within the sound."""
        return max(1, math.ceil(samples / self.transform.hop))

    def longest(self, frames: int) -> int:
        """Number of samples of that many complete hops."""
        return frames * self.transform.hop


class PublishedMel(_Bands):
    """Mel spectrogram in dB of Rebnord 2022: Hann 512, hop 128, 128 bands, 250 frames of 2 s at 16 kHz.

    Power in librosa's bands (Slaney's scale, triangles of equal area), `10 log10(P / max P)` of each sound from -80 dB
    up, as `(dB + 80) / 80`. A centred transform has one frame more, which is dropped. The inverse is that of the
    publication: non-negative least squares from mel to linear, librosa's Griffin-Lim with 32 iterations, and the result
    scaled to the peak of the original, which is stored in `level`.

    At 16 kHz, 12 of its 128 bands are linearly dependent on others (the filterbank has rank 116), mostly low ones; see
    `Mel`.

    Args:
        sample_rate: sample rate in Hz.
        samples: number of samples of the sounds that `shape` describes.
        to_linear: `nnls` as published, or `kl`, see `synthvae.features.inversion.mel_to_linear`.
    """

    name: ClassVar[str] = "mel-r"
    description: ClassVar[str] = "mel spectrogram in dB as published by R, 512/128, 128 bands"
    level: ClassVar[str] = "largest absolute sample, 0 dB at full scale; values are without it"
    phase = "griffin-lim"

    def __init__(self, sample_rate: int, samples: int, to_linear: str = "nnls") -> None:
        super().__init__(sample_rate, samples, to_linear=to_linear)
        if to_linear not in ("nnls", "kl"):
            raise UserError("to_linear", to_linear, "choose nnls or kl")
        self.transform = ShortTime(512, 128, "hann")
        self._to_linear = to_linear

    def _analyse(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        power = self.transform.forward(audio, self.frames(audio.shape[1])).abs().square()
        mel = _matrix(self.sample_rate, self.transform.size, "slaney", audio.device) @ power
        largest = mel.amax((1, 2), keepdim=True)
        relative = torch.where(largest > 0.0, mel / largest.clamp_min(torch.finfo(mel.dtype).tiny), 0.0)
        values = (10.0 * torch.log10(relative.clamp_min(10.0 ** (-RANGE / 10.0))) + RANGE) / RANGE
        return values[:, None], decibels(audio.abs().amax(1))

    def _magnitude(self, values: Tensor, level: Tensor) -> Tensor:
        from synthvae.features import inversion  # numba

        mel = torch.pow(10.0, (values[:, 0].clamp(0.0, 1.0) * RANGE - RANGE) / 10.0)
        filters = filterbank(self.sample_rate, self.transform.size, "slaney")
        back = inversion.mel_to_linear if self._to_linear == "kl" else inversion.nonnegative_least_squares
        return back(mel, filters).sqrt()

    def at_level(self, sounds: Tensor, level: Tensor) -> Tensor:
        """Sounds scaled to the peak; silent at the level of silence, where the floor of the values is audible."""
        peak = sounds.abs().amax(1).clamp_min(torch.finfo(sounds.dtype).tiny)
        wanted = torch.where(level > SILENCE, torch.pow(10.0, level / 20.0), 0.0)
        return sounds * (wanted / peak)[:, None]


class Mel(_Bands):
    """Invertible mel spectrogram in dB: 1024/128 at 16 kHz, 128 linearly independent bands.

    Magnitudes, not powers, in triangles of unit height on Slaney's scale, in dB below the loudest cell, scaled to
    [0, 1] (`synthvae.features.representations.base.compress`). The level of that cell is `level`, a separate number
    that a model can learn. Magnitudes, because on sixty sounds the linear spectra recovered from them are 0.25 dB
    closer than those from powers. The window is a Gaussian with a hop of an eighth, for which phase gradient heap
    integration is exact.

    The inverse: multiplicative Kullback-Leibler updates from mel to linear, heap integration, and five iterations of
    Griffin-Lim.

    Args:
        sample_rate: sample rate in Hz.
        samples: number of samples of the sounds that `shape` describes.
        n_fft: samples of a frame, even; the hop is an eighth.  [default: the smallest power of two whose filterbank has
            full rank, 1024 at 16 kHz and 2048 at 44.1 kHz]

    Raises:
        UserError: if the filterbank does not have full rank, or `n_fft` is not a multiple of 16.
    """

    name: ClassVar[str] = "mel"
    description: ClassVar[str] = "mel spectrogram in dB, 1024/128 at 16 kHz, 128 bands of full rank, Gaussian window"
    level: ClassVar[str] = "loudest band of any frame, 0 dB for a full-scale sine; values are without it"
    phase = "pghi+5"

    def __init__(self, sample_rate: int, samples: int, n_fft: int | None = None) -> None:
        super().__init__(sample_rate, samples, n_fft=n_fft)
        self.transform = eighths(full_rank_size(sample_rate) if n_fft is None else n_fft)
        if rank(sample_rate, self.transform.size) < BANDS:
            raise UserError("n_fft", self.transform.size, f"give {full_rank_size(sample_rate)}", why="too few bins")

    def _analyse(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        magnitude = self.transform.forward(audio, self.frames(audio.shape[1])).abs()
        bands = _matrix(self.sample_rate, self.transform.size, None, audio.device) @ magnitude
        values, level = compress(bands, full_scale(self.transform))
        return values[:, None], level

    def _magnitude(self, values: Tensor, level: Tensor) -> Tensor:
        from synthvae.features import inversion  # numba

        mel = expand(values[:, 0], level, full_scale(self.transform))
        return inversion.mel_to_linear(mel, filterbank(self.sample_rate, self.transform.size, None))


def full_scale(transform: ShortTime) -> float:
    """Magnitude of a full-scale sine at the frequency of a bin."""
    return 0.5 * float(window_of(transform).sum())


def eighths(n_fft: Any) -> ShortTime:  # noqa: ANN401
    """A transform with a Gaussian window and a hop of an eighth of its length.

    Raises:
        UserError: if `n_fft` is not a multiple of 16 from 16 to 16,384.
    """
    if isinstance(n_fft, bool) or not isinstance(n_fft, int) or n_fft % 16 or not 16 <= n_fft <= LARGEST:
        raise UserError("n_fft", n_fft, f"give a multiple of 16 up to {LARGEST}")
    return ShortTime(n_fft, n_fft // 8)


@lru_cache(maxsize=32)
def full_rank_size(sample_rate: int) -> int:
    """The smallest power of two that, as frame size, gives linearly independent bands."""
    size = 4 * BANDS
    while rank(sample_rate, size) < BANDS:
        size *= 2
    return size


@lru_cache(maxsize=32)
def rank(sample_rate: int, n_fft: int) -> int:
    """Rank of the filterbank."""
    return int(np.linalg.matrix_rank(filterbank(sample_rate, n_fft, None)))


@lru_cache(maxsize=32)
def filterbank(sample_rate: int, n_fft: int, norm: Literal["slaney"] | None) -> NDArray[np.float64]:
    """`slaney_filterbank`, cached."""
    return slaney_filterbank(sample_rate, BANDS, n_fft, norm)


@lru_cache(maxsize=32)
def _matrix(sample_rate: int, n_fft: int, norm: Literal["slaney"] | None, device: torch.device) -> Tensor:
    return as_constant(filterbank(sample_rate, n_fft, norm), torch.float32, device)
