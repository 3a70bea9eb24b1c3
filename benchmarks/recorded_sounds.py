"""Reconstructions, draws and clicks of a run on recorded sounds, each beside what needs no model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.data.library import Library
from synthvae.features import log_mel
from synthvae.features.representations import Encoded
from synthvae.metrics.clicks import click_crest
from synthvae.metrics.embeddings.logmel import logmel_embedding
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance, frechet_floor
from synthvae.training.run import load_run
from synthvae.training.sound_quality import SoundQuality, measure_sounds
from synthvae.training.sounds import PRIORS, SoundRun, own_library

__all__ = ["RunMeasurement", "measure_run", "run_table"]

#: Sounds that are decoded for the Fréchet distance, and for the click crest.
DRAWS, CLICKS = 400, 60
BATCH = 50


@dataclass(frozen=True)
class RunMeasurement:
    """Figures of a run.

    Attributes:
        name: of the run.
        steps: of training, up to the best epoch.
        seconds: of training.
        quality: of reconstructions of test sounds, with its nulls.
        floor: Fréchet distance between two halves of the training sounds, each of as many sounds as are drawn.
        draws: Fréchet distance of draws from each prior to training sounds, by its name; ``one gaussian`` is a single
            Gaussian fitted to the latents.
        crest: median click crest of originals, of originals through Griffin-Lim, and of reconstructions.
    """

    name: str
    steps: int
    seconds: float
    quality: SoundQuality
    floor: float
    draws: dict[str, float]
    crest: dict[str, float]


@torch.inference_mode()
def measure_run(path: Path, seed: int = 0) -> RunMeasurement:
    """Measure a run on the library that it was trained on.

    Args:
        path: its directory.
        seed: of draws and halves.

    Raises:
        UserError: if it is no run on recorded sounds, or its library is gone.
    """
    run = load_run(path, needs="sounds")
    model, library = SoundRun(run), own_library(run)
    train, test = library.rows("train"), library.rows("test")
    count = min(DRAWS, len(train) // 2)
    chosen = np.random.default_rng(seed).permutation(len(train))[: 2 * count] + train.start
    real = _embedded(_audio(library, chosen), model)
    floor = frechet_floor(real, seed).value
    against = GaussianStatistics.of(real)
    latents = {prior: model.sample(count, seed, prior) for prior in PRIORS}
    latents["one gaussian"] = _one_gaussian(model.training_latents(), count, seed)
    condition = model.condition(count) if model.config.condition == "none" else None
    draws = {}
    for name, drawn in latents.items():
        if condition is not None:
            found = GaussianStatistics.of(_embedded(_decoded(model, drawn, condition), model))
            draws[name] = frechet_distance(found, against).value
    state = run.state
    steps = (int(state["best_epoch"]) + 1) * -(-len(train) // model.config.batch_size)
    return RunMeasurement(
        run.name,
        steps,
        float(state["seconds"]),
        measure_sounds(model, library, "test"),
        floor,
        draws,
        _crests(model, library, list(test[:CLICKS])),
    )


def _audio(library: Library, rows: NDArray[np.intp] | list[int]) -> Tensor:
    return torch.from_numpy(np.array(library.audio[np.sort(np.asarray(rows))]))


def _embedded(audio: Tensor, model: SoundRun) -> NDArray[np.float64]:
    parts = [logmel_embedding(log_mel(part, model.sample_rate).numpy()) for part in audio.split(BATCH)]
    return np.concatenate(parts)


def _decoded(model: SoundRun, latents: Tensor, condition: Tensor) -> Tensor:
    parts = zip(latents.split(BATCH), condition.split(BATCH), strict=True)
    return torch.cat([model.decode(part, given) for part, given in parts])


def _one_gaussian(latents: Tensor, count: int, seed: int) -> Tensor:
    values = latents.double().numpy()
    drawn = np.random.default_rng(seed).multivariate_normal(values.mean(0), np.cov(values.T), count, method="cholesky")
    return torch.from_numpy(drawn).float()


def _crests(model: SoundRun, library: Library, rows: list[int]) -> dict[str, float]:
    """Medians over the sounds of which the crest is defined."""
    audio, representation = _audio(library, rows), model.representation
    encoded = representation.analyse(audio)
    decoded = model.decode(model.library_latents(library, rows), _conditions(model, library, rows))
    sounds = {
        "originals": audio,
        "Griffin-Lim of the originals": representation.invert(Encoded(*encoded), model.samples, "griffin-lim"),
        "reconstructions": decoded,
    }
    hop = representation.transform.hop
    found = {name: click_crest(sound, hop) for name, sound in sounds.items()}
    defined = np.logical_and.reduce([measured.defined for measured in found.values()])
    return {name: float(np.median(measured.values[defined])) for name, measured in found.items()}


def _conditions(model: SoundRun, library: Library, rows: list[int]) -> Tensor:
    from synthvae.training.tasks.spectrogram import conditions

    return conditions(library, model.config.condition)[rows]


def run_table(results: list[RunMeasurement]) -> str:
    """The figures as Markdown tables."""
    lines = [
        "squared error of spectrograms of test sounds, as a share of that of their mean spectrogram:",
        "",
        "| run | steps | minutes | model | mean of the label | nearest training sound |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        quality = one.quality
        shares = " | ".join(
            f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
            for ratio in (quality.model, quality.class_mean, quality.nearest)
        )
        lines.append(f"| {one.name} | {one.steps:,} | {one.seconds / 60:.1f} | {shares} |")
    lines += [
        "",
        "Fréchet distance of draws to training sounds (log-mel embedding, dB²), and as a multiple of the floor, two "
        "halves of the training sounds:",
        "",
        "| run | floor | mixture of Gaussians | one Gaussian | standard normal |",
        "|---|---|---|---|---|",
    ]
    for one in results:
        cells = [
            f"{one.draws[name]:.1f} ({one.draws[name] / one.floor:.1f})" if name in one.draws else ""
            for name in ("aggregate", "one gaussian", "normal")
        ]
        lines.append(f"| {one.name} | {one.floor:.2f} | {' | '.join(cells)} |")
    lines += ["", "click crest, medians:", "", "| run | originals | Griffin-Lim of the originals | reconstructions |"]
    lines += ["|---|---|---|---|"]
    lines += [f"| {one.name} | {' | '.join(f'{value:.2f}' for value in one.crest.values())} |" for one in results]
    return "\n".join(lines)
