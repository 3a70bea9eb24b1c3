"""Clusters of the latent maps of runs, and of their nulls, shared by runs of one network and radius.

Results are cached next to the dataset by what they depend on, so a report with one more run maps only that one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from synthvae.analysis.sounds import presets_to_map
from synthvae.core.executor import report, stop_requested
from synthvae.experiments.runner import Job, dataset_and_voice
from synthvae.maps.clusters import ClusterQuality, MapSettings, map_latents
from synthvae.maps.nulls import COLLAPSED, NOISE, Expected, collapsed_encoder, expected_clusters, noise_draws
from synthvae.maps.projection import map_store
from synthvae.models import parse_architecture
from synthvae.training.run import Run

__all__ = ["MapNull", "NullTask", "by_radius", "case_clusters", "measure_null", "plan_nulls", "read_null_maps"]

#: Raised when a map is made in another way.
VERSION = 1
SEED = 0


@dataclass(frozen=True)
class MapNull:
    """Clusters of the maps of one null.

    Attributes:
        name: name of the null.
        widths: widths of the collapsed encoder; for noise only the last, the latent size, is used.
        eps: DBSCAN's radius.
        qualities: quality of the clusters of each map, by seed.
    """

    name: str
    widths: tuple[int, ...]
    eps: float
    qualities: tuple[ClusterQuality, ...]

    @property
    def label(self) -> str:
        """The null and what it was measured with."""
        network = f" {'-'.join(map(str, self.widths))}" if self.name == COLLAPSED else ""
        return f"{self.name}{network}, eps {self.eps:g}"

    @property
    def expected(self) -> tuple[Expected | None, Expected | None, Expected | None]:
        """Number of clusters, share of the points in none, and DBCV over the maps that have one."""
        return expected_clusters(self.qualities)

    @property
    def dbcv(self) -> Expected | None:
        """Over the maps that have one."""
        return self.expected[2]


class NullTask(NamedTuple):
    """One map of a null, to be clustered with every radius that a report needs."""

    data: Path
    name: str
    widths: tuple[int, ...]
    seed: int
    presets: int
    radii: tuple[float, ...]


def case_clusters(job: Job, run: Run, presets: int) -> ClusterQuality:
    """Quality of the clusters on a run's map, with the radius of its case.

    Args:
        job: the run's.
        run: the run.
        presets: how many are mapped (`synthvae.analysis.sounds.presets_to_map`).

    Raises:
        UserError: if there are not as many presets.
    """
    data = Path(job.config.data)
    dataset, _ = dataset_and_voice(data)

    def compute() -> ClusterQuality:
        latents = run.encode(presets_to_map(dataset, presets)).double().numpy()
        return map_latents(latents, SEED, MapSettings(job.case.eps), map_store(data)).quality

    weights = hashlib.sha256((job.directory / "weights.safetensors").read_bytes()).hexdigest()
    inputs = [VERSION, dataset.hash, weights, presets, job.case.eps, SEED]
    return map_store(data).get(ClusterQuality, "clusters", inputs, compute)


def plan_nulls(jobs: Sequence[Job], presets: int, seeds: int) -> list[NullTask]:
    """The maps of nulls that the runs of a report are compared with, each once.

    Args:
        jobs: the runs, of one scale.
        presets: how many are mapped.
        seeds: maps of each null.
    """
    radii: dict[tuple[str, tuple[int, ...]], set[float]] = {}
    for job in jobs:
        for kind in _kinds(job):
            radii.setdefault(kind, set()).add(job.case.eps)
    data = Path(jobs[0].config.data)
    return [
        NullTask(data, name, widths, seed, presets, tuple(sorted(of_kind)))
        for (name, widths), of_kind in radii.items()
        for seed in range(seeds)
    ]


def measure_null(task: NullTask) -> None:
    """Map a null and cluster it unless cached; for a process pool.

    Args:
        task: the map.

    Raises:
        UserError: if the dataset cannot be read, or the result cannot be written.
    """
    if not stop_requested():
        for eps in task.radii:
            _quality(task, eps)
        report(f"{task.name}, seed {task.seed}", 1)


def read_null_maps(jobs: Sequence[Job], presets: int, seeds: int) -> dict[str, dict[str, MapNull]]:
    """The nulls of each case by its name, then by that of the null; missing ones are computed here.

    Args:
        jobs: as for `plan_nulls`.
        presets: as for `plan_nulls`.
        seeds: as for `plan_nulls`.
    """
    tasks = plan_nulls(jobs, presets, seeds)
    found: dict[str, dict[str, MapNull]] = {}
    for job in jobs:
        if job.case.name in found:
            continue
        eps = job.case.eps
        found[job.case.name] = {
            name: MapNull(
                name, widths, eps,
                tuple(_quality(task, eps) for task in tasks if (task.name, task.widths) == (name, widths)),
            )
            for name, widths in _kinds(job)
        }  # fmt: skip
    return found


def _kinds(job: Job) -> list[tuple[str, tuple[int, ...]]]:
    """The nulls of a run: noise of its latent size, and a collapsed encoder of its widths."""
    dataset, _ = dataset_and_voice(Path(job.config.data))
    widths = parse_architecture(job.config.architecture, len(dataset.parameters), job.config.latent)
    return [(NOISE, widths[-1:]), (COLLAPSED, widths)]


def _quality(task: NullTask, eps: float) -> ClusterQuality:
    dataset, _ = dataset_and_voice(task.data)
    own = [] if task.name == NOISE else [dataset.hash]
    store = map_store(task.data)

    def compute() -> ClusterQuality:
        if task.name == NOISE:
            latents = noise_draws(task.presets, task.widths[-1], [task.seed])[task.seed]
        else:
            unit = presets_to_map(dataset, task.presets)
            latents = collapsed_encoder(unit, task.widths, task.seed, store=store).latents
        return map_latents(latents, task.seed, MapSettings(eps), store).quality

    inputs = [VERSION, task.name, *task.widths, task.seed, task.presets, *own, eps]
    return store.get(ClusterQuality, "null-clusters", inputs, compute)


def by_radius(nulls: Mapping[str, Mapping[str, MapNull]], cases: Sequence[str]) -> dict[str, MapNull]:
    """The nulls of some cases by their label, each once, in the order of the radius."""
    every = {null.label: null for case in cases for null in nulls.get(case, {}).values()}
    return dict(sorted(every.items(), key=lambda pair: (pair[1].eps, pair[1].name != NOISE)))
