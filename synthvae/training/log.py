"""Epoch metrics as rows of a CSV file and as TensorBoard events."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from synthvae.core.errors import UserError, reason
from synthvae.core.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["MetricsLog", "read_metrics"]

_log = logging.getLogger(__name__)


def read_metrics(path: Path) -> pd.DataFrame:
    """Read ``metrics.csv``: one row per epoch and one column per term, NaN where a phase lacks the term.

    An absent file gives no rows. A last row without a line end, left by a killed process, is dropped.

    Raises:
        UserError: if the file is not a table of numbers.
    """
    import pandas as pd  # takes a quarter of a second to import: most commands do without

    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        content = ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(path, path, "restore or remove it", f"not a table of numbers ({error})") from None
    whole = content[: content.rfind("\n") + 1]
    if not whole:
        return pd.DataFrame({"epoch": pd.Series(dtype=float)})
    try:
        # As text first, because not every supported pandas version parses floats exactly.
        table = pd.read_csv(io.StringIO(whole), dtype=str).astype(float)
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(path, path, "restore or remove it", f"not a table of numbers ({error})") from None
    if "epoch" not in table or table["epoch"].isna().any():
        raise UserError(path, path, "restore or remove it", "not a table with an epoch in each row")
    return table


class MetricsLog:
    """One row per epoch in ``metrics.csv`` and in ``tensorboard/``."""

    def __init__(self, directory: Path, first_epoch: int) -> None:
        """Open the log of a run; rows from `first_epoch` on are dropped, since they will be written again."""
        self.path = directory / "metrics.csv"
        self._events = directory / "tensorboard"
        self._first = first_epoch
        self._writer: SummaryWriter | None = None
        self._writes = True
        rows = read_metrics(self.path)
        self.rows = rows[rows["epoch"] < first_epoch]
        self._text = self.rows.to_csv(index=False)
        if len(self.rows):
            atomic_write(self.path, self._text)
        else:
            self.path.unlink(missing_ok=True)

    def add(self, row: Mapping[str, float]) -> None:
        """Add an epoch; `row` has the column ``epoch`` and every term by name.

        Raises:
            UserError: if ``metrics.csv`` cannot be written. A failure to write the redundant events is not an error.
        """
        import pandas as pd

        known = set(row) <= set(self.rows.columns) and len(self.rows) > 0
        added = pd.DataFrame([row], dtype=float)
        # Phases have different terms: one column for every term so far, in order of appearance.
        columns = dict.fromkeys([*self.rows.columns, *row])
        self.rows = pd.concat([self.rows, added] if len(self.rows) else [added]).reindex(columns=list(columns))
        if known:
            self._text += self.rows.tail(1).to_csv(index=False, header=False)
        else:
            self._text = self.rows.to_csv(index=False)
        atomic_write(self.path, self._text)
        self._try(self._write_events, row)

    def close(self) -> None:
        """Flush and close."""
        if self._writer is not None:
            self._try(self._writer.close)

    def _write_events(self, row: Mapping[str, float]) -> None:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._events), purge_step=self._first)
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, int(row["epoch"]))

    def _try(self, write: Callable[..., object], *arguments: object) -> None:
        """Write events until a write fails, for instance on a full disk; the failure is logged once."""
        if not self._writes:
            return
        try:
            write(*arguments)
        except (OSError, UnicodeError) as error:  # TensorBoard writes to no paths that are not UTF-8
            self._writes = False
            _log.warning("%s: no more events are written (%s)", self._events, reason(error))
