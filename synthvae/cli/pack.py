"""``pack``: a run as a space, to be shared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthvae.cli.common import RunArgument, open_run
from synthvae.cli.extras import require_extra
from synthvae.cli.progress import progress_bar

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("pack")(pack)


def pack(
    run: RunArgument = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the space.  [default: spaces/ and the name of the run]")
    ] = None,
    presets: Annotated[int, typer.Option(help="Number of presets on its map.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Random seed of those presets; not that of the training.")] = 1,
    how: Annotated[str, typer.Option(help="Training command to state in the model card.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing space even if the log-mel errors disagree.")
    ] = False,
) -> None:
    """Pack a run as a space: weights, audio encoder, precomputed map and model card in one folder to share.

    The folder can be used in place of a run, without the training dataset. An existing space is replaced only if the
    new log-mel errors lie within its confidence intervals.

    Example: `synthvae pack experiments/runs/best-16 --out spaces/voice-16`
    """
    require_extra("pack", "studio")
    from synthvae.spaces.pack import STEPS, pack_space

    model = open_run(run)
    with progress_bar("packing", STEPS, "steps") as update:
        packed = pack_space(model, out or Path("spaces") / model.name, presets, seed, how, overwrite, update)
    ratio = packed.figures.quality
    print(
        f"{packed.path}: {packed.size / 1e6:.1f} MB; log-mel error {ratio.mean_preset.value:.3f} relative to the mean "
        f"preset, {ratio.mean_spectrogram.value:.3f} relative to the mean spectrogram, on {packed.figures.presets:,} "
        "presets"
    )
