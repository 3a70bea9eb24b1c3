"""Trainings that are killed, and whether what they leave is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from synthvae.core.files import load_tensors


class Killed(Exception):
    pass


def kill_after(steps: int) -> Callable[[int, int, int], None]:
    """A callback that dies like a killed process would: no cleaning up after the given number of steps."""
    done = 0

    def on_step(epoch: int, step: int, of: int) -> None:
        nonlocal done
        done += 1
        if done == steps:
            raise Killed

    return on_step


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_tensors(path / "checkpoint.safetensors")[0]


def assert_same(first: Path, second: Path) -> None:
    """Both runs have the same checkpoint, weights and log."""
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name
    for name in ("weights.safetensors", "metrics.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
