"""The dataset file: one JSON document, a self-describing header and then one array of numbers per preset."""

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

from synthvae.core.errors import UserError, shown
from synthvae.core.files import atomic_open
from synthvae.core.json import dump_json, load_json
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.registry import synth_kind
from synthvae.synths.settings import RenderSettings, check_format

__all__ = ["FORMAT", "SPLITS", "VERSION", "Dataset", "DatasetHeader", "is_dataset", "read_dataset", "write_dataset"]

FORMAT = "synthvae-dataset"
VERSION = 1
#: Bytes at the start of a file, within which the writer puts the format's name.
HEAD = 256
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetHeader:
    """Everything but the values.

    Attributes:
        parameters: the columns.
        settings: how the presets are meant to be rendered.
        source: the distribution the presets were drawn from, such as ``uniform`` (`synthvae.data.generation.SOURCES`).
        seed: of the draw.
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
    """A dataset in memory.

    Attributes:
        header: everything but the values.
        values: ``(N, P)`` float64, in human units.
        path: where it was read from.
        hash: 16 hexadecimal digits of the file's SHA-256.
    """

    header: DatasetHeader
    values: NDArray[np.float64]
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
        """All presets normalised, ``(N, P)`` float32 in [0, 1]."""
        return torch.from_numpy(self.parameters.normalise(self.values).astype(np.float32))

    def indices(self, split: str) -> range:
        """The numbers of a split's presets."""
        return range(*self.header.splits[split])

    def split(self, name: str) -> Tensor:
        """A split's presets normalised, ``(n, P)`` float32."""
        first, end = self.header.splits[name]
        return self.unit[first:end]


def write_dataset(
    path: Path, header: DatasetHeader, chunks: Iterable[NDArray[np.float64]], overwrite: bool = True
) -> None:
    """Write a dataset, streaming chunks ``(n, P)`` in human units; the file appears only when it is whole.

    Raises:
        UserError: if `path` cannot be written, or is there by then and `overwrite` is False, or a value is not finite
            or outside its range.
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
    """Whether a file starts as a dataset does; the rest of it is not read."""
    try:
        with path.open("rb") as file:
            return FORMAT.encode() in file.read(HEAD)
    except OSError:
        return False


def read_dataset(path: Path) -> Dataset:
    """Read a dataset and check that every value is a number within its parameter's range.

    Raises:
        UserError: if the file is missing, cut short, of another format, version or synthesizer, or if a field
            or a value is wrong; names it.
    """
    source = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            path, path, "make one with 'synthvae generate-dataset'", f"cannot read ({error.strerror})"
        ) from None
    document = load_json(content, source, "generate it again, the file may have been cut short")
    document = check_format(document, FORMAT, VERSION, source)
    header = _read_header(document, source)
    values = _read_values(document.get("values"), header, source)
    header.parameters.check(values, source)
    return Dataset(header, values, path, hashlib.sha256(content).hexdigest()[:16])


def _read_header(document: Mapping[str, Any], source: str) -> DatasetHeader:
    table, fixed = document.get("parameters"), document.get("fixed")
    if not isinstance(table, list) or not isinstance(fixed, dict) or not table:
        raise UserError(source, source, "generate the file again", "parameters or fixed is missing")
    parameters = ParameterSpace.from_table(table, fixed, source)
    stored = document.get("parameter_hash")
    if stored != parameters.hash:
        raise UserError(
            f"{source}: parameter_hash",
            stored,
            "the table was changed after the file was made: generate it again",
            why=f"but its table has {parameters.hash}",
        )
    size, seed, drawn = document.get("size"), document.get("seed"), document.get("source")
    if type(size) is not int or size < 1:
        raise UserError(f"{source}: size", size, "generate the file again", why="not a positive whole number")
    if type(seed) is not int or seed < 0:
        raise UserError(f"{source}: seed", seed, "generate the file again", why="not a whole number from 0 up")
    if not isinstance(drawn, str):
        raise UserError(f"{source}: source", drawn, "generate the file again", why="not a word")
    settings = RenderSettings.from_header(document, source)
    return DatasetHeader(parameters, settings, drawn, seed, size, _read_splits(document.get("splits"), size, source))


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


def _read_values(rows: Any, header: DatasetHeader, source: str) -> NDArray[np.float64]:  # noqa: ANN401
    width = len(header.parameters)
    if not isinstance(rows, list) or len(rows) != header.size:
        found = len(rows) if isinstance(rows, list) else shown(rows)
        raise UserError(
            source, found, "generate the file again", f"values hold {found} presets, size says {header.size}"
        )
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            raise UserError(
                source,
                row,
                "add or remove the difference, or generate the file again",
                f"preset {number} has {len(row) if isinstance(row, list) else shown(row)} values, the table "
                f"{width} parameters",
            )
    if not set(map(type, itertools.chain.from_iterable(rows))) <= {int, float}:  # no text, truth or null
        for number, row in enumerate(rows):
            for name, value in zip(header.parameters.names, row, strict=True):
                if type(value) not in (int, float):
                    raise UserError(
                        f"{source}: preset {number}, {name}", value, "correct the value", why="not a number"
                    )
    return np.fromiter(itertools.chain.from_iterable(rows), np.float64, header.size * width).reshape(-1, width)
