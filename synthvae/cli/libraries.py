"""``import-library`` and ``make-library``."""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from synthvae.cli.common import end_interrupted
from synthvae.cli.progress import progress_bar
from synthvae.cli.sharding import AddressOption, LauncherOption, ShardOption, ShardsOption, in_shards
from synthvae.core.counts import counted
from synthvae.core.errors import UserError

if TYPE_CHECKING:
    from synthvae.data.families import PlannedFamilies
    from synthvae.data.importing import PlannedImport
    from synthvae.data.library import LibraryHeader

__all__ = ["register"]

SplitOption = Annotated[str, typer.Option(help="Percentages for train, validation and test, within each label.")]
SecondsOption = Annotated[float, typer.Option(help="Duration of the sounds, in seconds.")]
RateOption = Annotated[int, typer.Option(help="Sample rate of the sounds, in Hz.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Overwrite an existing library.")]

#: Reasons for skipping that are printed, the most frequent first.
SHOWN = 12


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("import-library")(import_library)
    app.command("make-library")(make_library)


def import_library(
    folder: Annotated[Path, typer.Argument(help="A folder of recordings; subfolders are included.")],
    out: Annotated[
        Path | None, typer.Option(help="Output directory.  [default: datasets/ and the folder's name]")
    ] = None,
    seconds: SecondsOption = 2.0,
    sample_rate: RateOption = 16000,
    windows: Annotated[
        bool, typer.Option("--windows", help="Cut recordings into windows instead of using only their start.")
    ] = False,
    overlap: Annotated[
        float | None, typer.Option(help="With --windows: overlap as a fraction of a window.  [default: 0.5]")
    ] = None,
    shortest: Annotated[float, typer.Option(help="Skip recordings shorter than this, in seconds.")] = 0.005,
    split: SplitOption = "80,10,10",
    labels: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns file,label and, if known, group,pitch.  [default: the first folder's name; "
            "NSynth's families]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the split.")] = 0,
    overwrite: OverwriteOption = False,
    shard: ShardOption = None,
    launcher: LauncherOption = None,
    shards: ShardsOption = None,
    address: AddressOption = None,
) -> None:
    """Import a folder of recordings as a library: mono, one length, one sample rate, with labels and splits.

    Reads WAV, AIFF, FLAC, OGG, MP3 and any other format of libsndfile. Files that cannot be imported are listed with
    the reason in skipped.csv. Near-duplicates stay in the same split. After an interruption, the same command
    continues.

    Example: `synthvae import-library ~/samples/drums --out datasets/drums`

    Example: `synthvae import-library field-recordings --windows --seconds 4 --labels labels.csv`
    """
    if overlap is not None and not windows:
        raise UserError("overlap", overlap, "add `windows`, or leave it out", why="but recordings are not cut")
    from synthvae.data.importing import plan_import
    from synthvae.data.library_writing import check_library_target

    out = out or Path("datasets") / (folder.resolve().name or "library")
    check_library_target(out, overwrite)
    share = (0.5 if overlap is None else overlap) if windows else None
    if any((shard, launcher, shards, address)):
        from synthvae.scale.works import ImportWork

        table = None if labels is None else str(labels)
        work = ImportWork(str(out), str(folder), seconds, sample_rate, share, shortest, split, table, seed)
        with quiet_decoders():
            in_shards(work, "files", shard, launcher, shards, address, overwrite)
        return
    planned = plan_import(folder, out, seconds, sample_rate, share, shortest, split, labels, seed)
    with quiet_decoders():
        header = _build(out, planned, overwrite, "importing", "files")
    _print_library(out, header)
    if planned.unused_labels:
        rows = counted(planned.unused_labels, "row names a file that does", "rows name files that do")
        print(f"{labels or 'examples.json'}: {rows} not exist")


def make_library(
    size: Annotated[int, typer.Option(help="Number of sounds.")] = 4000,
    seed: Annotated[int, typer.Option(help="Random seed; sound i depends on the seed and i alone.")] = 0,
    out: Annotated[Path, typer.Option(help="Output directory.")] = Path("datasets/library"),
    seconds: SecondsOption = 2.0,
    sample_rate: RateOption = 16000,
    split: SplitOption = "80,10,10",
    synth: Annotated[str | None, typer.Option(help="Synthesizer.  [default: torchsynth.Voice]")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Make a library of synthesized sounds with labels: drums, basses, bells, pads and plucks.

    Each family of sounds is drawn from ranges of the synthesizer's parameters, drums with the curves of torchsynth's
    drum nebula. Each sound has its own noise signal. Notes are stored, for train --condition pitch. After an
    interruption, the same command continues.

    Example: `synthvae make-library --size 4000 --seed 0 --out datasets/library`
    """
    from synthvae.data.families import plan_families
    from synthvae.data.library_writing import check_library_target
    from synthvae.synths.registry import DEFAULT

    check_library_target(out, overwrite)
    made = plan_families(size, seed, seconds, sample_rate, split, synth or DEFAULT)
    _print_library(out, _build(out, made, overwrite, "rendering", "sounds"))


def _build(
    out: Path, planned: PlannedImport | PlannedFamilies, overwrite: bool, title: str, unit: str
) -> LibraryHeader:
    """Make a planned library with a progress bar."""
    from synthvae.data.library_writing import build_library

    total, reached = len(planned.plan.entries), 0
    try:
        with progress_bar(title, total, unit) as update:

            def on_done(done: int) -> None:
                nonlocal reached
                reached = done
                update(done, "")

            return build_library(out, planned.plan, planned.read, overwrite, on_done)
    except KeyboardInterrupt:
        end_interrupted(f"stopped with {reached:,} of {total:,} {unit} done; run the same command again to continue")


def _print_library(out: Path, header: LibraryHeader) -> None:
    counts = ", ".join(f"{count:,} {split}" for split, count in header.counts.items())
    size = (out / "audio.npy").stat().st_size / 1e6
    labels = counted(len(header.labels), "label")
    seconds = header.samples / header.sample_rate
    shape = f"{seconds:g} s at {header.sample_rate:,} Hz"
    print(f"{out}: {counted(len(header), 'sound')} of {shape}, {labels} ({counts}), {size:.1f} MB")
    for kind, count in header.left_out.items():
        if count:
            print(f"  {counted(count, 'window')} left out: {kind}")
    if header.files["skipped"]:
        files = counted(header.files["found"], "file")
        print(f"{header.files['skipped']:,} of {files} skipped, listed in {out / 'skipped.csv'}:")
        with (out / "skipped.csv").open(newline="", encoding="utf-8") as file:
            reasons = Counter(row["reason"].split(" (")[0] for row in csv.DictReader(file))
        for reason, count in reasons.most_common(SHOWN):
            print(f"  {count:7,} {reason}")


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Discard what decoders write on file descriptor 2 themselves, as libmpg123 does about broken MP3 files."""
    sys.stderr.flush()
    before, own = sys.stderr, os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        with os.fdopen(os.dup(own), "w", buffering=1, errors="replace") as stream:
            if _descriptor(before) == 2:
                sys.stderr = stream
            os.dup2(nowhere, 2)
            yield
    finally:
        sys.stderr = before
        os.dup2(own, 2)
        os.close(own)
        os.close(nowhere)


def _descriptor(stream: IO[str]) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # replaced by one that is no file, as tests do
        return None
