"""Generation of preset datasets, as in ``generate-dataset``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthvae.core.checks import check_seed
from synthvae.core.counts import counted
from synthvae.core.errors import UserError, choose_one
from synthvae.data.parquet import require_pyarrow
from synthvae.data.preset import round_significant
from synthvae.data.presets import MOST_JSON, SPLITS, DatasetHeader, write_dataset
from synthvae.data.sampling import SYNTH1B1_WIDTH, synth1b1_unit, uniform_unit
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.registry import DEFAULT
from synthvae.synths.settings import RenderSettings

__all__ = [
    "SOURCES",
    "dataset_path",
    "describe_dataset",
    "draw_presets",
    "generate_dataset",
    "parse_splits",
    "plan_dataset",
]

#: Number of presets drawn at a time.
CHUNK = 8192
Progress = Callable[[int], object]

#: Distributions of presets: uniform in torchsynth's unit cube, uniform in human units (seconds, hertz, ...), or the
#: parameter sets of synth1B1.
SOURCES = ("uniform", "uniform-human", "synth1b1")
#: Default proportions of the splits: 100,000 / 20,000 / 20,000 in the thesis.
SHARES = (5, 1, 1)


def describe_dataset(path: Path, header: DatasetHeader) -> str:
    """A line about a written dataset: its presets, parameters, splits and size in bytes."""
    counts = ", ".join(f"{end - first:,} {name}" for name, (first, end) in header.splits.items())
    made = f"{counted(header.size, 'preset')} of {counted(len(header.parameters), 'parameter')} ({counts})"
    return f"{path}: {made}, {path.stat().st_size / 1e6:.1f} MB"


def parse_splits(text: str | None, size: int) -> dict[str, tuple[int, int]]:
    """Parse the text of ``splits`` into ranges.

    Args:
        text: three counts that add up to `size`, comma-separated, or None for 5 : 1 : 1 as in the thesis.
        size: number of presets.

    Returns:
        First and one-past-last preset by split, in the order train, validation, test.

    Raises:
        UserError: if there are not three positive counts that add up.
    """
    if text is None:
        rest = [max(1, size * share // sum(SHARES)) for share in SHARES[1:]]
        counts = [size - sum(rest), *rest]
    else:
        try:
            counts = [int(part) for part in text.replace("/", ",").split(",")]
        except ValueError:
            raise UserError("splits", text, "write e.g. 100,20,20", why="not three whole numbers") from None
    if len(counts) != len(SPLITS) or sum(counts) != size or min(counts) < 1:
        raise UserError(
            "splits",
            text or counts,
            f"write e.g. {size - 2 * (size // 7)},{size // 7},{size // 7}",
            why=f"not train, validation and test counts, each at least 1, that add up to `size` {size}",
        )
    ends = np.cumsum(counts).tolist()
    return {name: (end - count, end) for name, end, count in zip(SPLITS, ends, counts, strict=True)}


def generate_dataset(
    path: Path,
    parameters: ParameterSpace,
    size: int,
    seed: int = 0,
    source: str = "uniform",
    splits: str | None = None,
    settings: RenderSettings | None = None,
    progress: Progress = lambda done: None,
    overwrite: bool = True,
) -> DatasetHeader:
    """Draw presets, write them as a dataset, and return its header.

    Args:
        path: output file: Parquet if its name ends in ``.parquet``, as is required for more than `MOST_JSON` presets.
        parameters: the columns.
        size: number of presets.
        seed: seed of the draw; not used by synth1B1.
        source: one of `SOURCES`.
        splits: see `parse_splits`.
        settings: render settings stored with the presets.
        progress: called with the number of presets done.
        overwrite: whether to replace a file that exists when writing ends, for instance from another process.

    Raises:
        UserError: for a size below 3, a seed outside its range, an unknown source, invalid splits, settings that
            cannot be rendered, or an unwritable path.
    """
    header = plan_dataset(path, parameters, size, seed, source, splits, settings)

    def draw() -> Iterator[NDArray[np.float64]]:
        for first in range(0, size, CHUNK):
            count = min(CHUNK, size - first)
            yield draw_presets(parameters, source, seed, first, count)
            progress(first + count)

    write_dataset(path, header, draw(), overwrite)
    return header


def plan_dataset(
    path: Path,
    parameters: ParameterSpace,
    size: int,
    seed: int = 0,
    source: str = "uniform",
    splits: str | None = None,
    settings: RenderSettings | None = None,
) -> DatasetHeader:
    """The header of a dataset that `generate_dataset` would draw; same arguments and errors."""
    if size < len(SPLITS):
        raise UserError("size", size, f"give at least {len(SPLITS)}, one preset for each split")
    check_seed(seed)
    settings = settings or RenderSettings()
    settings.check()
    if source not in SOURCES:
        raise UserError("source", source, choose_one(source, SOURCES))
    if source == "synth1b1" and settings.synth != DEFAULT:
        raise UserError("source", source, f"choose {' or '.join(SOURCES[:-1])}", why=f"and `synth` {settings.synth}")
    if source == "synth1b1" and len(parameters) != SYNTH1B1_WIDTH:
        raise UserError("parameters", len(parameters), f"synth1b1 draws all {SYNTH1B1_WIDTH}: use `parameters` 78")
    if path.suffix.lower() not in ("", ".json", ".parquet"):
        raise UserError("out", path, "name a file that ends in .json or .parquet")
    if size > MOST_JSON and path.suffix.lower() != ".parquet":
        remedy = f"name a file that ends in .parquet with `out`, or give `size` {MOST_JSON} or less"
        raise UserError("size", size, remedy, why=f"too large for JSON ({path.name})")
    header = DatasetHeader(parameters, settings, source, seed, size, parse_splits(splits, size))
    if path.suffix.lower() == ".parquet":
        require_pyarrow(path)
    return header


def dataset_path(out: Path | None, size: int) -> Path:
    """Output path of a dataset: the default or `out`, with ``.parquet`` if it has no suffix and JSON is too large."""
    ending = ".parquet" if size > MOST_JSON else ".json"
    if out is None:
        return Path("datasets/presets").with_suffix(ending)
    return out.with_name(out.name + ending) if size > MOST_JSON and not out.suffix else out


def draw_presets(parameters: ParameterSpace, source: str, seed: int, first: int, count: int) -> NDArray[np.float64]:
    """Presets ``first`` to ``first + count - 1`` of a source, ``(count, P)`` in human units, as stored in a dataset.

    Args:
        parameters: the columns.
        source: one of `SOURCES`.
        seed: seed of the draw; not used by synth1B1.
        first: number of the first preset.
        count: number of presets.
    """
    low, high = (np.array([getattr(p, bound) for p in parameters]) for bound in ("minimum", "maximum"))
    if source == "synth1b1":
        human = parameters.denormalise(synth1b1_unit(first, count, parameters.names))
    else:
        unit = uniform_unit(seed, first, count, len(parameters))
        human = parameters.denormalise(unit) if source == "uniform" else low + unit * (high - low)
    return np.clip(round_significant(human), low, high)
