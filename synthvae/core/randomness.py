"""Random numbers as functions of (seed, epoch, step), so that a resumed run equals an uninterrupted one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

__all__ = ["epoch_order", "frame_offset", "generator", "posterior_noise", "seeded"]


def generator(*key: int) -> torch.Generator:
    """A generator whose draws depend only on the key."""
    return torch.Generator().manual_seed(_state(key))


@contextmanager
def seeded(device: torch.device, *key: int) -> Iterator[None]:
    """Seed PyTorch's global generators from the key inside the block and restore them afterwards; used for dropout.

    Args:
        device: device of the computation.
        key: key of the draws.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_state(key))
        yield


def _state(key: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def epoch_order(seed: int, epoch: int, size: int) -> Tensor:
    """The order ``(size,)`` in which an epoch visits the training presets."""
    return torch.randperm(size, generator=generator(seed, 0, epoch))


def posterior_noise(seed: int, epoch: int, step: int, rows: int, latent_size: int) -> Tensor:
    """Standard normal noise ``(rows, latent_size)`` of one step."""
    return torch.randn(rows, latent_size, generator=generator(seed, 1, epoch, step))


def frame_offset(seed: int, epoch: int, step: int, frame_step: int) -> int:
    """Index of the first frame compared in a step, from 0 to `frame_step` - 1."""
    return int(torch.randint(frame_step, (), generator=generator(seed, 2, epoch, step)))
