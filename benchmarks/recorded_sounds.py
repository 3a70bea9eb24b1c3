"""Tables of the quality of runs on recorded sounds, in Markdown; and the training of the runs, at any scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.flow_prior import fit_flow
from synthvae.analysis.recorded_sounds import ONE_GAUSSIAN, RunMeasurement, SoundWork, find_library
from synthvae.core.errors import UserError
from synthvae.data.families import plan_families
from synthvae.data.library import Library, is_library, read_library
from synthvae.data.library_writing import build_library
from synthvae.experiments.cases import find_overlay
from synthvae.training.config import resolve_sound_config
from synthvae.training.run import load_run
from synthvae.training.sound_config import SoundConfig
from synthvae.training.sounds import SoundRun
from synthvae.training.tasks.spectrogram import SpectrogramTask
from synthvae.training.trainer import train

__all__ = ["FAMILIES", "FLOW", "Plan", "beta_plans", "clicks_table", "draws_table", "errors_table", "measure_run"]
__all__ += ["open_library", "parse_betas", "parse_families", "plan_settings", "published_plans", "train_run"]

#: A flow fitted to the latents of the training sounds, as a distribution that latents are drawn from.
FLOW = "flow"
#: Columns of draws, by the names in `DrawDistances.priors`.
PRIORS = {"aggregate": "mixture of Gaussians", ONE_GAUSSIAN: "one Gaussian", "normal": "standard normal", FLOW: "flow"}
#: Overlays of the published runs that are trained beside the corrected one of their family.
FAMILIES = {"r": "r-64dim", "g": "g-vae-06", "d": "d-nonharmonic"}
#: Epochs that the steps of a run are divided into; the warm-up of the schedules of G takes eight.
EPOCHS = 10


@dataclass(frozen=True)
class Plan:
    """A run to train.

    Attributes:
        name: name of its directory.
        overlay: file in ``experiments/`` that it follows; none for the defaults.
        changes: settings on top of that.
    """

    name: str
    overlay: str | None
    changes: Mapping[str, Any]


def published_plans(families: Sequence[str]) -> list[Plan]:
    """For each family, the run as published and the corrected one."""
    names = [name for family in families for name in (FAMILIES[family], f"{family}-mended")]
    return [Plan(name, name, {}) for name in names]


def beta_plans(betas: Sequence[float]) -> list[Plan]:
    """The convolutional network at several weights of the KL divergence."""
    return [Plan(f"beta-{beta:g}", None, {"kl_weight": beta, "lr_schedule": "cosine"}) for beta in betas]


def parse_families(text: str) -> list[str]:
    """Families of `FAMILIES` of a list such as ``r,g``.

    Raises:
        UserError: for another one.
    """
    chosen = text.split(",")
    for family in chosen:
        if family not in FAMILIES:
            raise UserError("published", family, f"choose some of {','.join(FAMILIES)}")
    return chosen


def parse_betas(text: str) -> list[float]:
    """Numbers of a list such as ``0.1,1``.

    Raises:
        UserError: for what is no number from 0 up.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 <= beta < math.inf for beta in found):
        raise UserError("betas", text, "give numbers such as 0.1,1,10")
    return found


def open_library(path: Path, size: int, seed: int, make: bool = True) -> Library:
    """A library, of synthesized sounds where it is not there yet and may be made."""
    if make and not is_library(path):
        planned = plan_families(size, seed)
        build_library(path, planned.plan, planned.read)
    return read_library(path)


def train_run(plan: Plan, library: Library, out: Path, steps: int, seed: int = 0) -> Path:
    """Train a run for a number of steps, or go on with it; returns its directory.

    Args:
        plan: what is trained.
        library: library to train on.
        out: directory of the runs.
        steps: number of training steps.
        seed: seed of the training.
    """
    train(SpectrogramTask(plan_settings(plan, library, steps, seed), library), out / plan.name, resume=True)
    return out / plan.name


def plan_settings(plan: Plan, library: Library, steps: int, seed: int) -> SoundConfig:
    """Settings of a run of a number of steps on a library, in ten epochs, all of which are trained."""
    overlay = None if plan.overlay is None else find_overlay(Path("experiments") / f"{plan.overlay}.toml")
    length = {"epochs": EPOCHS, "epoch_steps": max(1, round(steps / EPOCHS)), "patience": 0}
    return resolve_sound_config(overlay, {"data": str(library.path), "seed": seed, **length, **plan.changes})


def measure_run(path: Path, seed: int = 0, tell: Callable[[str], object] = lambda part: None) -> RunMeasurement:
    """Measure a run on the library that it was trained on, and draws from a flow as well.

    Args:
        path: its directory.
        seed: seed of draws and halves.
        tell: called with what is being done.

    Raises:
        UserError: if it is no run on recorded sounds, or its library is gone.
    """
    model = SoundRun(load_run(path, needs="sounds"))
    library = find_library(model)
    tell(FLOW)
    flow = partial(fit_flow(model.training_latents(), seed).sample, seed=seed)
    work = SoundWork([model], library, seed, priors={FLOW: flow})
    work.agenda.progress = lambda seconds, what: tell(what)
    return work.measure()[0]


def errors_table(results: Sequence[RunMeasurement]) -> str:
    """Squared errors beside those of answers without a model, and what training took."""
    lines = [
        "squared error of spectrograms of test sounds, as a share of that of their mean spectrogram:",
        "",
        "| run | steps | minutes | model | mean of the label | nearest training sound | active dimensions | KL, nats |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        quality, latents = one.quality, one.latents
        shares = " | ".join(
            f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
            for ratio in (quality.model, quality.class_mean, quality.nearest)
        )
        used = f"{latents.active} of {len(latents.variance)} | {sum(latents.kl_divergence):.3g}"
        lines.append(f"| {one.name} | {one.steps:,} | {one.seconds / 60:.1f} | {shares} | {used} |")
    return "\n".join(lines)


def draws_table(results: Sequence[RunMeasurement]) -> str:
    """Fréchet distances of draws by what latents are drawn from."""
    lines = [
        "Fréchet distance of draws to training sounds (log-mel embedding, dB²), and as a multiple of the floor, two "
        "halves of the training sounds:",
        "",
        f"| run | floor | {' | '.join(PRIORS.values())} | mean sound |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        if one.draws is None:
            lines.append(f"| {one.name} | too few sounds | | | | | |")
            continue
        floor, distances = one.draws.floor, [one.draws.priors[name] for name in PRIORS]
        cells = [f"{value:.1f} ({value / floor:.1f})" for value in (*distances, one.draws.mean_sound)]
        lines.append(f"| {one.name} | {floor:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def clicks_table(results: Sequence[RunMeasurement]) -> str:
    """Click crests of originals and reconstructions, and log-mel errors of sounds."""
    lines = [
        "log-mel error of sounds in dB, and click crest, medians:",
        "",
        "| run | reconstructions | recovered originals | mean sound | crest of originals | Griffin-Lim | "
        "reconstructions |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        decoded, crest = one.decoded, one.crest
        errors = [f"{found.mean:.2f}" for found in (decoded.reconstructions, decoded.recovered, decoded.mean_sound)]
        medians = ("", "", "") if crest is None else (crest.originals, crest.griffin_lim, crest.reconstructions)
        cells = [value if isinstance(value, str) else f"{value:.2f}" for value in medians]
        lines.append(f"| {one.name} | {' | '.join((*errors, *cells))} |")
    return "\n".join(lines)
