"""Measures of each run, stored next to its weights, and of the nulls, stored next to the dataset."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from torch import Tensor

from synthvae.analysis.distributions import embed_sounds
from synthvae.analysis.sounds import BATCH, TestSounds, measure_run, measure_tests, render_tests
from synthvae.core.errors import UserError
from synthvae.core.executor import report, stop_requested
from synthvae.core.files import atomic_write
from synthvae.core.json import read_record
from synthvae.data.presets import Dataset
from synthvae.experiments.maps import case_clusters
from synthvae.experiments.runner import Job, dataset_and_voice
from synthvae.maps.clusters import ClusterQuality
from synthvae.metrics.embeddings import build_embedding
from synthvae.metrics.frechet import FrechetDistance, GaussianStatistics, frechet_distance, frechet_floor
from synthvae.metrics.waveforms import WAVEFORM_UNITS
from synthvae.synths.rendering import render_all
from synthvae.training.run import Run, load_run

__all__ = ["REMEDY", "CaseMeasures", "NullMeasures", "is_current", "measure_job", "read_case", "read_nulls"]
__all__ += ["write_json"]

#: Raised when what is measured changes; older files are measured again.
VERSION = 2
SEED = 0
MEASURES, NULLS = "measures.json", "nulls.json"
REMEDY = "remove it to have it measured again"
PerPreset = dict[str, list[float]]


@dataclass(frozen=True)
class CaseMeasures:
    """All measures of one run that the tables use.

    Attributes:
        key: key of the weights, the presets and the version of the measures; another key is measured again.
        epochs: epochs of its last phase, as the thesis counts those of experiment 3.
        best_epoch: the one of these whose weights were kept, from 1; 0 where those of the phase before were.
        finished: why training ended.
        seconds: duration of the training in seconds.
        mse: mean squared error of each test preset by feature, in the feature's unit squared.
        l1: mean absolute error of each test preset by feature.
        waveforms: phase-sensitive measures of each test preset, and of its level
            (`synthvae.metrics.waveforms.WaveformErrors`).
        parameter: squared parameter error of each test preset.
        fad_test: Fréchet distance of reconstructions of test presets, log-mel embedding; None where there are too few.
        fad_train: the same of training presets.
        fad_prior: distance of draws of the prior to the test sounds.
        kl: mean KL divergence of each latent dimension over the test presets, in nats.
        map: clusters of the latent map (`synthvae.maps.clusters.ClusterQuality`).
    """

    key: str
    epochs: int
    best_epoch: int
    finished: str
    seconds: float
    mse: PerPreset
    l1: PerPreset
    waveforms: PerPreset
    parameter: list[float]
    fad_test: float | None
    fad_train: float | None
    fad_prior: float | None
    kl: list[float]
    map: dict[str, Any]


@dataclass(frozen=True)
class NullMeasures:
    """Measures of the null models on the same test presets.

    Attributes:
        key: key of the presets and the version of the measures.
        presets: test presets.
        mse: mean squared error of each preset by feature, of each null model.
        l1: mean absolute error, likewise.
        waveforms: phase-sensitive measures, and of the level, of each preset by measure and null model.
        fad_floor: Fréchet distance between two halves of the test sounds; None where there are too few.
        fad_mean_preset: distance of the mean preset for every target.
        parameter: squared parameter error of each preset for the constant answer 0.5.
    """

    key: str
    presets: int
    mse: dict[str, PerPreset]
    l1: dict[str, PerPreset]
    waveforms: dict[str, PerPreset]
    fad_floor: float | None
    fad_mean_preset: float | None
    parameter: list[float]


def measure_job(task: tuple[Job, int, int]) -> None:
    """Measure a finished run and the nulls unless stored; for a process pool.

    Args:
        task: the run, how many test presets to use at most, and how many presets to map.

    Raises:
        UserError: if the run or its dataset cannot be read.
    """
    job, limit, mapped = task
    if stop_requested():
        return
    data = Path(job.config.data)
    dataset, _ = dataset_and_voice(data)
    nulls_path = data.with_name(NULLS)
    run = load_run(job.directory, needs="parameters")
    run.require_own_dataset(dataset)
    key = _key(dataset, limit, (job.directory / "weights.safetensors").read_bytes(), job.case.eps, mapped)
    nulls_key = _key(dataset, limit)
    if not is_current(NullMeasures, nulls_path, nulls_key):
        write_json(nulls_path, dataclasses.asdict(_nulls(nulls_key, _tests(data, limit))))
    if not is_current(CaseMeasures, job.directory / MEASURES, key):
        case = _case(key, run, _tests(data, limit), case_clusters(job, run, mapped))
        write_json(job.directory / MEASURES, dataclasses.asdict(case))
    report(job.label, 1)


def read_case(job: Job) -> CaseMeasures:
    """The measures of a run, from its directory."""
    return read_record(CaseMeasures, job.directory / MEASURES, REMEDY)


def read_nulls(job: Job) -> NullMeasures:
    """The nulls of a run's dataset."""
    return read_record(NullMeasures, Path(job.config.data).with_name(NULLS), REMEDY)


