"""A library: recordings of one length and sample rate, with labels and splits, as a directory on disk.

===============  ====================================================================================================
``library.json``  header: format, version, rates, options, seed, labels, items per split, hash
``audio.npy``     float32 ``(N, T)``, full scale 1, ordered by split: train, validation, test
``items.csv``     one row per item: its origin, and the hash of its samples
``skipped.csv``   one row per file without items: the reason
===============  ====================================================================================================
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthvae.core.errors import UserError, reason
from synthvae.core.files import atomic_open, atomic_write
from synthvae.core.json import dump_json, load_json, require_fields
from synthvae.core.provenance import versions
from synthvae.data.presets import HEAD, SPLITS
from synthvae.synths.settings import check_format

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FORMAT",
    "ITEM_COLUMNS",
    "PITCH",
    "SKIPPED_COLUMNS",
    "VERSION",
    "Library",
    "LibraryHeader",
    "content_hash",
    "is_library",
    "read_library",
    "write_library",
]

FORMAT = "synthvae-library"
VERSION = 1
HEADER_FIELDS = (
    "sample_rate",
    "samples",
    "source",
    "seed",
    "options",
    "counts",
    "labels",
    "files",
    "left_out",
    "hash",
    "versions",
)
HEADER, AUDIO, ITEMS, SKIPPED = "library.json", "audio.npy", "items.csv", "skipped.csv"

#: Columns of items.csv with their types: ``start`` is in seconds, ``sample_rate`` that of the file in Hz; items of the
#: same ``group`` are from one recording or near-duplicates, and in the same split.
ITEM_COLUMNS: dict[str, type] = {
    "number": int,
    "split": str,
    "label": str,
    "file": str,
    "start": float,
    "channels": int,
    "sample_rate": int,
    "peak": float,
    "content_hash": str,
    "group": int,
}
#: Optional column of MIDI note numbers, empty where the note is unknown.
PITCH = "pitch"
SKIPPED_COLUMNS: dict[str, type] = {"file": str, "reason": str}

#: Maximum size in bytes of audio that is fully verified against its hashes on opening, which takes about a second.
CHECKED_WHOLE = 2**30
#: Number of items verified on opening if the audio is larger.
CHECKED_ITEMS = 2048
#: Remedy for an incomplete library.
REMEDY = "make it again, or copy it from where it is whole"


@dataclass(frozen=True)
class LibraryHeader:
    """Metadata of a library: everything except the items.

    Attributes:
        sample_rate: sample rate of all items in Hz.
        samples: number of samples of each item, T.
        counts: number of items per split.
        labels: unique labels, sorted.
        source: origin of the items: a folder, or a description of how they were synthesized.
        seed: seed of the split, and of the sounds if they were synthesized.
        options: all other options with which the library was built.
        files: numbers of files ``found``, ``imported`` and ``skipped``.
        left_out: numbers of windows of imported files that were dropped as ``silent`` or a ``duplicate``.
        versions: versions of the packages with which the library was built.
    """

    sample_rate: int
    samples: int
    counts: Mapping[str, int]
    labels: tuple[str, ...]
    source: str
    seed: int
    options: Mapping[str, Any]
    files: Mapping[str, int]
    left_out: Mapping[str, int]
    versions: Mapping[str, str] = field(default_factory=versions)

    def __len__(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, eq=False)
class Library:
    """An open library; its audio stays on disk.

    Attributes:
        path: directory of the library.
        header: everything except the items.
        hash: hash of 16 hexadecimal digits over the samples, labels, splits and origins of the items.
        items: table with one row per item, with the columns `ITEM_COLUMNS`, and `PITCH` if any note is known.
        audio: samples ``(N, T)`` float32, memory-mapped, read-only.
    """

    path: Path
    header: LibraryHeader
    hash: str
    items: pd.DataFrame
    audio: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.header)

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.header.sample_rate

    @property
    def samples(self) -> int:
        """Number of samples of each item, T."""
        return self.header.samples

    @property
    def labels(self) -> tuple[str, ...]:
        """Unique labels, sorted."""
        return self.header.labels

    def rows(self, split: str) -> range:
        """Item numbers of ``train``, ``validation`` or ``test``: a range of rows of `audio` and `items`."""
        first = sum(self.header.counts[name] for name in SPLITS[: SPLITS.index(split)])
        return range(first, first + self.header.counts[split])

    @cached_property
    def skipped(self) -> pd.DataFrame:
        """Table with one row per file without items: ``file`` and ``reason``.

        Raises:
            UserError: if the table cannot be read.
        """
        return _read_table(self.path / SKIPPED, _read_bytes(self.path / SKIPPED), SKIPPED_COLUMNS)

    def verify(self, numbers: Iterable[int] | None = None) -> None:
        """Compare samples with the hashes of the items.

        Args:
            numbers: item numbers; all by default.

        Raises:
            UserError: naming the first item that differs.
        """
        path, size = self.path / AUDIO, 4 * self.samples
        start = path.stat().st_size - len(self) * size
        hashes = self.items["content_hash"]
        with path.open("rb") as file:  # not through the memory map, whose pages would count as this process's memory
            for number in range(len(self)) if numbers is None else numbers:
                file.seek(start + number * size)
                if content_hash(file.read(size)) != hashes[number]:
                    name = self.items["file"][number]
                    raise UserError(
                        path, path, REMEDY, f"item {number} ({name}) was changed after the library was made"
                    )


def content_hash(samples: bytes | NDArray[np.float32]) -> str:
    """First 16 hexadecimal digits of the SHA-256 of an item's samples as stored in ``audio.npy``."""
    return hashlib.sha256(
        np.ascontiguousarray(samples).data if isinstance(samples, np.ndarray) else samples
    ).hexdigest()[:16]


