"""``play``: play a preset through the sound card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthvae.cli.bank import BankOption

if TYPE_CHECKING:
    from synthvae.data.preset import Preset

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("play")(play)


def play(
    preset: Annotated[
        str,
        typer.Argument(metavar="PRESET.json|NAME", help="A preset's JSON file, or a number or a name in the bank."),
    ],
    note: Annotated[str | None, typer.Option(help="Note to play, e.g. A4.  [default: its own]")] = None,
    bank: BankOption = None,
) -> None:
    """Play a preset with its release, at the loudness of exported sounds.

    Needs the extra play: `pip install 'synthvae[play]'`.

    Example: `synthvae play 12 --note A4`
    """
    from synthvae.audio.loudness import levelled
    from synthvae.data.writing import render_whole
    from synthvae.export.sampling import on_key, parse_key
    from synthvae.export.sfz import play_sound

    key = None if note is None else parse_key(note, "note")
    chosen = _find(preset, bank)
    if key is not None:
        chosen = on_key(chosen, key)
    (rendered,) = render_whole([chosen])
    rate = rendered.preset.settings.sample_rate
    play_sound(levelled(rendered.audio, rate), rate)


def _find(text: str, bank: Path | None) -> Preset:
    """A preset by its file, or by its number or name in the bank."""
    from synthvae.bank import Bank, default_path
    from synthvae.data.preset import read_preset

    path = Path(text)
    if path.suffix.lower() == ".json" or len(path.parts) > 1 or path.exists():
        return read_preset(path)
    return Bank(bank or default_path(), create=False).get(text).preset
