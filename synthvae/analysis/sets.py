"""How far a run's sounds are from the test sounds as a whole, in one embedding, by every distance between sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from synthvae.analysis.frechet import (
    ExtrapolatedDistance,
    FrechetDistance,
    GaussianStatistics,
    frechet_distance,
    frechet_extrapolated,
)
from synthvae.analysis.kernel_distance import KernelDistance, KernelFloor, kernel_distance, kernel_floor
from synthvae.errors import UserError

__all__ = ["SetDistances", "SetFloor", "measure_floor", "measure_set"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class SetDistances:
    """A set of sounds against the test sounds; each distance None where it is not defined.

    Attributes:
        frechet: FAD of as many sounds as there are.
        extrapolated: FAD of infinitely many.
        kernel: KAD.
        reason: why a distance is missing; empty where none is.
    """

    frechet: FrechetDistance | None
    extrapolated: ExtrapolatedDistance | None
    kernel: KernelDistance | None
    reason: str


@dataclass(frozen=True)
class SetFloor:
    """What the kernel distance reads between halves of the test sounds.

    Attributes:
        kernel: None where it is not defined.
        reason: why it is missing.
    """

    kernel: KernelFloor | None
    reason: str


def measure_set(test: NDArray[np.float64], other: NDArray[np.float64], seed: int) -> SetDistances:
    """Every distance between two sets.

    Args:
        test: embedding of the test sounds ``(N, D)``.
        other: of the other set ``(M, D)``.
        seed: of subsamples.

    Returns:
        The distances that are defined, and why others are not.
    """
    reasons: list[str] = []

    def gaussian() -> FrechetDistance:
        return frechet_distance(GaussianStatistics.of(test, "test"), GaussianStatistics.of(other, "other"))

    return SetDistances(
        _try(gaussian, reasons),
        _try(lambda: frechet_extrapolated(test, other, seed), reasons),
        _try(lambda: kernel_distance(test, other), reasons),
        "; ".join(dict.fromkeys(reasons)),
    )


def measure_floor(test: NDArray[np.float64], seed: int) -> SetFloor:
    """What the kernel distance reads where there is no difference.

    Args:
        test: embedding of the test sounds ``(N, D)``.
        seed: of the halves.
    """
    reasons: list[str] = []
    return SetFloor(_try(lambda: kernel_floor(test, seed), reasons), "; ".join(reasons))


def _try(measure: Callable[[], Result], reasons: list[str]) -> Result | None:
    try:
        return measure()
    except UserError as error:
        reasons.append(str(error))
        return None
