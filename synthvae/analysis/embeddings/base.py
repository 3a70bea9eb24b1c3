"""What an embedding is, and how sounds reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import firwin, resample_poly
from torch import Tensor

from synthvae.analysis.checks import require_finite
from synthvae.errors import UserError

__all__ = ["Embedding", "Model", "resample"]

#: From audio ``(B, T)`` at the model's rate to rows ``(R, D)``, those of a sound side by side.
Model = Callable[[NDArray[np.float32]], NDArray[np.floating]]

#: Sounds in one call of a model: the first maps of PANNs take 7 MB for each second of one.
BATCH = 8


@dataclass(frozen=True)
class Embedding:
    """A map from sounds to points whose distances mean something to a listener.

    Attributes:
        name: one of `EMBEDDINGS`.
        dimension: D, columns of a row.
        sample_rate: in Hz, of what the model takes; other audio is resampled.
        model: does the work.
        per_sound: whether a sound is one row. If not, the rows of a sound are side by side and depend on each other:
            good for comparison with ``frechet-audio-distance``, not for floors and intervals.
        shortest: samples at `sample_rate` below which the model has no output.
        longest: samples at `sample_rate` beyond which the model would leave out some.
        fingerprint: of the weights; two embeddings of one name with the same one give the same rows.
        light: whether one thread to a batch is faster than all threads to each.
    """

    name: str
    dimension: int
    sample_rate: int
    model: Model
    per_sound: bool = True
    shortest: int = 1
    longest: int | None = None
    fingerprint: str = ""
    light: bool = False

    def embed(self, audio: Tensor | ArrayLike, sample_rate: int) -> NDArray[np.float64]:
        """Embed sounds, each by itself.

        Args:
            audio: shape (B, T), full scale is 1.
            sample_rate: of the audio, in Hz.

        Returns:
            Shape (B, D), one row per sound; more rows where `per_sound` is false.

        Raises:
            ValueError: if the audio is not real and of shape (B, T), or the rate is not positive.
            UserError: if there is no sound, a sample is not finite, or the sounds are too short or too long.
        """
        sounds = np.asarray(audio.detach().cpu() if isinstance(audio, Tensor) else audio)
        if sounds.ndim != 2 or sounds.dtype.kind != "f":
            raise ValueError(
                f"{self.name}: expected floating-point audio of shape (B, T), got {sounds.dtype} {sounds.shape}"
            )
        if not len(sounds):
            raise UserError(f"{self.name}: 0 sounds; check that the split is not empty")
        require_finite(sounds, f"{self.name}: audio", "sound")
        self._check_length(sounds.shape[1], sample_rate)
        parts = []
        for start in range(0, len(sounds), BATCH):
            audio_part = resample(sounds[start : start + BATCH], sample_rate, self.sample_rate)
            parts.append(np.asarray(self.model(audio_part), dtype=np.float64))
        rows = np.concatenate(parts)
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise ValueError(f"{self.name}: expected rows of {self.dimension}, got {rows.shape}")
        require_finite(rows, f"{self.name} embedding", "row")
        return rows

    def _check_length(self, samples: int, sample_rate: int) -> None:
        if sample_rate < 1:
            raise ValueError(f"sample rate must be positive, got {sample_rate}")
        resampled = -(-samples * self.sample_rate // sample_rate)
        sounds = f"{self.name}: sounds of {samples / sample_rate:.3f} s"
        if resampled < self.shortest:
            raise UserError(
                f"{sounds}, at least {self.shortest / self.sample_rate:.3f} s are needed; "
                "generate the dataset with more --seconds or choose another embedding"
            )
        if self.longest is not None and resampled > self.longest:
            raise UserError(
                f"{sounds}, it takes {self.longest / self.sample_rate:.3f} s at most; "
                "generate the dataset with fewer --seconds or choose another embedding"
            )


def resample(audio: NDArray[np.floating], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Change the sample rate, with a linear-phase low-pass against aliasing.

    The filter is a Kaiser-windowed sinc of 64 zero crossings to each side, flat to 0.9 of the lower Nyquist frequency
    and more than 100 dB down at that frequency: the design that resampy called ``kaiser_best`` before its release 0.4.

    Args:
        audio: shape (B, T).
        from_rate: in Hz.
        to_rate: in Hz.

    Returns:
        Shape (B, ceil(T to_rate / from_rate)), float32; the audio itself where the rates are equal.
    """
    if from_rate == to_rate:
        return audio.astype(np.float32, copy=False)
    common = gcd(from_rate, to_rate)
    up, down = to_rate // common, from_rate // common
    changed = resample_poly(audio.astype(np.float64), up, down, axis=1, window=_low_pass(max(up, down)))
    return changed.astype(np.float32)


@lru_cache(maxsize=4)
def _low_pass(factor: int) -> NDArray[np.float64]:
    """Taps of the filter at the common multiple of both rates, of which `factor` fit into a period of the lower one."""
    return firwin(2 * 64 * factor + 1, 0.9475937167399596 / factor, window=("kaiser", 14.769656459379492))