def _library_hash(header: LibraryHeader, items: bytes) -> str:
    """Hash of the header fields and the table of items, which includes a hash of each item's samples."""
    counts = [header.counts[split] for split in SPLITS]
    head = json.dumps([FORMAT, VERSION, header.sample_rate, header.samples, counts, list(header.labels)])
    return hashlib.sha256(head.encode() + b"\n" + items).hexdigest()[:16]


def write_library(
    directory: Path,
    header: LibraryHeader,
    rows: Iterable[NDArray[np.float32]],
    items: Sequence[Mapping[str, Any]],
    skipped: Sequence[Mapping[str, str]],
) -> None:
    """Write the four files of a library.

    Args:
        directory: directory of the files; it is a library when the last one, the header, is written.
        header: everything except the items.
        rows: N items ``(T,)``, ordered by split.
        items: N rows of items.csv, in the same order; `PITCH` may be None in all or some.
        skipped: rows of skipped.csv.

    Raises:
        UserError: if the directory cannot be written to.
    """
    with atomic_open(directory / AUDIO) as file:
        shape = (len(header), header.samples)
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for row in rows:
            file.write(np.ascontiguousarray(row, "<f4").data)
    pitched = any(item.get(PITCH) is not None for item in items)
    table = _table_bytes(items, ITEM_COLUMNS | {PITCH: float} if pitched else ITEM_COLUMNS)
    atomic_write(directory / ITEMS, table)
    atomic_write(directory / SKIPPED, _table_bytes(skipped, SKIPPED_COLUMNS))
    document = {
        "format": FORMAT,
        "version": VERSION,
        "sample_rate": header.sample_rate,
        "samples": header.samples,
        "source": header.source,
        "seed": header.seed,
        "options": dict(header.options),
        "counts": {split: header.counts[split] for split in SPLITS},
        "labels": list(header.labels),
        "files": dict(header.files),
        "left_out": dict(header.left_out),
        "hash": _library_hash(header, table),
        "versions": dict(header.versions),
    }
    atomic_write(directory / HEADER, dump_json(document, directory / HEADER) + "\n")


def _table_bytes(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, type]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(row.get(name), kind) for name, kind in columns.items()})
    return text.getvalue().encode()


def _cell(value: Any, kind: type) -> Any:  # noqa: ANN401
    return f"{value:.9g}" if kind is float and value is not None else value


def is_library(path: Path) -> bool:
    """Whether a directory contains the header of a library; no other file is read."""
    try:
        with (path / HEADER).open("rb") as file:
            return FORMAT.encode() in file.read(HEAD)
    except OSError:
        return False


