"""Sensitivity of clusters to settings: the same latents over a grid of DBSCAN's eps and UMAP's n_neighbors.

The thesis says (section 6.2) that UMAP and DBSCAN are sensitive to their settings; a grid says how sensitive, and the
nulls at the same settings say whether there are any at which the latents lead them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthvae.core.store import Store
from synthvae.maps.clusters import ClusterQuality, MapSettings, cluster_quality, dbscan_labels
from synthvae.maps.projection import umap_map
from synthvae.maps.stability import run_tasks

__all__ = ["GRID_EPS", "GRID_NEIGHBOURS", "GridCell", "grid_settings", "measure_grid"]

#: The thesis's values lie in the middle.
GRID_EPS = (0.02, 0.03, 0.04, 0.05, 0.08, 0.16)
GRID_NEIGHBOURS = (15, 50, 200)


@dataclass(frozen=True)
class GridCell:
    """The clusters at one cell of the grid.

    Attributes:
        settings: settings of map and clusters.
        qualities: cluster quality, map by map.
    """

    settings: MapSettings
    qualities: tuple[ClusterQuality, ...]


def grid_settings(settings: MapSettings) -> list[list[MapSettings]]:
    """The grid around some settings, which are in it: a list for each number of neighbours, with every radius."""
    radii = sorted({*GRID_EPS, settings.eps})
    neighbours = sorted({*GRID_NEIGHBOURS, settings.neighbours})
    return [[replace(settings, eps=eps, neighbours=k) for eps in radii] for k in neighbours]


def measure_grid(
    draws: Mapping[int, NDArray[np.float64]],
    name: str,
    settings: MapSettings,
    workers: int = 1,
    progress: Callable[[str], object] = lambda what: None,
    store: Store | None = None,
) -> tuple[GridCell, ...]:
    """Map and cluster at every cell of the grid, neighbours by neighbours; one map serves all radii.

    Args:
        draws: latents ``(N, D)`` by the seed of their map.
        name: name of the points, for messages on progress.
        settings: settings at the centre of the grid.
        workers: processes at once.
        progress: called with the finished step.
        store: store of maps (`synthvae.maps.projection.umap_map`).

    Raises:
        UserError: as `synthvae.maps.stability.survey_latents`.
    """
    grid = grid_settings(settings)
    tasks = [
        _Task(f"{name} {seed}, {row[0].neighbours} neighbours", latents, seed, row, store)
        for row in grid
        for seed, latents in draws.items()
    ]
    found = run_tasks(_compute, tasks, workers, progress)
    cells = []
    for number, row in enumerate(grid):
        of_row = found[number * len(draws) : (number + 1) * len(draws)]
        cells += [GridCell(s, tuple(qualities[i] for qualities in of_row)) for i, s in enumerate(row)]
    return tuple(cells)


class _Task(NamedTuple):
    """A map and the settings with which it is clustered."""

    name: str
    latents: NDArray[np.float64]
    seed: int
    settings: Sequence[MapSettings]
    store: Store | None


def _compute(task: _Task) -> list[ClusterQuality]:
    first = task.settings[0]
    points = umap_map(task.latents, task.seed, first.neighbours, first.min_distance, task.store)
    return [cluster_quality(points, dbscan_labels(points, s.eps, s.min_samples)) for s in task.settings]
