"""Perceptually uniform resampling of paths.

Every continuous path can be divided into any number of chords of equal length, so equal steps depend only on the choice
of stops. Chords are not arc lengths: dividing the summed distances of a fine sampling evenly gives other stops. Pitch
moves the lines of a spectrogram, and once they have left their bands the distance no longer grows: a glide of three
octaves has a sum of hundreds of dB, but no two sounds on it are further apart than twenty.

On M points of a path with distances d between all of them, a walk is an increasing choice of S points. Both searches
are dynamic programmes over those choices, exact for each length of chord that is tried:

* *steady*: among walks whose chords all lie between ``low`` and ``low * tolerance``, for a range of ``low``, the one
  with the least sum of squared steps of the position, for the walk shall not spend nine stops on one end of the path
  and leap over the rest where the distances happen to allow it;
* *evenest*: where there is none, the walk of the least largest chord over mean chord, by the greatest sum under a cap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOLERANCES", "choose_stops", "unevenness"]

#: Largest over smallest chord of a steady walk, the first that there is a walk for.
TOLERANCES = (1.25, 1.4)
#: Lengths of chord that are tried, and how far above the least possible one they go.
LENGTHS = 40
REACH = 3.0


def unevenness(chords: NDArray[np.float64]) -> float:
    """The largest chord over the mean, 1 at best; 1 also for a constant sound.

    Args:
        chords: ``(S - 1,)`` distances.
    """
    mean = float(chords.mean())
    return float(chords.max()) / mean if mean > 0.0 else 1.0


def choose_stops(
    distance: NDArray[np.float64], position: NDArray[np.float64], steps: int, required: Sequence[int]
) -> NDArray[np.intp]:
    """Choose the points of a path, ``(S,)`` rising numbers, with the most equal distances.

    Args:
        distance: ``(M, M)`` between all points of the path, in its order.
        position: ``(M,)`` rising, how far along the path each point lies.
        steps: S, at least the number of required points and at most M.
        required: points that are stops in any case, rising, the first and the last among them.

    Raises:
        ValueError: if there are more required points than steps, or more steps than points.
    """
    count = len(distance)
    if not len(required) <= steps <= count:
        raise ValueError(f"{steps} steps through {len(required)} required of {count} points")
    chords = np.where(_legs(count, required), distance, np.inf)
    least = _least_cap(chords, steps)
    caps = _caps(chords, least)
    square = np.square(position[None] - position[:, None])
    for tolerance in TOLERANCES:
        found: list[tuple[float, NDArray[np.intp]]] = []
        for cap in caps:
            allowed = (chords <= cap) & (chords >= cap / tolerance)
            cost, stops = _cheapest(np.where(allowed, square, np.inf), steps)
            if np.isfinite(cost):
                found.append((cost, stops))
        if found:
            return min(found, key=lambda walk: walk[0])[1]
    best = None
    for cap in caps:
        cost, stops = _cheapest(np.where(chords <= cap, -chords, np.inf), steps)
        if np.isfinite(cost):
            score = unevenness(distance[stops[:-1], stops[1:]])
            if best is None or score < best[0]:
                best = score, stops
    assert best is not None, "the least cap admits a path"
    return best[1]


def _legs(count: int, required: Sequence[int]) -> NDArray[np.bool_]:
    """Which chords rise and pass over no required point, ``(M, M)``."""
    points = np.arange(count)
    behind = np.searchsorted(required, points, side="left")  # required points before this one
    passed = np.searchsorted(required, points, side="right")  # and with it
    return (points[:, None] < points[None]) & (behind[None] <= passed[:, None])


def _caps(chords: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Lengths that the longest chord may have: all there are where they are few."""
    lengths = np.unique(chords[np.isfinite(chords) & (chords >= least)])
    if len(lengths) <= LENGTHS:
        return np.append(lengths, least)
    return np.geomspace(max(least, np.finfo(float).tiny), max(least * REACH, 1e-9), LENGTHS)


def _least_cap(chords: NDArray[np.float64], steps: int) -> float:
    """The least largest chord of any walk from the first point to the last."""
    reached = np.full(len(chords), np.inf)
    reached[0] = 0.0
    for _ in range(steps - 1):
        reached = np.maximum(reached[:, None], chords).min(axis=0)
    return float(reached[-1]) * (1.0 + 1e-12)


def _cheapest(cost: NDArray[np.float64], steps: int) -> tuple[float, NDArray[np.intp]]:
    """The walk of the least sum of costs ``(M, M)``, infinite where there is none."""
    sums = np.full(len(cost), np.inf)
    sums[0] = 0.0
    origins = []
    for _ in range(steps - 1):
        candidates = sums[:, None] + cost
        origins.append(candidates.argmin(axis=0))
        sums = candidates.min(axis=0)
    stops = [len(cost) - 1]
    for origin in reversed(origins):
        stops.append(int(origin[stops[-1]]))
    return float(sums[-1]), np.array(stops[::-1])
