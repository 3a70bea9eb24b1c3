"""Measurements of a run's sounds: reconstructions of test presets and prior samples, with null models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthvae.core.checks import LARGEST_SEED
from synthvae.core.errors import UserError
from synthvae.core.executor import on_threads
from synthvae.data.generation import SOURCES, draw_presets
from synthvae.data.presets import Dataset
from synthvae.features import Feature, build_feature
from synthvae.losses.terms import kl_divergence
from synthvae.metrics.reconstruction import Nulls, PresetErrors, concatenate, null_errors, preset_errors
from synthvae.metrics.waveforms import WaveformErrors, WaveformNulls, null_waveforms, waveform_errors
from synthvae.synths.rendering import render_all
from synthvae.training.run import Run

__all__ = [
    "FEATURE_UNITS",
    "MAPPED",
    "TRAIN_LIMIT",
    "ErrorTable",
    "RunMeasures",
    "TestMeasures",
    "TestSounds",
    "example_index",
    "measure_run",
    "measure_tests",
    "measure_train",
    "measure_train_nulls",
    "presets_to_map",
    "render_tests",
    "train_part",
]

#: The features that are compared, and the unit of their values.
FEATURE_UNITS = {"logmel": "dB", "stft": "magnitude", "mfcc": "coefficient", "cqt": "magnitude"}
BATCH = 64
#: Presets whose latents are mapped, as many as in the thesis (10 % of its 100,000 training presets): DBSCAN's radius
#: goes with the number of points, so fewer would not be comparable.
MAPPED = 10_000
#: Added to a dataset's seed for presets of the map that no split holds; above every seed that a dataset can have.
MAPPED_SEED = LARGEST_SEED + 1
#: Share of the training presets whose sounds are compared with those of their reconstructions, as in the thesis.
TRAIN_SHARE = 0.2
#: Training presets whose reconstructions are compared sound by sound, at most.
TRAIN_LIMIT = 500

Progress = Callable[[str], object]


@dataclass(frozen=True)
class TestSounds:
    """The test presets and their sounds.

    Attributes:
        unit: presets ``(N, P)``.
        numbers: their numbers in the dataset.
        audio: their sounds ``(N, T)``.
        mean_audio: the sound of the mean preset, 0.5 in every unit parameter, ``(1, T)``.
        features: the features by name.
        train_numbers: numbers of a part of the training presets.
        train_unit: those presets ``(M, P)``.
        train_audio: their sounds ``(M, T)``.
    """

    unit: Tensor
    numbers: range
    audio: Tensor
    mean_audio: Tensor
    features: dict[str, Feature]
    train_numbers: range
    train_unit: Tensor
    train_audio: Tensor

    @property
    def sample_rate(self) -> int:
        """Sample rate of the sounds, in Hz."""
        return self.features["logmel"].sample_rate


@dataclass(frozen=True)
class TestMeasures:
    """Measurements of the null models.

    Attributes:
        nulls: errors of the null models by feature.
        waveforms: the null models by phase-sensitive measures, and their levels.
    """

    nulls: dict[str, Nulls]
    waveforms: WaveformNulls


@dataclass(frozen=True)
class ErrorTable:
    """Errors of the reconstructions of some presets.

    Attributes:
        errors: errors of their sounds, by feature.
        parameter_error: squared L2 distance over all unit parameters, ``(N,)``.
    """

    errors: dict[str, PresetErrors]
    parameter_error: NDArray[np.float64]


@dataclass(frozen=True)
class RunMeasures(ErrorTable):
    """Errors of a run's reconstructions of the test presets, and its other measurements.

    Attributes:
        unit: reconstructed presets ``(N, P)``.
        kl: mean KL divergence of each latent dimension over the test presets, in nats.
        waveforms: the reconstructions by phase-sensitive measures, and their levels.
    """

    unit: Tensor
    kl: NDArray[np.float64]
    waveforms: WaveformErrors


def render_tests(voice: nn.Module, dataset: Dataset, limit: int) -> TestSounds:
    """Render test presets, and a part of the training presets.

    Args:
        voice: renders unit parameters as the dataset says.
        dataset: whose splits are used.
        limit: presets of each at most.

    Returns:
        The sounds, good for every run with the same parameters and settings.
    """
    numbers = dataset.indices("test")[:limit]
    unit = dataset.units(numbers)
    train_unit = dataset.split("train", train_part(dataset, limit))
    return TestSounds(
        unit,
        numbers,
        _render(voice, unit),
        _render(voice, torch.full_like(unit[:1], 0.5)),
        {name: build_feature(name, dataset.header.settings.sample_rate) for name in FEATURE_UNITS},
        dataset.indices("train")[: len(train_unit)],
        train_unit,
        _render(voice, train_unit),
    )


def train_part(dataset: Dataset, limit: int | None = None) -> int:
    """Training presets whose sounds are compared as a set: the first 20 %, at most `limit`."""
    part = max(int(TRAIN_SHARE * len(dataset.indices("train"))), 2)
    return part if limit is None else min(part, limit)


def example_index(numbers: range, example: int | None) -> int:
    """Index of the test preset that is shown for all runs.

    Args:
        numbers: numbers of the test presets in the dataset.
        example: number of one of them; the first by default, which no run has chosen.

    Returns:
        Its place among `numbers`.

    Raises:
        UserError: if it is none of them.
    """
    if example is None:
        return 0
    if example not in numbers:
        raise UserError(
            "example", example, f"give the number of a test preset that is measured, {numbers[0]} to {numbers[-1]}"
        )
    return numbers.index(example)


def measure_tests(sounds: TestSounds, seed: int, progress: Progress) -> TestMeasures:
    """Measure the null models.

    Args:
        sounds: what `render_tests` returned.
        seed: seed of the null models.
        progress: called with the current step.

    Returns:
        See `TestMeasures`.
    """
    nulls = _nulls(sounds, sounds.audio, seed, progress)
    progress("null models as waveforms")
    return TestMeasures(nulls, null_waveforms(sounds.audio, sounds.mean_audio, sounds.sample_rate, seed))


def measure_run(run: Run, sounds: TestSounds, progress: Progress) -> RunMeasures:
    """Measure one run on the test presets.

    Args:
        run: the run.
        sounds: what `render_tests` returned.
        progress: called with the current step.

    Returns:
        See `RunMeasures`.
    """
    with torch.inference_mode():
        mean, log_variance = run.model.encode(sounds.unit)
        kl = kl_divergence(mean, log_variance).double().mean(dim=0).numpy()
    unit = run.decode(mean)
    audio = _render(run.voice, unit)
    errors = _errors(sounds, sounds.audio, audio, progress)
    progress("waveforms")
    waveforms = waveform_errors(sounds.audio, audio, sounds.sample_rate)
    squared = (unit - sounds.unit).double().square().sum(dim=1).numpy()
    return RunMeasures(errors, squared, unit, kl, waveforms)


def measure_train_nulls(sounds: TestSounds, seed: int, progress: Progress) -> dict[str, Nulls]:
    """Errors of the null models on the first `TRAIN_LIMIT` training presets, by feature.

    Args:
        sounds: what `render_tests` returned.
        seed: seed of the null models.
        progress: called with the current step.
    """
    return _nulls(sounds, sounds.train_audio[:TRAIN_LIMIT], seed, progress)


def measure_train(run: Run, sounds: TestSounds, progress: Progress) -> ErrorTable:
    """Measure one run on the first `TRAIN_LIMIT` training presets.

    Args:
        run: the run.
        sounds: what `render_tests` returned.
        progress: called with the current step.
    """
    target = sounds.train_unit[:TRAIN_LIMIT]
    unit = run.decode(run.encode(target))
    errors = _errors(sounds, sounds.train_audio[:TRAIN_LIMIT], _render(run.voice, unit), progress)
    return ErrorTable(errors, (unit - target).double().square().sum(dim=1).numpy())


def presets_to_map(dataset: Dataset, count: int = MAPPED) -> Tensor:
    """The presets whose latents are mapped: the first of the training split, then further ones if it has fewer.

    The further ones are drawn as the dataset's own were, with a seed that no dataset can have (its own and
    `MAPPED_SEED`); synth1B1, which has no seed, goes on after the dataset's last sound. So they are in no split, and
    every run of a dataset is mapped with the same presets.

    Args:
        dataset: whose presets.
        count: how many.

    Returns:
        ``(count, P)`` float32 in [0, 1].

    Raises:
        UserError: if the training split has fewer and the source of its presets is unknown.
    """
    train, header = dataset.split("train", count), dataset.header
    missing = count - len(train)
    if not missing:
        return train
    if header.source not in SOURCES:
        raise UserError(
            dataset.path,
            dataset.path,
            f"give `map_presets` {len(train)}",
            f"has {len(train):,} training presets, and source {header.source!r} cannot be drawn from",
        )
    first = header.size if header.source == "synth1b1" else 0
    further = draw_presets(dataset.parameters, header.source, header.seed + MAPPED_SEED, first, missing)
    return torch.cat([train, torch.from_numpy(dataset.parameters.normalise(further).astype(np.float32))])


def _nulls(sounds: TestSounds, audio: Tensor, seed: int, progress: Progress) -> dict[str, Nulls]:
    """Errors of the null models on sounds ``(N, T)`` by feature."""
    nulls = {}
    for name, feature in sounds.features.items():
        progress(f"null models on {name}")
        nulls[name] = null_errors(_compute(feature, audio), _compute(feature, sounds.mean_audio)[0], seed, name)
    return nulls


def _errors(sounds: TestSounds, audio: Tensor, answers: Tensor, progress: Progress) -> dict[str, PresetErrors]:
    """Errors of answers ``(N, T)`` to sounds by feature."""
    errors = {}
    for name, feature in sounds.features.items():
        progress(f"errors on {name}")
        compare = partial(_compare, name, feature)
        errors[name] = concatenate(
            list(on_threads(compare, zip(audio.split(BATCH), answers.split(BATCH), strict=True)))
        )  # fmt: skip
    return errors


def _compare(name: str, feature: Feature, pair: tuple[Tensor, Tensor]) -> PresetErrors:
    return preset_errors(_compute(feature, pair[0]), _compute(feature, pair[1]), name)


def _render(voice: nn.Module, unit: Tensor) -> Tensor:
    return torch.cat(list(render_all(voice, unit, BATCH)))


def _compute(feature: Feature, audio: Tensor) -> NDArray[np.float32]:
    def compute(part: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = feature(part).numpy()
        return found

    features, done = np.empty(0, np.float32), 0
    for found in on_threads(compute, audio.split(BATCH)):
        if not done:  # all at once, since parts beside their whole are the most memory an analysis takes
            features = np.empty((len(audio), *found.shape[1:]), found.dtype)
        features[done : done + len(found)] = found
        done += len(found)
    return features
