"""Import of a folder of recordings as a library."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from synthvae.audio.notes import HIGHEST_NOTE
from synthvae.audio.recordings import read_windows
from synthvae.core.checks import check_seed
from synthvae.core.errors import UserError, printable, reason
from synthvae.core.json import load_json
from synthvae.data.library import PITCH, LibraryHeader
from synthvae.data.library_writing import Entry, Plan, Sound, build_library, check_library_target, unfinished
from synthvae.data.splitting import parse_shares
from synthvae.synths.settings import SAMPLE_RATES

__all__ = [
    "SHORTEST",
    "UNLABELLED",
    "Found",
    "Labels",
    "PlannedImport",
    "Scan",
    "check_shape",
    "import_library",
    "plan_import",
    "read_labels",
    "scan_folder",
]

Progress = Callable[[int, int], object]

#: Label of files directly in the imported folder.
UNLABELLED = "unlabelled"
#: Default length in seconds below which a recording is skipped; the shortest of Rebnord (2022) has 8 ms.
SHORTEST = 0.005
#: Maximum number of samples of an item: a few windows of the reader must fit into memory at once.
MOST_SAMPLES = 2**22
#: Layout of NSynth: a table of notes beside a folder of WAV files (Engel et al., "Neural audio synthesis of musical
#: notes with WaveNet autoencoders", ICML 2017).
NSYNTH, NSYNTH_AUDIO, NSYNTH_LABEL, NSYNTH_PITCH = "examples.json", "audio", "instrument_family_str", "pitch"


class Found(NamedTuple):
    """A file found in a folder.

    Attributes:
        name: path relative to the folder.
        path: path on disk.
        state: size in bytes and modification time in ns, to detect changes.
    """

    name: str
    path: Path
    state: tuple[int, int]


class _Link(NamedTuple):
    """A symbolic link to a folder, and the device and inode number of that folder."""

    name: str
    path: Path
    target: tuple[int, int]


@dataclass
class Scan:
    """The result of scanning a folder.

    Attributes:
        files: the regular files, sorted.
        skipped: relative paths of everything else that is not a folder, with the reason.
    """

    files: list[Found] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def scan_folder(folder: Path, exclude: Sequence[Path] = ()) -> Scan:
    """Find the files in a folder, recursively.

    A symbolic link to a folder is followed once, unless that folder is scanned by its own path or contains the link.

    Args:
        folder: folder to scan.
        exclude: folders to skip, such as the output.

    Raises:
        UserError: if the folder is missing, or cannot be read.
    """
    try:
        own = folder.stat()
        os.scandir(folder).close()
    except OSError as error:
        raise UserError(folder, folder, "give a folder with recordings", f"cannot read ({reason(error)})") from None
    scan = Scan()
    visited = {_identity(own)}
    outside = {_identity(path.stat()) for path in folder.resolve().parents}
    left = {_identity(path.stat()) for path in exclude if path.is_dir()}
    links: list[_Link] = []
    _scan(scan, "", folder, visited, left, links)
    while links:
        name, path, target = links.pop(0)
        if target in left:
            continue
        if target in outside or _holds(path, path.parent):
            scan.skipped.append((name, "symbolic link loop"))
        elif target in visited:
            scan.skipped.append((name, "symbolic link (to a folder that is read by another name)"))
        else:
            visited.add(target)
            _scan(scan, name, path, visited, left, links)
    scan.files.sort()
    scan.skipped.sort()
    return scan


def _scan(
    scan: Scan, name: str, folder: Path, visited: set[tuple[int, int]], left: set[tuple[int, int]], links: list[_Link]
) -> None:
    """Add the contents of one folder; links to folders are deferred until all real folders are known."""
    waiting = [(name, folder)]
    while waiting:
        above, path = waiting.pop()
        try:
            with os.scandir(path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            scan.skipped.append((above, f"cannot read ({reason(error)})"))
            continue
        for entry in entries:
            below = _shown(f"{above}/{entry.name}" if above else entry.name)
            if entry.is_dir(follow_symlinks=False):
                identity = _identity(entry.stat(follow_symlinks=False))
                if identity not in visited and identity not in left:
                    visited.add(identity)
                    waiting.append((below, Path(entry.path)))
            elif any(part.startswith(".") for part in below.split("/")):
                scan.skipped.append((below, "hidden"))
            else:
                _add_file(scan, below, Path(entry.path), links)


def _add_file(scan: Scan, name: str, path: Path, links: list[_Link]) -> None:
    try:
        found = path.stat()
    except OSError as error:
        missing = {errno.ENOENT: "broken symbolic link", errno.ELOOP: "symbolic link loop"}
        why = missing.get(error.errno or 0) if path.is_symlink() else None
        scan.skipped.append((name, why or f"cannot read ({reason(error)})"))
        return
    if stat.S_ISDIR(found.st_mode):
        links.append(_Link(name, path, _identity(found)))
    elif not stat.S_ISREG(found.st_mode):
        scan.skipped.append((name, "not a plain file"))
    elif not found.st_size:
        scan.skipped.append((name, "empty"))
    else:
        scan.files.append(Found(name, path, (found.st_size, found.st_mtime_ns)))


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _holds(folder: Path, path: Path) -> bool:
    """Whether a path is inside a folder, with links resolved."""
    return path.resolve().is_relative_to(folder.resolve())


def _shown(name: str) -> str:
    """A file name as text that can be encoded as UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class _Label(NamedTuple):
    label: str
    group: str = ""
    pitch: float | None = None


