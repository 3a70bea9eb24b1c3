"""Export and import of banks as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from synthvae.bank.entries import Entry, bank_name, bank_space, checked_tags
from synthvae.core.errors import UserError, reason
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.json import check_target, dump_json, load_json, require_fields
from synthvae.data.names import slug
from synthvae.data.preset import Preset
from synthvae.data.writing import write_sounds
from synthvae.synths.registry import DEFAULT, synth_kind
from synthvae.synths.rendering import build_synth
from synthvae.synths.settings import RenderSettings, check_format

__all__ = ["FORMAT", "Imported", "file_names", "read_bank_json", "write_bank_json", "write_files"]

FORMAT = "synthvae-bank"
VERSION = 1
#: Maximum size of a document in bytes: 70,000 presets.
MOST_BYTES = 2**28


class Imported(NamedTuple):
    """A preset of a document.

    Attributes:
        preset: preset with its name.
        tags: in order.
    """

    preset: Preset
    tags: tuple[str, ...]


def write_bank_json(path: Path, entries: Sequence[Entry], overwrite: bool = True) -> None:
    """Write presets with their names, tags and descriptors as one document, whole or not at all.

    Raises:
        UserError: if `path` cannot be written, or exists and `overwrite` is False, or it would be larger than can be
            read again.
    """
    presets = []
    for entry in entries:
        document = entry.to_dict()
        presets.append({key: document[key] for key in document if key not in ("id", "distance")})
    document = {"format": FORMAT, "version": VERSION, "synth": synth_kind(DEFAULT).header, "presets": presets}
    text = dump_json(document, path) + "\n"  # ASCII
    if len(text) > MOST_BYTES:
        problem = f"would have {len(text):,} bytes; at most {MOST_BYTES:,} are read again"
        raise UserError(path, path, "export them in parts, by name or by tag", problem)
    atomic_write(path, text, overwrite)


def file_names(entries: Sequence[Entry]) -> list[str]:
    """A file name without ending for each preset: the slug of its name, and its number where several have that."""
    slugs = [slug(entry.name) for entry in entries]
    counts = Counter(text.casefold() for text in slugs)  # of two that differ in capitals, some file systems keep one
    return [
        text if counts[text.casefold()] == 1 else f"{text}-{entry.id}"
        for text, entry in zip(slugs, entries, strict=True)
    ]


def write_files(
    directory: Path, entries: Sequence[Entry], overwrite: bool, progress: Callable[[int], object] = lambda done: None
) -> list[Path]:
    """Write each preset as a JSON file with its name and descriptors, and its sound as WAV, which are returned.

    Raises:
        UserError: if one is there, before anything is written, or `directory` cannot be written to.
    """
    named = sorted(zip(file_names(entries), entries, strict=True), key=lambda pair: repr(pair[1].settings))
    for name, _ in named:
        for ending in ("json", "wav"):
            check_target(directory / f"{name}.{ending}", overwrite)
    ensure_directory(directory)
    written: list[Path] = []
    for settings, group in groupby(named, key=lambda pair: pair[1].settings):
        names, alike = zip(*group, strict=True)
        voice = build_synth(bank_space(), settings)
        advance = partial(_advance, progress, len(written))
        written += write_sounds(directory, names, [entry.preset for entry in alike], voice, progress=advance)
    return written


def _advance(progress: Callable[[int], object], before: int, done: int) -> None:
    progress(before + done)


def read_bank_json(path: Path) -> list[Imported]:
    """Read and check what `write_bank_json` wrote.

    Descriptors and hashes are not read: who takes a preset in measures it again.

    Raises:
        UserError: if the file cannot be read or is another one, or a preset in it is not whole; names it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(path, path, "give a file made with bank export", f"cannot read ({reason(error)})") from None
    if len(content) > MOST_BYTES:
        raise UserError(path, path, "export the bank in parts, by name or by tag", f"more than {MOST_BYTES:,} bytes")
    document = check_format(load_json(content, str(path), "export the bank again"), FORMAT, VERSION, str(path))
    require_fields(document, ("presets",), str(path), "export the bank again")
    presets = document["presets"]
    if not isinstance(presets, list):
        raise UserError(f"{path}: presets", presets, "export the bank again", why="not a list")
    return [_imported(entry, f"{path}: presets[{number}]") for number, entry in enumerate(presets)]


def _imported(entry: Any, source: str) -> Imported:  # noqa: ANN401
    if not isinstance(entry, dict):
        raise UserError(source, entry, "export the bank again", why="not an object")
    require_fields(entry, ("values", "tags", "name"), source, "export the bank again")
    values, tags, name, origin = (entry.get(key) for key in ("values", "tags", "name", "origin"))
    if not isinstance(values, dict):
        raise UserError(f"{source}: values", values, "export the bank again", why="not an object of numbers by name")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise UserError(f"{source}: tags", tags, "export the bank again", why="not a list of words")
    if not isinstance(name, str):
        raise UserError(f"{source}: name", name, "give it one", why="not a text")
    settings = RenderSettings.from_header(entry, source)
    human = bank_space().from_dict(values, source)
    kept = origin if isinstance(origin, dict) else {}
    return Imported(
        Preset(bank_space(), human, settings, kept, bank_name(name, f"{source}: name")),
        checked_tags(tags, f"{source}: tag"),
    )
