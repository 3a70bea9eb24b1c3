"""Checkpoints: the complete state of a training run in one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors

__all__ = ["Position", "read_position", "restore_checkpoint", "save_checkpoint"]


@dataclass
class Position:
    """Position of a run: phase, epoch, and best epoch.

    Attributes:
        phase: which phase is under way, from 0.
        phase_start: epochs finished before it.
        epoch: epochs finished, of all phases.
        step: steps finished in the epoch that is under way.
        best_epoch: the epoch with the best validation loss, -1 before the first.
        best_terms: its unweighted validation terms.
        waited: epochs since then.
        drops: of the learning rate, in this phase, because of the validation loss.
        since_drop: epochs since the last of them or since the best epoch, whichever is later.
        finished: why the run ended, or "".
        seconds: time spent training so far.
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
    """Write a checkpoint, atomically, with running sums of the epoch under way, and how far the run got.

    All of the optimiser's state are tensors, as Adam's are.
    """
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    tensors |= {key: value for key, _, _, value in _optimiser_tensors(optimiser)}
    tensors |= {f"sums.{name}": value for name, value in sums.items()}
    save_tensors(path, tensors, asdict(position))


def read_position(path: Path) -> Position:
    """The position of a checkpoint's run."""
    return Position(**load_tensors(path)[1])


def restore_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer
) -> tuple[Position, dict[str, Tensor]]:
    """Load what `save_checkpoint` wrote into modules and optimiser.

    Returns:
        How far the run got, and the running sums of the epoch under way.

    Raises:
        UserError: if the file cannot be read.
    """
    tensors, state = load_tensors(path)
    try:
        position = Position(**state)
        for name, module in modules.items():
            prefix = f"{name}."
            module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    except (RuntimeError, TypeError):
        raise UserError(
            path, path, "remove the directory, or choose another `out`", "is not a checkpoint of this run"
        ) from None
    for number, parameter in enumerate(p for group in optimiser.param_groups for p in group["params"]):
        prefix = f"optimiser.{number}."
        found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if found:
            # Adam keeps its step count on the CPU and everything else beside the parameter.
            optimiser.state[parameter] = {k: v if k == "step" else v.to(parameter.device) for k, v in found.items()}
    sums = {k.removeprefix("sums."): v for k, v in tensors.items() if k.startswith("sums.")}
    return position, sums