@dataclass(frozen=True)
class Labels:
    """The source of labels.

    Attributes:
        kind: ``folders``, ``NSynth``, or the name of a table.
        table: labels by file path relative to the folder; None if labels are folder names.
        path: path of the table.
        unused: number of rows of the table whose files do not exist.
    """

    kind: str
    table: Mapping[str, _Label] | None = None
    path: Path | None = None
    unused: int = 0

    def of(self, name: str) -> _Label | None:
        """The label of a file; None if it is not in the table."""
        if self.table is None:
            first, *rest = name.split("/")
            return _Label(first if rest else UNLABELLED)
        return self.table.get(name)


def read_labels(folder: Path, path: Path | None, names: set[str]) -> Labels:
    """Labels of the files of a folder: from a table, NSynth's ``examples.json``, or the first folder's name.

    Args:
        folder: imported folder.
        path: path of a table with the columns ``file`` (relative to the folder) and ``label`` and the optional columns
            ``group``, for files that belong together, and ``pitch``, a MIDI note number or empty; None for NSynth's
            table if it exists, and for folder names otherwise.
        names: names of the files that were found.

    Raises:
        UserError: if the table cannot be read, lacks a column, gives a file two labels, lists none of the files, or has
            a pitch that is not a note.
    """
    if path is not None:
        table = _read_csv(path, folder)
    elif (folder / NSYNTH).is_file() and (folder / NSYNTH_AUDIO).is_dir():
        path, table = folder / NSYNTH, _read_nsynth(folder / NSYNTH)
    else:
        return Labels("folders")
    unused = len(table.keys() - names)
    if unused == len(table):
        first = next(iter(table), "nothing")
        raise UserError(
            path, path, "name files by their path below the folder", f"names no file in {folder} (but {first})"
        )
    return Labels("NSynth" if path.name == NSYNTH else path.name, table, path, unused)


def _read_csv(path: Path, folder: Path) -> dict[str, _Label]:
    try:
        text = path.read_bytes().decode("utf-8-sig")  # spreadsheets write a byte order mark
    except OSError as error:
        raise UserError("labels", path, "give a CSV file", f"cannot read {path} ({reason(error)})") from None
    except UnicodeDecodeError:
        raise UserError(path, path, "save it as UTF-8", "not UTF-8") from None
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in head and "," not in head else ",")
    columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    if not {"file", "label"} <= set(columns):
        raise UserError(path, path, "give it the columns file,label", f"has the columns {', '.join(columns) or 'none'}")
    reader.fieldnames = columns
    table: dict[str, _Label] = {}
    try:
        for row in reader:
            file, label, group = ((row.get(name) or "").strip() for name in ("file", "label", "group"))
            if not file and not label:
                continue
            where = f"{path}: line {reader.line_num}"
            if not file or not label:
                raise UserError(where, row, "name a file and its label", "file or label is missing")
            named = _Label(label, group, _pitch((row.get(PITCH) or "").strip() or None, where))
            found = table.setdefault(_below(file, folder), named)
            if found != named:
                raise UserError(where, file, "give each file one label", f"{file} was labelled {found.label} before")
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}", path, "correct the line", str(error)) from None
    return table


def _pitch(value: Any, where: str) -> float | None:  # noqa: ANN401
    """A MIDI note number from a table; None if a cell is empty or missing."""
    try:
        pitch = None if value is None else float(value)
    except (TypeError, ValueError):
        pitch = math.nan
    if pitch is not None and not 0 <= pitch <= HIGHEST_NOTE:
        raise UserError(f"{where}: {PITCH}", value, f"give a MIDI note number, 0 to {HIGHEST_NOTE}, or leave it empty")
    return pitch


def _below(file: str, folder: Path) -> str:
    """A file's path relative to the folder, from a relative or absolute path."""
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(folder.absolute()):
        file = str(path.relative_to(folder.absolute()))
    return str(PurePosixPath(file.replace("\\", "/")))


def _read_nsynth(path: Path) -> dict[str, _Label]:
    document = load_json(path.read_bytes(), str(path), "copy it again from NSynth")
    if not isinstance(document, dict):
        raise UserError(path, path, "copy it again from NSynth", "not a table of notes")
    table = {}
    for note, row in document.items():
        label = row.get(NSYNTH_LABEL) if isinstance(row, dict) else None
        if not isinstance(label, str) or not label:
            raise UserError(f"{path}: {note}", label, "copy it again from NSynth", f"has no {NSYNTH_LABEL}")
        pitch = _pitch(row.get(NSYNTH_PITCH), f"{path}: {note}")
        table[f"{NSYNTH_AUDIO}/{note}.wav"] = _Label(label, pitch=pitch)
    return table