def read_library(path: Path) -> Library:
    """Open a library, and check that it is complete.

    The table is compared with the hash of the header, and the audio with the table: all of it up to 1 GiB, otherwise
    2,048 evenly spread items (`Library.verify` compares all). Nothing is unpickled.

    Raises:
        UserError: if the directory is not a library, has another version, or was truncated or changed; names the file
            and the field.
    """
    source = str(path / HEADER)
    document = check_format(load_json(_read_bytes(path / HEADER), source, REMEDY), FORMAT, VERSION, source, synth=False)
    require_fields(document, HEADER_FIELDS, source, REMEDY)
    header = _read_header(document, source)
    table = _read_bytes(path / ITEMS)
    found = _library_hash(header, table)
    if document.get("hash") != found:
        raise UserError(
            f"{source}: hash",
            document.get("hash"),
            REMEDY,
            why=f"but header and {ITEMS} have {found}, so one was changed after the library was made",
        )
    pitched = PITCH in table.split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")
    items = _read_table(path / ITEMS, table, ITEM_COLUMNS | {PITCH: float} if pitched else ITEM_COLUMNS)
    _check_items(items, header, path / ITEMS)
    library = Library(path, header, found, items, _read_audio(path / AUDIO, header))
    whole = 4 * len(library) * library.samples <= CHECKED_WHOLE
    step = 1 if whole else -(-len(library) // CHECKED_ITEMS)
    library.verify(range(0, len(library), step))
    return library


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        remedy = "give a directory made with 'synthvae import-library' or 'synthvae make-library'"
        raise UserError(path, path, remedy, f"cannot read ({reason(error)})") from None


def _read_header(document: Mapping[str, Any], source: str) -> LibraryHeader:
    def wrong(name: str, why: str) -> UserError:
        return UserError(f"{source}: {name}", document.get(name), REMEDY, why=why)

    for name in ("sample_rate", "samples"):
        if type(document.get(name)) is not int or document[name] < 1:
            raise wrong(name, "not a positive whole number")
    if type(document.get("seed")) is not int or document["seed"] < 0:
        raise wrong("seed", "not a whole number from 0 up")
    counts, labels = document.get("counts"), document.get("labels")
    if not isinstance(counts, dict) or list(counts) != list(SPLITS):
        raise wrong("counts", f"not a number for each of {', '.join(SPLITS)}")
    if any(type(count) is not int or count < 1 for count in counts.values()):
        raise wrong("counts", "not all positive whole numbers")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise wrong("labels", "not a list of words")
    if not labels or labels != sorted(set(labels)):
        raise wrong("labels", "not sorted words, each once")
    if not all(label.isprintable() for label in labels):
        raise wrong("labels", "not all printable, import the recordings again")
    for name in ("options", "files", "left_out", "versions"):
        if not isinstance(document.get(name), dict):
            raise wrong(name, "not a table")
    if not isinstance(document.get("source"), str):
        raise wrong("source", "not a text")
    return LibraryHeader(
        document["sample_rate"],
        document["samples"],
        counts,
        tuple(labels),
        document["source"],
        document["seed"],
        document["options"],
        document["files"],
        document["left_out"],
        document["versions"],
    )


def _read_table(path: Path, content: bytes, columns: Mapping[str, type]) -> pd.DataFrame:
    """A table with these columns; apparent missing values, such as a label ``NA``, are text."""
    import pandas as pd  # takes a quarter of a second to import: most commands do without

    try:
        table = pd.read_csv(
            io.BytesIO(content), dtype=dict(columns), keep_default_na=False, na_values={PITCH: [""]}, encoding="utf-8"
        )
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(path, path, REMEDY, f"not a table of this format ({error})") from None
    if list(table.columns) != list(columns):
        raise UserError(path, path, REMEDY, f"its columns are not {', '.join(columns)}")
    return table


def _check_items(items: pd.DataFrame, header: LibraryHeader, path: Path) -> None:
    splits = list(itertools.chain.from_iterable([split] * header.counts[split] for split in SPLITS))
    if len(items) != len(splits):
        raise UserError(path, path, REMEDY, f"holds {len(items)} items, the header says {len(splits)}")
    if items["number"].tolist() != list(range(len(items))) or items["split"].tolist() != splits:
        raise UserError(path, path, REMEDY, "its items are not numbered from 0 and ordered by split")
    unknown = sorted(set(items["label"]) ^ set(header.labels))
    if unknown:
        raise UserError(path, unknown[0], REMEDY, f"its labels are not those of the header, such as {unknown[0]!r}")


def _read_audio(path: Path, header: LibraryHeader) -> NDArray[np.float32]:
    try:
        audio = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(path, path, REMEDY, f"not whole, or no array of numbers ({reason})") from None
    shape = (len(header), header.samples)
    plain = isinstance(audio, np.memmap) and audio.dtype == np.dtype("<f4") and audio.flags.c_contiguous
    if not plain or audio.shape != shape:
        found = f"{audio.dtype} {audio.shape}" if isinstance(audio, np.ndarray) else "no array"
        raise UserError(path, path, REMEDY, f"holds {found}, not float32 {shape}")
    if path.stat().st_size != audio.offset + audio.nbytes:
        raise UserError(path, path, REMEDY, f"has {path.stat().st_size:,} bytes, not {audio.offset + audio.nbytes:,}")
    return audio
