"""Content of a report: summary, sections with tables, figures and sounds, methods and provenance."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import orjson
import pandas as pd
from numpy.typing import ArrayLike

from synthvae.audio.files import wav_bytes
from synthvae.audio.loudness import LOUDNESS, common_level, sample_peak
from synthvae.core.checks import finite_values
from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write

__all__ = [
    "Bar",
    "Cell",
    "Column",
    "Command",
    "FigureItem",
    "Headline",
    "Item",
    "Judgement",
    "MapItem",
    "Measured",
    "Overview",
    "Provenance",
    "Report",
    "Section",
    "Sound",
    "SoundRow",
    "SoundTable",
    "Table",
    "Verdict",
    "format_number",
    "sound_row",
    "true_minus",
    "write_csv",
    "write_metrics_json",
]

#: The hyphen of a negative number; not that of a word, a range, a date, a path, an option or 1e-5.
_NEGATIVE = re.compile(r"(?<![\w./)\]-])-(?=\.?\d)")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Judgement: TypeAlias = Literal["good", "bad", "neutral"]


@dataclass(frozen=True)
class Measured:
    """A number with its own unit and, where there is one, its interval.

    Attributes:
        value: the number; None prints as a dash.
        unit: unit of the number ("dB²", "presets", "ratio"); never empty.
        low: lower end of its interval.
        high: upper end.
    """

    value: float | int | None
    unit: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Verdict:
    """A verdict on a result: a coloured mark in a table, or a sentence of the summary.

    Attributes:
        judgement: good if better than the null, bad if not, neutral if undecided.
        text: the word ("beats both nulls"), or the sentence.
    """

    judgement: Judgement
    text: str


Cell: TypeAlias = float | int | str | Measured | Verdict | None


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        unit: unit of its plain numbers, shown under the heading; needed wherever a cell is a plain number.
        note: an explanation shown on hover.
    """

    name: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by any column.

    Attributes:
        caption: what it shows, in a sentence.
        columns: at least one; the first names the row.
        rows: one cell per column each; None prints as a dash.
        note: remarks on its interpretation.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True)
class FigureItem:
    """A figure.

    Attributes:
        png: content of a PNG file.
        alt: alternative text.
        caption: the sentence under it.
    """

    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Sound:
    """A sound to play.

    Attributes:
        label: what it is ("original").
        wav: content of a WAV file.
        detail: a few words under it, such as its error with unit.
        gain: factor that brings it to the loudness that all sounds of the page can be played at.
    """

    label: str
    wav: bytes
    detail: str = ""
    gain: float = 1.0


@dataclass(frozen=True)
class SoundRow:
    """Sounds that belong together: an original and its reconstruction, or the steps of a path.

    Attributes:
        name: name of the row ("preset 1204").
        sounds: sounds from left to right.
        detail: a few words under the name.
        figure: shown under the sounds.
    """

    name: str
    sounds: Sequence[Sound]
    detail: str = ""
    figure: FigureItem | None = None


@dataclass(frozen=True)
class SoundTable:
    """Rows of sounds.

    Attributes:
        caption: what they are, in a sentence.
        rows: the rows.
    """

    caption: str
    rows: Sequence[SoundRow]


@dataclass(frozen=True)
class MapItem:
    """An interactive scatter plot of points on several maps, coloured by several values.

    Attributes:
        caption: what they are, in a sentence.
        names: names of the points, N.
        maps: shape (N, 2), by name.
        values: shape (N,), by group and label with unit; NaN where a point has none.
        density: shape (N,), density of each map at its points, by name of the map.
        marked: points that play when they are clicked, as the page has their sounds.
        sounds: sounds of marked points, by point; another map of the page may have them.
    """

    caption: str
    names: Sequence[str]
    maps: Mapping[str, ArrayLike]
    values: Mapping[str, Mapping[str, ArrayLike]]
    density: Mapping[str, ArrayLike]
    marked: Sequence[int] = ()
    sounds: Mapping[int, SoundRow] = field(default_factory=dict)


Item: TypeAlias = Table | FigureItem | SoundTable | MapItem


@dataclass(frozen=True)
class Section:
    """A part of the report under one heading.

    Attributes:
        title: its heading.
        text: paragraphs before the items.
        items: tables, figures and sounds, in order.
    """

    title: str
    text: Sequence[str] = ()
    items: Sequence[Item] = ()


@dataclass(frozen=True)
class Headline:
    """A headline number at the top of the report.

    Attributes:
        label: what it is.
        number: number with its unit.
        detail: the null for comparison, in a few words.
    """

    label: str
    number: Measured
    detail: str


@dataclass(frozen=True)
class Bar:
    """A bar of the first screen: one error beside others in the same unit.

    Attributes:
        label: what it is of.
        number: its length, with its unit.
        own: whether it is the model's, not a null's.
    """

    label: str
    number: Measured
    own: bool = False


@dataclass(frozen=True)
class Command:
    """A command line to copy.

    Attributes:
        text: the command.
        purpose: what it does, in a sentence.
        link: address that it serves; empty where none.
    """

    text: str
    purpose: str
    link: str = ""


