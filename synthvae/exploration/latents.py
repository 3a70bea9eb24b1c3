"""Latent points in files: presets encoded, and points to decode, from anywhere."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synthvae.core.checks import shown
from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write
from synthvae.core.json import dump_json, load_json
from synthvae.data.preset import LATENTS_FORMAT, Preset
from synthvae.presets.settings import check_format
from synthvae.training.run import Run

__all__ = ["Latents", "read_latents", "write_latents"]

VERSION = 1
#: Far outside what any encoder writes, and far inside what float32 and the decoder take.
LARGEST = 1e6


class Latents(NamedTuple):
    """Latent points from a file.

    Attributes:
        points: ``(N, D)`` float32.
        names: what the file calls them; None where it holds numbers alone.
    """

    points: Tensor
    names: list[str] | None


def write_latents(path: Path, run: Run, names: Sequence[str], presets: Sequence[Preset]) -> None:
    """Encode presets and write their latents as JSON.

    Args:
        path: the file.
        run: the model.
        names: what to call the presets.
        presets: as many presets with the run's parameters.

    Raises:
        UserError: if `path` cannot be written or a latent is not finite.
    """
    unit = torch.from_numpy(np.stack([preset.unit for preset in presets]).astype(np.float32))
    document = {
        "format": LATENTS_FORMAT,
        "version": VERSION,
        "run": run.path.name,
        "parameter_hash": run.parameters.hash,
        "names": list(names),
        "latents": run.encode(unit).tolist(),
    }
    atomic_write(path, dump_json(document, path) + "\n")


def read_latents(path: Path, run: Run) -> Latents:
    """Read latents: what `write_latents` wrote, a plain JSON array of rows, or CSV without a header.

    Args:
        path: the file; CSV where its name ends so, in small letters or capitals.
        run: the model that shall decode them.

    Returns:
        Points and, from `write_latents`, their names.

    Raises:
        UserError: if the file cannot be read, belongs to a run with other parameters, or a row does not hold D
            finite numbers of ordinary size.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets begin a file with a byte order mark
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror}); give --z a JSON or CSV file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not text in UTF-8; write rows of {run.latent_size} numbers") from None
    if path.suffix.lower() == ".csv":
        return Latents(_points(_csv_rows(text, path), run.latent_size, path), None)
    document = load_json(text, str(path), f"write rows of {run.latent_size} numbers, or end the name of a CSV in .csv")
    if not isinstance(document, dict):
        flat = isinstance(document, list) and document and not isinstance(document[0], list)
        return Latents(_points([document] if flat else document, run.latent_size, path), None)
    header = check_format(document, LATENTS_FORMAT, VERSION, str(path), synth=False)
    if header.get("parameter_hash") != run.parameters.hash:
        raise UserError(
            f"{path}: parameter_hash is {shown(header.get('parameter_hash'))}, that of {run.path} is "
            f"{run.parameters.hash!r}; decode with the run that encoded them, or encode the presets again"
        )
    points, names = _points(header.get("latents"), run.latent_size, path), header.get("names")
    if not isinstance(names, list) or len(names) != len(points) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: names must be {len(points)} texts, one for each latent; encode the presets again")
    return Latents(points, names)


def _csv_rows(text: str, path: Path) -> list[list[object]]:
    try:
        return [[_cell(cell) for cell in row] for row in csv.reader(text.splitlines()) if row]
    except csv.Error as error:
        raise UserError(f"{path}: not CSV ({error}); write rows of numbers separated by commas") from None


def _cell(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text  # refused by `_points`, which knows the row


def _points(rows: Any, size: int, path: Path) -> Tensor:  # noqa: ANN401
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{path}: holds no latents; write rows of {size} numbers, one per latent dimension")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != size:
            found = f"{len(row)} values" if isinstance(row, list) else shown(row)
            raise UserError(
                f"{path}: row {number} is {found}, need {size} numbers, one per latent dimension; correct it"
            )
        for value in row:
            if type(value) not in (int, float):
                raise UserError(f"{path}: row {number} holds {shown(value)}, not a number; correct or remove it")
            if not np.isfinite(value):
                raise UserError(f"{path}: row {number} holds {value}, which is not finite; correct or remove it")
            if abs(value) > LARGEST:
                raise UserError(
                    f"{path}: row {number} holds {value:g}, beyond {LARGEST:g}; the prior's spread is 1: correct it"
                )
    return torch.tensor(rows, dtype=torch.float32)
