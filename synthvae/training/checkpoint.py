"""Checkpoints: the complete state of a training run in one file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors

__all__ = ["Position", "read_position", "restore_checkpoint", "save_checkpoint"]


_DAMAGED = "remove the checkpoint and train again, or copy it from where it is whole"
_NEWER = "a field that this synthvae does not know"
#: Maximum of any counter.
MOST = 2**53


@dataclass
class Position:
    """Position of a run: phase, epoch, and best epoch.

    Attributes:
        phase: index of the current phase, from 0.
        phase_start: number of epochs finished before the phase.
        epoch: number of epochs finished, over all phases.
        step: number of steps finished in the current epoch.
        best_epoch: the epoch with the best validation loss, -1 before the first.
        best_terms: unweighted validation terms of that epoch.
        waited: number of epochs since the best epoch or the start of the phase.
        drops: number of drops of the learning rate in this phase because of the validation loss.
        since_drop: number of epochs since the last drop or the best epoch, whichever is later.
        finished: reason why the run ended, or "".
        seconds: time spent training so far.
        skipped: number of batches skipped because their loss or gradient was not finite.
    """

    phase: int = 0
    phase_start: int = 0
    epoch: int = 0
    step: int = 0
    best_epoch: int = -1
    best_terms: dict[str, float] = field(default_factory=dict)
    waited: int = 0
    drops: int = 0
    since_drop: int = 0
    finished: str = ""
    seconds: float = 0.0
    skipped: int = 0


def _optimiser_tensors(optimiser: torch.optim.Optimizer) -> Iterator[tuple[str, Any, str, Tensor]]:
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for number, parameter in enumerate(parameters):
        for name, value in sorted(optimiser.state[parameter].items()):
            yield f"optimiser.{number}.{name}", parameter, name, value


def save_checkpoint(
    path: Path,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    sums: dict[str, Tensor],
    position: Position,
) -> None:
    """Write a checkpoint atomically, with the position of the run and running sums of the current epoch.

    The optimiser's state must consist of tensors, as Adam's does.
    """
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    tensors |= {key: value for key, _, _, value in _optimiser_tensors(optimiser)}
    tensors |= {f"sums.{name}": value for name, value in sums.items()}
    save_tensors(path, tensors, asdict(position))


def read_position(path: Path, phases: int) -> Position:
    """Read the position from the checkpoint of a run with `phases` phases.

    Raises:
        UserError: if the file cannot be read, or a field is unknown, of another type or out of range; names the field.
    """
    return _position(load_tensors(path)[1], path, phases)


def _position(state: Mapping[str, Any], path: Path, phases: int) -> Position:
    known = {entry.name: entry for entry in fields(Position)}
    for name, value in state.items():
        if name not in known:
            raise UserError(f"{path}: {name}", value, "install the synthvae that wrote it, or train again", why=_NEWER)
        if not _fits(value, known[name].type):
            raise UserError(f"{path}: {name}", value, _DAMAGED, why=f"not of type {known[name].type}")
        least = -1 if name == "best_epoch" else 0
        if isinstance(value, int | float) and value < least:
            raise UserError(f"{path}: {name}", value, _DAMAGED, why=f"below {least}")
    position = Position(**state)
    if position.phase >= phases:
        raise UserError(f"{path}: phase", position.phase, _DAMAGED, why=f"where the run has {phases}, from 0")
    if position.phase_start > position.epoch:
        raise UserError(f"{path}: phase_start", position.phase_start, _DAMAGED, why=f"after epoch {position.epoch}")
    return position


def _fits(value: object, kind: object) -> bool:
    """Whether a JSON value has the type of a field of `Position`."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if kind == "int":
        return number and isinstance(value, int) and abs(value) < MOST
    if kind == "float":
        return number
    if kind == "str":
        return isinstance(value, str)
    return isinstance(value, dict) and all(_fits(inner, "float") for inner in value.values())


def restore_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer, phases: int
) -> tuple[Position, dict[str, Tensor]]:
    """Load what `save_checkpoint` wrote into modules and optimiser.

    Returns:
        The position of the run, and the running sums of the current epoch.

    Raises:
        UserError: if the file cannot be read, or is not the checkpoint of such a run with `phases` phases.
    """
    tensors, state = load_tensors(path)
    position = _position(state, path, phases)
    try:
        for name, module in modules.items():
            prefix = f"{name}."
            module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    except RuntimeError:
        raise UserError(
            path, path, "remove the directory, or choose another `out`", "is not a checkpoint of this run"
        ) from None
    for number, parameter in enumerate(p for group in optimiser.param_groups for p in group["params"]):
        prefix = f"optimiser.{number}."
        found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if found:
            _check_moments(found, parameter, f"{path}: {prefix.removesuffix('.')}")
            # Adam keeps its step count on the CPU and everything else beside the parameter.
            optimiser.state[parameter] = {k: v if k == "step" else v.to(parameter.device) for k, v in found.items()}
    sums = {k.removeprefix("sums."): v for k, v in tensors.items() if k.startswith("sums.")}
    for name, value in sums.items():
        if value.ndim or not value.is_floating_point():
            raise UserError(f"{path}: sums.{name}", list(value.shape), _DAMAGED, "not a single number")
    return position, sums


def _check_moments(found: Mapping[str, Tensor], parameter: Tensor, source: str) -> None:
    """Reject a parameter's state that is not Adam's."""
    shapes = {"step": torch.Size(), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
    for name in shapes.keys() | found.keys():
        if name not in shapes or name not in found:
            problem = "unknown" if name in found else "missing"
            raise UserError(f"{source}.{name}", name, _DAMAGED, problem)
        if found[name].shape != shapes[name] or not found[name].is_floating_point():
            problem = f"of shape {list(found[name].shape)}, not numbers of shape {list(shapes[name])}"
            raise UserError(f"{source}.{name}", name, _DAMAGED, problem)
        if not bool(found[name].isfinite().all()):
            raise UserError(f"{source}.{name}", name, _DAMAGED, "not finite")
    if bool((found["exp_avg_sq"] < 0).any()):
        raise UserError(f"{source}.exp_avg_sq", "exp_avg_sq", _DAMAGED, "negative, where it is a mean of squares")
    step = float(found["step"])
    if not (step.is_integer() and 0 <= step < MOST):
        raise UserError(f"{source}.step", step, _DAMAGED, why="not a number of steps")