def check_shape(seconds: float, sample_rate: int) -> int:
    """Number of samples of an item, after checking length and sample rate.

    Args:
        seconds: length of the item.
        sample_rate: sample rate in Hz.

    Raises:
        UserError: for a rate outside 1 to 384 kHz, or a length of 0 or more than 4,194,304 samples.
    """
    low, high = SAMPLE_RATES
    if not low <= sample_rate <= high:
        raise UserError("sample_rate", sample_rate, f"give {low} to {high} Hz")
    longest = MOST_SAMPLES / sample_rate
    if not 1 / sample_rate <= seconds <= longest:
        raise UserError("seconds", seconds, f"give {1 / sample_rate:.2g} to {longest:.4g} s at {sample_rate} Hz")
    return round(seconds * sample_rate)


class PlannedImport(NamedTuple):
    """The plan of an import, with the settings to read its files.

    Attributes:
        plan: specification of the library.
        paths: paths of the entries by name.
        hop: number of samples from window to window; None for one window per recording.
        shortest: length in seconds below which a recording is skipped.
        unused_labels: number of rows of a table of labels whose files do not exist.
    """

    plan: Plan
    paths: Mapping[str, Path]
    hop: int | None
    shortest: float
    unused_labels: int

    def read(self, entry: Entry) -> Iterator[Sound | None]:
        """The sounds of a file; None in place of a silent one."""
        path = self.paths[entry.file]
        for window in read_windows(path, self.plan.samples, self.plan.sample_rate, self.hop, self.shortest):
            sound = window.audio
            yield (
                None if sound is None else Sound(sound, window.start, window.channels, window.sample_rate, entry.pitch)
            )


def plan_import(
    folder: Path,
    out: Path,
    seconds: float = 2.0,
    sample_rate: int = 16000,
    overlap: float | None = None,
    shortest: float = SHORTEST,
    split: str = "80,10,10",
    labels: Path | None = None,
    seed: int = 0,
) -> PlannedImport:
    """Find the files of a folder and their labels without reading audio; see `import_library` for the arguments.

    Raises:
        UserError: for an argument outside its range, a folder or a table that cannot be read, or no files.
    """
    samples = check_shape(seconds, sample_rate)
    if overlap is not None and not 0 <= overlap <= 0.99:
        raise UserError("overlap", overlap, "give 0 to 0.99")
    if not 0 <= shortest <= seconds:
        raise UserError("shortest", shortest, f"give 0 to {seconds:g} s, the length of the items")
    parse_shares(split)
    check_seed(seed)
    scan = scan_folder(folder, (out, unfinished(out)))
    known = read_labels(folder, labels, {found.name for found in scan.files})
    own = known.path.resolve() if known.path else None
    entries, paths, skipped = [], {}, list(scan.skipped)
    for name, path, state in scan.files:
        label = known.of(name)
        if label is None:
            table = path.resolve() == own
            skipped.append((name, "table of labels" if table else f"no label (in {known.kind})"))
        else:
            # Escaped: labels come from files, and a terminal would execute escape sequences.
            entries.append(Entry(name, printable(label.label), label.group, state, label.pitch))
            paths[name] = path
    options: dict[str, Any] = {
        "seconds": seconds,
        "overlap": overlap,
        "shortest": shortest,
        "labels": known.kind,
    }
    hop = None if overlap is None else max(1, round(samples * (1 - overlap)))
    plan = Plan(str(folder), sample_rate, samples, split, seed, options, entries, skipped)
    return PlannedImport(plan, paths, hop, shortest, known.unused)


def import_library(
    folder: Path,
    out: Path,
    seconds: float = 2.0,
    sample_rate: int = 16000,
    overlap: float | None = None,
    shortest: float = SHORTEST,
    split: str = "80,10,10",
    labels: Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> LibraryHeader:
    """Build a library from the recordings in a folder, and return its header.

    Every file is imported, or skipped with a reason (`synthvae.data.library.Library.skipped`). An interrupted import
    resumes when it is called again (`synthvae.data.library_writing.build_library`).

    Args:
        folder: folder with recordings in any format that libsndfile reads, also in subfolders.
        out: directory of the library.
        seconds: length of an item. Shorter sounds are padded with zeros, longer ones cut.
        sample_rate: sample rate of the items in Hz.
        overlap: None for one item per file, from its start; otherwise files are cut into windows, each of which
            overlaps the previous one by this fraction.
        shortest: length in seconds below which a recording is skipped.
        split: percentages of train, validation and test, applied to each label.
        labels: table with the columns ``file,label``, see `read_labels`; by default the name of the first folder below
            `folder`, or the instrument family if `folder` has the layout of NSynth.
        seed: seed of the split.
        overwrite: whether to replace an existing library.
        progress: called with the number of files done and the total number.

    Raises:
        UserError: for an argument outside its range, a folder or a table that cannot be read, a folder without
            recordings, or an `out` that exists or cannot be written.
    """
    check_library_target(out, overwrite)
    planned = plan_import(folder, out, seconds, sample_rate, overlap, shortest, split, labels, seed)
    total = len(planned.plan.entries)
    return build_library(out, planned.plan, planned.read, overwrite, lambda done: progress(done, total))
