"""Morphs between recorded sounds: by transport of spectra, through a run's latent space, or as a blend in dB."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.errors import UserError, choose_one
from synthvae.exploration.morph import MOST_STEPS
from synthvae.exploration.recorded_sounds import SourceSound
from synthvae.exploration.transport import SILENT, morph_transform
from synthvae.metrics.morphs import MorphFigures, morph_figures
from synthvae.training.sounds import SoundRun

__all__ = [
    "NULL",
    "SOUND_WAYS",
    "LatentLine",
    "SoundMorph",
    "SoundPath",
    "blend_in_decibels",
    "check_way",
    "morph_sounds",
]

#: Ways of morphing; the first is the default.
SOUND_WAYS = ("transport", "latent", "blend")
#: Null model for the other ways.
NULL = "blend"

Floats = NDArray[np.float32]


class SoundPath(Protocol):
    """A path from one sound, at 0, to another, at 1: every position has a sound ``(T,)``."""

    def __call__(self, position: float) -> Floats:
        """The sound at a position."""


Maker = Callable[[Floats, Floats], SoundPath]


@dataclass(frozen=True)
class SoundMorph:
    """Steps through given sounds, and figures of each segment.

    Attributes:
        sounds: sounds of the steps, ``(T,)`` each, at their own levels.
        positions: positions of the steps: 0 at the first sound, 1 at the second, and so on.
        figures: figures of the segment from each sound to the next; of the chosen way and of the null, by name.
    """

    sounds: list[Floats]
    positions: NDArray[np.float64]
    figures: list[dict[str, MorphFigures]]


@dataclass(frozen=True)
class LatentLine:
    """The straight line between the latents of two sounds, decoded.

    Attributes:
        model: the run.
        start: latents ``(N, D)`` of the first sound; N is 1 except for networks that encode frames.
        end: latents of the second sound.
        condition: condition ``(1, K)``.
        samples: length T in samples; that of the library where None.
    """

    model: SoundRun
    start: Tensor
    end: Tensor
    condition: Tensor
    samples: int | None = None

    def latents(self, position: float) -> Tensor:
        """Latents ``(N, D)`` at a position."""
        return self.start + position * (self.end - self.start)

    def __call__(self, position: float) -> Floats:
        """The sound ``(T,)`` at a position; the ends are reconstructions."""
        return np.asarray(self.model.decode(self.latents(position), self.condition, self.samples)[0].numpy())


def blend_in_decibels(first: Floats, second: Floats, sample_rate: int) -> SoundPath:
    """Magnitudes between those of two sounds, cell by cell in dB, with phases by heap integration.

    This is the null model of a morph, a plain cross-fade of both sounds. Cells 80 dB below the loudest are
    silent. The shorter sound is followed by silence; the ends are returned unchanged.
    """
    from synthvae.features.inversion import recover  # numba

    transform, samples = morph_transform(sample_rate), max(len(first), len(second))
    ends = torch.stack([torch.from_numpy(np.pad(end, (0, samples - len(end)))) for end in (first, second)])
    sizes = transform.forward(ends, -(-samples // transform.hop) + 1).abs()
    levels = sizes.clamp_min(SILENT**0.5 * float(sizes.max()) or 1.0).log()

    def path(position: float) -> Floats:
        if position in (0.0, 1.0):
            return np.asarray(ends[int(position)].numpy())
        return np.asarray(
            recover(torch.lerp(levels[0], levels[1], position).exp()[None], transform, samples)[0].numpy()
        )

    return path


def check_way(way: str) -> None:
    """Reject an unknown way between recorded sounds.

    Raises:
        UserError: naming the known ways.
    """
    if way not in SOUND_WAYS:
        raise UserError("way", way, choose_one(way, SOUND_WAYS), why="between recorded sounds")


def morph_sounds(
    sources: Sequence[SourceSound],
    steps: int,
    sample_rate: int,
    way: Maker,
    name: str,
    progress: Callable[[int], object] = lambda done: None,
) -> SoundMorph:
    """Morph through sounds in their order, by steps of equal position, and measure each segment.

    Args:
        sources: N sounds at the sample rate, at least two.
        steps: number of steps S, at least N and at most 128.
        sample_rate: sample rate in Hz.
        way: function that returns the path between two sounds ``(T,)``.
        name: name of the way, in the figures.
        progress: called with the number of steps done.

    Raises:
        UserError: for too few or too many steps.
    """
    if not len(sources) <= steps <= MOST_STEPS:
        raise UserError("steps", steps, f"give at least {len(sources)}, one for each sound, and at most {MOST_STEPS}")
    longest = max(source.audio.shape[1] for source in sources)
    audio = [np.pad(source.audio[0].numpy(), (0, longest - source.audio.shape[1])) for source in sources]
    positions = np.linspace(0.0, len(sources) - 1.0, steps)
    legs = np.minimum(positions.astype(int), len(sources) - 2)
    sounds: list[Floats] = []
    figures = []
    for leg, ends in enumerate(itertools.pairwise(audio)):
        inside = (positions[legs == leg] - leg).tolist()
        measured = {}
        makers: dict[str, Maker] = {NULL: partial(blend_in_decibels, sample_rate=sample_rate), name: way}
        for label, make in makers.items():
            path = cache(make(*ends))
            measured[label] = morph_figures([path(at) for at in sorted({0.0, *inside, 1.0})], path(0.5), sample_rate)
            if label == name:
                sounds += map(path, inside)
                progress(len(sounds))
        figures.append(measured)
    return SoundMorph(sounds, positions, figures)
