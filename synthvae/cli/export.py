"""``export``: write presets as samples, instruments and parameter files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthvae.cli.common import LoudnessOption, parse_loudness
from synthvae.cli.logs import tell
from synthvae.cli.progress import progress_bar
from synthvae.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synthvae.export import Exported

__all__ = ["register"]

_SFZ = "Options of --to sfz"
#: Remarks that are printed one by one.
LISTED = 20


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export")(export)


def export(
    presets: Annotated[
        list[Path], typer.Argument(metavar="PRESET.json|DIR...", help="Preset files, or directories of them.")
    ],
    to: Annotated[str, typer.Option(help="wav, flac, sfz, json or torchsynth.")],
    out: Annotated[Path, typer.Option(help="Output directory.")] = Path("exports"),
    name: Annotated[
        str | None, typer.Option(help="Name, for a single preset.  [default: its own, or derived from descriptors]")
    ] = None,
    sample_format: Annotated[str, typer.Option("--format", help="int16, int24 or float (not FLAC).")] = "int24",
    loudness: LoudnessOption = "-18",
    whole: Annotated[
        bool,
        typer.Option("--whole", help="wav and flac: render until the sound has decayed, beyond the preset's length."),
    ] = False,
    lowest: Annotated[str, typer.Option(help="Lowest key.", rich_help_panel=_SFZ)] = "C2",
    highest: Annotated[str, typer.Option(help="Highest key.", rich_help_panel=_SFZ)] = "C7",
    every: Annotated[int, typer.Option(help="Semitones between samples.", rich_help_panel=_SFZ)] = 3,
    lengths: Annotated[
        str,
        typer.Option(
            help="Note durations in seconds (own: the preset's), selected by key switches.", rich_help_panel=_SFZ
        ),
    ] = "own,2",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite files with different content.")] = False,
) -> None:
    """Write presets for samplers, for other programs and for torchsynth.

    wav and flac: one sample each, normalised to one loudness. sfz: one instrument each, in tune, looped if it sustains.
    json: presets with names and descriptors. torchsynth: what its Voice.set_parameters takes.

    Existing files with the same content are left unchanged, so an interrupted export can be continued.

    Example: `synthvae export sounds --to sfz --out instruments`
    """
    from dataclasses import replace

    from synthvae.data.preset import check_name, read_presets
    from synthvae.export import ExportOptions, described, export_presets
    from synthvae.export.sampling import parse_key

    options = ExportOptions(
        sample_format,
        parse_loudness(loudness),
        whole,
        parse_key(lowest, "lowest"),
        parse_key(highest, "highest"),
        every,
        _lengths(lengths),
        overwrite,
    )
    options.check(to)
    found = [preset for path in presets for _, preset in read_presets(path)]
    if name is not None:
        if len(found) > 1:
            raise UserError("name", name, "name one at a time", why=f"but there are {len(found)} presets")
        if not name.strip():
            raise UserError("name", name, "give a name or leave it out")
        found = [replace(found[0], name=check_name(name.strip()))]
    with progress_bar("naming", len(found), "presets") as update:
        found = described(found, lambda done: update(done, ""))
    done: list[Exported] = []
    try:
        with progress_bar("exporting", len(found), "presets") as update:
            names = [preset.name for preset in found]
            export_presets(found, names, out, to, options, lambda count: update(count, ""), done.append)
    except KeyboardInterrupt:
        tell("interrupted", f"{out}: {len(done)} of {len(found)} are written; run the same command again to continue")
        raise
    _print(done, out, {"sfz": "instrument", "json": "preset", "torchsynth": "preset"}.get(to, "sample"))


def _print(done: Sequence[Exported], out: Path, noun: str) -> None:
    remarked = [one for one in done if one.remark]
    for one in remarked[:LISTED]:
        print(f"{one.path}: {one.remark}")
    if len(remarked) > LISTED:
        print(f"and {len(remarked) - LISTED} more with remarks")
    new = sum(one.new for one in done)
    old = f", {len(done) - new} exist already" if new < len(done) else ""
    if len(done) == 1:
        print(f"{done[0].path}: {f'1 {noun}' if new else 'exists already'}")
        return
    print(f"{out}: {new} {noun}{'' if new == 1 else 's'}{old}, {done[0].path.name} to {done[-1].path.name}")


def _lengths(text: str) -> tuple[float | None, ...]:
    parts = [part.strip().lower() for part in text.split(",") if part.strip()]
    try:
        return tuple(None if part == "own" else float(part) for part in parts)
    except ValueError:
        raise UserError("lengths", text, "give seconds or own, comma-separated, e.g. own,2") from None
