"""Running cases: one run per case and seed; finished runs are skipped, interrupted ones resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from synthvae.core.errors import UserError
from synthvae.core.executor import report, run_tasks, stop_requested
from synthvae.data.generation import generate_dataset
from synthvae.data.presets import Dataset, read_dataset
from synthvae.experiments.cases import Case, dataset_size, scale_label, scaled
from synthvae.features import build_feature
from synthvae.losses import LOSSES
from synthvae.synths.base import Synth
from synthvae.synths.registry import DEFAULT, synth_kind
from synthvae.synths.rendering import build_synth
from synthvae.synths.sensitivity import compute_metric, effect_on_dataset, metric_path, write_metric
from synthvae.training.config import TrainConfig
from synthvae.training.run import read_description
from synthvae.training.settings import Settings
from synthvae.training.tasks.base import Task
from synthvae.training.tasks.presets import PresetTask
from synthvae.training.trainer import Interrupted, train

__all__ = ["Job", "dataset_and_voice", "is_done", "plan", "prepare_data", "run_jobs", "train_task"]

#: Of the presets; the same at every scale, so that a smaller dataset is the beginning of a larger one.
DATASET_SEED = 0
#: Presets whose Jacobians are averaged for the cases that want a metric.
METRIC_PRESETS = 2000


@dataclass(frozen=True)
class Job:
    """A run to make.

    Attributes:
        case: case of the job.
        scale: fraction of the thesis's presets.
        seed: seed of weights, order and posterior samples; the same one gives all cases of one network the same
            weights.
        config: the settings at the scale.
        directory: directory of the run.
    """

    case: Case
    scale: float
    seed: int
    config: TrainConfig
    directory: Path

    @property
    def label(self) -> str:
        """Label of the run."""
        return f"{self.case.name} seed {self.seed}"

    @property
    def epochs(self) -> int:
        """Maximum epochs of all phases."""
        return sum(phase.epochs for phase in self.config.phases)


class AnyJob(Protocol):
    """A run to make, of a task."""

    @property
    def label(self) -> str:
        """Label of the run."""

    @property
    def config(self) -> Settings:
        """The settings."""

    @property
    def directory(self) -> Path:
        """Of the run."""


SomeJob = TypeVar("SomeJob", bound=AnyJob)


def plan(
    cases: Sequence[Case], seeds: int, scale: float, out: Path, overrides: Mapping[str, Any] | None = None
) -> list[Job]:
    """The runs of some cases.

    Args:
        cases: the cases.
        seeds: how many of each, counted from 0.
        scale: fraction of the thesis's presets.
        out: runs are written to ``out/scale-S/CASE/seed-K``, the dataset in ``out/scale-S/dataset.json``.
        overrides: settings over the cases' own, such as the device.

    Returns:
        All cases with seed 0, then all with seed 1, and so on, so that a partial result has every case.

    Raises:
        UserError: for an invalid scale or number of seeds.
    """
    dataset_size(scale)
    if seeds < 1:
        raise UserError("seeds", seeds, "give 1 or more, and 3 or more for intervals")
    place = out / scale_label(scale)
    jobs = []
    for seed in range(seeds):
        for case in cases:
            config = scaled(case.config(place / "dataset.json", seed), scale)
            config = dataclasses.replace(config, **(overrides or {}))
            jobs.append(Job(case, scale, seed, config, place / case.name / f"seed-{seed}"))
    return jobs


def is_done(job: AnyJob) -> bool:
    """Whether there is a finished run with these settings."""
    if not (job.directory / "run.json").exists():
        return False
    document = read_description(job.directory)
    settings, wanted = document.get("config", {}), dataclasses.asdict(job.config)
    usual = {field.name: field.default for field in dataclasses.fields(job.config)}  # of settings newer than the run
    compared = [name for name in wanted if name not in ("data", "device")]
    same = all(settings.get(name, usual[name]) == wanted[name] for name in compared)
    return same and bool(document.get("state", {}).get("finished"))


def prepare_data(jobs: Sequence[Job], progress: Callable[[str, int, int], object]) -> Path:
    """Generate the dataset of the runs if missing, and its metric if a run needs one.

    Args:
        jobs: jobs of one scale.
        progress: called with the task, the amount done and the total.

    Returns:
        The dataset's file.

    Raises:
        UserError: if a file cannot be written, or is another dataset.
    """
    path = Path(jobs[0].config.data)
    size = dataset_size(jobs[0].scale)
    if not path.exists():
        generate_dataset(
            path, synth_kind(DEFAULT).space(), size, DATASET_SEED, progress=lambda done: progress("presets", done, size)
        )
    wanted = [p for job in jobs for p in job.config.phases if LOSSES[p.loss].needs_metric or p.network == "selective"]
    if not wanted or metric_path(path).exists():
        return path
    dataset = read_dataset(path)
    voice = build_synth(dataset.parameters, dataset.header.settings)
    feature = build_feature("logmel", dataset.header.settings.sample_rate)
    width = len(dataset.parameters)
    effect = effect_on_dataset(voice, feature, dataset, lambda done: progress("effects of parameters", done, width))
    count = min(METRIC_PRESETS, len(dataset.indices("train")))
    metric = compute_metric(
        voice,
        feature,
        dataset,
        effect,
        count,
        0,
        metric_path(path).with_suffix(".part"),
        lambda done: progress("perceptual metric", done, count),
    )
    write_metric(metric_path(path), metric)
    return path


def train_job(job: Job) -> None:
    """Make or finish one run, in this process.

    Raises:
        UserError: if it cannot be made.
    """
    dataset, voice = dataset_and_voice(Path(job.config.data))
    train_task(PresetTask(job.config, dataset, voice), job.directory, job.label)


def train_task(task: Task[Any], directory: Path, label: str) -> None:
    """Train or resume a run until it is done or a stop is requested; reports each epoch."""
    announced = False

    def on_step(epoch: int, step: int, steps: int) -> None:
        nonlocal announced
        if stop_requested() and not announced:
            announced = True
            signal.raise_signal(signal.SIGINT)  # the trainer ends after this step, and saves

    with contextlib.suppress(Interrupted):
        train(task, directory, resume=True, on_step=on_step, on_epoch=lambda row: report(label, int(row["epoch"]) + 1))


def run_jobs(
    jobs: Sequence[SomeJob],
    workers: int,
    on_epochs: Callable[[str, int], object] = lambda label, epochs: None,
    on_done: Callable[[SomeJob], object] = lambda job: None,
    train_one: Callable[[Any], None] = train_job,
) -> None:
    """Train every run.

    Args:
        jobs: unfinished runs; interrupted ones are resumed.
        workers: processes at once.
        on_epochs: called with a run's label and the epochs it has done.
        on_done: called with each run that is finished.
        train_one: makes one of them.

    Raises:
        UserError: naming the runs that could not be made, after all others are.
        Stopped: after Ctrl-C; what was done is kept.
    """
    failed = run_tasks(train_one, jobs, workers, on_epochs, on_done)
    if failed:
        lines = "; ".join(f"{job.label}: {error}" for job, error in failed)
        raise UserError("runs", [job.label for job, _ in failed], lines, f"{len(failed)} of {len(jobs)} failed")


@lru_cache(maxsize=1)
def dataset_and_voice(path: Path) -> tuple[Dataset, Synth]:
    """The dataset and its synth, cached in the process."""
    dataset = read_dataset(path)
    return dataset, build_synth(dataset.parameters, dataset.header.settings)
