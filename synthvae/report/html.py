"""Rendering of HTML templates, and data URIs.

Pages are self-contained: images and sounds are data URIs, style and script are inline, and a content security policy
forbids requests, so that a file opens offline.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from synthvae.audio.loudness import LOUDNESS
from synthvae.core.files import atomic_write
from synthvae.report.document import Cell, Item, MapItem, Measured, Report, Table, Verdict, format_number, true_minus

__all__ = ["data_uri", "render_report", "render_template", "write_report"]


_CSS_PIXELS_PER_DOT = 0.8  # 150 dots to the inch show as 120 pixels: the same letters in every figure
#: Steps between the least and the largest of some values; one more stands for a point without value.
_STEPS = 65534


def render_template(package: str, name: str, filters: dict[str, Callable[..., object]], **values: object) -> str:
    """Render a template; in HTML all text is escaped, and an undefined name is an error.

    Args:
        package: whose folder ``templates`` holds the template.
        name: name of the template.
        filters: filters by name, beside Jinja's own, `data_uri` and `minus`.
        values: values by name.

    Returns:
        The document.
    """
    environment = Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters, data_uri=data_uri, minus=true_minus)
    return environment.get_template(name).render(values)


def data_uri(content: bytes, kind: str) -> str:
    """Content as a data URI of media type `kind`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def render_report(report: Report) -> str:
    """The page as HTML.

    Args:
        report: its content.

    Returns:
        A whole document; all text is escaped.

    Raises:
        ValueError: if a table is not rectangular, a number is not finite or has no unit.
    """
    for section in report.sections:
        for item in section.items:
            if isinstance(item, Table):
                _check_table(item)
    for headline in report.headlines:
        _check_unit(headline.number, headline.label)
    for bar in report.overview.bars if report.overview else ():
        _check_unit(bar.number, bar.label)
    filters: dict[str, Callable[..., object]] = {
        "number": format_number,
        "png_size": _png_size,
        "sort_key": _sort_key,
        "kind": _kind,
        "points": _points,
    }
    bars = [bar.number.value or 0.0 for bar in report.overview.bars] if report.overview else []
    return render_template(
        "synthvae.report",
        "report.html",
        filters,
        report=report,
        loudness=LOUDNESS,
        longest=max(bars, default=0.0) or 1.0,
    )


def write_report(report: Report, path: Path) -> None:
    """Write the page to one file, atomically.

    Args:
        report: its content.
        path: the HTML file.

    Raises:
        ValueError: as `render_report`.
        UserError: if the directory cannot be written to.
    """
    atomic_write(path, render_report(report))


def _check_table(table: Table) -> None:
    for row in table.rows:
        if len(row) != len(table.columns):
            raise ValueError(f"{table.caption}: {len(row)} cells for {len(table.columns)} columns")
        for column, cell in zip(table.columns, row, strict=True):
            if isinstance(cell, Measured):
                _check_unit(cell, f"{table.caption}: {column.name}")
            elif isinstance(cell, (int, float, np.number)) and not column.unit:
                raise ValueError(f"{table.caption}: column {column.name!r} holds numbers and has no unit")


def _check_unit(number: Measured, where: str) -> None:
    if not number.unit:
        raise ValueError(f"{where}: a number without unit")


def _png_size(content: bytes) -> Markup:
    """Width and height attributes, so that the page does not jump while it loads."""
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("a figure must be the content of a PNG file")
    width, height = (round(side * _CSS_PIXELS_PER_DOT) for side in struct.unpack(">II", content[16:24]))
    return Markup(f' width="{width}" height="{height}"')


def _points(item: MapItem) -> dict[str, object]:
    """Data for the page's script: maps and values as 16-bit integers in base64."""
    maps = {name: _coordinates(np.asarray(points, np.float64)) for name, points in item.maps.items()}
    values = {
        group: {label: _column(np.asarray(column, np.float64)) for label, column in columns.items()}
        for group, columns in item.values.items()
    }
    density = {name: _column(np.asarray(column, np.float64)) for name, column in item.density.items()}
    return {
        "names": list(item.names),
        "maps": maps,
        "values": values,
        "density": density,
        "marked": list(item.marked),
    }


def _coordinates(points: NDArray[np.float64]) -> str:
    """Both coordinates on one scale, so that distances on the page are those of the map."""
    low, high = points.min(axis=0), points.max(axis=0)
    return _base64(0.5 + (points - (low + high) / 2.0) / (float((high - low).max()) or 1.0))


def _column(values: NDArray[np.float64]) -> dict[str, object]:
    known = values[np.isfinite(values)]
    if not len(known):
        return {"low": None, "high": None, "steps": _base64(values)}
    low, high = float(known.min()), float(known.max())
    return {
        "low": format_number(low),
        "high": format_number(high),
        "steps": _base64((values - low) / ((high - low) or 1.0)),
    }


def _base64(share: NDArray[np.float64]) -> str:
    known = np.isfinite(share)
    steps = np.where(known, np.rint(np.where(known, share, 0.0) * _STEPS), _STEPS + 1).astype("<u2")
    return base64.b64encode(steps.tobytes()).decode("ascii")


def _sort_key(cell: Cell) -> str:
    """Sort key of a cell: the full number, or the text; empty for a dash."""
    if isinstance(cell, Measured):
        cell = cell.value
    if isinstance(cell, Verdict):
        return f"{('good', 'neutral', 'bad').index(cell.judgement)}"
    return "" if cell is None else str(cell)


def _kind(item: Item | Cell) -> str:
    """Type name by which the template distinguishes items and cells."""
    if isinstance(item, (int, float, np.number)):
        return "number"
    return type(item).__name__
