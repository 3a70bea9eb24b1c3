"""Options shared by several commands, and functions that parse them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from synthvae.cli.logs import tell
from synthvae.core.errors import UserError

if TYPE_CHECKING:
    from synthvae.training.run import Run

__all__ = [
    "DEFAULT_RUN",
    "PRESETS_OR_SOUNDS",
    "FormatOption",
    "LoudnessOption",
    "RunArgument",
    "open_run",
    "parse_loudness",
]
__all__ += ["INTERRUPTED", "end_interrupted", "print_table", "refuse_given", "skipped_batches"]

#: Abilities of a run; commands that accept any model that makes sounds need one of them.
PRESETS_OR_SOUNDS = ("parameters", "sounds")
#: Exit code of a command that was stopped by SIGINT.
INTERRUPTED = 130
#: The run that a command takes where none is named (`synthvae.exploration.find_run`), for its help.
DEFAULT_RUN = "the newest in experiments/runs, else voice-16"
RunArgument = Annotated[Path | None, typer.Argument(help=f"A directory made with train.  [default: {DEFAULT_RUN}]")]
FormatOption = Annotated[str, typer.Option("--format", help="float (32 bit) or int16.")]
LoudnessOption = Annotated[str, typer.Option(help="Loudness in LUFS, or off for the sounds' own level.")]


def end_interrupted(message: str) -> NoReturn:
    """End a command that was stopped by SIGINT, with a message that reports its progress."""
    tell("interrupted", message, logging.WARNING)
    sys.exit(INTERRUPTED)


def skipped_batches(count: int) -> str:
    """Suffix of the last line of a training that reports skipped batches; empty if there were none."""
    if not count:
        return ""
    batches, whose = ("1 batch was", "its") if count == 1 else (f"{count:,} batches were", "their")
    return f"; {batches} skipped, {whose} loss or gradient was not finite"


def open_run(run: Path | None, needs: str | Collection[str] = "parameters") -> Run:
    """Load a run with an ability, or one of several; if no run is given, load the newest and print its name."""
    from synthvae.exploration import find_run
    from synthvae.training.run import load_run

    path, choice = find_run(run, needs=needs)
    if choice:
        print(choice, flush=True)
    return load_run(path, needs=needs)


def refuse_given(run: Run | None, **given: object) -> None:
    """Refuse given options that do not apply to the kind of run, or to sounds without a run.

    Raises:
        UserError: naming the first of them.
    """
    for argument, value in given.items():
        if value is not None and value is not False:
            about = "these are recordings" if run is None else f"{run.path.name} is a run on {_about(run)}"
            raise UserError(argument, value, "leave it out", why=f"and {about}")


def _about(run: Run) -> str:
    return "presets" if "parameters" in run.task.abilities else "recorded sounds"


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


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads; columns are as wide as their longest cell."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
