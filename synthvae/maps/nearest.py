"""Continuous inverse of a two-dimensional map: a grid of latents, with its measured round-trip error.

UMAP's own inverse takes seconds a call and fails between its islands. Here every node of a grid holds a weighted mean
of the latents that lie nearest to it, computed once; a place is interpolated between four nodes, in microseconds. What
that loses is measured as audible distance: points of the map are reconstructed from their position alone (each left
out of the mean), rendered, and compared with themselves; the null is another point drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synthvae.metrics.logmel_distance import paired

__all__ = ["Atlas", "Render", "Spot", "build_atlas"]

Floats = NDArray[np.float32]
Render = Callable[[Floats], Floats]

#: Nodes along the longer side of the grid.
NODES = 160
#: Points whose latents a node takes the mean of.
NEIGHBOURS = 6
#: Points that are found again to measure the round trip.
SAMPLED = 1024
#: Points that say how far a node can be trusted.
TRUSTED = 8
#: Of the neighbours among which a radius is taken, and how many of their distances the hull reaches beyond a point.
REACH_NEIGHBOUR, REACH = 8, 2.5
#: Latents whose places a new one is put between.
PLACED = 8
_CERTAIN = 255


class Spot(NamedTuple):
    """The value of a map at one position: latent, and whether it is inside the map.

    Attributes:
        latent: ``(D,)``.
        x: of the place it is for: the one asked for, or the nearest inside the hull.
        y: likewise.
        inside: whether the place asked for is inside the hull.
        confidence: 0, no better than a random point of the map, to 1, sounds as if it was there.
    """

    latent: Floats
    x: float
    y: float
    inside: bool
    confidence: float


@dataclass(frozen=True)
class Atlas:
    """A map in two dimensions.

    Attributes:
        points: ``(N, 2)``, where the latents lie.
        bounds: lowest x and y, highest x and y that the grid spans, ``(4,)``.
        nodes: latents on the grid, ``(H, W, D)``, rows from the lowest y up.
        trust: confidence on the grid, ``(H, W)`` of 0 to 255; 0 outside the hull.
        radius: how far the hull reaches beyond a point.
        rings: outlines of the hull, each closed, ``(M, 2)``; holes are rings too.
        median: of the distances in dB between points and what is found from their places.
        null: of the distances in dB between points and others drawn at random.
        linear: ``(D, 2)``, from centred latents to places where the map is linear; None elsewhere.
        centre: ``(D,)``, of the latents.
    """

    points: Floats
    bounds: Floats
    nodes: Floats
    trust: NDArray[np.uint8]
    radius: float
    rings: tuple[Floats, ...]
    median: float
    null: float
    linear: Floats | None
    centre: Floats

    def at(self, x: float, y: float) -> Spot:
        """The latent at any position."""
        x, y = self._sane(x, y)
        distance, nearest = self._tree.query((x, y))
        inside = bool(distance <= self.radius)
        if not inside:
            towards = self.points[nearest].astype(np.float64)
            x, y = (towards + 0.999 * self.radius / distance * (np.array((x, y)) - towards)).tolist()
        latent, trust = self._interpolate(x, y)
        return Spot(latent, x, y, inside, trust)

    def place(self, latents: Floats, own: Floats) -> Floats:
        """Places of latents that may be new, ``(B, 2)``.

        Exact where the map is linear. Elsewhere the mean of the places of the nearest latents, closer ones counting
        for more, of those only that lie where the nearest lies: a mean between two islands would lie in the sea.

        Args:
            latents: ``(B, D)``.
            own: those of the map's points, ``(N, D)``.
        """
        if self.linear is not None:
            return ((latents - self.centre) @ self.linear).astype(np.float32)
        count = min(PLACED, len(own))
        squares = np.square(own).sum(1) - 2.0 * latents @ own.T + np.square(latents).sum(1, keepdims=True)
        near = np.argpartition(squares, count - 1, axis=1)[:, :count]
        found = np.empty((len(latents), 2), np.float32)
        for row, candidates in enumerate(near):
            far = np.square(own[candidates] - latents[row]).sum(1)
            places = self.points[candidates]
            close = np.square(places - places[far.argmin()]).sum(1) <= (4.0 * self.radius) ** 2
            weights = close / (far + 1e-9 * (1.0 + far.max()))
            found[row] = weights @ places / weights.sum()
        return found

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points)

    def _sane(self, x: float, y: float) -> tuple[float, float]:
        """A place that distances can be taken from; the middle of the map for one that is no number."""
        low, high = self.bounds[:2].astype(np.float64), self.bounds[2:].astype(np.float64)
        place = np.where(np.isnan((x, y)), (low + high) / 2, (x, y))
        far = 1e3 * (high - low)
        across, up = np.clip(place, low - far, high + far).tolist()
        return across, up

    def _interpolate(self, x: float, y: float) -> tuple[Floats, float]:
        height, width = self.trust.shape
        x0, y0, x1, y1 = self.bounds.tolist()
        across = min(max((x - x0) / (x1 - x0), 0.0), 1.0) * (width - 1)
        up = min(max((y - y0) / (y1 - y0), 0.0), 1.0) * (height - 1)
        column, row = min(int(across), width - 2), min(int(up), height - 2)
        right, above = across - column, up - row
        weights = np.array([[(1 - above) * (1 - right), (1 - above) * right], [above * (1 - right), above * right]])
        cell = slice(row, row + 2), slice(column, column + 2)
        latent = np.tensordot(weights.astype(np.float32), self.nodes[cell], 2)
        return latent, float((weights * self.trust[cell]).sum() / _CERTAIN)


def build_atlas(points: NDArray[np.floating], latents: Floats, render: Render, linear: bool = False) -> Atlas:
    """Build the grid over a map and measure its round-trip error.

    Args:
        points: ``(N, 2)``, at least one.
        latents: ``(N, D)``.
        render: from latents ``(B, D)`` to spectrograms ``(B, ...)`` in dB.
        linear: whether the map is linear in the latents.

    Returns:
        The map.
    """
    places = np.asarray(points, np.float32)
    tree = cKDTree(places)
    radius, step, bounds = _extent(places, tree)
    x0, y0, x1, y1 = bounds.tolist()
    columns, rows = (max(4, math.ceil((high - low) / step) + 1) for low, high in ((x0, x1), (y0, y1)))
    x, y = np.meshgrid(np.linspace(x0, x1, columns), np.linspace(y0, y1, rows))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    nearest = np.asarray(tree.query(grid)[0]).reshape(rows, columns)
    nodes = _mean_latents(tree, latents, grid, radius, skip=0)
    trust, median, null = _measure(tree, latents, grid, radius, render, np.random.default_rng(0))
    trust = np.where(nearest <= radius + step, trust.reshape(rows, columns), 0)
    centre = latents.mean(axis=0)
    directions = None
    if linear:
        directions = np.linalg.lstsq((latents - centre).astype(np.float64), places.astype(np.float64), rcond=None)[0]
    return Atlas(
        places,
        bounds,
        nodes.reshape(rows, columns, -1),
        trust.astype(np.uint8),
        radius,
        _rings(x[0], y[:, 0], nearest, radius),
        median,
        null,
        None if directions is None else directions.astype(np.float32),
        centre.astype(np.float32),
    )


def _extent(places: Floats, tree: cKDTree) -> tuple[float, float, Floats]:
    """Radius of the hull around a point, the step of the grid, and the bounds, which contain the hull."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = float((high - low).max()) or 1.0
    step = span / NODES
    spacing = 0.0
    if len(places) > REACH_NEIGHBOUR:
        spacing = float(np.median(tree.query(places, REACH_NEIGHBOUR + 1)[0][:, -1]))
    radius = min(max(REACH * spacing, 2.0 * step), span) if spacing else 0.1 * span
    margin = radius + 2.0 * step
    return radius, step, np.concatenate([low - margin, high + margin]).astype(np.float32)


