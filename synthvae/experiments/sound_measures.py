"""Measures of each run on recorded sounds, stored next to its weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from synthvae.analysis.recorded_sounds import (
    COMPARED,
    channel_accuracies,
    click_crests,
    decode_sounds,
    latent_use,
    spread_rows,
)
from synthvae.analysis.sound_sets import PICTURE
from synthvae.core.executor import report
from synthvae.core.json import read_record
from synthvae.data.library import Library, read_library
from synthvae.experiments.measures import REMEDY, is_current, write_json
from synthvae.experiments.recorded_sounds import SoundJob
from synthvae.exploration.sound_morphs import blend_in_decibels
from synthvae.features import log_mel
from synthvae.metrics.bins import BINS, Bins
from synthvae.metrics.embeddings.logmel import logmel_embedding
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance
from synthvae.metrics.logmel_distance import consecutive
from synthvae.training.run import load_run
from synthvae.training.sound_quality import sound_errors
from synthvae.training.sounds import PRIORS, SoundRun
from synthvae.training.tasks.spectrogram import CHUNK, conditions

__all__ = ["SoundCaseMeasures", "measure_sounds_job", "read_sounds_case", "unevenness_by_distance"]

#: Raised when what is measured changes; older files are measured again.
VERSION = 3
MEASURES = "measures.json"
#: Training sounds that sets are compared with, at most; and of the range of a published mel spectrogram, in dB.
REFERENCE, RANGE = 1000, 80.0
#: Pairs of test sounds that paths are measured between, and steps of each.
PAIRS, STEPS = 40, 8


@dataclass(frozen=True)
class SoundCaseMeasures:
    """All measures of one run that the tables use.

    Attributes:
        key: key of what was measured.
        steps: number of training steps up to the best epoch.
        share: squared error of test spectrograms as a share of that of their mean.
        class_mean: the same of the mean of the label.
        nearest: the same of the nearest training sound.
        kl: KL divergence in nats per latent dimension, mean over test sounds; 0 for an autoencoder without one.
        active: share of the latent dimensions that are active.
        bins: statistically different bins of 50 of spectrograms: of `test` sounds, `reconstructions` and draws from
            each distribution of latents; empty where spectrograms are not mel ones or training sounds too few.
        frechet: Fréchet distance of the same sets to the training sounds, in the log-mel embedding of spectrograms.
        accuracy: published accuracy in percent, of `both`, `magnitude` and `phase`; empty for mel spectrograms.
        zero_phase: the same of the exact magnitude with a phase of zero.
        error: mean squared error of a value of a test spectrogram, of the `model` and of the `mean` spectrogram; values
            are from 0 to 1 where the representation is bounded.
        unevenness: rank correlation of the distance between latents and the unevenness of the path from one to the
            other, through the `latent` space and as a `blend` of the sounds, from `unevenness_by_distance`; empty where
            no dimension is active, and latents say nothing about sounds.
        crest: click crest of `originals`, those with `griffin_lim`, and `reconstructions`; empty for mel spectrograms,
            whose sounds have a phase by Griffin-Lim.
    """

    key: str
    steps: int
    share: float
    class_mean: float
    nearest: float
    kl: float
    active: float
    bins: Mapping[str, float]
    frechet: Mapping[str, float]
    accuracy: Mapping[str, float]
    zero_phase: Mapping[str, float]
    crest: Mapping[str, float]
    error: Mapping[str, float]
    unevenness: Mapping[str, float]


def measure_sounds_job(job: SoundJob) -> None:
    """Measure a run, unless it has been measured since it was trained."""
    library = read_library(Path(job.config.data))
    model = SoundRun(load_run(job.directory, needs="sounds"))
    key = f"{VERSION}-{model.run.weights_hash}-{library.hash}"
    if not is_current(SoundCaseMeasures, job.directory / MEASURES, key):
        with torch.inference_mode():
            write_json(job.directory / MEASURES, dataclasses.asdict(_measure(model, library, key)))
    report(job.label, 1)


def read_sounds_case(job: SoundJob) -> SoundCaseMeasures:
    """The stored measures of a run."""
    return read_record(SoundCaseMeasures, job.directory / MEASURES, REMEDY)


def _measure(model: SoundRun, library: Library, key: str) -> SoundCaseMeasures:
    errors = sound_errors(model, library, "test")
    quality, size = errors.quality(), math.prod(model.representation.shape)
    tests = list(library.rows("test"))
    use = latent_use(model, library, tests)
    bins, frechet = _sets(model, library, tests) if model.representation.bounded else ({}, {})
    compared = spread_rows(tests, COMPARED)
    accuracies = channel_accuracies(model, library, compared)
    crest = None
    if accuracies is not None:
        audio = torch.from_numpy(np.array(library.audio[compared]))
        crest = click_crests(model, audio, decode_sounds(model, library, compared))
    epoch = model.config.epoch_steps or -(-len(library.rows("train")) // model.config.batch_size)
    share, class_mean, nearest = (
        np.nan if ratio.value is None else ratio.value for ratio in (quality.model, quality.class_mean, quality.nearest)
    )
    return SoundCaseMeasures(
        key,
        (int(model.run.state["best_epoch"]) + 1) * epoch,
        share,
        class_mean,
        nearest,
        float(np.mean(use.kl_divergence)) if use.kl_divergence else 0.0,
        use.active / len(use.variance),
        bins,
        frechet,
        {} if accuracies is None else vars(accuracies.model),
        {} if accuracies is None else vars(accuracies.zero_phase),
        {} if crest is None else {name: value for name, value in vars(crest).items() if name != "sounds"},
        {"model": float(errors.model.mean()) / size, "mean": float(errors.mean.mean()) / size},
        unevenness_by_distance(model, library, tests) if use.active else {},
    )


def unevenness_by_distance(model: SoundRun, library: Library, tests: list[int], seed: int = 0) -> dict[str, float]:
    """Whether paths between sounds are less even the further apart their latents are.

    Args:
        model: a run whose sounds have one latent each.
        library: its library.
        tests: numbers of the sounds that pairs are drawn from, at least three.
        seed: seed of the pairs.

    Returns:
        Spearman's rank correlation over `PAIRS` pairs between the distance of their latents and the unevenness of eight
        equal steps, the largest difference of log-mel spectrograms over their mean: of the path through the `latent`
        space, and of the `blend` in dB of the two sounds, which needs no model.
    """
    draw = np.random.default_rng(seed)
    pairs = [draw.choice(len(tests), 2, replace=False) for _ in range(PAIRS)]
    latents, rate = model.library_latents(library, tests), library.sample_rate
    every = conditions(library, model.config.condition)
    positions = torch.linspace(0.0, 1.0, STEPS + 1)
    distances, found = [], {"latent": list[float](), "blend": list[float]()}
    for first, second in pairs:
        start, end = (np.array(library.audio[tests[number]]) for number in (first, second))
        path = torch.lerp(latents[first], latents[second], positions[:, None])
        blend = blend_in_decibels(start, end, rate)
        paths = {
            "latent": model.decode(path, every[tests[first]].expand(len(path), -1)),
            "blend": torch.from_numpy(np.stack([blend(at) for at in positions.tolist()])),
        }
        distances.append(float((latents[first] - latents[second]).norm()))
        for name, sounds in paths.items():
            steps = consecutive(log_mel(sounds, rate).flatten(1))
            found[name].append(float(steps.max() / max(steps.mean(), np.finfo(float).tiny)))
    ranks = {name: float(stats.spearmanr(distances, values).statistic) for name, values in found.items()}
    return {name: rank for name, rank in ranks.items() if math.isfinite(rank)}  # none where all paths are alike


def _sets(model: SoundRun, library: Library, tests: list[int]) -> tuple[dict[str, float], dict[str, float]]:
    """Different bins, and Fréchet distances to training sounds, of sets of mel spectrograms."""
    train = spread_rows(library.rows("train"), REFERENCE)
    training = _pictures(_analysed(model, library, train))
    sets = {"test": _analysed(model, library, tests)}
    latents = {"reconstructions": model.library_latents(library, tests)}
    latents |= {prior: model.sample(len(tests), 0, prior) for prior in PRIORS}
    sets |= {name: torch.cat([model.spectrograms(p).values for p in z.split(CHUNK)]) for name, z in latents.items()}
    pictures = {name: _pictures(values) for name, values in sets.items()}
    bins = Bins(training[0]) if len(train) > BINS else None
    against = GaussianStatistics.of(training[1])
    few = min(len(train), len(tests)) <= against.dimension
    return (
        {name: bins.compare(small).different for name, (small, _) in pictures.items()} if bins else {},
        {
            name: frechet_distance(GaussianStatistics.of(rows), against, allow_small=few).value
            for name, (_, rows) in pictures.items()
        },
    )


def _analysed(model: SoundRun, library: Library, rows: list[int]) -> Tensor:
    parts = (rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK))
    return torch.cat(
        [model.representation.analyse(torch.from_numpy(np.array(library.audio[part]))).values for part in parts]
    )


def _pictures(values: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spectrograms ``(N, 1, 128, W)`` of 0 to 1 shrunk to 16 x 32 and embedded, both in dB."""
    small = F.adaptive_avg_pool2d(RANGE * values, PICTURE).flatten(1).double().numpy()
    return small, logmel_embedding((RANGE * (values[:, 0] - 1.0)).numpy())
