"""Results of an analysis, as read by the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from synthvae.analysis.distributions import EmbeddedTests, RunAudioDistances
from synthvae.analysis.latent_space import Movement, Neighbourhoods
from synthvae.analysis.map_grid import GridCell
from synthvae.analysis.sounds import ErrorTable, RunMeasures, TestMeasures, TestSounds
from synthvae.audio.pitch import Measured
from synthvae.maps.stability import LatentSurvey
from synthvae.metrics.reconstruction import Nulls
from synthvae.training.run import Run

__all__ = ["DistanceTable", "ExplainedVariance", "Latents", "Results", "RunResults", "Views"]


#: Distances of sounds to their targets by name (`synthvae.metrics.distances.DISTANCES`), one per preset with whether it
#: is defined.
DistanceTable: TypeAlias = dict[str, Measured]


@dataclass(frozen=True)
class Latents:
    """Latents of presets.

    Attributes:
        test: posterior means of the test presets ``(N, D)``.
        mapped: posterior means of the presets that are mapped ``(M, D)`` (`synthvae.analysis.sounds.presets_to_map`).
    """

    test: NDArray[np.float64]
    mapped: NDArray[np.float64]


@dataclass(frozen=True)
class ExplainedVariance:
    """Share of the variance on a map of the two first principal components; null where there is no map.

    Attributes:
        latents: share of the test presets.
        normal_noise: share of standard normal noise of the same shape.
    """

    latents: float | None
    normal_noise: float | None


@dataclass(frozen=True)
class Views:
    """Maps of the latents of the test presets.

    Attributes:
        maps: ``(N, 2)`` by name of the method; empty where there are too few presets.
        explained: share of the variance that the map of PCA shows; None also where there is none.
    """

    maps: dict[str, NDArray[np.float64]]
    explained: ExplainedVariance


@dataclass(frozen=True)
class RunResults:
    """Measurements of one run.

    Attributes:
        run: the run.
        sounds: errors of its reconstructions and Fréchet distances.
        train_sounds: errors of the reconstructions of training presets.
        distances: distances of the reconstructions of test presets.
        train_distances: distances of the reconstructions of training presets.
        latents: where presets lie.
        survey: clusters of the mapped latents, beside noise.
        neighbourhoods: whether near latents sound near.
        movement: along paths, and of each parameter alone.
        sets: distances of its sets of sounds, by embedding.
        views: maps of the test presets.
        grids: clusters of the latents and of each null over a grid of settings, by name; empty unless asked for.
        collapsed_kl: divergence in nats that the collapsed encoders have left, by seed.
    """

    run: Run
    sounds: RunMeasures
    train_sounds: ErrorTable
    distances: DistanceTable
    train_distances: DistanceTable
    latents: Latents
    survey: LatentSurvey
    neighbourhoods: Neighbourhoods
    movement: Movement
    sets: Mapping[str, RunAudioDistances]
    views: Views
    grids: Mapping[str, tuple[GridCell, ...]]
    collapsed_kl: Mapping[int, float]

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.run.name


@dataclass(frozen=True)
class Results:
    """Measurements of all runs and of the null models.

    Attributes:
        tests: the test sounds.
        nulls: what needs no model.
        train_nulls: errors of the null models on training presets, by feature.
        null_distances: distances of the mean preset, of a random preset and of silence, by name.
        embedded: the test sounds in each embedding, by its name.
        descriptors: descriptors of the test sounds ``(N, K)``, columns as of `synthvae.audio.descriptors.DESCRIPTORS`.
        names: names of the test sounds (`synthvae.naming`), N.
        sound_map: places of the first test sounds by their spectrograms (`synthvae.analysis.sound_map`), ``(K, 2)``.
        mapped: presets whose latents are mapped ``(M, P)``, the same for every run.
        runs: measurements of each run.
    """

    tests: TestSounds
    nulls: TestMeasures
    train_nulls: Mapping[str, Nulls]
    null_distances: Mapping[str, DistanceTable]
    embedded: Mapping[str, EmbeddedTests]
    descriptors: NDArray[np.float64]
    names: list[str]
    sound_map: NDArray[np.float64]
    mapped: Tensor
    runs: tuple[RunResults, ...]

    def title(self, index: int) -> str:
        """Name of a test sound with the number of its preset: ``bright pluck, A3 (preset 1204)``."""
        return f"{self.names[index]} (preset {self.tests.numbers[index]})"
