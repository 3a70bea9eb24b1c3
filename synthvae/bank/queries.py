"""SQL queries of the bank, and entries from their rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthvae.audio.descriptors import PRESET_DESCRIPTORS
from synthvae.bank.analysis import EMBEDDED, Analysed
from synthvae.bank.entries import COLUMNS, Entry
from synthvae.core.checks import is_number
from synthvae.core.errors import UserError, choose_one, printable, shown
from synthvae.data.preset import Preset

__all__ = [
    "Added",
    "Row",
    "UnknownPresetError",
    "find_hash",
    "find_number",
    "insert",
    "order",
    "read_embedding",
    "read_entries",
    "where",
]

Array = NDArray[np.float64]

#: Numbers that a message lists.
LISTED = 10
#: Parameters of one SQL statement.
MOST = 500


class UnknownPresetError(UserError):
    """The bank has no such preset."""


class Row(NamedTuple):
    """A preset to be stored.

    Attributes:
        preset: its name may be empty.
        values: all 78, by name.
        hash: hash of the values.
        tags: in order.
    """

    preset: Preset
    values: Mapping[str, float]
    hash: str
    tags: tuple[str, ...]


class Added(NamedTuple):
    """Result of adding a preset.

    Attributes:
        id: its number in the bank.
        name: its name there.
        new: False where the bank had the same values already; its entry is as it was.
    """

    id: int
    name: str
    new: bool


def find_number(connection: Connection, which: int | str, path: Path) -> int:
    """Resolve a number or name to the number of one preset.

    Raises:
        UnknownPresetError: if there is none; names the bank at `path`.
        UserError: if a name fits several.
    """
    digits = isinstance(which, int) or is_number(which)
    if digits and connection.execute("SELECT 1 FROM presets WHERE id = ?", (int(which),)).fetchone():
        return int(which)
    folded = "" if isinstance(which, int) else which.strip().casefold()
    for condition in ("folded(name) = :name", "substr(folded(name), 1, length(:name)) = :name"):
        query = f"SELECT id, name FROM presets WHERE {condition} ORDER BY id"
        found = connection.execute(query, {"name": folded}).fetchall() if folded else []
        if len(found) == 1:
            return int(found[0][0])
        if found:
            listed = ", ".join(f"{number} ({name})" for number, name in found[:LISTED])
            more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
            raise UserError(
                path, which, "give the number of one", f"{shown(which)} fits {len(found)} presets: {listed}{more}"
            )
    remedy, problem = "'synthvae bank list' shows what there is", f"no preset is called {shown(which)}"
    if digits:
        first, last = connection.execute("SELECT min(id), max(id) FROM presets").fetchone()
        problem = f"no preset number {which} in the bank"
        remedy = f"its numbers run from {first} to {last}; {remedy}"
        if first is None:
            remedy, problem = "add presets with 'synthvae bank add'", f"{problem}, which is empty"
    raise UnknownPresetError(path, which, remedy, problem)


def find_hash(connection: Connection, digest: str) -> Added | None:
    """The preset that has these values already."""
    row = connection.execute("SELECT id, name FROM presets WHERE hash = ?", (digest,)).fetchone()
    return Added(row[0], printable(str(row[1])), False) if row else None


def insert(connection: Connection, row: Row, analysed: Analysed) -> Added:
    """Store a preset and the analysis of its sound."""
    name = row.preset.name or analysed.name
    columns = {
        "hash": row.hash,
        "name": name,
        "values": json.dumps(row.values),
        "descriptors": json.dumps(analysed.descriptors),
        **row.preset.settings.to_dict(),
        "origin": json.dumps(dict(row.preset.origin)),
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
        "thumbnail": analysed.thumbnail,
        "embedding": analysed.embedding.astype("<f4").tobytes(),
    }
    names, places = ", ".join(f'"{column}"' for column in columns), ", ".join("?" * len(columns))
    cursor = connection.execute(f"INSERT INTO presets ({names}) VALUES ({places})", tuple(columns.values()))
    number = int(cursor.lastrowid or 0)
    connection.executemany("INSERT INTO tags (preset, tag) VALUES (?, ?)", [(number, tag) for tag in row.tags])
    return Added(number, name, True)


def read_embedding(blob: object, number: int, path: Path) -> Array:
    """A row's embedding, ``(64,)``, of a preset of the bank at `path`.

    Raises:
        UserError: if it is none.
    """
    if isinstance(blob, bytes) and len(blob) == 4 * EMBEDDED:
        found = np.frombuffer(blob, "<f4").astype(np.float64)
        if np.isfinite(found).all():
            return found
    source = f"{path}: preset {number}: embedding"
    raise UserError(source, blob, "restore the bank from a copy", f"not {EMBEDDED} finite numbers")


def read_entries(connection: Connection, numbers: Sequence[int], path: Path) -> list[Entry]:
    """Entries of the bank at `path` in the order of `numbers`.

    Raises:
        UserError: if a row holds what no bank writes.
    """
    rows: dict[int, tuple[object, ...]] = {}
    tags: dict[int, list[str]] = {number: [] for number in numbers}
    for first in range(0, len(numbers), MOST):
        part = numbers[first : first + MOST]
        places = ", ".join("?" * len(part))
        for row in connection.execute(f"SELECT {COLUMNS} FROM presets WHERE id IN ({places})", part):
            rows[row[0]] = row
        for number, tag in connection.execute(f"SELECT preset, tag FROM tags WHERE preset IN ({places})", part):
            tags[number].append(tag)
    return [Entry.from_row(rows[number], tags[number], path) for number in numbers]


def where(
    text: str | None, ranges: Mapping[str, tuple[float | None, float | None]], tags: Sequence[str]
) -> tuple[str, list[object]]:
    """The ``WHERE`` clause of a search, and its parameters."""
    conditions: list[str] = []
    values: list[object] = []
    for word in (text or "").casefold().split():
        in_tag = "EXISTS (SELECT 1 FROM tags WHERE preset = presets.id AND instr(tag, ?))"
        conditions.append(f"(instr(folded(name), ?) OR {in_tag})")
        values += [word, word]
    for tag in tags:
        conditions.append("EXISTS (SELECT 1 FROM tags WHERE preset = presets.id AND tag = ?)")
        values.append(tag)
    for name, (low, high) in ranges.items():
        column = _descriptor(name, "ranges")
        _check_range(name, low, high)
        for bound, sign in ((low, ">="), (high, "<=")):
            if bound is not None:
                conditions.append(f"{column} {sign} ?")
                values.append(float(bound))
        if low is None and high is None:
            conditions.append(f"{column} IS NOT NULL")
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", values


def order(sort: str | None) -> str:
    """The ``ORDER BY`` of a search.

    Raises:
        UserError: if there is nothing of this name to order by.
    """
    if sort is None:
        return "id"
    if sort == "name":
        return "folded(name), id"
    column = _descriptor(sort, "sort")
    return f"{column} IS NULL, {column}, id"


def _descriptor(name: str, argument: str) -> str:
    """SQL for a descriptor's value; only names that are known become SQL."""
    if name not in PRESET_DESCRIPTORS:
        raise UserError(argument, name, choose_one(name, PRESET_DESCRIPTORS), f"no descriptor {shown(name)}")
    return f"json_extract(descriptors, '$.{name}')"


def _check_range(name: str, low: float | None, high: float | None) -> None:
    if any(bound is not None and not np.isfinite(bound) for bound in (low, high)):
        raise UserError(name, (low, high), "leave a side empty to have no bound there", f"{low}:{high} is not finite")
    if low is not None and high is not None and low > high:
        raise UserError(name, (low, high), f"write {high:g}:{low:g}", f"{low:g}:{high:g} is backwards")
