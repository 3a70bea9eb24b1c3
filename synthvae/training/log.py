"""Epoch metrics as rows of a CSV file and as TensorBoard events."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["MetricsLog", "read_metrics"]


def read_metrics(path: Path) -> pd.DataFrame:
    """Read ``metrics.csv``.

    Args:
        path: the file.

    Returns:
        A row per epoch and a column per term; NaN where a phase had no such term. An absent file has no rows. A last
        row without a line end, which a killed process leaves, is left out.

    Raises:
        UserError: if the file is no table of numbers.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        content = ""
    whole = content[: content.rfind("\n") + 1]
    if not whole:
        return pd.DataFrame({"epoch": pd.Series(dtype=float)})
    try:
        # By way of text, because not every pandas that is allowed reads a float to the last bit.
        return pd.read_csv(io.StringIO(whole), dtype=str).astype(float)
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(path, path, "restore or remove it", f"not a table of numbers ({error})") from None


class MetricsLog:
    """Appends one row per epoch to ``metrics.csv`` and to ``tensorboard/``."""

    def __init__(self, directory: Path, first_epoch: int) -> None:
        """Open the log.

        Args:
            directory: the run's.
            first_epoch: rows of this epoch and later ones are dropped: they will be written again.
        """
        self.path = directory / "metrics.csv"
        self._events = directory / "tensorboard"
        self._first = first_epoch
        self._writer: SummaryWriter | None = None
        rows = read_metrics(self.path)
        self.rows = rows[rows["epoch"] < first_epoch]
        self._write()

    def add(self, row: Mapping[str, float]) -> None:
        """Add an epoch; `row` has the column ``epoch`` and every term by name."""
        known = set(row) <= set(self.rows.columns) and self.path.exists()
        added = pd.DataFrame([row], dtype=float)
        # Phases have terms of their own: a column for every one there was, in order of appearance.
        columns = dict.fromkeys([*self.rows.columns, *row])
        self.rows = pd.concat([self.rows, added] if len(self.rows) else [added]).reindex(columns=list(columns))
        if known:
            with self.path.open("a", newline="") as file:
                self.rows.tail(1).to_csv(file, index=False, header=False)
        else:
            self._write()
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._events), purge_step=self._first)
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, int(row["epoch"]))

    def close(self) -> None:
        """Flush what is still on its way to the disk."""
        if self._writer is not None:
            self._writer.close()

    def _write(self) -> None:
        if len(self.rows):
            atomic_write(self.path, self.rows.to_csv(index=False))
        else:
            self.path.unlink(missing_ok=True)
