"""Fréchet distances of runs in pretrained embeddings, on the sets of sounds that the thesis compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from torch import Tensor

from synthvae.analysis.sounds import BATCH, train_part
from synthvae.core.executor import report, stop_requested
from synthvae.core.store import Store
from synthvae.experiments.runner import Job, dataset_and_voice
from synthvae.metrics.embeddings import Embedding, build_embedding
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance
from synthvae.synths.rendering import render_all
from synthvae.training.run import load_run

__all__ = [
    "EmbeddingDistances",
    "Reference",
    "RunDistances",
    "SetComparison",
    "measure_reference",
    "measure_run_distances",
    "plan_comparison",
    "read_distances",
]

#: Raised when what is measured changes; older results are measured again.
VERSION = 1


@dataclass(frozen=True)
class SetComparison:
    """Which sets of sounds are compared, and in which embeddings.

    Attributes:
        fingerprints: fingerprints of the weights of each embedding, by its name.
        weights_dir: folder with the weights.
        limit: sounds of each set at most; None for all test presets and 20 % of the training presets, as in the thesis.
    """

    fingerprints: Mapping[str, str]
    weights_dir: Path | None
    limit: int | None


@dataclass(frozen=True)
class Reference:
    """The sounds of the dataset in one embedding, and the nulls.

    Attributes:
        test: the test sounds.
        train: the sounds of the first 20 % of the training presets.
        test_sounds: how many test sounds.
        train_sounds: how many training sounds.
        floor: distance between these two sets, which differ only by chance; in the usual splits their sizes are equal.
        mean_preset: distance of the mean preset for every target, to the test sounds.
        mean_preset_train: the same to the training sounds.
    """

    test: GaussianStatistics
    train: GaussianStatistics
    test_sounds: int
    train_sounds: int
    floor: float
    mean_preset: float
    mean_preset_train: float


@dataclass(frozen=True)
class RunDistances:
    """Fréchet distances of one run in one embedding.

    Attributes:
        test: distance of the reconstructions of the test presets to the test sounds.
        train: distance of the reconstructions of the training presets of `Reference.train` to their sounds.
    """

    test: float
    train: float


@dataclass(frozen=True)
class EmbeddingDistances:
    """All runs in one embedding.

    Attributes:
        reference: the sounds of the dataset.
        runs: distances by case name and seed.
        fingerprint: fingerprint of the weights.
    """

    reference: Reference
    runs: Mapping[tuple[str, int], RunDistances]
    fingerprint: str


def plan_comparison(
    jobs: Sequence[Job], embeddings: Iterable[str], weights_dir: Path | None, limit: int | None
) -> SetComparison:
    """Load every embedding once, so that a missing or broken file of weights is known before anything is measured.

    Args:
        jobs: runs of one scale.
        embeddings: names of `EMBEDDINGS`; ``logmel`` is measured of every run in any case and left out here.
        weights_dir: folder with the weights.
        limit: sounds of each set at most.

    Raises:
        UserError: if there is no such embedding, or its weights are missing or cannot be used.
    """
    dataset, _ = dataset_and_voice(Path(jobs[0].config.data))
    rate = dataset.header.settings.sample_rate
    names = [name for name in dict.fromkeys(embeddings) if name != "logmel"]
    return SetComparison(
        {name: build_embedding(name, rate, weights_dir).fingerprint for name in names}, weights_dir, limit
    )


def measure_reference(task: tuple[Path, str, SetComparison]) -> None:
    """Embed the sounds of a dataset unless cached; for a process pool.

    Args:
        task: the dataset, the embedding and the comparison.

    Raises:
        UserError: if sounds cannot be embedded, or the result cannot be written.
    """
    data, name, comparison = task
    if not stop_requested():
        _reference(data, name, comparison)
        report(f"sounds in {name}", 1)


def measure_run_distances(task: tuple[Job, SetComparison]) -> None:
    """Measure a finished run in every embedding unless cached; for a process pool.

    Args:
        task: the run and the comparison.

    Raises:
        UserError: if the run cannot be read, sounds cannot be embedded, or the result cannot be written.
    """
    job, comparison = task
    for name in comparison.fingerprints:
        if stop_requested():
            return
        report(f"{job.label} in {name}", 1)
        _run_distances(job, name, comparison)


def read_distances(jobs: Sequence[Job], comparison: SetComparison) -> dict[str, EmbeddingDistances]:
    """Distances of runs by embedding; missing ones are computed here.

    Args:
        jobs: runs of one scale.
        comparison: as it was measured.
    """
    return {
        name: EmbeddingDistances(
            _reference(Path(jobs[0].config.data), name, comparison),
            {(job.case.name, job.seed): _run_distances(job, name, comparison) for job in jobs},
            fingerprint,
        )
        for name, fingerprint in comparison.fingerprints.items()
    }


def _reference(data: Path, name: str, comparison: SetComparison) -> Reference:
    dataset, voice = dataset_and_voice(data)
    rate = dataset.header.settings.sample_rate
    test_unit, train_unit = _sets(data, comparison.limit)

    def compute() -> Reference:
        embedding = _embedding(name, rate, comparison.weights_dir)
        test, train = (_gaussian(embedding, render_all(voice, unit, BATCH), rate) for unit in (test_unit, train_unit))
        middle = test_unit.new_full((1, test_unit.shape[1]), 0.5)
        rows = np.concatenate([embedding.embed(audio, rate) for audio in render_all(voice, middle, BATCH)])
        constant = GaussianStatistics.of(np.tile(rows, (2, 1)), name)
        sizes = (len(test_unit), len(train_unit))
        return Reference(
            test, train, *sizes, *(_distance(*pair) for pair in ((test, train), (test, constant), (train, constant)))
        )

    return _store(data).get(Reference, f"sounds-{name}", _inputs(data, name, comparison), compute)


def _run_distances(job: Job, name: str, comparison: SetComparison) -> RunDistances:
    data = Path(job.config.data)
    weights = hashlib.sha256((job.directory / "weights.safetensors").read_bytes()).hexdigest()

    def compute() -> RunDistances:
        run, reference = load_run(job.directory, needs="parameters"), _reference(data, name, comparison)
        embedding = _embedding(name, run.settings.sample_rate, comparison.weights_dir)
        test, train = (
            _gaussian(embedding, render_all(run.voice, run.decode(run.encode(unit)), BATCH), run.settings.sample_rate)
            for unit in _sets(data, comparison.limit)
        )
        return RunDistances(_distance(reference.test, test), _distance(reference.train, train))

    return _store(data).get(RunDistances, f"run-{name}", [*_inputs(data, name, comparison), weights], compute)


def _sets(data: Path, limit: int | None) -> tuple[Tensor, Tensor]:
    """Test presets and training presets ``(N, P)``."""
    dataset, _ = dataset_and_voice(data)
    return dataset.split("test", limit), dataset.split("train", train_part(dataset, limit))


def _inputs(data: Path, name: str, comparison: SetComparison) -> list[object]:
    dataset, _ = dataset_and_voice(data)
    return [VERSION, dataset.hash, comparison.limit, comparison.fingerprints[name]]


def _store(data: Path) -> Store:
    return Store(data.parent / ".cache")


@lru_cache(maxsize=2)
def _embedding(name: str, sample_rate: int, weights_dir: Path | None) -> Embedding:
    """An embedding, cached in the process."""
    return build_embedding(name, sample_rate, weights_dir)


def _gaussian(embedding: Embedding, audio: Iterable[Tensor], sample_rate: int) -> GaussianStatistics:
    return GaussianStatistics.of(np.concatenate([embedding.embed(part, sample_rate) for part in audio]), embedding.name)


def _distance(first: GaussianStatistics, second: GaussianStatistics) -> float:
    return frechet_distance(first, second, allow_small=True).value
