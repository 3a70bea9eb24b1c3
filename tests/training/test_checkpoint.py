"""Checkpoints: what is written is read, and what is damaged is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors
from synthvae.training.checkpoint import Position, read_position, restore_checkpoint, save_checkpoint

POSITION = Position(phase=1, phase_start=2, epoch=5, step=3, best_epoch=4, best_terms={"kl": 0.5}, seconds=1.5)
Change = Callable[[dict[str, Tensor], dict[str, Any]], object]


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return network, optimiser


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    network, optimiser = trained()
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"model": network}, optimiser, {"loss": torch.tensor(2.0, dtype=torch.float64)}, POSITION)
    return path


def restore(path: Path) -> tuple[Position, dict[str, Tensor]]:
    network, optimiser = trained()
    return restore_checkpoint(path, {"model": network}, optimiser, 2)


def test_what_is_written_is_read(checkpoint: Path):
    position, sums = restore(checkpoint)
    assert position == POSITION == read_position(checkpoint, 2)
    assert {name: float(value) for name, value in sums.items()} == {"loss": 2.0}


DAMAGE: dict[str, tuple[Change, str]] = {
    "a newer version's field": (
        lambda _, state: state.update(momentum=1),
        "momentum is 1, a field that this synthvae does not know; install",
    ),
    "text for a number": (lambda _, state: state.update(epoch="five"), "epoch is 'five', not of type int"),
    "truth for a number": (lambda _, state: state.update(step=True), "step is true, not of type int"),
    "a fraction for a count": (lambda _, state: state.update(step=1.5), "step is 1.5, not of type int"),
    "nothing": (lambda _, state: state.update(seconds=None), "seconds is null, not of type float"),
    "not a number": (lambda _, state: state.update(seconds=float("nan")), "seconds is nan, not of type float"),
    "a huge number": (lambda _, state: state.update(epoch=10**30), "epoch is 1000.*, not of type int"),
    "a negative number": (lambda _, state: state.update(step=-1), "step is -1, below 0"),
    "text among terms": (lambda _, state: state.update(best_terms={"kl": "low"}), "best_terms is .*not of type dict"),
    "a list for terms": (lambda _, state: state.update(best_terms=[1]), "best_terms is .*not of type dict"),
    "no such phase": (lambda _, state: state.update(phase=2), "phase is 2, where the run has 2, from 0"),
    "a phase to come": (lambda _, state: state.update(phase_start=9), "phase_start is 9, after epoch 5"),
    "a missing moment": (lambda tensors, _: tensors.pop("optimiser.0.exp_avg"), r"optimiser\.0\.exp_avg: missing"),
    "a missing count": (lambda tensors, _: tensors.pop("optimiser.1.step"), r"optimiser\.1\.step: missing"),
    "another optimiser": (
        lambda tensors, _: tensors.update({"optimiser.0.momentum_buffer": torch.zeros(2, 3)}),
        "momentum_buffer: unknown",
    ),
    "another shape": (
        lambda tensors, _: tensors.update({"optimiser.0.exp_avg": torch.zeros(2)}),
        r"exp_avg: of shape \[2\], not numbers of shape \[2, 3\]",
    ),
    "whole numbers": (
        lambda tensors, _: tensors.update({"optimiser.0.exp_avg": torch.zeros(2, 3, dtype=torch.int64)}),
        "exp_avg: of shape",
    ),
    "an infinite moment": (
        lambda tensors, _: tensors["optimiser.0.exp_avg"].fill_(float("inf")),
        r"optimiser\.0\.exp_avg: not finite",
    ),
    "a negative mean of squares": (
        lambda tensors, _: tensors["optimiser.0.exp_avg_sq"].fill_(-1.0),
        r"optimiser\.0\.exp_avg_sq: negative",
    ),
    "a huge number of steps": (
        lambda tensors, _: tensors["optimiser.1.step"].fill_(1e30),
        r"optimiser\.1\.step is 1.*, not a number of steps",
    ),
    "half a step": (lambda tensors, _: tensors["optimiser.1.step"].fill_(1.5), "step is 1.5, not a number of steps"),
    "a sum of several": (lambda tensors, _: tensors.update({"sums.loss": torch.zeros(3)}), "sums.loss: not a single"),
    "another network": (lambda tensors, _: tensors.pop("model.bias"), "is not a checkpoint of this run"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_damaged_is_named(checkpoint: Path, kind: str):
    change, message = DAMAGE[kind]
    tensors, state = load_tensors(checkpoint)
    change(tensors, state)
    save_tensors(checkpoint, tensors, state)
    with pytest.raises(UserError, match=message) as caught:
        restore(checkpoint)
    assert str(caught.value).startswith(str(checkpoint))


def test_a_state_that_is_no_object_is_refused(tmp_path: Path):
    from safetensors.torch import save_file

    for state in ("[1]", "{", "null"):
        save_file({"a": torch.zeros(1)}, tmp_path / "c.safetensors", metadata={"state": state})
        with pytest.raises(UserError, match="cannot read"):
            read_position(tmp_path / "c.safetensors", 1)


def test_an_earlier_checkpoint_has_fewer_fields(checkpoint: Path):
    tensors, state = load_tensors(checkpoint)
    del state["since_drop"]
    save_tensors(checkpoint, tensors, state)
    assert asdict(read_position(checkpoint, 2)) == asdict(POSITION)
