"""Compute the shards of a folder: one shard, or all missing ones with a launcher."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from synthvae.core.engines import run_on
from synthvae.core.errors import UserError
from synthvae.core.executor import usual_jobs
from synthvae.core.shards import ShardFolder
from synthvae.scale.works import work_of

__all__ = ["ShardTask", "launch", "make_shard"]


class ShardTask(NamedTuple):
    """A shard to be computed, in any process.

    Attributes:
        folder: folder of the shards, from the root.
        number: number of the shard, from 1.
    """

    folder: str
    number: int


def make_shard(task: ShardTask) -> str:
    """Compute a shard in one thread, and return the SHA-256 of its file.

    Raises:
        UserError: if it cannot be made.
    """
    folder = ShardFolder.open(Path(task.folder))
    if folder.origin.is_dir():
        os.chdir(folder.origin)
    torch.set_num_threads(1)
    return folder.make(work_of(folder), task.number)


def launch(
    folder: ShardFolder,
    launcher: str = "local",
    jobs: int | None = None,
    address: str | None = None,
    on_done: Callable[[int], object] = lambda done: None,
) -> None:
    """Compute the missing shards of a folder on a file system shared by all machines.

    Args:
        folder: folder of the shards.
        launcher: ``local``, ``ray`` or ``slurm``.
        jobs: shards at once; by default one per core of this machine.
        address: address of a Ray cluster, or a partition of SLURM.
        on_done: called with the number of shards that are done.

    Raises:
        UserError: if a shard cannot be made, or the cluster does not answer.
        Stopped: after Ctrl-C; what was made is kept.
    """
    missing = folder.missing
    path = str(folder.path.resolve())
    done = folder.count - len(missing)

    def count(task: ShardTask) -> None:
        nonlocal done
        done += 1
        on_done(done)

    on_done(done)
    tasks = [ShardTask(path, number) for number in missing]
    run_on(launcher, make_shard, tasks, jobs or usual_jobs(), folder.path / "logs", address, count)
    if left := folder.missing:
        remedy = "name an `out` on a file system that all machines share"
        raise UserError(folder.path, folder.path, remedy, f"{folder.named(left)} not here though made")
