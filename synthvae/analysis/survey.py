"""Does the latent space have clusters? Several maps, two methods, the space itself, and noise beside all of it.

One UMAP picture is an anecdote: another seed moves the islands, and noise has islands too. The survey repeats the
thesis's recipe over seeds, adds HDBSCAN, which needs no radius, clusters the latents where they live as well as on
the map, and does the same to standard normal noise of the same shape.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthvae.analysis.checks import finite_matrix
from synthvae.analysis.latent import (
    EPS,
    MIN_SAMPLES,
    ClusterQuality,
    cluster_quality,
    dbscan_labels,
    hdbscan_labels,
    knee_eps,
    umap_map,
)
from synthvae.errors import UserError

__all__ = ["Clustering", "LatentSurvey", "Range", "SpaceSurvey", "SurveyRow", "survey_latents", "survey_noise"]

SEEDS = (0, 1, 2)
MAP, SPACE = "UMAP map", "latent space"
METHODS = ("DBSCAN", "HDBSCAN")
#: Lead over noise that counts: the order of points alone moves a DBCV by hundredths, and noise reaches 0.06 by chance.
MARGIN = 0.1
Progress = Callable[[str], object]


@dataclass(frozen=True)
class Clustering:
    """One clustering of one set of points.

    Attributes:
        space: ``UMAP map`` or ``latent space``.
        method: ``DBSCAN`` or ``HDBSCAN``.
        seed: of the map; None in the latent space.
        eps: DBSCAN's radius, in the unit of the points; None for HDBSCAN.
        labels: shape (N,), cluster of each point from 0, or -1 for noise.
        quality: what it is worth.
    """

    space: str
    method: str
    seed: int | None
    eps: float | None
    labels: NDArray[np.intp]
    quality: ClusterQuality


@dataclass(frozen=True)
class SpaceSurvey:
    """All clusterings of one set of points.

    Attributes:
        points: how many there are.
        dimension: of their space.
        seeds: of the maps.
        maps: shape (N, 2) by seed.
        clusterings: both methods on each map and in the space; noise has as many spaces as seeds.
    """

    points: int
    dimension: int
    seeds: tuple[int, ...]
    maps: dict[int, NDArray[np.float64]]
    clusterings: tuple[Clustering, ...]

    def of(self, space: str, method: str) -> tuple[Clustering, ...]:
        """The clusterings of one kind, by seed."""
        return tuple(c for c in self.clusterings if (c.space, c.method) == (space, method))


class Range(NamedTuple):
    """Lowest, middle and highest of some numbers."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class SurveyRow:
    """One kind of clustering, of the latents and of noise, over all seeds.

    Attributes:
        space: ``UMAP map`` or ``latent space``.
        method: ``DBSCAN`` or ``HDBSCAN``.
        clusters: how many in the latents.
        noise_share: share of the latents in no cluster.
        dbcv: of the latents, over the seeds that have one; None where none has.
        null_clusters: how many in noise.
        null_noise_share: share of noise in no cluster.
        null_dbcv: of noise, over the seeds that have one; None where none has.
        beats_noise: whether every seed of the latents has a DBCV that leads 0 and every seed of noise by `MARGIN`.
        sentence: the result in plain words.
    """

    space: str
    method: str
    clusters: Range
    noise_share: Range
    dbcv: Range | None
    null_clusters: Range
    null_noise_share: Range
    null_dbcv: Range | None
    beats_noise: bool
    sentence: str


@dataclass(frozen=True)
class LatentSurvey:
    """The latents and noise of the same shape.

    Attributes:
        latents: all clusterings of the latents.
        noise: the same of standard normal noise.
    """

    latents: SpaceSurvey
    noise: SpaceSurvey

    @property
    def rows(self) -> tuple[SurveyRow, ...]:
        """One row per space and method, the maps first."""
        return tuple(
            _row(self.latents.of(space, method), self.noise.of(space, method))
            for space in (MAP, SPACE)
            for method in METHODS
        )


