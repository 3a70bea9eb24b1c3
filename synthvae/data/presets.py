"""The dataset file: a self-describing header followed by the values of each preset, as JSON or Parquet.

A JSON document has one array of numbers per preset, each on a separate line, so that large files can be read by lines.
Parquet is described in `synthvae.data.parquet`. The format is detected from the content, not the file name.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.errors import UserError, reason, shown
from synthvae.core.files import atomic_open
from synthvae.core.json import dump_json, load_json, parse_json, require_fields
from synthvae.data.parquet import MAGIC, ParquetRows, open_parquet, write_parquet
from synthvae.data.rows import CHUNK, Rows, StoredRows, chunks
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.registry import synth_kind
from synthvae.synths.settings import RenderSettings, check_format

__all__ = ["FORMAT", "MOST_JSON", "SPLITS", "VERSION", "Dataset", "DatasetHeader"]
__all__ += ["dataset_hash", "is_dataset", "read_dataset", "write_dataset"]

FORMAT = "synthvae-dataset"
VERSION = 1
#: Number of bytes at the start of a file that contain the name of the format.
HEAD = 256
#: Maximum number of presets of a dataset that is JSON by default and whose order in training is one permutation.
MOST_JSON = 1_000_000
#: Maximum number of presets whose values are read into memory, and therefore checked at once.
IN_MEMORY = 250_000
#: Maximum size in bytes of a JSON file that is parsed as a whole.
SMALL = 1 << 24
#: Maximum size in bytes of the header of a JSON file.
HEADER_MOST = 1 << 22
BLOCK = 1 << 24
VALUES = b',\n "values": [\n'
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetHeader:
    """Metadata of a dataset: everything except the values.

    Attributes:
        parameters: the columns.
        settings: render settings of the presets.
        source: distribution of the presets, such as ``uniform`` (`synthvae.data.generation.SOURCES`).
        seed: seed of the draw.
        size: number of presets.
        splits: first and one-past-last preset of each split.
    """

    parameters: ParameterSpace
    settings: RenderSettings
    source: str
    seed: int
    size: int
    splits: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Dataset:
    """A dataset, in memory or on disk.

    Attributes:
        header: everything except the values.
        values: values ``(N, P)`` float64, in human units; those of a large file are read on access.
        path: path of the file.
        hash: 16 hexadecimal digits of a SHA-256 of the file or, for Parquet, of its header and the groups' digests.
    """

    header: DatasetHeader
    values: Rows
    path: Path
    hash: str

    def __len__(self) -> int:
        return len(self.values)

    @property
    def parameters(self) -> ParameterSpace:
        """The columns."""
        return self.header.parameters

    @cached_property
    def unit(self) -> Tensor:
        """All presets normalised, ``(N, P)`` float32 in [0, 1]; gigabytes for a large dataset."""
        return self._normalised(range(len(self)))

    def _normalised(self, numbers: range) -> Tensor:
        unit = np.empty((len(numbers), len(self.parameters)), np.float32)
        for start in range(0, len(numbers), CHUNK):
            part = numbers[start : start + CHUNK]
            unit[start : start + len(part)] = self.parameters.normalise(self.values[part.start : part.stop])
        return torch.from_numpy(unit)

    def indices(self, split: str) -> range:
        """The preset numbers of a split."""
        return range(*self.header.splits[split])

    def units(self, numbers: range) -> Tensor:
        """Successive presets normalised, ``(n, P)`` float32."""
        return self.unit[numbers.start : numbers.stop] if self.in_memory else self._normalised(numbers)

    def split(self, name: str, limit: int | None = None) -> Tensor:
        """Presets of a split, or its first `limit` presets, normalised, ``(n, P)`` float32."""
        return self.units(self.indices(name)[:limit])

    @property
    def in_memory(self) -> bool:
        """Whether `values` is an array."""
        return isinstance(self.values, np.ndarray)


def write_dataset(
    path: Path, header: DatasetHeader, chunks: Iterable[NDArray[np.float64]], overwrite: bool = True
) -> None:
    """Write a dataset, streaming chunks ``(n, P)`` in human units; the file appears only when it is complete.

    The format is Parquet if the name of `path` ends in ``.parquet``, otherwise JSON.

    Raises:
        UserError: if `path` cannot be written, or exists when writing ends and `overwrite` is False, or a value is not
            finite or outside its range.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "synth": synth_kind(header.settings.synth).header,
        **header.settings.to_dict(),
        "source": header.source,
        "seed": header.seed,
        "size": header.size,
        "splits": {name: list(bounds) for name, bounds in header.splits.items()},
        "parameter_hash": header.parameters.hash,
        "parameters": header.parameters.to_table(),
        "fixed": dict(header.parameters.fixed),
    }
    head = dump_json(document, path)
    if path.suffix.lower() == ".parquet":
        write_parquet(path, document, header.parameters, chunks, overwrite)
        return
    with atomic_open(path, overwrite) as file:
        file.write(head.removesuffix("\n}").encode() + b',\n "values": [\n')
        separator = b""
        written = 0
        for chunk in chunks:
            header.parameters.check(chunk, str(path), written)
            written += len(chunk)
            rows = orjson.dumps(np.ascontiguousarray(chunk), option=orjson.OPT_SERIALIZE_NUMPY)
            file.write(separator + rows[1:-1].replace(b"],[", b"],\n["))
            separator = b",\n"
        file.write(b"\n ]\n}\n")


