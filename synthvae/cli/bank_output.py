"""Printed output of ``bank``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synthvae.core.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from synthvae.bank import Added, Entry

__all__ = ["print_added", "print_entries", "print_entry", "print_files"]

#: Lines that `add` and `import` print one by one.
LISTED = 20
#: Columns of a table where nobody watches a terminal.
WIDTH = 120


#: Files that are printed one by one.
LISTED_FILES = 8


def print_added(added: Iterable[Added], sources: Sequence[str]) -> None:
    """Print which presets were added, by name if they are few, and which were already in the bank, by source."""
    pairs = list(zip(added, sources, strict=True))
    new = [one for one, _ in pairs if one.new]
    old = [(one, source) for one, source in pairs if not one.new]
    for one in new[:LISTED]:
        print(f"added #{one.id} {one.name}")
    if len(new) > LISTED:
        print(f"and {len(new) - LISTED} more, up to #{new[-1].id}")
    for one, source in old[:LISTED]:
        print(f"already in the bank: {source} is #{one.id} {one.name}")
    if len(old) > LISTED:
        print(f"and {len(old) - LISTED} more")
    print(f"{counted(len(new), 'preset')} added, {len(old)} already in the bank")


def print_entries(entries: Sequence[Entry], as_json: bool, searched: bool = True) -> None:
    """Print presets as a table, or as JSON for scripts; if there are none and nothing was searched, say what to do."""
    if as_json:
        print(json.dumps([entry.to_dict() for entry in entries], indent=1))
        return
    if not entries:
        print("no preset matches" if searched else "the bank is empty; add presets with 'synthvae bank add'")
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    near = entries[0].distance is not None
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("name", overflow="fold")
    for heading, unit in (("pitch", "Hz"), ("bright", "Hz"), ("attack", "s"), ("decay", "s"), ("loud", "LUFS")):
        table.add_column(f"{heading}\n{unit}", justify="right", no_wrap=True)
    if near:
        table.add_column("distance\ndB", justify="right", no_wrap=True)
    table.add_column("tags", overflow="fold")
    for entry in entries:
        numbers = [
            _shown(entry.descriptors.get(key), digits)
            for key, digits in (("pitch", 4), ("brightness", 4), ("attack", 2), ("decay", 2), ("loudness", 3))
        ]
        if entry.distance is not None:
            numbers.append(f"{entry.distance:.1f}")
        table.add_row(str(entry.id), Text(entry.name), *numbers, Text(" ".join(entry.tags)))
    width = None if sys.stdout.isatty() else WIDTH
    console = Console(width=width, highlight=False)
    console.print(table)
    print(counted(len(entries), "preset"))


def _shown(value: float | None, digits: int) -> str:
    """A number with this many digits and no exponent; a dash for none."""
    if value is None:
        return "-"
    from math import floor, log10

    decimals = max(0, digits - 1 - floor(log10(abs(value)))) if value else 0
    return f"{value:.{min(decimals, digits + 1)}f}"


def print_entry(entry: Entry, values: bool) -> None:
    """Print a preset's fields, one per line; with `values` all its parameters."""
    from synthvae.audio.descriptors import PRESET_DESCRIPTORS
    from synthvae.audio.notes import note_name

    settings = entry.settings
    print(f"#{entry.id} {entry.name}")
    print(f"tags        {', '.join(entry.tags) or '-'}")
    for key, value in entry.descriptors.items():
        unit = PRESET_DESCRIPTORS[key].unit if key in PRESET_DESCRIPTORS else ""
        text = "-" if value is None else f"{_shown(value, 4)} {unit}".rstrip()
        if key == "pitch" and value is not None:
            name, cents = note_name(value)
            text += f", {name} {cents:+.0f} cents"
        print(f"{key:11} {text}")
    print(f"settings    {settings.seconds:g} s at {settings.sample_rate} Hz, control rate {settings.control_rate} Hz")
    print(f"origin      {json.dumps(entry.origin) if entry.origin else '-'}")
    print(f"added       {entry.added}")
    print(f"hash        {entry.hash}")
    if values:
        from synthvae.bank.entries import bank_space

        units = {parameter.name: parameter.unit for parameter in bank_space()}
        for key, value in entry.values.items():
            print(f"{key:32} {value:.6g} {units.get(key, '')}".rstrip())


def print_files(directory: Path, paths: Sequence[Path], one: str, many: str) -> None:
    """Print the number of files, which are called `one` or `many`, and the first few and the last by name."""
    print(f"{directory}: {counted(len(paths), one, many)}")
    for path in paths[:LISTED_FILES]:
        print(f"  {path.name}")
    if len(paths) > LISTED_FILES:
        print(f"  and {len(paths) - LISTED_FILES} more, up to {paths[-1].name}")
