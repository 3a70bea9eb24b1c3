"""Datasets as Parquet: one column per parameter, and the header in the metadata of the schema.

A file has row groups of `GROUP` presets. The SHA-256 of the values of each group is in the metadata at the end, so that
the hash of a dataset is known without reading the values and every group is verified on reading. pyarrow is an optional
dependency.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthvae.core.errors import UserError
from synthvae.core.files import atomic_open
from synthvae.core.json import load_json
from synthvae.data.rows import StoredRows
from synthvae.synths.parameters import ParameterSpace

__all__ = ["GROUP", "MAGIC", "ParquetRows", "open_parquet", "require_pyarrow", "write_parquet"]

#: Number of presets of a row group, the unit of reading: 33 MB with 63 parameters.
GROUP = 65_536
#: First bytes of a Parquet file.
MAGIC = b"PAR1"
HEADER, SPLIT, DIGESTS = b"synthvae", "split", b"synthvae.digests"
_AGAIN = "generate the file again"


def require_pyarrow(path: Path) -> None:
    """Check that pyarrow, which Parquet files require, is installed.

    Raises:
        UserError: if it is missing; names the package to install.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        remedy = "install it with pip install 'synthvae[scale]', or use a dataset in JSON"
        raise UserError(path, path, remedy, "Parquet needs the package pyarrow") from None


def write_parquet(
    path: Path,
    document: Mapping[str, Any],
    parameters: ParameterSpace,
    chunks: Iterable[NDArray[np.float64]],
    overwrite: bool = True,
) -> None:
    """Write presets; arguments as in `synthvae.data.presets.write_dataset`, with the header as a JSON document.

    The same presets give the same bytes, regardless of the chunks.

    Raises:
        UserError: as `write_dataset`, and if pyarrow is missing.
    """
    require_pyarrow(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [pa.field(name, pa.float64(), nullable=False) for name in parameters.names]
    fields.append(pa.field(SPLIT, pa.dictionary(pa.int8(), pa.string()), nullable=False))
    schema = pa.schema(fields, metadata={HEADER: json.dumps(document, allow_nan=False)})
    names = list(document["splits"])
    ends = np.array([document["splits"][name] for name in names])
    digests: list[str] = []
    # Values of nine digits do not benefit from a dictionary; grouping bytes by significance makes them compressible.
    how: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "write_statistics": False}
    how |= {"use_dictionary": [SPLIT], "column_encoding": dict.fromkeys(parameters.names, "BYTE_STREAM_SPLIT")}
    with atomic_open(path, overwrite) as file, pq.ParquetWriter(file, schema, **how) as writer:
        for first, rows in _grouped(chunks, parameters, path):
            numbers = np.arange(first, first + len(rows))
            inside = (numbers[:, None] >= ends[:, 0]) & (numbers[:, None] < ends[:, 1])
            found = pa.array(inside.argmax(1).astype(np.int8), mask=~inside.any(1))
            columns = [pa.array(column) for column in np.ascontiguousarray(rows.T)]
            columns.append(pa.DictionaryArray.from_arrays(found, pa.array(names)))
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=GROUP)
            digests.append(hashlib.sha256(rows.tobytes()).hexdigest())
        writer.add_key_value_metadata({DIGESTS.decode(): json.dumps(digests)})


def _grouped(
    chunks: Iterable[NDArray[np.float64]], parameters: ParameterSpace, path: Path
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Regroup chunks into whole row groups, each with the number of its first preset; the last may be smaller."""
    group, filled, first = np.empty((GROUP, len(parameters))), 0, 0
    for chunk in chunks:
        parameters.check(chunk, str(path), first + filled)
        taken = 0
        while taken < len(chunk):
            part = chunk[taken : taken + GROUP - filled]
            group[filled : filled + len(part)] = part
            filled, taken = filled + len(part), taken + len(part)
            if filled == GROUP:
                yield first, group
                first, filled = first + GROUP, 0
    if filled:
        yield first, group[:filled]


class ParquetRows(StoredRows):
    """Values of a Parquet dataset, verified and checked per row group; the last group read is cached."""

    def __init__(self, path: Path, parameters: ParameterSpace, count: int, digests: list[str]) -> None:
        super().__init__(count, len(parameters))
        self._path, self._parameters, self._digests = path, parameters, digests
        self._kept: tuple[int, NDArray[np.float64]] | None = None
        self._file: Any = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """The state without the file, the lock and the cached group, which each process has separately."""
        return {**self.__dict__, "_kept": None, "_file": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _read(self, first: int, end: int) -> NDArray[np.float64]:
        rows = np.empty((end - first, self.shape[1]))
        for number in range(first // GROUP, -(-end // GROUP)):
            low, high = max(first, number * GROUP), min(end, (number + 1) * GROUP)
            rows[low - first : high - first] = self._group(number)[low - number * GROUP : high - number * GROUP]
        return rows

    def _group(self, number: int) -> NDArray[np.float64]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with self._lock:
            if self._kept is not None and self._kept[0] == number:
                return self._kept[1]
            self._kept = None  # two groups at once would be twice the memory
            names = list(self._parameters.names)
            try:
                self._file = self._file or pq.ParquetFile(self._path)
                table = self._file.read_row_group(number, columns=names, use_threads=False)
                rows = np.empty((table.num_rows, self.shape[1]))
                for column, name in enumerate(names):
                    rows[:, column] = table[name].to_numpy()
            except (pa.ArrowException, OSError, ValueError) as error:
                raise UserError(self._path, self._path, _AGAIN, f"cannot read presets ({_line(error)})") from None
            if hashlib.sha256(rows.tobytes()).hexdigest() != self._digests[number]:
                fault = f"presets {number * GROUP} and following are not those that were written"
                raise UserError(self._path, self._path, _AGAIN, fault)
            self._parameters.check(rows, str(self._path), number * GROUP)
            self._kept = number, rows
            return rows


def open_parquet(path: Path) -> tuple[dict[str, Any], list[str], int]:
    """The header document, the digests of the row groups and the number of presets of a file.

    Raises:
        UserError: if it is not a Parquet file, not a dataset or truncated, or if pyarrow is missing.
    """
    require_pyarrow(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            found = {**(file.schema_arrow.metadata or {}), **(file.metadata.metadata or {})}
            names, count, groups = file.schema_arrow.names, file.metadata.num_rows, file.metadata.num_row_groups
            sizes = [file.metadata.row_group(number).num_rows for number in range(groups)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(path, path, f"{_AGAIN}, it may have been cut short", f"cannot read ({_line(error)})") from None
    if HEADER not in found or DIGESTS not in found:
        raise UserError(path, path, "make one with 'synthvae generate-dataset'", "a Parquet file, but no dataset")
    document, digests = (load_json(found[key], str(path), _AGAIN) for key in (HEADER, DIGESTS))
    whole = [GROUP] * (count // GROUP) + ([count % GROUP] if count % GROUP else [])
    columns = [row.get("name") for row in document.get("parameters", [])] if isinstance(document, dict) else []
    if sizes != whole or not isinstance(digests, list) or len(digests) != groups or [*columns, SPLIT] != names:
        raise UserError(path, path, _AGAIN, "its columns, row groups and header do not fit together")
    return document, digests, count


def _line(error: Exception) -> str:
    return str(error).split("\n")[0]