def is_dataset(path: Path) -> bool:
    """Whether a file starts like a dataset; the rest of it is not read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return FORMAT.encode() in head or (head.startswith(MAGIC) and path.suffix.lower() == ".parquet")


def read_dataset(path: Path) -> Dataset:
    """Read a dataset and check that every value is a number within its parameter's range.

    If there are more than `IN_MEMORY` presets, the values stay in the file and are checked on access.

    Raises:
        UserError: if the file is missing, truncated or of another format, version or synthesizer, or if a field or a
            value is invalid; names it.
    """
    source = str(path)
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                return _read_parquet(path)
            lines = _JsonLines.find(path)
            content = b"" if lines else path.read_bytes()
    except OSError as error:
        raise UserError(
            path, path, "make one with 'synthvae generate-dataset'", f"cannot read ({reason(error)})"
        ) from None
    if lines:
        return lines.read()
    document = load_json(content, source, "generate it again, the file may have been cut short")
    document = check_format(document, FORMAT, VERSION, source)
    header = _read_header(document, source)
    require_fields(document, ("values",), source, "generate the file again")
    values = _read_values(document["values"], header, source)
    header.parameters.check(values, source)
    return Dataset(header, values, path, hashlib.sha256(content).hexdigest()[:16])


def dataset_hash(path: Path) -> str:
    """`Dataset.hash` of a file; a file that is not Parquet need not be a dataset.

    Raises:
        OSError: if the file cannot be read.
        UserError: if it is Parquet but not a dataset.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            document, digests, _ = open_parquet(path)
            return _parquet_hash(document, digests)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _parquet_hash(document: dict[str, Any], digests: list[str]) -> str:
    return hashlib.sha256(orjson.dumps([document, digests], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _read_parquet(path: Path) -> Dataset:
    document, digests, count = open_parquet(path)
    header = _read_header(check_format(document, FORMAT, VERSION, str(path)), str(path))
    if header.size != count:
        raise UserError(path, count, "generate the file again", f"holds {count} presets, size says {header.size}")
    rows = ParquetRows(path, header.parameters, count, digests)
    return _dataset(header, rows, path, _parquet_hash(document, digests))


def _dataset(header: DatasetHeader, rows: StoredRows, path: Path, digest: str) -> Dataset:
    """A dataset; at most `IN_MEMORY` presets are read into memory."""
    if len(rows) > IN_MEMORY:
        return Dataset(header, rows, path, digest)
    values = np.empty(rows.shape)
    for first, part in zip(itertools.count(0, CHUNK), chunks(rows, 0, len(rows)), strict=False):
        values[first : first + len(part)] = part
    return Dataset(header, values, path, digest)


@dataclass(frozen=True)
class _JsonLines:
    """A large JSON dataset as written by `write_dataset`, with one preset per line.

    Attributes:
        path: path of the file.
        document: header of the file.
        starts: byte offsets of the start of each preset's line and, last, of the end of the last one.
        digest: SHA-256 of the file.
    """

    path: Path
    document: dict[str, Any]
    starts: NDArray[np.int64]
    digest: str

    @classmethod
    def find(cls, path: Path) -> _JsonLines | None:
        """The lines of a file; None if it is small or has another layout."""
        with path.open("rb") as file:
            head = file.read(HEADER_MOST)
            place = head.find(VALUES)
            size = file.seek(0, 2)
            if size <= SMALL or place < 0:
                return None
            try:
                document = load_json(head[:place] + b"}", str(path), "")
            except UserError:
                return None
            digest, ends, first = hashlib.sha256(), [], 0
            file.seek(0)
            while block := file.read(BLOCK):
                digest.update(block)
                ends.append(np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + (first + 1))
                first += len(block)
            file.seek(max(0, size - 8))
            if not file.read().endswith(b"]\n ]\n}\n"):
                return None
        starts = np.concatenate(ends)
        begin = place + len(VALUES)
        return cls(path, document, starts[(starts >= begin)][:-2], digest.hexdigest()[:16])

    def read(self) -> Dataset:
        """The dataset."""
        source = str(self.path)
        header = _read_header(check_format(self.document, FORMAT, VERSION, source), source)
        found = len(self.starts) - 1
        if found != header.size:
            raise UserError(
                source, found, "generate the file again", f"values hold {found} presets, size says {header.size}"
            )
        return _dataset(header, _JsonRows(self.path, header, self.starts), self.path, self.digest)


class _JsonRows(StoredRows):
    """Values of a JSON dataset, parsed and checked on access."""

    def __init__(self, path: Path, header: DatasetHeader, starts: NDArray[np.int64]) -> None:
        super().__init__(header.size, len(header.parameters))
        self._path, self._header, self._starts = path, header, starts

    def _read(self, first: int, end: int) -> NDArray[np.float64]:
        values = np.empty((end - first, self.shape[1]))
        with self._path.open("rb") as file:
            for start in range(first, end, CHUNK):
                last = min(start + CHUNK, end)
                file.seek(self._starts[start])
                text = file.read(int(self._starts[last] - self._starts[start]))
                rows = parse_json(b"[" + text.rstrip(b",\n") + b"]", str(self._path), "generate it again")
                part = _read_values(rows, self._header, str(self._path), range(start, last))
                self._header.parameters.check(part, str(self._path), start)
                values[start - first : last - first] = part
        return values


def _read_header(document: Mapping[str, Any], source: str) -> DatasetHeader:
    fields = ("parameters", "fixed", "parameter_hash", "size", "seed", "source", "splits")
    require_fields(document, fields, source, "generate the file again")
    table, fixed, stored = document["parameters"], document["fixed"], document["parameter_hash"]
    if not isinstance(table, list) or not isinstance(fixed, dict) or not table:
        raise UserError(source, source, "generate the file again", "parameters or fixed is not a table")
    parameters = ParameterSpace.from_table(table, fixed, source)
    if stored != parameters.hash:
        raise UserError(
            f"{source}: parameter_hash",
            stored,
            "the table was changed after the file was made: generate it again",
            why=f"but its table has {parameters.hash}",
        )
    size, seed, drawn = document["size"], document["seed"], document["source"]
    if type(size) is not int or size < 1:
        raise UserError(f"{source}: size", size, "generate the file again", why="not a positive whole number")
    if type(seed) is not int or seed < 0:
        raise UserError(f"{source}: seed", seed, "generate the file again", why="not a whole number from 0 up")
    if not isinstance(drawn, str):
        raise UserError(f"{source}: source", drawn, "generate the file again", why="not a word")
    settings = RenderSettings.from_header(document, source)
    return DatasetHeader(parameters, settings, drawn, seed, size, _read_splits(document["splits"], size, source))


def _read_splits(splits: Any, size: int, source: str) -> dict[str, tuple[int, int]]:  # noqa: ANN401
    if not isinstance(splits, dict) or set(splits) != set(SPLITS):
        raise UserError(source, splits, "generate the file again", f"splits must name exactly {', '.join(SPLITS)}")
    for name, bounds in splits.items():
        valid = isinstance(bounds, list) and len(bounds) == 2 and all(type(b) is int for b in bounds)
        if not valid or not 0 <= bounds[0] < bounds[1] <= size:
            raise UserError(
                f"{source}: split {name}",
                bounds,
                "give every split at least one preset (`splits`)",
                why=f"not a non-empty range within {size} presets",
            )
    for (name, first), (other, second) in itertools.pairwise(sorted(splits.items(), key=lambda item: item[1])):
        if second[0] < first[1]:
            raise UserError(
                source,
                splits,
                "give every preset to one split",
                f"splits {name} {first} and {other} {second} share presets, so a test would not be one",
            )
    return {name: (splits[name][0], splits[name][1]) for name in SPLITS}


def _read_values(
    rows: Any,  # noqa: ANN401
    header: DatasetHeader,
    source: str,
    numbers: range | None = None,
) -> NDArray[np.float64]:
    """Values of the presets with these numbers, all by default."""
    width = len(header.parameters)
    numbers = range(header.size) if numbers is None else numbers
    if not isinstance(rows, list) or len(rows) != len(numbers):
        found = len(rows) if isinstance(rows, list) else shown(rows)
        raise UserError(
            source, found, "generate the file again", f"values hold {found} presets, size says {len(numbers)}"
        )
    for number, row in zip(numbers, rows, strict=True):
        if not isinstance(row, list) or len(row) != width:
            raise UserError(
                source,
                row,
                "add or remove the difference, or generate the file again",
                f"preset {number} has {len(row) if isinstance(row, list) else shown(row)} values, the table "
                f"{width} parameters",
            )
    if not set(map(type, itertools.chain.from_iterable(rows))) <= {int, float}:  # no text, boolean or null
        for number, row in zip(numbers, rows, strict=True):
            for name, value in zip(header.parameters.names, row, strict=True):
                if type(value) not in (int, float):
                    raise UserError(
                        f"{source}: preset {number}, {name}", value, "correct the value", why="not a number"
                    )
    return np.fromiter(itertools.chain.from_iterable(rows), np.float64, len(rows) * width).reshape(-1, width)