def is_current(kind: type[Any], path: Path, key: str) -> bool:
    """Whether a file holds measures with this key; damaged ones are measured again."""
    try:
        return bool(read_record(kind, path, REMEDY).key == key)
    except UserError:
        return False


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document of plain values; numbers have nine significant digits."""
    atomic_write(path, orjson.dumps(_rounded(document)))


def _rounded(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _key(dataset: Dataset, limit: int, weights: bytes = b"", eps: float = 0.0, mapped: int = 0) -> str:
    text = f"{VERSION} {dataset.hash} {limit} {SEED} {eps} {mapped}"
    return hashlib.sha256(text.encode() + weights).hexdigest()[:32]


class _Tests(NamedTuple):
    """The test sounds and a part of the training sounds, and both in the log-mel embedding."""

    sounds: TestSounds
    test: NDArray[np.float64]
    train: NDArray[np.float64]

    def embed(self, audio: Iterable[Tensor]) -> NDArray[np.float64]:
        return _embed(audio, self.sounds.sample_rate)

    def embed_presets(self, run: Run, unit: Tensor) -> NDArray[np.float64]:
        return self.embed(render_all(run.voice, unit, BATCH))


def _embed(audio: Iterable[Tensor], sample_rate: int) -> NDArray[np.float64]:
    return embed_sounds(build_embedding("logmel", sample_rate), audio, sample_rate, lambda done: None)


@lru_cache(maxsize=1)
def _tests(data: Path, limit: int) -> _Tests:
    dataset, voice = dataset_and_voice(data)
    sounds = render_tests(voice, dataset, limit)
    rows = (_embed(audio.split(BATCH), sounds.sample_rate) for audio in (sounds.audio, sounds.train_audio))
    return _Tests(sounds, *rows)


def _nulls(key: str, tests: _Tests) -> NullMeasures:
    names = ("mean_preset", "mean_spectrogram", "random_preset")
    sounds, measured = tests.sounds, measure_tests(tests.sounds, SEED, lambda what: None)
    constant = np.repeat(tests.embed([sounds.mean_audio]), len(tests.test), axis=0)
    return NullMeasures(
        key,
        len(sounds.unit),
        {f: {n: getattr(nulls, n).mse.tolist() for n in names} for f, nulls in measured.nulls.items()},
        {f: {n: getattr(nulls, n).l1.tolist() for n in names} for f, nulls in measured.nulls.items()},
        {
            measure: {name: getattr(found, measure).tolist() for name, found in vars(measured.waveforms).items()}
            for measure in WAVEFORM_UNITS
        },
        _defined(lambda: frechet_floor(tests.test, SEED)),
        _frechet(tests.test, constant),
        (sounds.unit.double() - 0.5).square().sum(dim=1).tolist(),
    )


def _case(key: str, run: Run, tests: _Tests, clusters: ClusterQuality) -> CaseMeasures:
    state, measured = run.state, measure_run(run, tests.sounds, lambda what: None)
    return CaseMeasures(
        key,
        *_epochs(state),
        str(state["finished"]),
        float(state["seconds"]),
        {feature: errors.mse.tolist() for feature, errors in measured.errors.items()},
        {feature: errors.l1.tolist() for feature, errors in measured.errors.items()},
        {name: values.tolist() for name, values in vars(measured.waveforms).items()},
        measured.parameter_error.tolist(),
        _frechet(tests.test, tests.embed_presets(run, measured.unit)),
        _frechet(tests.train, tests.embed_presets(run, run.decode(run.encode(tests.sounds.train_unit)))),
        _frechet(tests.test, tests.embed_presets(run, run.sample(len(tests.sounds.unit), SEED))),
        measured.kl.tolist(),
        dataclasses.asdict(clusters),
    )


def _epochs(state: Mapping[str, Any]) -> tuple[int, int]:
    """Epochs of the last phase, and the best of them from 1; 0 where the phase before had the best."""
    before = int(state["phase_start"])
    return int(state["epoch"]) - before, max(0, int(state["best_epoch"]) + 1 - before)


def _frechet(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    return _defined(lambda: frechet_distance(GaussianStatistics.of(first), GaussianStatistics.of(second)))


def _defined(measure: Callable[[], FrechetDistance]) -> float | None:
    with contextlib.suppress(UserError):  # too few sounds
        return measure().value
    return None