def _mean_latents(tree: cKDTree, latents: Floats, places: NDArray[np.floating], radius: float, skip: int) -> Floats:
    """Means ``(B, D)`` of the latents nearest to places, those at smaller distances counting for more.

    Args:
        tree: of the points.
        latents: theirs.
        places: ``(B, 2)``.
        radius: of the hull; at a small share of it distances stop to matter.
        skip: how many of the nearest to leave out: 1 where the places are points that shall not help themselves.
    """
    count = min(NEIGHBOURS + skip, len(latents))
    distances, numbers = tree.query(places, count)
    distances, numbers = (np.reshape(array, (len(places), count)) for array in (distances, numbers))
    if count > skip:
        distances, numbers = distances[:, skip:], numbers[:, skip:]
    weights = 1.0 / (np.square(distances) + np.square(0.05 * radius))
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.einsum("bk,bkd->bd", weights, latents[numbers])


def _measure(
    tree: cKDTree,
    latents: Floats,
    grid: NDArray[np.floating],
    radius: float,
    render: Render,
    generator: np.random.Generator,
) -> tuple[NDArray[np.floating], float, float]:
    """Trust at each of ``(B, 2)`` places, 0 to 255; the median round trip and the median null, in dB."""
    chosen = generator.permutation(len(latents))[:SAMPLED]
    own = tree.data[chosen]
    others = latents[(chosen + generator.integers(1, max(2, len(latents)), len(chosen))) % len(latents)]
    sounds = torch.from_numpy(render(latents[chosen]))
    error = paired(sounds, torch.from_numpy(render(_mean_latents(tree, latents, own, radius, skip=1))))
    other = paired(sounds, torch.from_numpy(render(others)))
    median, null = float(np.median(error)), float(np.median(other))
    certain = np.clip(1.0 - error / null, 0.0, 1.0) if null > 0 else np.ones(len(error))
    count = min(TRUSTED, len(chosen))
    numbers = np.reshape(cKDTree(own).query(grid, count)[1], (len(grid), count))
    return np.rint(_CERTAIN * certain[numbers].mean(axis=1)), median, null


def _rings(
    x: NDArray[np.floating], y: NDArray[np.floating], nearest: NDArray[np.floating], radius: float
) -> tuple[Floats, ...]:
    """Outlines at which the distance to the nearest point is the radius."""
    from contourpy import contour_generator

    lines = contour_generator(x, y, nearest).lines(radius)
    return tuple(np.asarray(line, np.float32) for line in lines)
