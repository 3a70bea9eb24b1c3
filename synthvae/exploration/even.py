"""Perceptually uniform resampling of paths.

Every continuous path can be divided into any number of chords of equal length, so equal steps depend only on the choice
of stops. Chords are not arc lengths: dividing the summed distances of a fine sampling evenly gives other stops. Pitch
moves the lines of a spectrogram, and once they no longer overlap the distance stops growing: a glide of three octaves
has a sum of hundreds of dB, but no two sounds on it are further apart than twenty.

For M points of a path with distances d between all of them, a walk is an increasing sequence of S points. Both searches
are dynamic programmes over such sequences, exact for each chord length that is tried:

* *steady*: among walks whose chords are all between ``low`` and ``low * tolerance``, for a range of ``low``, the one
  with the smallest sum of squared steps of the position, so that the walk does not spend nine stops on one end of the
  path and skip the rest where the distances happen to allow it;
* *evenest*: if there is none, the walk with the smallest ratio of longest to mean chord: the maximum sum under a cap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOLERANCES", "choose_stops", "unevenness"]

#: Ratios of longest to shortest chord of a steady walk; the first for which a walk exists is used.
TOLERANCES = (1.25, 1.4)
#: Number of chord lengths tried, and ratio of the largest to the smallest possible one.
LENGTHS = 40
REACH = 3.0


def unevenness(chords: NDArray[np.float64]) -> float:
    """The longest chord over the mean, 1 at best; 1 also for a constant sound.

    Args:
        chords: distances ``(S - 1,)``.
    """
    mean = float(chords.mean())
    return float(chords.max()) / mean if mean > 0.0 else 1.0


def choose_stops(
    distance: NDArray[np.float64], position: NDArray[np.float64], steps: int, required: Sequence[int]
) -> NDArray[np.intp]:
    """Choose the points of a path, ``(S,)`` increasing indices, with the most equal distances.

    Args:
        distance: distances ``(M, M)`` between all points of the path, in its order.
        position: position of each point along the path, ``(M,)`` increasing.
        steps: number of stops S, at least the number of required points and at most M.
        required: increasing indices of points that must be stops, including the first and the last.

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
    """Whether each chord is forward and skips no required point, ``(M, M)``."""
    points = np.arange(count)
    behind = np.searchsorted(required, points, side="left")  # number of required points before this one
    passed = np.searchsorted(required, points, side="right")  # the same, including this one
    return (points[:, None] < points[None]) & (behind[None] <= passed[:, None])


def _caps(chords: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Candidate lengths of the longest chord: all lengths where they are few."""
    lengths = np.unique(chords[np.isfinite(chords) & (chords >= least)])
    if len(lengths) <= LENGTHS:
        return np.append(lengths, least)
    return np.geomspace(max(least, np.finfo(float).tiny), max(least * REACH, 1e-9), LENGTHS)


def _least_cap(chords: NDArray[np.float64], steps: int) -> float:
    """Smallest possible longest chord of a walk from the first point to the last."""
    reached = np.full(len(chords), np.inf)
    reached[0] = 0.0
    for _ in range(steps - 1):
        reached = np.maximum(reached[:, None], chords).min(axis=0)
    return float(reached[-1]) * (1.0 + 1e-12)


def _cheapest(cost: NDArray[np.float64], steps: int) -> tuple[float, NDArray[np.intp]]:
    """The walk with the smallest sum of costs ``(M, M)``, infinite where there is none."""
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
