"""Options that several commands share, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthvae.core.errors import UserError

if TYPE_CHECKING:
    from synthvae.training.run import Run

__all__ = ["FormatOption", "LoudnessOption", "RunArgument", "open_run", "parse_loudness"]

RunArgument = Annotated[
    Path | None,
    typer.Argument(help="A directory made with train.  [default: the newest in experiments/runs, else voice-16]"),
]
FormatOption = Annotated[str, typer.Option("--format", help="float (32 bit) or int16.")]
LoudnessOption = Annotated[str, typer.Option(help="Loudness in LUFS, or off for the Voice's own level.")]


def open_run(run: Path | None) -> Run:
    """Load a run; without one the newest, whose name is printed."""
    from synthvae.exploration import find_run
    from synthvae.training.run import load_run

    path, choice = find_run(run)
    if choice:
        print(choice, flush=True)
    return load_run(path, needs="parameters")


def parse_loudness(text: str) -> float | None:
    """The value of ``--loudness``; None for ``off``.

    Raises:
        UserError: if it is no number, or a loudness that no file can have.
    """
    from synthvae.audio.loudness import check_loudness

    if text.strip().lower() == "off":
        return None
    try:
        loudness = float(text)
    except ValueError:
        raise UserError("loudness", text, "give LUFS, e.g. -18, or off", why="not a number") from None
    check_loudness(loudness)
    return loudness
