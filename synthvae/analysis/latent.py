"""Whether the latent space has clusters, and whether plain noise has as many.

The study's recipe: UMAP to two dimensions, DBSCAN on the map, DBCV as the verdict. UMAP tears any cloud into
islands, so the same recipe on standard normal noise of the same shape stands beside every result.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthvae.analysis.checks import finite_matrix
from synthvae.errors import UserError

__all__ = [
    "ClusterQuality",
    "LatentMap",
    "cluster_quality",
    "dbscan_labels",
    "map_latents",
    "noise_null",
    "umap_map",
]

NEIGHBOURS = 50
MIN_DISTANCE = 0.0
EPS = 0.04
MIN_SAMPLES = 4

_MINIMUM_POINTS = 4  # below, UMAP's neighbour graph has no eigenvectors to start from
_MINIMUM_CLUSTER = 3  # a spanning tree of fewer points has no internal edge, so no density of its own
_MEMORY_LIMIT = 6 * 2**30


@dataclass(frozen=True)
class ClusterQuality:
    """What a clustering is worth.

    Attributes:
        points: how many points were clustered.
        dimension: of the space they were clustered in.
        clusters: how many clusters.
        noise: points in no cluster.
        noise_share: `noise / points`, between 0 and 1.
        dbcv: density-based cluster validity, -1 (bad) to 1 (well separated); None where it is not defined.
        reason: why there is no DBCV, or what was left out of it; empty where there is nothing to say.
    """

    points: int
    dimension: int
    clusters: int
    noise: int
    noise_share: float
    dbcv: float | None
    reason: str


@dataclass(frozen=True)
class LatentMap:
    """A map of latents with its clusters.

    Attributes:
        points: shape (N, 2), positions without unit.
        labels: shape (N,), cluster of each point from 0, or -1 for noise.
        quality: what the clustering is worth.
    """

    points: NDArray[np.float64]
    labels: NDArray[np.intp]
    quality: ClusterQuality


def umap_map(
    latents: ArrayLike, seed: int = 0, neighbours: int = NEIGHBOURS, min_distance: float = MIN_DISTANCE
) -> NDArray[np.float64]:
    """Lay latents out in two dimensions with UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426).

    Takes about 45 s for 10,000 points, on one core (a seeded UMAP is sequential).

    Args:
        latents: shape (N, D), at least 4 points.
        seed: of the layout.
        neighbours: points seen from each point; all the others where there are fewer.
        min_distance: smallest distance between points on the map.

    Returns:
        Shape (N, 2). Where all latents are equal, the origin N times: UMAP would draw a random cloud.

    Raises:
        UserError: if there are fewer than 4 points, or a value is not finite.
    """
    rows = finite_matrix(latents, "latents")
    if len(rows) < _MINIMUM_POINTS:
        raise UserError(f"latents: {len(rows)} points, a map needs at least {_MINIMUM_POINTS}; analyse a larger share")
    if (rows == rows[0]).all():
        return np.zeros((len(rows), 2))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
        # Islands and tiny sets make UMAP start from random positions, which is what is wanted there.
        warnings.filterwarnings("ignore", message="Spectral initialisation failed", category=UserWarning)
        warnings.filterwarnings("ignore", message="Graph is not fully connected", category=UserWarning)
        from umap import UMAP  # seconds to import

        reducer = UMAP(
            n_neighbors=min(neighbours, len(rows) - 1),
            min_dist=min_distance,
            n_components=2,
            random_state=seed,
            n_jobs=1,  # what a seed forces anyway, with a warning
        )
        return np.asarray(reducer.fit_transform(rows.astype(np.float32)), dtype=np.float64)


def dbscan_labels(points: ArrayLike, eps: float = EPS, min_samples: int = MIN_SAMPLES) -> NDArray[np.intp]:
    """Cluster points by density with DBSCAN (Ester et al. 1996, KDD).

    Args:
        points: shape (N, D).
        eps: radius of a neighbourhood, in the unit of `points`.
        min_samples: points in a neighbourhood, itself included, that make a core point.

    Returns:
        Shape (N,), cluster from 0 or -1 for noise.

    Raises:
        UserError: if `points` is empty or not finite.
    """
    from sklearn.cluster import DBSCAN  # half a second to import

    labels = DBSCAN(eps=eps, min_samples=min_samples).fit(finite_matrix(points, "points", "point")).labels_
    return np.asarray(labels, dtype=np.intp)


def cluster_quality(
    points: ArrayLike, labels: NDArray[np.integer], memory_limit: int = _MEMORY_LIMIT
) -> ClusterQuality:
    """Count clusters and noise, and validate the clustering with DBCV, with a defined result for any input.

    DBCV = sum over clusters of |C| / N (separation - sparseness) / max(separation, sparseness), noise
    counting in N (Moulavi et al. 2014, SDM), computed by `hdbscan.validity.validity_index`. Around it:

    - its spanning trees break ties by the order of the points, which moves the result by several hundredths
      (and lowers it on sorted points): points are sorted and then shuffled by a fixed seed, so that any order
      gives the same number;
    - duplicates count once in the densities and each in the sizes;
    - clusters of fewer than 3 distinct points count as noise;
    - fewer than two clusters have no separation, hence no DBCV;
    - points are scaled to unit size, since it compares distances with an absolute tolerance.

    Takes about 10 s for 10,000 points, and 40 bytes times the square of the largest cluster.

    Args:
        points: shape (N, D), any float type.
        labels: shape (N,), cluster from 0 or -1 for noise.
        memory_limit: bytes above which DBCV is not computed, and the reason says so.

    Returns:
        Counts, DBCV or None, and the reason.

    Raises:
        ValueError: if the lengths differ.
        UserError: if `points` is empty or not finite.
    """
    rows = finite_matrix(points, "points", "point")
    if labels.shape != (len(rows),):
        raise ValueError(f"expected {len(rows)} labels, got shape {labels.shape}")
    found = np.unique(labels[labels >= 0])
    noise = int((labels < 0).sum())
    dbcv, reason = _density_validity(rows, np.asarray(labels), len(found), memory_limit)
    return ClusterQuality(len(rows), rows.shape[1], len(found), noise, noise / len(rows), dbcv, reason)


def map_latents(
    latents: ArrayLike,
    seed: int = 0,
    neighbours: int = NEIGHBOURS,
    min_distance: float = MIN_DISTANCE,
    eps: float = EPS,
    min_samples: int = MIN_SAMPLES,
) -> LatentMap:
    """The whole recipe: UMAP map, DBSCAN on it, and what the clusters are worth.

    Args:
        latents: shape (N, D), at least 4 points.
        seed: of the map.
        neighbours: see `umap_map`.
        min_distance: see `umap_map`.
        eps: see `dbscan_labels`.
        min_samples: see `dbscan_labels`.

    Returns:
        Map, labels and quality.

    Raises:
        UserError: if there are fewer than 4 points, or a value is not finite.
    """
    points = umap_map(latents, seed, neighbours, min_distance)
    labels = dbscan_labels(points, eps, min_samples)
    return LatentMap(points, labels, cluster_quality(points, labels))


def noise_null(
    n: int,
    dimension: int,
    seed: int = 0,
    neighbours: int = NEIGHBOURS,
    min_distance: float = MIN_DISTANCE,
    eps: float = EPS,
    min_samples: int = MIN_SAMPLES,
) -> LatentMap:
    """The same recipe on standard normal noise: how many clusters there are where there are none.

    Args:
        n: points, as many as there are latents.
        dimension: of the latents.
        seed: of the noise and of the map.
        neighbours: as for the latents.
        min_distance: as for the latents.
        eps: as for the latents.
        min_samples: as for the latents.

    Returns:
        Map, labels and quality of the noise.

    Raises:
        UserError: if n is below 4.
    """
    noise = np.random.default_rng(seed).standard_normal((n, dimension))
    return map_latents(noise, seed, neighbours, min_distance, eps, min_samples)


def _density_validity(
    points: NDArray[np.float64], labels: NDArray[np.integer], clusters: int, memory_limit: int
) -> tuple[float | None, str]:
    """DBCV or None, and why."""
    if clusters == 0:
        return None, "no cluster was found: every point is noise"
    if clusters == 1:
        return None, "one cluster was found: DBCV compares clusters with each other"
    clustered = labels >= 0
    keyed = np.column_stack([points[clustered], labels[clustered]])
    distinct, counts = np.unique(keyed, axis=0, return_counts=True)  # sorted: the order of the input is gone
    place, owner = distinct[:, :-1], distinct[:, -1]
    names, members = np.unique(owner, return_counts=True)
    kept = names[members >= _MINIMUM_CLUSTER]
    tiny = len(names) - len(kept)
    note = f"{tiny} cluster(s) of fewer than {_MINIMUM_CLUSTER} distinct points count as noise" if tiny else ""
    if len(kept) < 2:
        return None, f"{note}, which leaves {len(kept)} to compare"
    needed = 40 * int(members.max()) ** 2
    if needed > memory_limit:
        return None, (
            f"the largest cluster has {members.max():,} distinct points, for which DBCV needs "
            f"{needed / 2**30:.1f} GiB of memory (limit {memory_limit / 2**30:.1f} GiB)"
        )
    selected = np.flatnonzero(np.isin(owner, kept))
    np.random.default_rng(0).shuffle(selected)
    identity = np.searchsorted(kept, owner[selected]).astype(np.intp)
    position = place[selected] - place[selected].mean(axis=0)
    position /= np.sqrt(np.square(position).mean())
    from hdbscan.validity import validity_index

    with np.errstate(all="ignore"):  # the result is checked below
        _, scores = validity_index(position, identity, per_cluster_scores=True)
    if not np.isfinite(scores).all():
        return None, "DBCV is not finite here: distances within a cluster are too small beside the whole"
    sizes = np.bincount(identity, weights=counts[selected], minlength=len(kept))
    return float((scores * sizes).sum() / len(points)), note
