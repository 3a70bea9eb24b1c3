"""Stability of clusters in the latent space over maps and methods, compared with null models.

A single UMAP is not evidence: another seed moves the islands, and noise has islands too. The survey repeats the
thesis's recipe over seeds, adds HDBSCAN, which needs no radius, clusters the latents in their own space as well as on
the map, and does the same for the nulls of `synthvae.maps.nulls`: standard normal noise of the same shape, and
latents of collapsed encoders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthvae.core.checks import finite_matrix
from synthvae.core.errors import UserError
from synthvae.core.executor import compute_all
from synthvae.core.store import Store
from synthvae.maps.clusters import (
    ClusterQuality,
    MapSettings,
    cluster_quality,
    dbscan_labels,
    hdbscan_labels,
    knee_eps,
    silhouette,
)
from synthvae.maps.nulls import COLLAPSED, NOISE, Expected, expected_clusters
from synthvae.maps.projection import umap_map

__all__ = [
    "Clustering",
    "LatentSurvey",
    "NullClusters",
    "Range",
    "SpaceSurvey",
    "SurveyRow",
    "leads",
    "run_tasks",
    "survey_draws",
    "survey_latents",
]

SEEDS = (0, 1, 2)
MAP, SPACE = "UMAP map", "latent space"
METHODS = ("DBSCAN", "HDBSCAN")
#: Required margin over a null without an interval: the order of points alone moves a DBCV by hundredths, and noise
#: reaches 0.06 by chance.
MARGIN = 0.1
Progress = Callable[[str], object]
Found = TypeVar("Found")


Task = TypeVar("Task", bound=tuple[Any, ...])


@dataclass(frozen=True)
class Clustering:
    """One clustering of one set of points.

    Attributes:
        space: ``UMAP map`` or ``latent space``.
        method: ``DBSCAN`` or ``HDBSCAN``.
        seed: seed of the map; None in the latent space.
        eps: DBSCAN's radius, in the unit of the points; None for HDBSCAN.
        labels: shape (N,), cluster of each point from 0, or -1 for noise.
        quality: quality of the clustering.
        silhouette: mean silhouette of the points in clusters (`synthvae.maps.clusters.silhouette`), -1 to 1; None
            where there are no two clusters.
    """

    space: str
    method: str
    seed: int | None
    eps: float | None
    labels: NDArray[np.intp]
    quality: ClusterQuality
    silhouette: float | None


@dataclass(frozen=True)
class SpaceSurvey:
    """All clusterings of one set of points.

    Attributes:
        points: number of points.
        dimension: dimension of their space.
        seeds: seeds of the maps.
        maps: shape (N, 2) by seed.
        clusterings: both methods on each map and in the space; nulls have as many spaces as seeds.
        settings: settings of the maps and of DBSCAN on them.
    """

    points: int
    dimension: int
    seeds: tuple[int, ...]
    maps: dict[int, NDArray[np.float64]]
    clusterings: tuple[Clustering, ...]
    settings: MapSettings

    def of(self, space: str, method: str) -> tuple[Clustering, ...]:
        """The clusterings of one kind, by seed."""
        return tuple(c for c in self.clusterings if (c.space, c.method) == (space, method))


class Range(NamedTuple):
    """Lowest, middle and highest of some numbers."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class NullClusters:
    """Results of one kind of clustering on the maps of a null, and whether the latents exceed it.

    Attributes:
        clusters: number of clusters.
        noise_share: share of the points in no cluster.
        dbcv: DBCV over the maps that have one; None where none has.
        led: whether the DBCV of every map of the latents exceeds it (`leads`).
    """

    clusters: Expected
    noise_share: Expected
    dbcv: Expected | None
    led: bool


@dataclass(frozen=True)
class SurveyRow:
    """One kind of clustering, of the latents and of the nulls, over all seeds.

    Attributes:
        space: ``UMAP map`` or ``latent space``.
        method: ``DBSCAN`` or ``HDBSCAN``.
        clusters: number of clusters in the latents.
        noise_share: share of the latents in no cluster.
        dbcv: DBCV of the latents, over the seeds that have one; None where none has.
        nulls: the same of each null by its name.
        sentence: result in one sentence.
    """

    space: str
    method: str
    clusters: Range
    noise_share: Range
    dbcv: Range | None
    nulls: dict[str, NullClusters]
    sentence: str

    @property
    def beats_nulls(self) -> bool:
        """Whether every seed of the latents has a DBCV that exceeds every null."""
        return all(null.led for null in self.nulls.values())


