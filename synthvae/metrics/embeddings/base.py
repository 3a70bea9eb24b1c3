"""Base type of audio embeddings, and their application to sounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from synthvae.audio.resampling import resample
from synthvae.core.checks import require_finite
from synthvae.core.errors import UserError

__all__ = ["Embedding", "Model"]

#: From audio ``(B, T)`` at the model's rate to rows ``(R, D)``, those of a sound adjacent.
Model = Callable[[NDArray[np.float32]], NDArray[np.floating]]

#: Number of sounds in one call of a model: the first feature maps of PANNs take 7 MB per second of a sound.
BATCH = 8


@dataclass(frozen=True)
class Embedding:
    """A map from sounds to vectors whose distances are perceptually meaningful.

    Attributes:
        name: one of `EMBEDDINGS`.
        dimension: number of columns of a row, D.
        sample_rate: sample rate of the model's input in Hz; other audio is resampled.
        model: function that computes the embedding.
        per_sound: whether a sound is one row. If not, the rows of a sound are adjacent and depend on each other:
            suitable for comparison with ``frechet-audio-distance``, not for floors and intervals.
        shortest: number of samples at `sample_rate` below which the model has no output.
        longest: number of samples at `sample_rate` above which the model would ignore some.
        fingerprint: hash of the weights; two embeddings of one name with the same hash give the same rows.
        light: whether one thread per batch is faster than all threads on each.
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
        """Embed sounds, each separately.

        Args:
            audio: sounds, shape (B, T), full scale is 1.
            sample_rate: sample rate of the audio in Hz.

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
            raise UserError(self.name, self.name, "check that the split is not empty", "0 sounds")
        require_finite(sounds, f"{self.name}: audio", "sound")
        self._check_length(sounds.shape[1], sample_rate)
        parts = []
        for start in range(0, len(sounds), BATCH):
            part = resample(sounds[start : start + BATCH].astype(np.float32, copy=False), sample_rate, self.sample_rate)
            parts.append(np.asarray(self.model(part), dtype=np.float64))
        rows = np.concatenate(parts)
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise ValueError(f"{self.name}: expected rows of {self.dimension}, got {rows.shape}")
        require_finite(rows, f"{self.name} embedding", "row")
        return rows

    def _check_length(self, samples: int, sample_rate: int) -> None:
        if sample_rate < 1:
            raise ValueError(f"sample rate must be positive, got {sample_rate}")
        resampled = -(-samples * self.sample_rate // sample_rate)
        sounds = f"sounds of {samples / sample_rate:.3f} s"
        if resampled < self.shortest:
            raise UserError(
                self.name,
                samples / sample_rate,
                "generate the dataset with more `seconds` or choose another embedding",
                f"{sounds}, at least {self.shortest / self.sample_rate:.3f} s are needed",
            )
        if self.longest is not None and resampled > self.longest:
            raise UserError(
                self.name,
                samples / sample_rate,
                "generate the dataset with fewer `seconds` or choose another embedding",
                f"{sounds}, it takes {self.longest / self.sample_rate:.3f} s at most",
            )