def survey_latents(
    latents: ArrayLike,
    seeds: Sequence[int] = SEEDS,
    eps: float = EPS,
    workers: int = 1,
    progress: Progress = lambda what: None,
    noise: SpaceSurvey | None = None,
) -> LatentSurvey:
    """Cluster latents, and noise of the same shape, on maps of several seeds and in the space itself.

    On each map DBSCAN (radius `eps`) and HDBSCAN; in the latent space HDBSCAN, and DBSCAN with the radius of
    `knee_eps`, since no fixed one fits spaces of different dimension. Each with its DBCV.

    For 10,000 latents of 16 dimensions and three seeds some three minutes on two cores, nearly all of it for the maps.
    The result is the same for any number of workers.

    Args:
        latents: shape (N, D), at least 4 points.
        seeds: of the maps, all different.
        eps: radius of DBSCAN on the maps.
        workers: processes at once; 1 computes here.
        progress: told what has been done.
        noise: the noise of an earlier survey with the same shape, seeds and `eps`, instead of computing it again.

    Returns:
        Everything that was found.

    Raises:
        ValueError: if `noise` has another shape, other seeds or another radius, or `workers` is below 1.
        UserError: if there are fewer than 4 points, a value is not finite, a seed is missing or twice, or a worker
            was killed.
    """
    rows = finite_matrix(latents, "latents")
    n, d = rows.shape
    _check_seeds(seeds)
    if noise is not None:
        given = (noise.points, noise.dimension, noise.seeds, noise.of(MAP, "DBSCAN")[0].eps)
        if given != (n, d, tuple(seeds), eps):
            raise ValueError(f"noise is of (points, dimension, seeds, eps) {given}, not {(n, d, tuple(seeds), eps)}")
    tasks = _tasks(rows, "latents", seeds, eps)
    if noise is None:
        tasks += _noise_tasks(n, d, seeds, eps)
    found = _run(tasks, workers, progress)
    if noise is None:
        noise = _assemble(n, d, seeds, found[len(seeds) + 1 :])
    return LatentSurvey(_assemble(n, d, seeds, found[: len(seeds) + 1]), noise)


def survey_noise(
    n: int,
    dimension: int,
    seeds: Sequence[int] = SEEDS,
    eps: float = EPS,
    workers: int = 1,
    progress: Progress = lambda what: None,
) -> SpaceSurvey:
    """The null alone, to be shared by surveys of latents of one shape.

    Each seed is a draw of its own, the one of `synthvae.analysis.latent.noise_null` with the same seed, clustered on
    its map and in its space.

    Args:
        n: points, at least 4.
        dimension: of the latents.
        seeds: of the maps and of the noise.
        eps: radius of DBSCAN on the maps.
        workers: processes at once; 1 computes here.
        progress: told what has been done.

    Returns:
        All clusterings of noise.

    Raises:
        ValueError: if `workers` is below 1.
        UserError: if n is below 4, a seed is missing or twice, or a worker was killed.
    """
    _check_seeds(seeds)
    return _assemble(n, dimension, seeds, _run(_noise_tasks(n, dimension, seeds, eps), workers, progress))


class _Task(NamedTuple):
    """What one process does: a map and its clusterings, or (seed None) the clusterings of the space."""

    name: str
    points: NDArray[np.float64]
    seed: int | None
    eps: float


class _Found(NamedTuple):
    seed: int | None
    map: NDArray[np.float64] | None
    clusterings: tuple[Clustering, ...]


def _tasks(points: NDArray[np.float64], name: str, seeds: Sequence[int], eps: float) -> list[_Task]:
    maps = [_Task(f"map {seed} of {name}", points, seed, eps) for seed in seeds]
    return [*maps, _Task(f"the space of {name}", points, None, eps)]


