"""Distances between a run's sounds and the test sounds as sets, in one embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.core.executor import on_threads
from synthvae.metrics.embeddings.base import Embedding
from synthvae.metrics.frechet import (
    ExtrapolatedDistance,
    FrechetDistance,
    GaussianStatistics,
    frechet_distance,
    frechet_extrapolated,
    frechet_floor,
)
from synthvae.metrics.kernel import KernelDistance, KernelFloor, kernel_distance, kernel_floor

__all__ = [
    "AudioDistanceNulls",
    "AudioDistances",
    "EmbeddedTests",
    "RunAudioDistances",
    "embed_sounds",
    "measure_nulls",
    "measure_set",
]

Result = TypeVar("Result")


@dataclass(frozen=True)
class PresetDistances:
    """Distances of a constant answer, one preset for every target, to a set of sounds; each null if undefined.

    Attributes:
        frechet_audio_distance: FAD (Kilgour et al. 2019).
        kernel_audio_distance: squared maximum mean discrepancy.
        reason: why a distance is missing; empty where none is.
    """

    frechet_audio_distance: FrechetDistance | None
    kernel_audio_distance: KernelDistance | None
    reason: str


@dataclass(frozen=True)
class AudioDistances:
    """Distances between two sets of sounds in one embedding; each null if undefined.

    Attributes:
        frechet_audio_distance: FAD of as many sounds as there are (Kilgour et al. 2019).
        frechet_audio_distance_infinity: FAD extrapolated to infinitely many sounds (Gui et al. 2024).
        kernel_audio_distance: squared maximum mean discrepancy; KAD as Chung et al. (2025) print it is 100 times
            as much.
        reason: why a distance is missing; empty where none is.
    """

    frechet_audio_distance: FrechetDistance | None
    frechet_audio_distance_infinity: ExtrapolatedDistance | None
    kernel_audio_distance: KernelDistance | None
    reason: str


@dataclass(frozen=True)
class AudioDistanceNulls:
    """Distances between sets of sounds without any model; each null if undefined.

    Attributes:
        frechet_audio_distance_of_halves: FAD between two halves of the test sounds.
        kernel_audio_distance_of_halves: KAD between such halves.
        mean_preset: distance of the mean preset to the test sounds.
        reason: why a distance of halves is missing; empty where none is.
    """

    frechet_audio_distance_of_halves: FrechetDistance | None
    kernel_audio_distance_of_halves: KernelFloor | None
    mean_preset: PresetDistances
    reason: str


@dataclass(frozen=True)
class RunAudioDistances:
    """Distances of a run's sets of sounds to sets of the dataset.

    Attributes:
        test: reconstructions of the test presets, to the test sounds.
        training: reconstructions of a part of the training presets, to the sounds of these.
        prior: as many draws of the prior, to the test sounds.
    """

    test: AudioDistances
    training: AudioDistances
    prior: AudioDistances


@dataclass(frozen=True)
class EmbeddedTests:
    """The test sounds, and a part of the training sounds, in one embedding.

    Attributes:
        embedding: its name.
        per_sound: whether a sound is one row.
        rows: rows of the test sounds ``(N, D)``.
        train_rows: rows of the training sounds ``(M, D)``.
        nulls: what needs no model.
    """

    embedding: str
    per_sound: bool
    rows: NDArray[np.float64]
    train_rows: NDArray[np.float64]
    nulls: AudioDistanceNulls


#: Remark where the rows of a sound depend on each other, so that N is not what floors and intervals assume.
DEPENDENT = (
    "several rows to a sound, so neither a floor nor an interval: for comparison with frechet-audio-distance only"
)


def embed_sounds(
    embedding: Embedding, audio: Iterable[Tensor], sample_rate: int, on_progress: Callable[[int], object]
) -> NDArray[np.float64]:
    """Rows ``(N, D)`` of sounds that come in parts ``(B, T)``.

    Args:
        embedding: name of the embedding.
        audio: the sounds.
        sample_rate: sample rate of these, in Hz.
        on_progress: called with the number of sounds that are embedded.
    """
    rows = []
    for found in (on_threads if embedding.light else map)(lambda part: embedding.embed(part, sample_rate), audio):
        rows.append(found)
        on_progress(sum(map(len, rows)))
    return np.concatenate(rows)


def measure_set(
    test: NDArray[np.float64], other: NDArray[np.float64], seed: int, per_sound: bool = True
) -> AudioDistances:
    """Every distance between two sets.

    Args:
        test: embedding of the test sounds ``(N, D)``.
        other: rows of the other set ``(M, D)``.
        seed: seed of subsamples.
        per_sound: whether a sound is one row; FAD alone is measured where it is not.

    Returns:
        The distances that are defined, and why others are not.
    """
    reasons: list[str] = []

    def gaussian() -> FrechetDistance:
        return frechet_distance(GaussianStatistics.of(test, "test"), GaussianStatistics.of(other, "other"))

    if not per_sound:
        return AudioDistances(_try(gaussian, reasons), None, None, "; ".join([*reasons, DEPENDENT]))
    return AudioDistances(
        _try(gaussian, reasons),
        _try(lambda: frechet_extrapolated(test, other, seed), reasons),
        _try(lambda: kernel_distance(test, other), reasons),
        "; ".join(dict.fromkeys(reasons)),
    )


def measure_nulls(
    test: NDArray[np.float64], mean_preset: NDArray[np.float64], seed: int, per_sound: bool = True
) -> AudioDistanceNulls:
    """Distances between equal distributions, and of one preset for every target.

    Args:
        test: embedding of the test sounds ``(N, D)``.
        mean_preset: rows of the sound of the mean preset ``(R, D)``, one row where a sound is one.
        seed: seed of the halves.
        per_sound: as of `measure_set`.
    """
    reasons: list[str] = [] if per_sound else [DEPENDENT]
    constant = np.tile(mean_preset, (max(1, len(test) // len(mean_preset)), 1))
    # Equal rows have no spread to extrapolate from.
    answered = measure_set(test, constant, seed, per_sound=False)
    missing = [] if answered.frechet_audio_distance else [answered.reason]
    kernel = _try(lambda: kernel_distance(test, constant), missing) if per_sound else None
    return AudioDistanceNulls(
        _try(lambda: frechet_floor(test, seed), reasons) if per_sound else None,
        _try(lambda: kernel_floor(test, seed), reasons) if per_sound else None,
        PresetDistances(answered.frechet_audio_distance, kernel, "; ".join(missing)),
        "; ".join(dict.fromkeys(reasons)),
    )


def _try(measure: Callable[[], Result], reasons: list[str]) -> Result | None:
    try:
        return measure()
    except UserError as error:
        reasons.append(str(error))
        return None
