"""Checks of arrays and values from files."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthvae.core.errors import UserError

__all__ = ["check_seed", "finite_matrix", "finite_values", "is_number", "require_finite"]

_BLOCK = 1 << 22  # elements checked at a time: a mask of a whole feature set would be gigabytes


#: Largest seed that every generator used here accepts.
LARGEST_SEED = 2**63 - 1
#: Maximum number of digits of a preset number.
MOST_DIGITS = 18


def require_finite(array: NDArray[np.generic], name: str, entry: str = "preset") -> None:
    """Reject NaN and infinity in a real array of any shape, with one entry per index of the first axis.

    Raises:
        UserError: naming the array and the first entry with a bad value.
    """
    rows = max(1, _BLOCK // max(1, array[:1].size))
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        bad = ~np.isfinite(block)
        if bad.any():
            row = int(np.argwhere(bad)[0][0])
            value = block[row][bad[row]].flat[0] if block.ndim > 1 else block[row]
            raise UserError(
                name,
                value,
                "check what made it for silence or divergence",
                f"{entry} {start + row} holds {value}, a finite number is needed",
            )


def finite_values(values: ArrayLike, name: str, entry: str = "preset") -> NDArray[np.float64]:
    """Return `values` as float64 of shape (N,); errors name the argument.

    Raises:
        ValueError: if `values` is not one-dimensional or not real.
        UserError: if it is empty or not finite.
    """
    return _finite(values, name, entry, 1)


def finite_matrix(rows: ArrayLike, name: str, entry: str = "preset") -> NDArray[np.float64]:
    """Return `rows` as float64 of shape (N, D); errors name the argument.

    Raises:
        ValueError: if `rows` is not two-dimensional or not real.
        UserError: if it is empty or not finite.
    """
    return _finite(rows, name, entry, 2)


def _finite(values: ArrayLike, name: str, entry: str, dimensions: int) -> NDArray[np.float64]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got {array.dtype}")
    if array.ndim != dimensions:
        raise ValueError(f"{name}: expected shape {('(N,)', '(N, D)')[dimensions - 1]}, got {array.shape}")
    if not array.size:
        why = "0 values, at least 1 is needed" if dimensions == 1 else f"shape {array.shape} is empty"
        raise UserError(name, array, "check that the split is not empty", why)
    require_finite(array, name, entry)
    return array.astype(np.float64, copy=False)


def check_seed(seed: int) -> None:
    """Reject a seed that the generators do not accept.

    Args:
        seed: integer from 0 to 2^63 - 1.

    Raises:
        UserError: naming the seed.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError("seed", seed, f"give a whole number from 0 to {LARGEST_SEED}")


def is_number(text: str) -> bool:
    """Whether `text` consists only of the digits 0 to 9 and is short enough to be a preset number."""
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
