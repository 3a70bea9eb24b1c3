"""Density-based cluster validity (DBCV), compiled, with memory linear in the number of points.

`hdbscan.validity` stores all distances of a cluster several times: 4 GiB and 15 s for a cluster of 10,000 points, which
one map in three has. Here distances are computed where they are needed, repeatedly if necessary.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from synthvae.core.compile import cached

__all__ = ["cluster_scores"]

#: Tolerances within which two weights are equal, as in `hdbscan.validity` (the defaults of `numpy.isclose`).
_RELATIVE, _ABSOLUTE = 1e-5, 1e-8


def cluster_scores(points: NDArray[np.float64], labels: NDArray[np.intp], clusters: int) -> NDArray[np.float64]:
    """Validity of each cluster, (separation - sparseness) / max(separation, sparseness).

    Moulavi et al. 2014, SDM, definitions 1 to 7, as in `hdbscan.validity.validity_index`: sparseness is the largest
    weight of an edge between inner points of the minimum spanning tree of mutual reachability (of all its edges, if it
    has none between inner points), separation the smallest mutual reachability between the inner points of a cluster
    and those of all others. Among edges of equal weight the same one is chosen as there.

    About 2 s for 10,000 points in two dimensions, whatever their positions.

    Args:
        points: points, shape (N, D), those of a cluster all different.
        labels: cluster of each point, shape (N,); all of 0 to `clusters` - 1 occur.
        clusters: number of clusters.

    Returns:
        Shape (clusters,), between -1 and 1; NaN where distances vanish relative to the whole.
    """
    sparseness_of, separation_of = _kernels()
    sparseness = np.empty(clusters)
    inner, cores, owners = [], [], []
    for name in range(clusters):
        members = np.ascontiguousarray(points[labels == name])
        core, is_inner = np.empty(len(members)), np.empty(len(members), dtype=np.bool_)
        sparseness[name] = sparseness_of(members, core, is_inner)
        inner.append(members[is_inner])
        cores.append(core[is_inner])
        owners.append(np.full(int(is_inner.sum()), name))
    separation = np.full(clusters, np.inf)
    separation_of(np.concatenate(inner), np.concatenate(cores), np.concatenate(owners), separation)
    result: NDArray[np.float64] = (separation - sparseness) / np.maximum(separation, sparseness)
    return result


@njit(error_model="numpy", inline="always")
def _squared(points: NDArray[np.float64], i: int, j: int) -> float:
    total = 0.0
    for k in range(points.shape[1]):
        step = points[i, k] - points[j, k]
        total += step * step
    return total


@njit(error_model="numpy", inline="always")
def _reach(points: NDArray[np.float64], core: NDArray[np.float64], i: int, j: int) -> float:
    """Mutual reachability of two points."""
    return max(np.sqrt(_squared(points, i, j)), core[i], core[j])


def _sparseness(points: NDArray[np.float64], core: NDArray[np.float64], inner: NDArray[np.bool_]) -> float:
    """Largest weight of an inner edge of a cluster; writes core distances and which points are inner."""
    n, dimension = points.shape
    core[:] = 0.0
    for i in range(n):
        for j in range(i):
            near = (1.0 / np.sqrt(_squared(points, i, j))) ** dimension
            core[i] += near
            core[j] += near
    for i in range(n):
        core[i] = (core[i] / (n - 1)) ** (-1.0 / dimension)

    # Prim's algorithm from point 0: the point nearest to any in the tree is added next.
    nearest = np.full(n, np.inf)
    turn = np.full(n, n)  # step at which a point was added to the tree
    turn[0] = 0
    ends, weights = np.zeros((n - 1, 2), np.intp), np.zeros(n - 1)
    current = 0
    for step in range(1, n):
        best, least = -1, np.inf
        for j in range(n):
            if turn[j] == n:
                weight = _reach(points, core, current, j)
                nearest[j] = min(nearest[j], weight)
                if best < 0 or nearest[j] < least:
                    best, least = j, nearest[j]
        ends[step - 1, 0], ends[step - 1, 1], weights[step - 1] = 0, best, least
        turn[best] = step
        current = best
    for edge in range(1, n - 1):  # the point of the tree that it joins: the first of those that are equally near
        new, weight = ends[edge, 1], weights[edge]
        for j in range(n):
            if turn[j] <= edge and abs(_reach(points, core, new, j) - weight) <= _ABSOLUTE + _RELATIVE * weight:
                ends[edge, 0] = j
                break

    degree = np.zeros(n, np.intp)
    for edge in range(n - 1):
        degree[ends[edge, 0]] += 1
        degree[ends[edge, 1]] += 1
    inner[:] = degree > 1
    if not inner.any():
        inner[0] = True
    heaviest, any_inner = 0.0, False
    for edge in range(n - 1):
        if inner[ends[edge, 0]] and inner[ends[edge, 1]]:
            any_inner = True
            heaviest = max(heaviest, weights[edge])
    return heaviest if any_inner else weights.max()


def _separation(
    points: NDArray[np.float64], core: NDArray[np.float64], owner: NDArray[np.intp], separation: NDArray[np.float64]
) -> None:
    """Lower each cluster's separation to the smallest mutual reachability with a point of another."""
    for i in range(len(points)):
        for j in range(i):
            if owner[i] != owner[j]:
                weight = _reach(points, core, i, j)
                separation[owner[i]] = min(separation[owner[i]], weight)
                separation[owner[j]] = min(separation[owner[j]], weight)


@cache
def _kernels() -> tuple[Any, Any]:
    return cached(_sparseness), cached(_separation)  # type: ignore[arg-type]  # one of them returns a number
