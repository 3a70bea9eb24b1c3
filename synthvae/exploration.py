"""Latent points to presets and sounds, and presets to latent points."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from torch import Tensor

from synthvae.errors import UserError
from synthvae.files import atomic_write, ensure_directory
from synthvae.generation import write_sounds
from synthvae.presets.dataset import read_dataset
from synthvae.presets.preset import Preset, check_sample_format, read_preset
from synthvae.training.run_directory import Run

__all__ = ["decode_to_files", "find_preset", "read_latents", "straight_line", "write_latents"]

FORMAT = "synthvae-latents"


def decode_to_files(
    run: Run,
    latents: Tensor,
    names: Sequence[str],
    directory: Path,
    origin: Mapping[str, Any],
    sample_format: str = "float",
    progress: Callable[[int], object] = lambda done: None,
) -> list[Path]:
    """Decode latents and write preset and sound of each.

    Args:
        run: the model.
        latents: ``(N, D)``.
        names: N file names without ending.
        directory: where to.
        origin: where the latents came from, kept in the presets.
        sample_format: ``float`` or ``int16``.
        progress: called with the number of sounds done.

    Returns:
        The WAV files.

    Raises:
        UserError: for an unknown format or an unwritable directory.
    """
    check_sample_format(sample_format)
    ensure_directory(directory)
    human = run.parameters.denormalise(run.decode(latents).double().numpy())
    presets = [
        Preset(run.parameters, row, run.settings, {"run": run.path.name, **origin, "latent": z})
        for row, z in zip(human, latents.tolist(), strict=True)
    ]
    return write_sounds(directory, names, presets, run.voice, sample_format, progress)


def write_latents(path: Path, run: Run, names: Sequence[str], presets: Sequence[Preset]) -> None:
    """Encode presets and write their latents as JSON.

    Args:
        path: the file.
        run: the model.
        names: what to call the presets.
        presets: as many presets with the run's parameters.

    Raises:
        UserError: if `path` cannot be written.
    """
    unit = torch.from_numpy(np.stack([preset.unit for preset in presets]).astype(np.float32))
    document = {
        "format": FORMAT,
        "version": 1,
        "run": run.path.name,
        "parameter_hash": run.parameters.hash,
        "names": list(names),
        "latents": run.encode(unit).tolist(),
    }
    atomic_write(path, json.dumps(document, indent=1) + "\n")


def read_latents(path: Path, latent_size: int) -> Tensor:
    """Read latents: what `write_latents` wrote, a plain JSON array of rows, or CSV without a header.

    Args:
        path: the file.
        latent_size: D.

    Returns:
        ``(N, D)``.

    Raises:
        UserError: if the file cannot be read, or a row does not hold D finite numbers.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            rows: Any = [[float(cell) for cell in row] for row in csv.reader(text.splitlines()) if row]
        else:
            document = orjson.loads(text)
            rows = document.get("latents") if isinstance(document, dict) else document
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror}); give --z a JSON or CSV file") from None
    except ValueError as error:
        raise UserError(f"{path}: not latents in JSON or CSV ({error}); write rows of {latent_size} numbers") from None
    if isinstance(rows, list) and rows and not isinstance(rows[0], list):
        rows = [rows]
    try:
        latents = np.array(rows, dtype=np.float32)
    except (TypeError, ValueError):
        latents = np.empty(0, dtype=np.float32)
    if latents.ndim != 2 or latents.shape[1] != latent_size or not len(latents):
        raise UserError(f"{path}: need rows of {latent_size} numbers, one per latent dimension; correct the file")
    if not np.isfinite(latents).all():
        row = int(np.argwhere(~np.isfinite(latents))[0, 0])
        raise UserError(f"{path}: row {row} holds a value that is not finite; correct or remove it")
    return torch.from_numpy(latents)


def find_preset(run: Run, text: str, data: Path | None = None) -> Tensor:
    """A preset by its number in a dataset, or by its file.

    Args:
        run: the model it shall fit.
        text: a number, or the path of a preset's JSON file.
        data: the dataset; the run's own where None.

    Returns:
        Unit parameters ``(P,)``.

    Raises:
        UserError: if there is no such preset, or it has other parameters.
    """
    if not text.isdigit():
        return torch.from_numpy(read_preset(Path(text), run.parameters).unit.astype(np.float32))
    dataset = read_dataset(data or Path(run.config.data))
    run.require_parameters(dataset.parameters, str(dataset.path))
    if int(text) >= len(dataset):
        raise UserError(f"{dataset.path}: no preset {text}; the numbers run from 0 to {len(dataset) - 1}")
    return dataset.unit[int(text)]


def straight_line(ends: Tensor, steps: int) -> Tensor:
    """Evenly spaced points ``(steps, D)`` from ``ends[0]`` to ``ends[1]``, both included."""
    return torch.lerp(ends[0], ends[1], torch.linspace(0.0, 1.0, steps)[:, None])
