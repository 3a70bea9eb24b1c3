"""``play``: play a preset through the sound card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("play")(play)


def play(
    preset: Annotated[Path, typer.Argument(metavar="PRESET.json", help="A preset's JSON file.")],
    note: Annotated[str | None, typer.Option(help="Note to play, e.g. A4.  [default: its own]")] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Render until the sound has decayed, whatever the preset's length.")
    ] = False,
) -> None:
    """Play a preset at the loudness of export.

    Needs the extra play: `pip install 'synthvae[play]'`.

    Example: `synthvae play sounds/preset_000003.json --note A4`
    """
    from synthvae.audio.loudness import LOUDNESS, common_level
    from synthvae.data.preset import read_preset, render_preset
    from synthvae.export.sampling import on_key, parse_key, whole_sound
    from synthvae.export.sfz import play_sound

    key = None if note is None else parse_key(note, "note")
    chosen = read_preset(preset)
    if key is not None:
        chosen = on_key(chosen, key)
    rate = chosen.settings.sample_rate
    sound = whole_sound(chosen) if whole else render_preset(chosen)
    play_sound(sound * common_level([sound], rate, LOUDNESS).gain, rate)