@dataclass(frozen=True)
class LatentSurvey:
    """The latents and their nulls.

    Attributes:
        latents: all clusterings of the latents.
        noise: the same of standard normal noise of the same shape.
        collapsed: the same of the latents of collapsed encoders; None where there are none.
    """

    latents: SpaceSurvey
    noise: SpaceSurvey
    collapsed: SpaceSurvey | None = None

    def __post_init__(self) -> None:
        """Reject nulls of another shape or with other settings.

        Raises:
            ValueError: if one is.
        """
        own, *nulls = ((s.points, s.dimension, s.settings) for s in (self.latents, *self.nulls.values()))
        for null in nulls:
            if null != own:
                raise ValueError(
                    "a null is of {} points, {} dimensions and {}, not of {}, {} and {}".format(*null, *own)
                )

    @property
    def nulls(self) -> dict[str, SpaceSurvey]:
        """The nulls by name."""
        return {NOISE: self.noise} | ({} if self.collapsed is None else {COLLAPSED: self.collapsed})

    @property
    def rows(self) -> tuple[SurveyRow, ...]:
        """One row per space and method, the maps first."""
        return tuple(
            _row(self.latents.of(space, method), {name: null.of(space, method) for name, null in self.nulls.items()})
            for space in (MAP, SPACE)
            for method in METHODS
        )


def leads(dbcv: float | None, null: Expected | None) -> bool:
    """Whether a DBCV is above 0 and above the 95 % prediction interval of one more map of a null.

    Args:
        dbcv: DBCV of latents; None exceeds nothing.
        null: result of `expected`. Where fewer than two maps of it have a DBCV there is no interval, and its mean, or 0
            where none has one, must be exceeded by `MARGIN`.
    """
    if dbcv is None:
        return False
    if null is None or null.high is None:
        return dbcv >= MARGIN + max(0.0, 0.0 if null is None else null.mean)
    return dbcv > max(0.0, null.high)


def survey_latents(
    latents: ArrayLike,
    seeds: Sequence[int] = SEEDS,
    settings: MapSettings | None = None,
    workers: int = 1,
    progress: Progress = lambda what: None,
    store: Store | None = None,
) -> SpaceSurvey:
    """Cluster latents on maps of several seeds and in the space itself.

    On each map DBSCAN and HDBSCAN; in the latent space HDBSCAN, and DBSCAN with the radius of `knee_eps`, since no
    fixed one fits spaces of different dimension. Each with its DBCV.

    For 10,000 latents of 16 dimensions and three seeds a minute and a half on two cores, nearly all of it for the
    maps. The result is the same for any number of workers.

    Args:
        latents: shape (N, D), at least 4 points.
        seeds: seeds of the maps, all different.
        settings: settings of the maps and of DBSCAN on them; the thesis's by default.
        workers: number of worker processes; 1 computes in this process.
        progress: called with the finished step.
        store: cache of maps (`synthvae.maps.projection.umap_map`).

    Returns:
        All clusterings.

    Raises:
        ValueError: if `workers` is below 1.
        UserError: if there are fewer than 4 points, a value is not finite, a seed is missing or twice, or a worker
            was killed.
    """
    rows, settings = finite_matrix(latents, "latents"), settings or MapSettings()
    tasks = [_Task(f"map {seed} of latents", rows, seed, settings, store) for seed in seeds]
    return _survey([*tasks, _Task("the space of latents", rows, None, settings, store)], seeds, workers, progress)


def survey_draws(
    draws: Mapping[int, NDArray[np.float64]],
    name: str,
    settings: MapSettings | None = None,
    workers: int = 1,
    progress: Progress = lambda what: None,
    store: Store | None = None,
) -> SpaceSurvey:
    """Cluster several draws of a null, each on a separate map and in its space.

    Args:
        draws: shape (N, D) each, by the seed of its map; at least one.
        name: name of the null, for reports of progress.
        settings: as for `survey_latents`.
        workers: as for `survey_latents`.
        progress: as for `survey_latents`.
        store: as for `survey_latents`.

    Returns:
        All clusterings.

    Raises:
        ValueError: if `workers` is below 1.
        UserError: as `survey_latents`.
    """
    settings = settings or MapSettings()
    maps = [_Task(f"map {s} of {name} {s}", draw, s, settings, store) for s, draw in draws.items()]
    spaces = [_Task(f"the space of {name} {s}", draw, None, settings, store) for s, draw in draws.items()]
    return _survey([*maps, *spaces], list(draws), workers, progress)


class _Task(NamedTuple):
    """Task of one process: a map and its clusterings, or (seed None) the clusterings of the space."""

    name: str
    points: NDArray[np.float64]
    seed: int | None
    settings: MapSettings
    store: Store | None = None


