"""Reconstruction error of unseen recorded sounds, relative to null models and a reference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.data.library import Library
from synthvae.metrics.reconstruction import Ratio, error_ratio
from synthvae.training.sounds import SoundRun
from synthvae.training.tasks.spectrogram import CHUNK, conditions

__all__ = ["SoundErrors", "SoundQuality", "measure_sounds", "sound_errors"]

#: Maximum number of sounds compared, and maximum number of values in all their spectrograms.
JUDGED, VALUES = 1000, 2**27


@dataclass(frozen=True)
class SoundQuality:
    """Squared error of spectrograms relative to that of the mean spectrogram of the same sounds.

    Attributes:
        sounds: number of sounds compared.
        model: error of the sounds decoded by the run.
        class_mean: error of the mean training spectrogram of the sound's label.
        nearest: error of the nearest training sound: a reference, since finding it requires the sound itself.
        level: root mean square error of the decoded level in dB; None where the network has no level.
    """

    sounds: int
    model: Ratio
    class_mean: Ratio
    nearest: Ratio
    level: float | None


@dataclass(frozen=True)
class SoundErrors:
    """Squared error of the spectrogram of each of N sounds, summed over its values: of a run and of baselines.

    Attributes:
        rows: numbers of the sounds in the library.
        labels: labels of the sounds.
        model: error of the sounds decoded by the run, ``(N,)``.
        class_mean: error of the mean training spectrogram of the sound's label, ``(N,)``.
        nearest: error of the nearest training sound, ``(N,)``.
        mean: error of the mean spectrogram of the N sounds, ``(N,)``.
        level: decoded minus actual level in dB, ``(N,)``; None where the network has no level.
    """

    rows: tuple[int, ...]
    labels: tuple[str, ...]
    model: NDArray[np.float64]
    class_mean: NDArray[np.float64]
    nearest: NDArray[np.float64]
    mean: NDArray[np.float64]
    level: NDArray[np.float64] | None

    def quality(self, label: str | None = None) -> SoundQuality:
        """Errors of all sounds, or of those of one label, relative to those of the mean of all."""
        chosen = np.ones(len(self.rows), np.bool_) if label is None else np.array(self.labels) == label
        model, class_mean, nearest = (
            error_ratio(errors[chosen], self.mean[chosen]) for errors in (self.model, self.class_mean, self.nearest)
        )
        level = None if self.level is None else float(np.sqrt(np.square(self.level[chosen]).mean()))
        return SoundQuality(int(chosen.sum()), model, class_mean, nearest, level)


def measure_sounds(run: SoundRun, library: Library, split: str = "validation") -> SoundQuality:
    """Measure a run on the first sounds of a split of its library. Arguments as for `sound_errors`."""
    return sound_errors(run, library, split).quality()


@torch.inference_mode()
def sound_errors(run: SoundRun, library: Library, split: str = "validation", limit: int = JUDGED) -> SoundErrors:
    """Errors of each of the first sounds of a split.

    Training sounds are analysed once; memory does not grow with their number.

    Args:
        run: the run.
        library: library that it was trained on.
        split: split of the sounds.
        limit: maximum number of sounds.
    """
    size = math.prod(run.representation.shape)
    rows = library.rows(split)[: max(2, min(limit, JUDGED, VALUES // size))]
    every = conditions(library, run.config.condition)
    labels = {label: number for number, label in enumerate(library.labels)}
    of = [labels[label] for label in library.items["label"].astype(str)]
    targets, errors, levels = [], [], []
    for part in _parts(rows):
        values, level = _encoded(run, library, part)
        condition = every[part]
        answer = run.spectrograms(run.model.embed(values, level, condition), condition, values.shape[3])
        errors.append((answer.values - values).square().sum((1, 2, 3)))
        levels.append(answer.level - level)
        targets.append(values.flatten(1))
    target = torch.cat(targets)
    nearest = torch.full((len(target),), math.inf)
    sums, counts = torch.zeros(len(labels), size), torch.zeros(len(labels))
    for part in _parts(library.rows("train")):
        values = _encoded(run, library, part)[0].flatten(1)
        nearest = torch.minimum(nearest, _nearest(target, values))
        which = torch.tensor([of[number] for number in part])
        sums.index_add_(0, which, values)
        counts.index_add_(0, which, torch.ones(len(part)))
    # A label without training sounds gets the mean of all.
    mean = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1.0)[:, None], sums.sum(0) / counts.sum())
    own = [of[number] for number in rows]
    return SoundErrors(
        tuple(rows),
        tuple(library.labels[number] for number in own),
        torch.cat(errors).double().numpy(),
        (target - mean[own]).square().sum(1).double().numpy(),
        nearest.double().numpy(),
        (target - target.mean(0)).square().sum(1).double().numpy(),
        torch.cat(levels).double().numpy() if run.model.with_level else None,
    )


def _parts(rows: range) -> list[list[int]]:
    return [list(rows[first : first + CHUNK]) for first in range(0, len(rows), CHUNK)]


def _encoded(run: SoundRun, library: Library, part: list[int]) -> tuple[Tensor, Tensor]:
    return run.representation.analyse(torch.from_numpy(np.array(library.audio[part])))


def _nearest(target: Tensor, values: Tensor) -> Tensor:
    """Squared distance of each target to the nearest of some training sounds; computed exactly for the nearest."""
    products = values.square().sum(1) - 2.0 * target @ values.T  # the target's own square does not affect the order
    return (target - values[products.argmin(1)]).square().sum(1)
