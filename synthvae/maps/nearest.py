"""Lookup of a sound by its position on a two-dimensional map: one of its points, or an interpolated latent.

A position snaps to one of the points around it: their medoid. Between the
points there is a grid of latents, each the weighted mean of the latents nearest to its node (UMAP's own inverse takes
seconds a call and fails between its islands). What either loses is measured as audible distance: points are found
again from their position alone, each left out of its own neighbours, and compared with themselves; the null is another
point drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy  # which loads its parts on first use: the page of `explore` does not wait for them
import torch
from numpy.typing import NDArray

from synthvae.metrics.logmel_distance import paired

__all__ = ["Atlas", "Decode", "Render", "Spot", "build_atlas", "draw_places", "latents_between"]

Floats = NDArray[np.float32]
#: Maps numbers of points ``(B,)`` to the spectrograms of their sounds, ``(B, ...)`` in dB.
Render = Callable[[NDArray[np.intp]], Floats]
#: Maps latents ``(B, D)`` to the spectrograms of their decoded sounds, ``(B, ...)`` in dB.
Decode = Callable[[Floats], Floats]

#: Number of nodes along the longer side of the grid.
NODES = 160
#: Number of points whose latents are averaged at a node.
NEIGHBOURS = 6
#: Number of points that are looked up again to measure the round trip.
SAMPLED = 1024
#: Number of points from which the confidence of a node is computed.
TRUSTED = 8
#: Of the neighbours among which a radius is taken, and how many of their distances the hull reaches beyond a point.
REACH_NEIGHBOUR, REACH = 8, 2.5
#: Number of points between whose positions a new one is placed.
PLACED = 8
#: Number of points among which the medoid of a position is chosen.
SNAPPED = 6
#: Points around a position among which there have to be ones that it may snap to.
ASKED = 64
#: Distance, as a share of the hull's radius, up to which a position is that of a point.
ON = 0.02
_CERTAIN = 255


class Spot(NamedTuple):
    """Result of a lookup at one position of a map.

    Attributes:
        latent: ``(D,)``, interpolated between the points.
        point: number of the point that the position snaps to.
        x: x of the position used: the requested one, or the nearest inside the hull.
        y: y of the same position.
        inside: whether the requested position is inside the hull.
        confidence: confidence from 0, no better than a random point of the map, to 1, as if the sound were a point of
            the map.
    """

    latent: Floats
    point: int
    x: float
    y: float
    inside: bool
    confidence: float


@dataclass(frozen=True)
class Atlas:
    """A map in two dimensions.

    Attributes:
        points: ``(N, 2)``.
        features: features ``(N, K)`` that the layout is computed from; their distances measure how alike two sounds
            are.
        bounds: lowest x and y, highest x and y that the grid spans, ``(4,)``.
        nodes: latents on the grid, ``(H, W, D)``, rows from the lowest y up.
        trust: confidence on the grid, ``(H, W)`` of 0 to 255; 0 outside the hull.
        radius: how far the hull reaches beyond a point.
        rings: outlines of the hull, each closed, ``(M, 2)``; holes are rings too.
        neighbour: median distance in dB between a point and the nearest other one on the map.
        snapped: median distance in dB between a point and the one that its position snaps to without it.
        between: median distance in dB between a point and the interpolation at its position without it.
        null: median distance in dB between a point and another drawn at random.
        linear: ``(K, 2)``, from centred features to positions where the map is linear; None elsewhere.
        centre: ``(K,)``, mean of the features.
    """

    points: Floats
    features: Floats
    bounds: Floats
    nodes: Floats
    trust: NDArray[np.uint8]
    radius: float
    rings: tuple[Floats, ...]
    neighbour: float
    snapped: float
    between: float
    null: float
    linear: Floats | None
    centre: Floats

    def at(self, x: float, y: float, among: NDArray[np.bool_] | None = None) -> Spot:
        """Look up a position; `among` masks the points ``(N,)`` that it may snap to, all if none of those is near."""
        x, y = self._sane(x, y)
        distance, nearest = self._tree.query((x, y))
        inside = bool(distance <= self.radius)
        if not inside:
            towards = self.points[nearest].astype(np.float64)
            x, y = (towards + 0.999 * self.radius / distance * (np.array((x, y)) - towards)).tolist()
        latent, trust = self._interpolate(x, y)
        near = np.atleast_1d(self._tree.query((x, y), min(ASKED, len(self.points)))[1])
        allowed = near if among is None or not among[near].any() else near[among[near]]
        on = distance <= ON * self.radius and allowed[0] == nearest
        point = nearest if on else _medoid(self.features, allowed[None, :SNAPPED])[0]
        return Spot(latent, int(point), x, y, inside, trust)

    def place(self, features: Floats) -> Floats:
        """Positions ``(B, 2)`` of possibly new sounds, by their features ``(B, K)``.

        Exact where the map is linear. Elsewhere the weighted mean of the positions of the points most like them, closer
        ones with larger weights, restricted to those near the position of the nearest: a mean of distant positions
        would be among other sounds.
        """
        if self.linear is not None:
            return ((features - self.centre) @ self.linear).astype(np.float32)
        own = self.features
        near = self.most_alike(features, PLACED)
        found = np.empty((len(features), 2), np.float32)
        for row, candidates in enumerate(near):
            far = np.square(own[candidates] - features[row]).sum(1)
            places = self.points[candidates]
            close = np.square(places - places[0]).sum(1) <= (4.0 * self.radius) ** 2
            weights = close / (far + 1e-9 * (1.0 + far.max()))
            found[row] = weights @ places / weights.sum()
        return found

    def most_alike(self, features: Floats, count: int) -> NDArray[np.intp]:
        """Numbers ``(B, count)`` of the points most like sounds with features ``(B, K)``, the most alike first."""
        own = self.features
        count = min(count, len(own))
        squares = self._squares - 2.0 * features @ own.T
        near = np.argpartition(squares, count - 1, axis=1)[:, :count]
        exact = np.square(own[near] - features[:, None]).sum(axis=2)  # of large numbers the above loses what is small
        return np.take_along_axis(near, np.argsort(exact, axis=1, kind="stable"), axis=1)

    @cached_property
    def _squares(self) -> Floats:
        return np.square(self.features).sum(axis=1)

    @cached_property
    def _tree(self) -> scipy.spatial.cKDTree:
        return scipy.spatial.cKDTree(self.points)

    def _sane(self, x: float, y: float) -> tuple[float, float]:
        """A position clipped to a finite range around the map; the middle of the map for NaN."""
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


def build_atlas(
    points: NDArray[np.floating],
    features: Floats,
    latents: Floats,
    render: Render,
    decode: Decode,
    linear: bool = False,
) -> Atlas:
    """Build the grid over a map and measure its round-trip errors.

    Args:
        points: ``(N, 2)``, at least one.
        features: features ``(N, K)`` that the layout is computed from.
        latents: ``(N, D)``.
        render: spectrograms of points.
        decode: spectrograms of latents.
        linear: whether the map is linear in the features.

    Returns:
        The map.
    """
    places = np.asarray(points, np.float32)
    tree = scipy.spatial.cKDTree(places)
    radius, step, bounds = _extent(places, tree)
    x0, y0, x1, y1 = bounds.tolist()
    columns, rows = (max(4, math.ceil((high - low) / step) + 1) for low, high in ((x0, x1), (y0, y1)))
    x, y = np.meshgrid(np.linspace(x0, x1, columns), np.linspace(y0, y1, rows))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    nearest = np.asarray(tree.query(grid)[0]).reshape(rows, columns)
    nodes = _mean_latents(tree, latents, grid, radius, skip=0)
    chosen = np.random.default_rng(0).permutation(len(places))[:SAMPLED]
    sounds = torch.from_numpy(render(chosen))

    def distances(others: Floats) -> NDArray[np.float64]:
        return paired(sounds, torch.from_numpy(others))

    neighbour = np.reshape(tree.query(places[chosen], min(2, len(places)))[1], (len(chosen), -1))[:, -1]
    snapped = distances(render(_medoids(tree, features, places[chosen], skip=1)))
    between = distances(decode(_mean_latents(tree, latents, places[chosen], radius, skip=1)))
    null = float(np.median(distances(render(_others(chosen, len(places))))))
    certain = np.clip(1.0 - snapped / null, 0.0, 1.0) if null > 0 else np.ones(len(chosen))
    trusted = np.reshape(
        scipy.spatial.cKDTree(places[chosen]).query(grid, min(TRUSTED, len(chosen)))[1], (len(grid), -1)
    )
    trust = np.rint(_CERTAIN * certain[trusted].mean(axis=1)).reshape(rows, columns)
    centre = features.mean(axis=0)
    directions = None
    if linear:
        centred = (features - centre).astype(np.float64)
        directions = np.linalg.lstsq(centred, places.astype(np.float64), rcond=None)[0].astype(np.float32)
    return Atlas(
        points=places,
        features=features,
        bounds=bounds,
        nodes=nodes.reshape(rows, columns, -1),
        trust=np.where(nearest <= radius + step, trust, 0).astype(np.uint8),
        radius=radius,
        rings=_rings(x[0], y[:, 0], nearest, radius),
        neighbour=float(np.median(distances(render(neighbour)))),
        snapped=float(np.median(snapped)),
        between=float(np.median(between)),
        null=null,
        linear=directions,
        centre=centre.astype(np.float32),
    )


def latents_between(points: Floats, latents: Floats, places: Floats | None = None) -> Floats:
    """Latents ``(B, D)`` at positions ``(B, 2)`` of a map, as for a click between its points.

    Args:
        points: ``(N, 2)``.
        latents: latents of the points, ``(N, D)``.
        places: positions; those of the points themselves where None, each excluding its own latent: the round trip from
            a latent to the map and back.
    """
    tree = scipy.spatial.cKDTree(points)
    radius = _extent(points, tree)[0]
    return _mean_latents(tree, latents, points if places is None else places, radius, skip=1 if places is None else 0)


def draw_places(points: Floats, count: int, seed: int) -> Floats:
    """Places ``(count, 2)`` drawn evenly over the part of the map that the hull of points ``(N, 2)`` covers."""
    tree = scipy.spatial.cKDTree(points)
    radius, _, bounds = _extent(points, tree)
    random, found = np.random.default_rng(seed), np.empty((0, 2), np.float32)
    while len(found) < count:
        drawn = random.uniform(bounds[:2], bounds[2:], (4 * count, 2)).astype(np.float32)
        found = np.concatenate([found, drawn[tree.query(drawn)[0] <= radius]])
    return found[:count]


def _others(chosen: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """For each of some points another one, drawn at random."""
    drawn: NDArray[np.intp] = np.random.default_rng(1).integers(1, max(2, count), len(chosen))
    return (chosen + drawn) % count


def _medoids(
    tree: scipy.spatial.cKDTree, features: Floats, places: NDArray[np.floating], skip: int = 0
) -> NDArray[np.intp]:
    """For each position ``(B, 2)``, the nearby point that its other neighbours are most like, ``(B,)``.

    Args:
        tree: tree of the points.
        features: features of the points.
        places: see above.
        skip: number of nearest points to exclude: 1 where the positions are points to be looked up again.
    """
    count = min(SNAPPED + skip, len(features))
    numbers = np.reshape(tree.query(places, count)[1], (len(places), count))
    return _medoid(features, numbers[:, skip:] if count > skip else numbers)


def _medoid(features: Floats, numbers: NDArray[np.integer]) -> NDArray[np.intp]:
    """Of each row of points ``(B, K)`` the one that the others are most like, ``(B,)``."""
    own = features[numbers]
    apart = np.linalg.norm(own[:, :, None] - own[:, None], axis=-1).sum(axis=-1)
    return np.take_along_axis(numbers, apart.argmin(axis=1)[:, None], axis=1)[:, 0].astype(np.intp)


def _extent(places: Floats, tree: scipy.spatial.cKDTree) -> tuple[float, float, Floats]:
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


def _mean_latents(
    tree: scipy.spatial.cKDTree, latents: Floats, places: NDArray[np.floating], radius: float, skip: int
) -> Floats:
    """Weighted means ``(B, D)`` of the latents nearest to positions, closer ones with larger weights.

    Args:
        tree: tree of the points.
        latents: latents of the points.
        places: ``(B, 2)``.
        radius: radius of the hull; distances below a small share of it make no difference.
        skip: number of nearest points to exclude: 1 where the positions are points that must not contribute themselves.
    """
    count = min(NEIGHBOURS + skip, len(latents))
    distances, numbers = tree.query(places, count)
    distances, numbers = (np.reshape(array, (len(places), count)) for array in (distances, numbers))
    if count > skip:
        distances, numbers = distances[:, skip:], numbers[:, skip:]
    weights = 1.0 / (np.square(distances) + np.square(0.05 * radius))
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.einsum("bk,bkd->bd", weights, latents[numbers])


def _rings(
    x: NDArray[np.floating], y: NDArray[np.floating], nearest: NDArray[np.floating], radius: float
) -> tuple[Floats, ...]:
    """Outlines at which the distance to the nearest point is the radius."""
    from contourpy import contour_generator

    lines = contour_generator(x, y, nearest).lines(radius)
    return tuple(np.asarray(line, np.float32) for line in lines)