@dataclass(frozen=True)
class Overview:
    """The first screen, in plain words.

    Attributes:
        closeness: how close reconstructions are to the originals, in a sentence.
        bars: the same number beside that of null models.
        can: what the model can do.
        cannot: what it cannot do, or what is undecided.
        commands: what to do next.
        map: the sounds on a map; None where there are too few.
        comparison: some test sounds, a row, and what each run makes of them, a row each; None where one run is shown.
        picture: picture instead of the map, where there is none.
        note: what the bars are, in a few words.
    """

    closeness: str
    bars: Sequence[Bar]
    can: Sequence[Verdict]
    cannot: Sequence[Verdict]
    commands: Sequence[Command]
    map: MapItem | None
    comparison: SoundTable | None = None
    picture: FigureItem | None = None
    note: str = "Mean absolute error. Grey: one answer for every sound, or another preset at random."


@dataclass(frozen=True)
class Provenance:
    """Provenance of the numbers.

    Attributes:
        command: command that reproduces the report.
        seed: seed of everything random in the analysis.
        versions: package to version.
        hardware: part to description.
        inputs: what was read, to its hash or path.
    """

    command: str
    seed: int
    versions: Mapping[str, str]
    hardware: Mapping[str, str]
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: title of the page.
        lead: one or two sentences on what was analysed.
        headlines: about four numbers.
        findings: the summary, one sentence each.
        sections: the body.
        methods: description of each measure.
        provenance: command, versions, hardware and inputs.
        overview: the first screen; None for a report without one.
    """

    title: str
    lead: str
    headlines: Sequence[Headline]
    findings: Sequence[Verdict]
    sections: Sequence[Section]
    methods: Mapping[str, str]
    provenance: Provenance
    overview: Overview | None = None


def format_number(value: float | int | None) -> str:
    """Format a number: integers in full, others to three significant digits.

    Below 0.001 and from a million on, powers of ten. Thousands are separated by thin spaces.

    Args:
        value: a finite number, or None.

    Returns:
        The text; a dash for None.

    Raises:
        ValueError: if the number is not finite.
    """
    if value is None:
        return "–"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}".replace(",", "\u202f").replace("-", "−")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a report holds finite numbers, got {number}; use None and a reason")
    if number == 0.0:
        return "0"
    mantissa, _, power = f"{number:.2e}".partition("e")
    exponent = int(power)
    if not -3 <= exponent < 6:
        text = f"{mantissa} × 10{str(exponent).translate(_SUPERSCRIPT)}"
    else:
        text = f"{float(f'{number:.2e}'):,.{max(0, 2 - exponent)}f}".replace(",", "\u202f")
    return text.replace("-", "−")


def true_minus(text: str) -> str:
    """Text in which negative numbers begin with a minus sign, as those of `format_number` do, not with a hyphen."""
    return _NEGATIVE.sub("−", text)


def sound_row(
    name: str,
    labels: Sequence[str],
    audio: Sequence[ArrayLike],
    sample_rate: int,
    detail: str = "",
    figure: FigureItem | None = None,
) -> SoundRow:
    """Sounds that belong together.

    Args:
        name: name of the row.
        labels: labels of the sounds.
        audio: as many sounds, shape (T,) each.
        sample_rate: sample rate in Hz.
        detail: a few words under the name.
        figure: shown under the sounds.

    Returns:
        The row.

    Raises:
        ValueError: if there are not as many labels as sounds.
        UserError: if a sound is empty or not finite.
    """
    pairs = zip(labels, [finite_values(sound, "audio", "sample") for sound in audio], strict=True)
    sounds = [
        Sound(
            label,
            wav_bytes(sound, sample_rate, "int16"),
            gain=common_level([sound], sample_rate, LOUDNESS, sample_peak).gain,
        )
        for label, sound in pairs
    ]
    return SoundRow(name, sounds, detail, figure)


def write_metrics_json(metrics: Mapping[str, object], path: Path) -> None:
    """Write numbers as JSON with sorted keys, the same bytes for the same numbers.

    Args:
        metrics: nested mappings, sequences, arrays, dataclasses, numbers, texts and None.
        path: the file.

    Raises:
        UserError: naming the first entry that is NaN or infinite, or if the file cannot be written.
        TypeError: if an entry is of another kind.
    """
    content = orjson.dumps(_plain(metrics, ""), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    atomic_write(path, content + b"\n")


def write_csv(table: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a table as CSV with a header; NaN and None are empty cells.

    Args:
        table: its columns; the index is not written.
        path: the file.
        float_format: format of numbers, such as ``%.6g``; full precision by default.

    Raises:
        UserError: naming the column that holds an infinite number, or if the file cannot be written.
    """
    for name, column in table.select_dtypes("floating").items():
        if np.isinf(column).any():
            raise UserError(path, path, "check the run for divergence", f"column {name} holds an infinite number")
    atomic_write(path, table.to_csv(index=False, lineterminator="\n", float_format=float_format))


def _plain(value: object, where: str) -> object:
    """`value` in the types JSON has; NaN would silently become null there."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        entries = {entry.name: getattr(value, entry.name) for entry in dataclasses.fields(value)}
        return _plain(entries, where)
    if isinstance(value, Mapping):
        return {str(key): _plain(entry, f"{where}.{key}".lstrip(".")) for key, entry in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist(), where)
    if isinstance(value, (list, tuple)):
        return [_plain(entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"metrics: {where}", value, "check the run for divergence", why="a finite number is needed")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{where}: cannot write {type(value).__name__}")
