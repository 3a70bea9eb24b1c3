"""How much of unseen sounds a run on recorded sounds keeps, beside answers that need no model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synthvae.data.library import Library
from synthvae.metrics.reconstruction import Ratio, error_ratio
from synthvae.training.sounds import SoundRun
from synthvae.training.tasks.spectrogram import CHUNK, conditions

__all__ = ["SoundQuality", "measure_sounds"]

#: Sounds that are compared, at most; and values of their spectrograms together.
JUDGED, VALUES = 1000, 2**27


@dataclass(frozen=True)
class SoundQuality:
    """Squared error of spectrograms as a share of that of the mean spectrogram of the same sounds.

    Attributes:
        sounds: how many were compared.
        model: of what the run decodes.
        class_mean: of the mean training spectrogram of the sound's label.
        nearest: of the training sound that is nearest to it.
        level: root mean square error of the decoded level in dB; None where the network has no level.
    """

    sounds: int
    model: Ratio
    class_mean: Ratio
    nearest: Ratio
    level: float | None


@torch.inference_mode()
def measure_sounds(run: SoundRun, library: Library, split: str = "validation") -> SoundQuality:
    """Measure a run on sounds of its library, the first of a split.

    Training sounds are analysed once; memory does not grow with their number.

    Args:
        run: the run.
        library: that it was trained on.
        split: of the sounds.
    """
    size = math.prod(run.representation.shape)
    rows = library.rows(split)[: max(2, min(JUDGED, VALUES // size))]
    every = conditions(library, run.config.condition)
    labels = {label: number for number, label in enumerate(library.labels)}
    of = [labels[label] for label in library.items["label"].astype(str)]
    targets, errors, levels = [], [], []
    for part in _parts(rows):
        values, level = _encoded(run, library, part)
        condition = every[part]
        answer = run.spectrograms(run.model.embed(values, level, condition), condition, values.shape[3])
        errors.append((answer.values - values).square().sum((1, 2, 3)))
        levels.append((answer.level - level).square())
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
    # A label without training sounds has the mean of all.
    mean = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1.0)[:, None], sums.sum(0) / counts.sum())
    by_class = (target - mean[[of[number] for number in rows]]).square().sum(1)
    null = (target - target.mean(0)).square().sum(1)
    model, label, training = (
        error_ratio(value.double().numpy(), null.double().numpy()) for value in (torch.cat(errors), by_class, nearest)
    )
    level_error = float(torch.cat(levels).mean().sqrt()) if run.model.with_level else None
    return SoundQuality(len(target), model, label, training, level_error)


def _parts(rows: range) -> list[list[int]]:
    return [list(rows[first : first + CHUNK]) for first in range(0, len(rows), CHUNK)]


def _encoded(run: SoundRun, library: Library, part: list[int]) -> tuple[Tensor, Tensor]:
    return run.representation.analyse(torch.from_numpy(np.array(library.audio[part])))


def _nearest(target: Tensor, values: Tensor) -> Tensor:
    """Squared distance of each target to the nearest of some training sounds, exact for the one that is nearest."""
    products = values.square().sum(1) - 2.0 * target @ values.T  # the target's own square changes no order
    return (target - values[products.argmin(1)]).square().sum(1)
