"""Experiments at a fraction of their size, in the same proportions of what is learned to what is seen."""

from __future__ import annotations

import dataclasses
from typing import Any

from synthvae.core.errors import UserError
from synthvae.losses import LOSSES
from synthvae.training.config import TrainConfig

__all__ = ["FULL_SIZE", "dataset_size", "scale_label", "scaled"]

#: Presets of the thesis: 100,000 for training, 20,000 each for validation and test.
FULL_SIZE = 140_000
LEAST_SIZE = 70
#: Below full scale a loss that is heard through the Voice compares every so manieth frame of a sound in a step.
FRAME_STEP = 4
LEAST_BATCH, LEAST_VALIDATION = 8, 200


def dataset_size(scale: float) -> int:
    """Presets at a scale.

    Args:
        scale: a fraction, above 0 and at most 1.

    Raises:
        UserError: if it is none, or leaves too few presets.
    """
    if not 0 < scale <= 1:
        raise UserError(f"--scale is {scale:g}; give a fraction above 0 and at most 1, such as 0.02")
    size = round(FULL_SIZE * scale)
    if size < LEAST_SIZE:
        raise UserError(f"--scale {scale:g} leaves {size} presets; give {LEAST_SIZE / FULL_SIZE:g} or more")
    return size


def scale_label(scale: float) -> str:
    """The scale as directories and tables name it."""
    return f"scale-{scale:g}"


def scaled(config: TrainConfig, scale: float) -> TrainConfig:
    """The settings of a case for a fraction s of the presets.

    Presets go with s. Where the number of epochs is fixed it goes with s^(2/3), and with it the epochs at which the
    rate drops; where early stopping ends a phase, its patience and its limit of epochs stay. The batch goes with
    s^(1/3) and the learning rate with s^(-1/3): with those of full scale a run of 0.02 would take 1/170 of the steps
    and learn nothing at all, so that every comparison would be one of initial weights. Patience stays because a
    network that leaves the middle of the cube gets worse before it gets better.

    Args:
        config: the settings at full scale.
        scale: s, above 0 and at most 1; 1 changes nothing.

    Returns:
        Settings with the same initial weights.
    """
    if scale == 1.0:
        return config
    first = _scaled(dataclasses.replace(config, then={}), scale)
    if not config.then:
        return first
    second = _scaled(config.phases[1], scale)
    changed = {name for name in _moving(config.phases[1], scale)} | set(config.then)
    return dataclasses.replace(first, then={name: getattr(second, name) for name in sorted(changed)})


def _scaled(phase: TrainConfig, scale: float) -> TrainConfig:
    return dataclasses.replace(phase, **_moving(phase, scale))


def _moving(phase: TrainConfig, scale: float) -> dict[str, Any]:
    """The settings of a phase that follow the scale."""
    time = scale ** (2 / 3)

    def epochs(full: int) -> int:
        return max(1, round(full * time))

    return {
        "epochs": phase.epochs if phase.patience else epochs(phase.epochs),
        "batch_size": max(min(LEAST_BATCH, phase.batch_size), round(phase.batch_size * scale ** (1 / 3))),
        "lr": phase.lr * scale ** (-1 / 3),
        "lr_warmup": round(phase.lr_warmup * scale ** (4 / 3)),  # in steps
        "lr_drop_after": epochs(phase.lr_drop_after),
        "lr_drop_every": epochs(phase.lr_drop_every),
        "kl_warmup": phase.kl_warmup * time,
        "validation_limit": max(min(LEAST_VALIDATION, phase.validation_limit), round(phase.validation_limit * scale)),
        "frame_step": max(phase.frame_step, _frame_step(phase)),
    }


def _frame_step(phase: TrainConfig) -> int:
    return FRAME_STEP if phase.synth_layer and LOSSES[phase.loss].features else 1
