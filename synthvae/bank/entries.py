"""One preset of a bank, and its row in the file."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from synthvae.core.errors import UserError, printable
from synthvae.core.json import load_json
from synthvae.data.preset import Preset, check_descriptors, check_name, round_significant
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.registry import DEFAULT, synth_kind
from synthvae.synths.settings import RenderSettings

__all__ = ["COLUMNS", "Entry", "all_values", "bank_name", "bank_space", "checked_tags", "content_hash"]

#: Of a row, without the picture and the embedding.
COLUMNS = 'id, hash, name, "values", descriptors, sample_rate, seconds, control_rate, origin, added'

_REPAIR = "restore the bank from a copy, or correct the cell with sqlite3"
_TAG = re.compile(r"[^\W_][\w.&#'-]{0,39}")


@dataclass(frozen=True)
class Entry:
    """A preset in a bank.

    Attributes:
        id: its number; a number is never given twice.
        hash: hash of its values.
        name: one line; several presets can have one name.
        tags: in order.
        descriptors: what was measured of its sound, see `synthvae.audio.descriptors.PRESET_DESCRIPTORS`.
        settings: how it was rendered for that.
        origin: where it came from.
        added: when, UTC, in ISO 8601.
        values: human values of all 78 parameters by name.
        distance: distance in dB from the sound that a search asked for; None where it asked for none.
    """

    id: int
    hash: str
    name: str
    tags: tuple[str, ...]
    descriptors: Mapping[str, float | None]
    settings: RenderSettings
    origin: Mapping[str, Any]
    added: str
    values: Mapping[str, float]
    distance: float | None = None

    @cached_property
    def preset(self) -> Preset:
        """The preset itself, with its name and descriptors, in `bank_space`."""
        space = bank_space()
        human = space.from_dict(self.values, f"preset {self.id}")
        return Preset(space, human, self.settings, self.origin, self.name, self.descriptors)

    @classmethod
    def from_row(cls, row: sqlite3.Row | tuple[Any, ...], tags: Iterable[str], bank: Path) -> Entry:
        """An entry from the `COLUMNS` of a row and the tags beside it, checked; `bank` is the file.

        Texts are one line that can be shown, whatever the file holds.

        Raises:
            UserError: if a cell holds what no bank writes; names the preset and the column.
        """
        number, digest, name, values, descriptors, rate, seconds, control_rate, origin, added = row
        source = f"{bank}: preset {number}"
        for column, text in (("hash", digest), ("name", name), ("added", added)):
            if not isinstance(text, str):
                raise UserError(f"{source}: {column}", text, _REPAIR, why="not a text")
        header = {"sample_rate": rate, "seconds": seconds, "control_rate": control_rate}
        found = {
            column: _object(text, f"{source}: {column}")
            for column, text in (("values", values), ("descriptors", descriptors), ("origin", origin))
        }
        if not all(isinstance(tag, str) for tag in tags):
            raise UserError(f"{source}: tags", list(tags), _REPAIR, why="not texts")
        bank_space().from_dict(found["values"], source)
        return cls(
            number,
            printable(digest),
            printable(name),
            tuple(sorted(map(printable, tags))),
            {printable(key): value for key, value in check_descriptors(found["descriptors"], source).items()},
            RenderSettings.from_header(header, source),
            found["origin"],
            printable(added),
            found["values"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "tags": list(self.tags),
            "hash": self.hash,
            "added": self.added,
            "descriptors": dict(self.descriptors),
            **self.settings.to_dict(),
            "origin": dict(self.origin),
            "values": dict(self.values),
            **({} if self.distance is None else {"distance": self.distance}),
        }


def _object(text: object, source: str) -> dict[str, Any]:
    """The object of a cell of JSON."""
    if not isinstance(text, str):
        raise UserError(source, text, _REPAIR, why="not a text")
    found = load_json(text, source, _REPAIR)
    if not isinstance(found, dict):
        raise UserError(source, found, _REPAIR, why="not an object")
    return found


def bank_space() -> ParameterSpace:
    """The parameters of a bank's presets: all that the default synth has. The file has no column for another one."""
    return synth_kind(DEFAULT).every


def all_values(preset: Preset, source: str = "preset") -> dict[str, float]:
    """A preset's 78 human values by name, in the order of `bank_space` and rounded as they are in files.

    Raises:
        UserError: if one is missing, not finite or outside its range, or if it is a preset of another synth.
    """
    if preset.settings.synth != DEFAULT:
        raise UserError(
            source,
            preset.settings.synth,
            "keep it as a file",
            f"is of {preset.settings.synth}, and a bank holds presets of {DEFAULT} alone",
        )
    space = bank_space()
    human = space.from_dict(preset.parameters.to_dict(preset.human), source)
    return space.to_dict(round_significant(human) + 0.0)  # no -0.0


def content_hash(values: Mapping[str, float]) -> str:
    """16 hexadecimal digits of the 78 values: two presets are one if these are.

    Name, tags and settings do not count.
    """
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:16]


def bank_name(name: str, argument: str = "name") -> str:
    """A name without blanks around it.

    Raises:
        UserError: if nothing remains, or it is not one line of at most 200 characters.
    """
    stripped = check_name(name.strip(), argument)
    if not stripped:
        raise UserError(argument, name, "give one line of text", why="which is empty")
    return stripped


def checked_tags(tags: Iterable[str], argument: str = "tag") -> tuple[str, ...]:
    """Tags in small letters, each once, in order.

    Args:
        tags: any.
        argument: what one is, or the file and field that it is from.

    Raises:
        UserError: for one that is not a single word of at most 40 characters that begins with a letter or digit.
    """
    folded = sorted({tag.casefold() for tag in tags})
    for tag in folded:
        if not _TAG.fullmatch(tag):
            raise UserError(
                argument, tag, "write e.g. warm-pad", why="not one word of at most 40 letters, digits and -"
            )
    return tuple(folded)
