"""Cases on recorded sounds: the runs of Rebnord (2022), García López (2025) and De Luca (undated), scaled.

Each case is an overlay in ``experiments/``. Its run is a row of one table, beside the published row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthvae.core.errors import UserError
from synthvae.data.library import read_library
from synthvae.experiments.cases import LEAST_BATCH, find_overlay, scale_label
from synthvae.experiments.runner import train_task
from synthvae.training.config import resolve_sound_config
from synthvae.training.sound_config import SoundConfig
from synthvae.training.tasks.spectrogram import SpectrogramTask

__all__ = ["SOUND_CASES", "SOURCES", "SoundJob", "plan_sounds", "scaled_sounds", "select_sounds", "train_sounds"]

#: Overlays by experiment, each with the name of its published row.
SOUND_CASES: Mapping[str, Mapping[str, str]] = {
    "r": {
        "r-8dim": "8 dim",
        "r-64dim": "64 dim",
        "r-256dim": "256 dim",
        "r-0flow": "0 flow",
        "r-20flow": "20 flow",
        "r-beta": "Beta",
        "r-nodropout": "No Dropout",
        "r-underfit": "Underfit",
        "r-overfit": "Overfit",
    },
    "g": {f"g-vae-{number:02d}": f"{number:02d}" for number in range(1, 9)},
    "g-ae": {f"g-ae-{number}": f"{number}" for number in range(1, 8)},
    "d": {"d-nonharmonic": "non-harmonic", "d-harmonic": "harmonic", "d-mended": "non-harmonic, mended"},
}
SOURCES = {
    "r": "configurations of Rebnord (2022)",
    "g": "schedules of García López (2025)",
    "g-ae": "autoencoders of García López (2025)",
    "d": "dense networks of De Luca (undated slides)",
}
#: Sounds of the publications whose epochs are every sound once, by case: the training notes of NSynth, and
#: all clips of De Luca, who does not say how they were split.
EPOCH_SOUNDS = {
    **dict.fromkeys((*SOUND_CASES["g"], *SOUND_CASES["g-ae"]), 289_205),
    **{"d-nonharmonic": 11_000, "d-mended": 11_000, "d-harmonic": 2_000},
}
#: The published networks are trained without clipping: a rate above ours makes them diverge.
MOST_LR = 1e-3
#: First seed of a case whose overlay has seed 1: it repeats another case with other seeds.
OWN_SEEDS = 100
#: Validation sounds of an epoch below full scale: validating all of them would take longer than the epoch.
VALIDATION = 50


@dataclass(frozen=True)
class SoundJob:
    """A run to make.

    Attributes:
        name: name of the case.
        seed: seed of weights, order and posterior samples.
        scale: fraction of the published training steps.
        config: the settings at the scale.
        directory: directory of the run.
    """

    name: str
    seed: int
    scale: float
    config: SoundConfig
    directory: Path

    @property
    def label(self) -> str:
        """Label of the run."""
        return f"{self.name} seed {self.seed}"

    @property
    def epochs(self) -> int:
        """Maximum epochs."""
        return self.config.epochs


def select_sounds(names: Sequence[str]) -> list[str]:
    """Cases on recorded sounds of some names of cases or experiments, each once; empty where none is one.

    Raises:
        UserError: if some are, and others are not.
    """
    known = [(group, case) for group, cases in SOUND_CASES.items() for case in cases]
    chosen = list(dict.fromkeys(case for name in names for group, case in known if name in (case, group)))
    others = [name for name in names if name not in SOUND_CASES and name not in chosen]
    if chosen and others:
        raise UserError("names", others[0], "run cases on presets and on recorded sounds one after the other")
    return chosen


def plan_sounds(
    names: Sequence[str],
    seeds: int,
    scale: float,
    data: Path,
    out: Path,
    overrides: Mapping[str, Any] | None = None,
) -> list[SoundJob]:
    """The runs of some cases on a library.

    Args:
        names: names of the cases.
        seeds: how many of each, counted from 0.
        scale: fraction of the published training steps (`scaled_sounds`).
        data: the library.
        out: runs are written to ``out/scale-S/CASE/seed-K``.
        overrides: settings over the cases' own, such as the device.

    Returns:
        All cases with seed 0, then all with seed 1, and so on, so that a partial result has every case.

    Raises:
        UserError: for an invalid scale or number of seeds, or where there is no library.
    """
    if not 0 < scale <= 1:
        raise UserError("scale", scale, "give a fraction above 0 and at most 1, such as 0.005")
    if seeds < 1:
        raise UserError("seeds", seeds, "give 1 or more, and 3 or more for intervals")
    read_library(data)
    jobs = []
    for seed in range(seeds):
        for name in names:
            overlay = find_overlay(Path("experiments") / f"{name}.toml")
            config = resolve_sound_config(overlay, {"data": str(data), **(overrides or {})})
            config = dataclasses.replace(config, seed=OWN_SEEDS * config.seed + seed)
            directory = out / scale_label(scale) / name / f"seed-{seed}"
            scaled = scaled_sounds(config, scale, epoch_sounds(name))
            jobs.append(SoundJob(name, seed, scale, scaled.resolved(), directory))
    return jobs


def epoch_sounds(name: str) -> int:
    """Number of sounds of a published epoch, where it is every sound once; 0 where it is a number of steps."""
    return EPOCH_SOUNDS.get(name, 0)


def scaled_sounds(config: SoundConfig, scale: float, sounds: int) -> SoundConfig:
    """The settings of a case for a fraction s of the published training steps.

    Where an epoch is a number of steps, epochs and their steps go with s^(1/2) each. Where it is every training sound
    once, schedules and early stopping count in epochs: their number stays, and their steps go with s, from those of the
    published training set. The batch goes with s^(1/3) and the learning rate with s^(-1/3), up to 1e-3.

    Args:
        config: the settings at full scale.
        scale: s, above 0 and at most 1; 1 changes nothing.
        sounds: number of sounds of a published epoch, from `epoch_sounds`.
    """
    if scale == 1.0:
        return config
    if config.epoch_steps:
        epochs, steps = config.epochs * scale**0.5, config.epoch_steps * scale**0.5
    else:
        epochs, steps = config.epochs, sounds / config.batch_size * scale
    return dataclasses.replace(
        config,
        epochs=max(1, round(epochs)),
        epoch_steps=max(1, round(steps)),
        batch_size=max(min(LEAST_BATCH, config.batch_size), round(config.batch_size * scale ** (1 / 3))),
        lr=max(config.lr, min(MOST_LR, config.lr * scale ** (-1 / 3))),
        validation_limit=VALIDATION,
    )


def train_sounds(job: SoundJob) -> None:
    """Make or finish one run, in this process.

    Raises:
        UserError: if it cannot be made.
    """
    library = read_library(Path(job.config.data))
    train_task(SpectrogramTask(job.config, library), job.directory, job.label)
