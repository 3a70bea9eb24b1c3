"""Epoch metrics as rows of a CSV file and as TensorBoard events."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from synthvae.files import atomic_write

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["MetricsLog", "read_metrics"]


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read ``metrics.csv``; empty cells are left out of a row. An absent file has no rows."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if value not in (None, "")}
            for row in csv.DictReader(file)
        ]


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
        self.rows = [row for row in read_metrics(self.path) if row["epoch"] < first_epoch]
        self._columns: dict[str, None] = {}
        self._write()

    def add(self, row: Mapping[str, float]) -> None:
        """Add an epoch; `row` has the column ``epoch`` and every term by name."""
        self.rows.append(dict(row))
        if row.keys() <= self._columns.keys():
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self._columns, restval="").writerow(row)
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
        # Phases have terms of their own: a column for every one there was, in order of appearance.
        self._columns = dict.fromkeys(name for row in self.rows for name in row)
        if not self.rows:
            self.path.unlink(missing_ok=True)
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, restval="")
        writer.writeheader()
        writer.writerows(self.rows)
        atomic_write(self.path, text.getvalue())