def _noise_tasks(n: int, dimension: int, seeds: Sequence[int], eps: float) -> list[_Task]:
    draws = {seed: np.random.default_rng(seed).standard_normal((n, dimension)) for seed in seeds}
    both = [_tasks(draw, f"noise {seed}", [seed], eps) for seed, draw in draws.items()]
    return [pair[0] for pair in both] + [pair[1] for pair in both]


def _compute(task: _Task) -> _Found:
    if task.seed is None:
        return _Found(None, None, _cluster(task.points, SPACE, None, knee_eps(task.points)))
    points = umap_map(task.points, task.seed)
    return _Found(task.seed, points, _cluster(points, MAP, task.seed, task.eps))


def _cluster(points: NDArray[np.float64], space: str, seed: int | None, eps: float) -> tuple[Clustering, ...]:
    labels = {"DBSCAN": dbscan_labels(points, eps, MIN_SAMPLES), "HDBSCAN": hdbscan_labels(points)}
    return tuple(
        Clustering(space, m, seed, eps if m == "DBSCAN" else None, labels[m], cluster_quality(points, labels[m]))
        for m in METHODS
    )


def _run(tasks: list[_Task], workers: int, progress: Progress) -> list[_Found]:
    """Results in the order of the tasks."""
    if workers < 1:
        raise ValueError(f"workers is {workers}, at least 1 is needed")
    found: dict[int, _Found] = {}

    def done(index: int, result: _Found) -> None:
        found[index] = result
        progress(f"{tasks[index].name} ({len(found)} of {len(tasks)})")

    if workers == 1:
        for index, task in enumerate(tasks):
            done(index, _compute(task))
    else:
        context = multiprocessing.get_context("spawn")  # a fork would inherit the locks of running threads
        with ProcessPoolExecutor(min(workers, len(tasks)), context) as pool:
            futures = {pool.submit(_compute, task): index for index, task in enumerate(tasks)}
            try:
                for future in as_completed(futures):
                    done(futures[future], future.result())
            except BrokenProcessPool:
                raise UserError(
                    "survey: a process was killed, most likely for want of memory; use one worker or fewer latents"
                ) from None
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [found[index] for index in range(len(tasks))]


def _assemble(n: int, dimension: int, seeds: Sequence[int], found: Sequence[_Found]) -> SpaceSurvey:
    maps = {part.seed: part.map for part in found if part.seed is not None and part.map is not None}
    clusterings = tuple(clustering for part in found for clustering in part.clusterings)
    return SpaceSurvey(n, dimension, tuple(seeds), maps, clusterings)


def _check_seeds(seeds: Sequence[int]) -> None:
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError(f"survey: seeds are {list(seeds)}; give at least one, all different")


def _row(latents: Sequence[Clustering], noise: Sequence[Clustering]) -> SurveyRow:
    first = latents[0]
    own, null = [c.quality for c in latents], [c.quality for c in noise]
    dbcv, null_dbcv = _validity(own), _validity(null)
    clusters, null_clusters = (_range([q.clusters for q in part]) for part in (own, null))
    bar = max(0.0, null_dbcv.high if null_dbcv is not None else 0.0)
    beats = dbcv is not None and all(q.dbcv is not None for q in own) and dbcv.low >= bar + MARGIN
    verdict = (
        "The latents are clustered better than noise."
        if beats
        else "The latents are not clustered better than noise: what looks like clusters is the method's doing."
    )
    over = f" over {len(latents)} maps" if len(latents) > 1 else ""
    sentence = (
        f"{first.method} on the {first.space} finds {_words(clusters, 0)} cluster(s){over} with "
        f"{_validity_words(dbcv, own)}; in normal noise of the same shape {_words(null_clusters, 0)} with "
        f"{_validity_words(null_dbcv, null)}. {verdict}"
    )
    shares, null_shares = (_range([q.noise_share for q in part]) for part in (own, null))
    return SurveyRow(
        first.space,
        first.method,
        clusters,
        shares,
        dbcv,
        null_clusters,
        null_shares,
        null_dbcv,
        beats,
        sentence,
    )


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