def _survey(tasks: Sequence[_Task], seeds: Sequence[int], workers: int, progress: Progress) -> SpaceSurvey:
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError("seeds", list(seeds), "give at least one, all different")
    found = run_tasks(_compute, tasks, workers, progress)
    maps = {task.seed: points for task, (points, _) in zip(tasks, found, strict=True) if task.seed is not None}
    clusterings = tuple(clustering for _, found_there in found for clustering in found_there)
    n, dimension = tasks[0].points.shape
    return SpaceSurvey(n, dimension, tuple(seeds), maps, clusterings, tasks[0].settings)


def _compute(task: _Task) -> tuple[NDArray[np.float64], list[Clustering]]:
    """The points that are clustered, those of the map or of the space, and their clusterings."""
    settings, points = task.settings, task.points
    if task.seed is None:
        eps = knee_eps(points, settings.min_samples)
    else:
        points = umap_map(points, task.seed, settings.neighbours, settings.min_distance, task.store)
        eps = settings.eps
    labels = {
        "DBSCAN": dbscan_labels(points, eps, settings.min_samples),
        "HDBSCAN": hdbscan_labels(points, min_samples=settings.min_samples),
    }
    space, radius = SPACE if task.seed is None else MAP, {"DBSCAN": eps}
    return points, [
        Clustering(
            space, method, task.seed, radius.get(method), own, cluster_quality(points, own), silhouette(points, own)
        )
        for method, own in labels.items()
    ]


def run_tasks(compute: Callable[[Task], Found], tasks: Sequence[Task], workers: int, progress: Progress) -> list[Found]:
    """Compute every task, in several processes where `workers` is above 1.

    Args:
        compute: function of a task; the function's argument and result must be picklable.
        tasks: tuples that begin with a name, which is passed to `progress`.
        workers: number of worker processes; 1 computes in this process.
        progress: called with the finished step.

    Returns:
        Results in the order of the tasks.

    Raises:
        ValueError: if `workers` is below 1.
        UserError: if a worker was killed.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}, at least 1 is needed")
    finished = 0

    def done(task: Task) -> None:
        nonlocal finished
        finished += 1
        progress(f"{task[0]} ({finished} of {len(tasks)})")

    return compute_all(compute, tasks, workers, done)


def _row(latents: Sequence[Clustering], nulls: Mapping[str, Sequence[Clustering]]) -> SurveyRow:
    first, own = latents[0], [c.quality for c in latents]
    dbcv, clusters = _validity(own), _range([q.clusters for q in own])
    compared = {name: _null([c.quality for c in found], own) for name, found in nulls.items()}
    over = f" over {len(latents)} maps" if len(latents) > 1 else ""
    against = "; ".join(
        f"in the {name} {null.clusters.mean:.0f} with {_mean_words(null.dbcv)}" for name, null in compared.items()
    )
    sentence = (
        f"{first.method} on the {first.space} finds {_words(clusters, 0)} cluster(s){over} with "
        f"{_validity_words(dbcv, own)}; {against}. {_verdict(compared)}"
    )
    shares = _range([q.noise_share for q in own])
    return SurveyRow(first.space, first.method, clusters, shares, dbcv, compared, sentence)


def _null(found: Sequence[ClusterQuality], own: Sequence[ClusterQuality]) -> NullClusters:
    clusters, shares, dbcv = expected_clusters(found)
    assert clusters is not None  # there is at least one map
    assert shares is not None
    return NullClusters(clusters, shares, dbcv, all(leads(q.dbcv, dbcv) for q in own))


def _verdict(nulls: Mapping[str, NullClusters]) -> str:
    led = [name for name, null in nulls.items() if null.led]
    rest = [name for name in nulls if name not in led]
    if not rest:
        return f"The latents are clustered better than {' and '.join(f'the {name}' for name in led)}."
    better = f"better than the {led[0]} but " if led else ""
    return (
        f"The latents are {better}not clustered better than {' or '.join(f'the {name}' for name in rest)}: apparent "
        "clusters can be artefacts of the method."
    )


def _mean_words(dbcv: Expected | None) -> str:
    return "no DBCV" if dbcv is None else f"a mean DBCV of {dbcv.words}"


def _range(values: Sequence[float]) -> Range:
    return Range(float(min(values)), float(np.median(values)), float(max(values)))


def _validity(qualities: Sequence[ClusterQuality]) -> Range | None:
    values = [quality.dbcv for quality in qualities if quality.dbcv is not None]
    return _range(values) if values else None


def _words(values: Range, digits: int) -> str:
    low, high = (f"{round(value, digits) + 0.0:.{digits}f}" for value in (values.low, values.high))  # -0 is 0
    return low if low == high else f"{low} to {high}"


def _validity_words(dbcv: Range | None, qualities: Sequence[ClusterQuality]) -> str:
    return f"no DBCV ({qualities[0].reason})" if dbcv is None else f"a DBCV of {_words(dbcv, 2)}"
