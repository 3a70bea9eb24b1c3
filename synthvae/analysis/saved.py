"""Read access to a finished analysis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from synthvae.core.errors import UserError, reason

__all__ = ["FORMAT", "VERSION", "SavedAnalysis", "load_analysis"]

#: Of ``metrics.json``; files of other versions are refused.
FORMAT, VERSION = "synthvae-analysis", 7

#: Columns that hold something else than floats.
_TYPES = {"preset": int, "dimension": int, "parameter": str}


@dataclass(frozen=True)
class SavedAnalysis:
    """The output of ``synthvae analyze``.

    Attributes:
        path: the directory.
        metrics: the content of ``metrics.json``.
    """

    path: Path
    metrics: dict[str, Any]

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of the runs that were analysed."""
        return tuple(self.metrics["runs"])

    @cached_property
    def reconstruction(self) -> pd.DataFrame:
        """Errors and distances of the reconstructed test presets, one row per run and preset."""
        return self._read("reconstruction")

    @cached_property
    def training(self) -> pd.DataFrame:
        """The same of presets that were trained on."""
        return self._read("training")

    @cached_property
    def effects(self) -> pd.DataFrame:
        """The effect of each parameter on each latent dimension, one row per run, parameter and dimension."""
        return self._read("effects")

    def _read(self, table: str) -> pd.DataFrame:
        frames = []
        for run in self.runs:
            path = self.path / f"{table}_{run}.csv"
            try:
                # By way of text, because not every pandas that is allowed reads a float to the last bit.
                frame = pd.read_csv(path, dtype=str)
                frame = frame.astype({name: _TYPES.get(name, float) for name in frame.columns})
            except (OSError, ValueError) as error:
                raise UserError(path, path, "run the analysis again", f"cannot be read ({reason(error)})") from None
            frame.insert(0, "run", run)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)


def load_analysis(path: str | Path) -> SavedAnalysis:
    """Read an analysis.

    Args:
        path: the directory that ``synthvae analyze`` wrote for runs on presets.

    Returns:
        Its ``metrics.json``, and its tables as data frames when they are asked for.

    Raises:
        UserError: if there is no analysis at `path`, or it is of another version.
    """
    file = Path(path) / "metrics.json"
    try:
        metrics = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UserError(
            file, file, "give a directory that 'synthvae analyze' wrote", f"cannot be read ({reason(error)})"
        ) from None
    if not isinstance(metrics, dict) or metrics.get("format") != FORMAT:
        raise UserError(file, file, "give a directory that 'synthvae analyze' wrote", "not an analysis of presets")
    if metrics.get("version") != VERSION:
        found = metrics.get("version")
        raise UserError(file, found, "run the analysis again", f"version {found!r}, this is for {VERSION}")
    if not isinstance(metrics.get("runs"), dict):
        raise UserError(f"{file}: runs", metrics.get("runs"), "run the analysis again", why="not a table of runs")
    return SavedAnalysis(Path(path), metrics)
