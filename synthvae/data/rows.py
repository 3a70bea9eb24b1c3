"""Array-like access to rows of numbers on disk, read in chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHUNK", "Rows", "StoredRows", "chunks"]

#: Number of rows processed at a time.
CHUNK = 8192


class Rows(Protocol):
    """Rows ``(N, P)`` float64, in memory (such as an array) or on disk."""

    def __len__(self) -> int:
        """Number of rows, N."""

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 - as for an array
        """One row ``(P,)`` for an index; rows ``(n, P)`` for a slice."""


class StoredRows(ABC):
    """Rows that are read and checked on access."""

    def __init__(self, count: int, width: int) -> None:
        self.shape = count, width

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def _read(self, first: int, end: int) -> NDArray[np.float64]:
        """Rows `first` to `end` - 1."""

    def __getitem__(self, key: int | slice) -> NDArray[np.float64]:
        """One row ``(P,)`` for an index; a copy of rows ``(n, P)`` for a slice without a step."""
        if isinstance(key, slice):
            first, end, step = key.indices(len(self))
            if step != 1:
                raise IndexError("a slice has no step")
            return self._read(first, end) if end > first else np.empty((0, self.shape[1]))
        number = range(len(self))[key]
        row: NDArray[np.float64] = self._read(number, number + 1)[0]
        return row


def chunks(rows: Rows, first: int, end: int, size: int = CHUNK) -> Iterator[NDArray[np.float64]]:
    """Rows `first` to `end` - 1, in chunks of `size` rows."""
    for start in range(first, end, size):
        yield rows[start : min(start + size, end)]
