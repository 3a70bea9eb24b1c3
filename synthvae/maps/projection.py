"""Projections of latent points to the plane: UMAP, PCA and t-SNE."""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthvae.core.checks import finite_matrix
from synthvae.core.compile import keep_compiled, tolerate_caches
from synthvae.core.counts import counted
from synthvae.core.errors import UserError
from synthvae.core.store import Store

__all__ = ["PcaMap", "map_store", "pca_map", "tsne_map", "umap_map"]
#: Name of a stored map; changed when UMAP is called in another way.
STORED = "umap-1"
NEIGHBOURS = 50
MIN_DISTANCE = 0.0
PERPLEXITY = 30.0
_MINIMUM_POINTS = 4  # below, UMAP's neighbour graph has no eigenvectors to start from


@dataclass(frozen=True)
class PcaMap:
    """A map along the two directions of largest variance.

    Attributes:
        points: shape (N, 2), in the unit of the latents, centred on their mean.
        explained: shape (min(N, D),), share of the variance along each principal direction, falling; the map shows
            the first two.
    """

    points: NDArray[np.float64]
    explained: NDArray[np.float64]


@dataclass(frozen=True)
class _Drawn:
    points: NDArray[np.float64]


def map_store(data: Path, otherwise: Path | None = None) -> Store:
    """The cache of maps and collapsed encoders, shared by analyses, experiments and the studio.

    Args:
        data: dataset of the runs; the store is ``.cache`` beside it.
        otherwise: folder to use where the dataset is gone or its folder cannot be written to.
    """
    beside = data.exists() and os.access(data.parent, os.W_OK)
    return Store(data.parent / ".cache" if beside or otherwise is None else otherwise)


def umap_map(
    latents: ArrayLike,
    seed: int = 0,
    neighbours: int = NEIGHBOURS,
    min_distance: float = MIN_DISTANCE,
    store: Store | None = None,
) -> NDArray[np.float64]:
    """Project latents to two dimensions with UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426).

    Takes about 15 s for 10,000 points, on one core (a seeded UMAP is sequential).

    Args:
        latents: shape (N, D), at least 4 points.
        seed: seed of the layout.
        neighbours: number of neighbours of each point; all other points where there are fewer.
        min_distance: smallest distance between points on the map.
        store: cache of maps, by a hash of the latents and all settings; without one, always computed.

    Returns:
        Shape (N, 2). Where all latents are equal, the origin N times: UMAP would draw a random cloud.

    Raises:
        UserError: if there are fewer than 4 points, or a value is not finite.
    """
    rows = _enough(latents)
    if (rows == rows[0]).all():
        return np.zeros((len(rows), 2))
    inputs = [hashlib.sha256(rows.tobytes()).hexdigest(), *rows.shape, seed, neighbours, min_distance]
    return (
        (store or Store(None)).get(_Drawn, STORED, inputs, lambda: _draw(rows, seed, neighbours, min_distance)).points
    )


def _draw(rows: NDArray[np.float64], seed: int, neighbours: int, min_distance: float) -> _Drawn:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
        # Islands and tiny sets make UMAP start from random positions, which is what is wanted there.
        warnings.filterwarnings("ignore", message="Spectral initialisation failed", category=UserWarning)
        warnings.filterwarnings("ignore", message="Graph is not fully connected", category=UserWarning)
        tolerate_caches()
        from umap import umap_  # seconds to import

        for function in (umap_.smooth_knn_dist, umap_.compute_membership_strengths, umap_.fast_knn_indices):
            keep_compiled(function)
        reducer = umap_.UMAP(
            n_neighbors=min(neighbours, len(rows) - 1),
            min_dist=min_distance,
            n_components=2,
            random_state=seed,
            n_jobs=1,  # what a seed forces anyway, with a warning
        )
        return _Drawn(np.asarray(reducer.fit_transform(rows.astype(np.float32)), dtype=np.float64))


def pca_map(latents: ArrayLike) -> PcaMap:
    """Project latents on their first two principal components (Hotelling 1933).

    The only linear map here: distances on it are distances in the space, except for the other directions, whose share
    follows from `explained`. Signs are such that the largest coefficient of each is positive.

    Args:
        latents: shape (N, D), at least 4 points.

    Returns:
        Map and explained variance. Where all latents are equal, the origin N times and shares of 0; a space of one
        dimension has 0 as its second coordinate.

    Raises:
        UserError: if there are fewer than 4 points, or a value is not finite.
    """
    rows = _enough(latents)
    centred = rows - rows.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    if (rows == rows[0]).all():  # what is left after subtracting the mean is rounding
        return PcaMap(np.zeros((len(rows), 2)), np.zeros(len(lengths)))
    shown = directions[:2]
    shown = shown * np.sign(shown[np.arange(len(shown)), np.abs(shown).argmax(axis=1)])[:, None]
    points = np.zeros((len(rows), 2))
    points[:, : len(shown)] = centred @ shown.T
    return PcaMap(points, lengths**2 / (lengths**2).sum())


def tsne_map(latents: ArrayLike, seed: int = 0, angle: float = 0.5, iterations: int = 1000) -> NDArray[np.float64]:
    """Project latents to two dimensions with t-SNE (van der Maaten and Hinton 2008, JMLR 9:2579).

    The perplexity is 30, a third of the other points where there are few. Starts from the principal components, which
    keeps the large-scale order (Kobak and Berens 2019, Nature Communications 10:5416).

    Args:
        latents: shape (N, D), at least 4 points.
        seed: seed of the layout.
        angle: angle of the Barnes-Hut approximation, 0 to 1; larger is faster and coarser.
        iterations: number of iterations of gradient descent, at least 250.

    Returns:
        Shape (N, 2). Where all latents are equal, the origin N times.

    Raises:
        UserError: if there are fewer than 4 points, or a value is not finite.
    """
    rows = _enough(latents)
    if (rows == rows[0]).all():
        return np.zeros((len(rows), 2))
    from sklearn.manifold import TSNE  # a second to import
    from threadpoolctl import threadpool_limits

    start = pca_map(rows).points
    start *= 1e-4 / start[:, 0].std()  # as small as the random start of the paper
    reducer = TSNE(
        perplexity=min(PERPLEXITY, (len(rows) - 1) / 3),
        init=start,
        random_state=seed,
        n_jobs=1,
        angle=angle,
        max_iter=iterations,
    )
    with threadpool_limits(1, "openmp"):  # sums of several threads differ in the last bit, and then everywhere
        return np.asarray(reducer.fit_transform(rows), dtype=np.float64)


def _enough(latents: ArrayLike) -> NDArray[np.float64]:
    rows = finite_matrix(latents, "latents")
    if len(rows) < _MINIMUM_POINTS:
        raise UserError(
            "latents",
            rows,
            "analyse a larger share",
            f"{counted(len(rows), 'point')}, a map needs at least {_MINIMUM_POINTS}",
        )
    return rows
