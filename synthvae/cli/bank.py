"""``bank``: preset bank with text, descriptor and audio-similarity search."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthvae.cli.bank_output import print_added, print_entries, print_entry
from synthvae.cli.logs import tell
from synthvae.cli.progress import progress_bar
from synthvae.core.counts import counted
from synthvae.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from synthvae.audio.recordings import Recording
    from synthvae.bank import Bank, Entry
    from synthvae.data.preset import Preset

__all__ = ["register"]

bank_app = typer.Typer(
    help="Store presets in a searchable bank: text, descriptors, audio similarity.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

BankOption = Annotated[
    Path | None,
    typer.Option(
        "--bank", help="The bank's file.  [default: $SYNTHVAE_BANK, else ~/.local/share/synthvae/bank.sqlite]"
    ),
]
Which = Annotated[str, typer.Argument(metavar="NAME", help="A number, a name, or an unambiguous prefix of a name.")]
TagOption = Annotated[list[str] | None, typer.Option("--tag", help="Required tag; can be repeated.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SortOption = Annotated[str | None, typer.Option(help="Sort by name or by a descriptor, e.g. brightness.")]
LimitOption = Annotated[
    int | None, typer.Option(help="Maximum number of presets to list.  [default: all; 10 with --like]")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Overwrite existing files.")]
Range = Annotated[str | None, typer.Option(metavar="LOW:HIGH", rich_help_panel="Ranges (either bound may be omitted)")]

#: A range of each descriptor, for messages about one that is not a range.
RANGES = {
    "pitch": "200:500",
    "note": "C3:C5",
    "cents": "-10:10",
    "brightness": "500:2000",
    "noisiness": "0.1:0.5",
    "attack": "0.01:0.1",
    "decay": "0.1:0.5",
    "loudness": "-30:-18",
    "duration": "0.2:1",
    "glide": "-12:0",
    "vibrato": "0.2:2",
    "tremolo": "1:6",
    "sweep": "-2:0",
}
#: Presets that are listed of those like another.
NEAREST = 10


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(bank_app, name="bank")


@bank_app.command("add")
def add(
    presets: Annotated[
        list[Path], typer.Argument(metavar="PRESET.json|DIR...", help="Preset files, or directories of them.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name, for a single preset.  [default: its own, or derived from descriptors]")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Tag for all added presets; can be repeated.")] = None,
    bank: BankOption = None,
) -> None:
    """Render presets, compute their descriptors, name them, and store them in the bank.

    A preset that is already in the bank is not added again.

    Example: `synthvae bank add sounds --tag first-try`
    """
    from dataclasses import replace

    from synthvae.bank.entries import bank_name, checked_tags
    from synthvae.data.preset import read_presets

    found = [pair for path in presets for pair in read_presets(path)]
    if name is not None:
        if len(found) > 1:
            raise UserError("name", name, "name one at a time", why=f"but there are {len(found)} presets")
        found = [(path, replace(preset, name=bank_name(name))) for path, preset in found]
    sources = [str(path) for path, _ in found]
    words = checked_tags(tag or ())
    with _kept(len(found)) as update:
        added = _open(bank, create=True).add_all([preset for _, preset in found], [words] * len(found), update, sources)
    print_added(added, sources)


@bank_app.command("list")
def list_presets(
    tag: TagOption = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
    bank: BankOption = None,
) -> None:
    """List presets.

    Example: `synthvae bank list --tag keeper --sort brightness`
    """
    print_entries(_open(bank).search(tags=tag or (), sort=sort, limit=limit), as_json, searched=bool(tag))


@bank_app.command("search")
def search(
    text: Annotated[list[str] | None, typer.Argument(help="Words that must all occur in the name or the tags.")] = None,
    tag: TagOption = None,
    like: Annotated[
        str | None, typer.Option(metavar="RECORDING|PRESET.json|NAME", help="Sort by audio similarity to this sound.")
    ] = None,
    pitch: Range = None,
    note: Annotated[
        str | None,
        typer.Option(metavar="A3|C3:C5", rich_help_panel="Ranges (either bound may be omitted)"),
    ] = None,
    cents: Range = None,
    brightness: Range = None,
    noisiness: Range = None,
    attack: Range = None,
    decay: Range = None,
    loudness: Range = None,
    duration: Range = None,
    glide: Range = None,
    vibrato: Range = None,
    tremolo: Range = None,
    sweep: Range = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
    bank: BankOption = None,
) -> None:
    """Find presets that match all given conditions.

    Pitch and brightness are in Hz, cents from the nearest note, attack, decay and duration in seconds, loudness in
    LUFS, glide and vibrato in semitones, tremolo in dB, sweep in octaves, noisiness from 0 to 1.

    Example: `synthvae bank search pluck --pitch 200:500 --decay :0.3 --like snare.wav`
    """
    texts = {
        "pitch": pitch,
        "note": note,
        "cents": cents,
        "brightness": brightness,
        "noisiness": noisiness,
        "attack": attack,
        "decay": decay,
        "loudness": loudness,
        "duration": duration,
        "glide": glide,
        "vibrato": vibrato,
        "tremolo": tremolo,
        "sweep": sweep,
    }
    ranges = {key: _range(key, given) for key, given in texts.items() if given is not None}
    opened = _open(bank)
    words, tags = " ".join(text or ()), tag or ()
    if like is None:
        print_entries(opened.search(words, ranges, None, tags, limit, sort), as_json)
        return
    point, own = _like(opened, like)
    if limit is None:
        limit = NEAREST
    others = 0 if own is None or limit < 1 else 1  # it is the nearest to itself
    found = opened.search(words, ranges, point, tags, limit + others, sort)
    print_entries([entry for entry in found if entry.id != own][:limit], as_json)


@bank_app.command("show")
def show(
    name: Which,
    values: Annotated[bool, typer.Option("--values", help="Also print all 78 parameters.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Write the spectrogram to this PNG file.")] = None,
    overwrite: Overwrite = False,
    as_json: JsonOption = False,
    bank: BankOption = None,
) -> None:
    """Show name, tags, descriptors and origin of a preset.

    Example: `synthvae bank show "bright noisy pluck, A3" --picture pluck.png`
    """
    from synthvae.core.files import atomic_write
    from synthvae.core.json import check_target

    opened = _open(bank)
    entry = opened.get(name)
    if picture is not None:
        check_target(picture, overwrite, "picture")
        atomic_write(picture, opened.thumbnail(entry.id), overwrite)
    if as_json:
        print(json.dumps(entry.to_dict(), indent=1))
        return
    print_entry(entry, values)


@bank_app.command("tag", context_settings={"ignore_unknown_options": True})
def tag(
    name: Which,
    tags: Annotated[list[str] | None, typer.Argument(metavar="+TAG|-TAG...", help="+TAG adds, -TAG removes.")] = None,
    add_tags: Annotated[list[str] | None, typer.Option("--add", help="Tag to add; can be repeated.")] = None,
    remove_tags: Annotated[list[str] | None, typer.Option("--remove", help="Tag to remove; can be repeated.")] = None,
    bank: BankOption = None,
) -> None:
    """Add and remove tags of a preset.

    Example: `synthvae bank tag 12 +dark -loud`
    """
    more, fewer = list(add_tags or ()), list(remove_tags or ())
    for word in tags or ():
        if word[:1] not in ("+", "-") or word.startswith("--"):
            raise UserError(
                "tags",
                word,
                f"write +{word.lstrip('-')} to add it, -{word.lstrip('-')} to remove it",
                f"{word!r} has no sign",
            )
        (more if word[0] == "+" else fewer).append(word[1:])
    if not more and not fewer:
        raise UserError("tags", [], "write e.g. +dark or -loud", f"there is no tag to add or remove in {name!r}")
    if both := {one.casefold() for one in more} & {one.casefold() for one in fewer}:
        raise UserError("tags", min(both), "write one of them", f"{min(both)!r} is both added and removed")
    entry = _open(bank).retag(name, more, fewer)
    print(f"#{entry.id} {entry.name}: {', '.join(entry.tags) or 'no tags'}")


@bank_app.command("tags")
def tags(bank: BankOption = None) -> None:
    """List all tags with the number of presets of each.

    Example: `synthvae bank tags`
    """
    for word, count in _open(bank).tags().items():
        print(f"{count:6d}  {word}")


@bank_app.command("rename")
def rename(name: Which, new: Annotated[str, typer.Argument(help="The new name.")], bank: BankOption = None) -> None:
    """Rename a preset.

    Example: `synthvae bank rename 12 "glass drop"`
    """
    entry = _open(bank).rename(name, new)
    print(f"#{entry.id} {entry.name}")


@bank_app.command("remove")
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Numbers or names.")], bank: BankOption = None
) -> None:
    """Remove presets from the bank.

    Example: `synthvae bank remove 12 13`
    """
    for entry in _open(bank).remove(*names):
        print(f"removed #{entry.id} {entry.name}")


@bank_app.command("export")
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT.json|DIR", help="A file for bank import, or a directory.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Presets to export.  [default: all]")
    ] = None,
    tag: TagOption = None,
    overwrite: Overwrite = False,
    bank: BankOption = None,
) -> None:
    """Write presets to one file that another bank can import, or each with its sound to a directory.

    Example: `synthvae bank export keepers --tag keeper`
    """
    from synthvae.bank.transfer import write_files
    from synthvae.core.json import check_target

    opened = _open(bank)
    entries: Sequence[Entry]
    if names:
        entries = list({entry.id: entry for entry in map(opened.get, names)}.values())
        if tag:
            raise UserError("tag", tag[0], "give names or tags", why=f"but {names[0]!r} is named")
    else:
        entries = opened.search(tags=tag or ())
    if not entries:
        raise UserError(opened.path, opened.path, "'synthvae bank list' prints all presets", "no preset to export")
    if out.suffix.lower() == ".json":
        check_target(out, overwrite)
        opened.export_json(out, [entry.id for entry in entries], overwrite)
        print(f"{out}: {counted(len(entries), 'preset')}")
        return
    with progress_bar("rendering", len(entries), "sounds") as update:
        paths = write_files(out, entries, overwrite, lambda done: update(done, ""))
    print(f"{out}: {counted(len(paths), 'preset with its sound', 'presets with their sounds')}")


@bank_app.command("import")
def import_presets(
    file: Annotated[Path, typer.Argument(help="A file made with bank export.")], bank: BankOption = None
) -> None:
    """Add the presets of an exported file, with their names and tags; presets already in the bank are unchanged.

    Example: `synthvae bank import keepers.json`
    """
    from synthvae.bank.transfer import read_bank_json

    count = len(read_bank_json(file))  # before a bank is made for it
    with _kept(count) as update:
        added = _open(bank, create=True).import_json(file, lambda done, of: update(done))
    print_added(added, [f"presets[{number}]" for number in range(len(added))])


@contextmanager
def _kept(count: int) -> Iterator[Callable[[int], None]]:
    """Progress of adding; on SIGINT it prints how many presets were added."""
    kept = 0
    with progress_bar("rendering and analysing", count, "presets") as update:

        def advance(done: int) -> None:
            nonlocal kept
            kept = done
            update(done, "")

        try:
            yield advance
        except KeyboardInterrupt:
            tell(
                "interrupted",
                f"{kept} of {counted(count, 'preset')} are in the bank; run the same command again to add the rest",
            )
            raise


def _open(path: Path | None, create: bool = False) -> Bank:
    from synthvae.bank import Bank, default_path

    return Bank(path or default_path(), create)


def _range(name: str, text: str) -> tuple[float | None, float | None]:
    """``LOW:HIGH`` as numbers; notes also as names, and a single note."""
    low, colon, high = text.partition(":")
    if not colon and name == "note":
        low = high = text
    elif not colon or not (low.strip() or high.strip()):
        raise UserError(name, text, _range_remedy(name), why="not a range")
    return _bound(name, low, text), _bound(name, high, text)


def _bound(name: str, text: str, whole: str) -> float | None:
    from synthvae.audio.notes import parse_note

    if not text.strip():
        return None
    if name == "note" and (number := parse_note(text)) is not None:
        return float(number)
    try:
        return float(text)
    except ValueError:
        kind = "note or number" if name == "note" else "number"
        raise UserError(name, whole, _range_remedy(name), why=f"{text!r} is no {kind}") from None


def _range_remedy(name: str) -> str:
    """How a range of a descriptor is written, with its unit and an example."""
    from synthvae.audio.descriptors import PRESET_DESCRIPTORS

    units = {"": "from 0 to 1", "s": "in seconds", "MIDI": "in notes or MIDI numbers"}
    unit = PRESET_DESCRIPTORS[name].unit
    return f"write LOW:HIGH, LOW: or :HIGH {units.get(unit, f'in {unit}')}, such as {RANGES[name]}"


def _like(bank: Bank, text: str) -> tuple[Recording | Preset | NDArray[np.float64], int | None]:
    """The sound that ``--like`` names, and its number if it is a preset of the bank."""
    from synthvae.audio.files import AUDIO_ENDINGS
    from synthvae.audio.recordings import read_recording
    from synthvae.bank.analysis import LONGEST
    from synthvae.data.preset import read_preset

    path = Path(text)
    if path.suffix.lower() == ".json":
        return read_preset(path), None
    if path.suffix.lower() in AUDIO_ENDINGS or path.exists():
        return read_recording(path, LONGEST), None
    entry = bank.get(text)
    return bank.embedding(entry.id), entry.id
