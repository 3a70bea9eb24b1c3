"""Nine significant digits: more than float32 holds, and few enough to read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["round_significant"]

DIGITS = 9
_POWERS = np.array([float(f"1e{k}") for k in range(-323, 309)])
_SCALES = np.array([float(f"1e{k}") for k in range(0, 301)])


def round_significant(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to nine significant digits, alike on every machine.

    The decade is found by comparing with a table and the rounding is one multiplication and one division, all
    of which IEEE 754 fixes to the bit; a logarithm would be at the mercy of the mathematics library.

    Args:
        values: any shape, finite.

    Returns:
        The same shape; magnitudes below 1e-290 are returned as they are.
    """
    decade = np.searchsorted(_POWERS, np.abs(values), side="right") - 324
    shift = DIGITS - 1 - decade
    scale = _SCALES[np.clip(shift, 0, len(_SCALES) - 1)]
    rounded: NDArray[np.float64] = np.where((shift >= 0) & (shift < 299), np.rint(values * scale) / scale, values)
    return rounded
