"""Measuring one run: what it makes of test presets, of the prior, and what its latent space looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthvae.analysis.frechet import (
    FrechetDistance,
    GaussianStatistics,
    frechet_distance,
    frechet_floor,
    logmel_embedding,
)
from synthvae.analysis.latent import EPS, LatentMap, map_latents, noise_null
from synthvae.analysis.reconstruction import Nulls, PresetErrors, concatenate, null_errors, preset_errors
from synthvae.errors import UserError
from synthvae.features import Feature, build_feature
from synthvae.generation import render_all
from synthvae.losses.terms import kl_divergence
from synthvae.presets.dataset import Dataset
from synthvae.training.run_directory import Run

__all__ = ["FEATURE_UNITS", "Frechet", "RunMeasures", "TestSounds", "measure_run", "render_targets"]

#: The features that are compared, and the unit of their values.
FEATURE_UNITS = {"logmel": "dB", "stft": "magnitude", "mfcc": "coefficient", "cqt": "magnitude"}
BATCH = 64
#: Latents mapped at least, where there are so many; the study maps 10 % of the training split.
LEAST_LATENTS = 500
#: Of the training presets, whose sounds are compared with their reconstructions' as the study did.
TRAIN_SHARE = 0.2

Progress = Callable[[str], object]


@dataclass(frozen=True)
class TestSounds:
    """The test presets, their sounds, and what every run is compared with.

    Attributes:
        unit: presets ``(N, P)``.
        numbers: their numbers in the dataset.
        audio: their sounds ``(N, T)``.
        mean_audio: the sound of the mean preset, 0.5 in every unit parameter, ``(1, T)``.
        features: the features by name.
        nulls: errors of the null models by feature.
        embedding: log-mel embedding of the sounds.
        floor: Fréchet distance between two halves of them, or why there is none.
        mean_preset_distance: Fréchet distance of the mean preset, answered every time.
        train_unit: a part of the training presets ``(M, P)``.
        train_embedding: log-mel embedding of their sounds.
    """

    unit: Tensor
    numbers: range
    audio: Tensor
    mean_audio: Tensor
    features: dict[str, Feature]
    nulls: dict[str, Nulls]
    embedding: NDArray[np.float64]
    floor: Frechet
    mean_preset_distance: Frechet
    train_unit: Tensor
    train_embedding: NDArray[np.float64]


@dataclass(frozen=True)
class Frechet:
    """A Fréchet distance, or the reason for its absence.

    Attributes:
        distance: None where there are too few sounds.
        reason: in words, empty where there is a distance.
    """

    distance: FrechetDistance | None
    reason: str = ""


@dataclass(frozen=True)
class RunMeasures:
    """Everything measured of one run.

    Attributes:
        name: of the run.
        audio: reconstructions ``(N, T)``.
        unit: reconstructed presets ``(N, P)``.
        errors: of the reconstructions, by feature.
        parameter_error: squared L2 distance over all unit parameters, ``(N,)``.
        prior_audio: sounds ``(N, T)`` of as many draws of the prior.
        reconstruction_distance: Fréchet distance of the reconstructions to the test sounds.
        train_distance: the same for the part of the training presets.
        prior_distance: Fréchet distance of the prior's sounds to the test sounds.
        kl: mean KL divergence of each latent dimension over the test presets, in nats.
        latents: posterior means of the training presets that are mapped.
        map: their map, clusters and DBCV.
        noise: the same of standard normal noise.
    """

    name: str
    audio: Tensor
    unit: Tensor
    errors: dict[str, PresetErrors]
    parameter_error: NDArray[np.float64]
    prior_audio: Tensor
    reconstruction_distance: Frechet
    train_distance: Frechet
    prior_distance: Frechet
    kl: NDArray[np.float64]
    latents: NDArray[np.float64]
    map: LatentMap
    noise: LatentMap


def render_targets(voice: nn.Module, dataset: Dataset, limit: int, seed: int, progress: Progress) -> TestSounds:
    """Render test presets and measure the null models.

    Args:
        voice: renders unit parameters as the dataset says.
        dataset: whose test split is used.
        limit: presets at most.
        seed: of the null models.
        progress: told what is being done.

    Returns:
        The sounds and the nulls, good for every run with the same parameters and settings.
    """
    numbers = dataset.indices("test")[:limit]
    unit = dataset.unit[numbers.start : numbers.stop]
    progress("rendering test presets")
    audio = torch.cat(list(render_all(voice, unit, BATCH)))
    mean_audio = next(iter(render_all(voice, torch.full_like(unit[:1], 0.5))))
    features = {name: build_feature(name, dataset.header.settings.sample_rate) for name in FEATURE_UNITS}
    nulls = {}
    for name, feature in features.items():
        progress(f"null models on {name}")
        nulls[name] = null_errors(_compute(feature, audio), _compute(feature, mean_audio)[0], seed, name)
    embedding = _embed(features["logmel"], audio)
    constant = np.repeat(_embed(features["logmel"], mean_audio), len(embedding), axis=0)
    progress("rendering training presets")
    train = dataset.split("train")
    train_unit = train[: min(limit, max(int(TRAIN_SHARE * len(train)), 2))]
    return TestSounds(
        unit,
        numbers,
        audio,
        mean_audio,
        features,
        nulls,
        embedding,
        _try(lambda: frechet_floor(embedding, seed)),
        _distance(embedding, constant),
        train_unit,
        _embed_presets(voice, features["logmel"], train_unit),
    )


def measure_run(
    run: Run, dataset: Dataset, test: TestSounds, seed: int, progress: Progress, eps: float = EPS
) -> RunMeasures:
    """Measure one run against the test sounds.

    Args:
        run: the run.
        dataset: whose training presets are mapped.
        test: from `render_targets`.
        seed: of prior, map and noise.
        progress: told what is being done.
        eps: radius of the clustering (`synthvae.analysis.latent.dbscan_labels`).

    Returns:
        See `RunMeasures`.
    """
    progress("rendering reconstructions")
    with torch.inference_mode():
        mean, log_variance = run.model.encode(test.unit)
        kl = kl_divergence(mean, log_variance).double().mean(dim=0).numpy()
    unit = run.decode(mean)
    audio = torch.cat(list(render_all(run.voice, unit, BATCH)))
    errors = {}
    for name, feature in test.features.items():
        progress(f"errors on {name}")
        errors[name] = concatenate(
            [
                preset_errors(_compute(feature, target), _compute(feature, answer), name)
                for target, answer in zip(test.audio.split(BATCH), audio.split(BATCH), strict=True)
            ]
        )
    progress("rendering prior samples")
    prior_audio = torch.cat(list(render_all(run.voice, run.sample(len(unit), seed), BATCH)))
    logmel = test.features["logmel"]
    progress("rendering training reconstructions")
    train_embedding = _embed_presets(run.voice, logmel, run.decode(run.encode(test.train_unit)))
    progress("mapping latents")
    latents = run.encode(_to_map(dataset)).double().numpy()
    mapped = map_latents(latents, seed, eps=eps)
    progress("mapping noise")
    return RunMeasures(
        run.path.name,
        audio,
        unit,
        errors,
        (unit - test.unit).double().square().sum(dim=1).numpy(),
        prior_audio,
        _distance(test.embedding, _embed(logmel, audio)),
        _distance(test.train_embedding, train_embedding),
        _distance(test.embedding, _embed(logmel, prior_audio)),
        kl,
        latents,
        mapped,
        _noise(len(latents), latents.shape[1], seed, eps),
    )


@lru_cache(maxsize=4)
def _noise(n: int, dimension: int, seed: int, eps: float) -> LatentMap:
    """The map of noise, which runs of one size share."""
    return noise_null(n, dimension, seed, eps=eps)


def _to_map(dataset: Dataset) -> Tensor:
    train = dataset.split("train")
    return train[: max(len(train) // 10, min(len(train), LEAST_LATENTS))]


def _compute(feature: Feature, audio: Tensor) -> NDArray[np.float32]:
    with torch.inference_mode():
        return np.concatenate([feature(part).numpy() for part in audio.split(BATCH)])


def _embed_presets(voice: nn.Module, logmel: Feature, unit: Tensor) -> NDArray[np.float64]:
    """As `_embed`, without keeping the sounds."""
    return np.concatenate([_embed(logmel, audio) for audio in render_all(voice, unit, BATCH)])


def _embed(logmel: Feature, audio: Tensor) -> NDArray[np.float64]:
    parts: Iterable[NDArray[np.float64]] = (logmel_embedding(_compute(logmel, part)) for part in audio.split(BATCH))
    return np.concatenate(list(parts))


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> Frechet:
    return _try(lambda: frechet_distance(GaussianStatistics.of(first, "test"), GaussianStatistics.of(second, "other")))


def _try(measure: Callable[[], FrechetDistance]) -> Frechet:
    try:
        return Frechet(measure())
    except UserError as error:
        return Frechet(None, str(error))
