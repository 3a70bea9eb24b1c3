"""``benchmark``: measurements that are too long for tests, and checks for users."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(no_args_is_help=True, help="Measure speed, and check the Voice against torchsynth.")
    group.command("voice")(voice)
    app.add_typer(group, name="benchmark")


def voice(
    check: Annotated[bool, typer.Option("--check", help="Compare values with torchsynth's modules instead.")] = False,
    presets: Annotated[int, typer.Option(help="Presets to compare.")] = 64,
    seed: Annotated[int, typer.Option(help="Of the presets.")] = 0,
) -> None:
    """Compare the Voice with torchsynth's own modules, wired with the same noise.

    Example: `synthvae benchmark voice --check`
    """
    from synthvae.benchmark import voice as measure

    for line in measure.check_equality(presets, seed):
        print(line)
