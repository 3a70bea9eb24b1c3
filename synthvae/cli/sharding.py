"""``status`` and ``finalize``, and the sharding options of other commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthvae.cli.common import end_interrupted
from synthvae.cli.progress import progress_bar
from synthvae.core.counts import counted
from synthvae.core.errors import UserError, choose_one

if TYPE_CHECKING:
    from synthvae.core.shards import ShardFolder, Work

__all__ = ["AddressOption", "LauncherOption", "ShardOption", "ShardsOption", "in_shards", "register"]

PANEL = "Shards"
ShardOption = Annotated[
    str | None,
    typer.Option(
        help="Compute only this shard, e.g. 3/16 for the third of 16, in OUT.shards; join with 'synthvae finalize'.",
        rich_help_panel=PANEL,
    ),
]
LauncherOption = Annotated[
    str | None,
    typer.Option(
        help="Compute all missing shards with local, ray or slurm (extra scale), then join them.",
        rich_help_panel=PANEL,
    ),
]
ShardsOption = Annotated[
    int | None,
    typer.Option(
        help="With --launcher, number of shards.  [default: 4 per core of this machine]", rich_help_panel=PANEL
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(help="With --launcher, address of the Ray cluster, or SLURM partition.", rich_help_panel=PANEL),
]
FolderArgument = Annotated[Path, typer.Argument(help="Folder OUT.shards of a command that was run in shards.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("status")(status)
    app.command("finalize")(finalize)


def in_shards(
    work: Work,
    unit: str,
    shard: str | None,
    launcher: str | None,
    shards: int | None,
    address: str | None,
    overwrite: bool = False,
) -> None:
    """Compute one shard of some work, or all shards with a launcher, and then join them.

    Args:
        work: the work that is divided.
        unit: name of its items, in the plural.
        shard: the only shard to compute, such as ``3/16``.
        launcher: computes all shards.
        shards: number of shards, with a launcher.
        address: address of the cluster.
        overwrite: whether the result may replace an existing one.
    """
    from synthvae.core.engines import ENGINES
    from synthvae.core.shards import ShardFolder, parse_shard, shards_of

    if launcher is not None and launcher not in ENGINES:
        raise UserError("launcher", launcher, choose_one(launcher, ENGINES))
    for argument, value in (("shards", shards), ("address", address)):
        if value is not None and launcher is None:
            raise UserError(argument, value, "add `launcher`, or leave it out", why="but no launcher is named")
    if shard is not None and launcher is not None:
        raise UserError("shard", shard, "leave out one of the two", why=f"and `launcher` {launcher} makes all")
    work.check_out(overwrite)
    place = shards_of(Path(work.out))
    if shard is not None:
        number, count = parse_shard(shard)
        folder = ShardFolder.begin(place, work, count)
        with progress_bar(f"shard {shard}", len(folder.part(number)), unit) as update:
            folder.make(work, number, lambda done: update(done, ""))
        _print_state(folder)
        return
    wanted = shards or min(4 * (os.cpu_count() or 1), work.items)
    if wanted < 1:
        raise UserError("shards", wanted, "give 1 or more")
    folder = ShardFolder.begin(place, work, wanted)
    from synthvae.core.executor import Stopped
    from synthvae.scale.launch import launch

    with progress_bar("making", folder.count, "shards") as update:
        try:
            launch(folder, str(launcher), None, address, lambda done: update(done, ""))
        except Stopped:
            end_interrupted(f"stopped with {_state(folder)}; run the same command again to continue")
    _finalize(folder, work, False, overwrite)


def status(folder: FolderArgument) -> None:
    """Print how many shards of a folder are done and which are missing.

    Example: `synthvae status datasets/large.parquet.shards`
    """
    from synthvae.core.shards import ShardFolder

    _print_state(ShardFolder.open(folder))


def finalize(
    folder: FolderArgument,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the shards.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing result.")] = False,
) -> None:
    """Join the shards of a folder into the result of an unsharded command, and remove them.

    Fails if a shard is missing.

    Example: `synthvae finalize datasets/large.parquet.shards`
    """
    from synthvae.core.shards import ShardFolder
    from synthvae.scale.works import work_of

    found = ShardFolder.open(folder.resolve())
    if found.origin.is_dir():
        os.chdir(found.origin)  # which the paths of the work are from
    _finalize(found, work_of(found), keep, overwrite)


def _finalize(folder: ShardFolder, work: Work, keep: bool, overwrite: bool) -> None:
    with progress_bar("joining", folder.items) as update:
        line = folder.finalize(work, keep, overwrite, lambda done: update(done, ""))
    print(line)


def _state(folder: ShardFolder) -> str:
    return f"{folder.count - len(folder.missing):,} of {counted(folder.count, 'shard')} done"


def _print_state(folder: ShardFolder) -> None:
    missing = folder.missing
    print(
        f"{folder.path}: {folder.command}, {_state(folder)}" + (f"; {folder.named(missing)} missing" if missing else "")
    )
    if not missing:
        print(f"join them with 'synthvae finalize {folder.path}'")
