"""Maps of the latent space, clusters on them and in the space itself, and cluster validity.

The thesis's recipe: UMAP to two dimensions, DBSCAN on the map, DBCV as the criterion. UMAP splits any cloud
into islands, so every result is compared with the same recipe on standard normal noise of the same shape. PCA shows
what UMAP cannot, distances and how much of the space a map leaves out, and t-SNE whether an island is an artefact of
UMAP; `synthvae.maps.stability` combines all of it over several seeds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthvae.audio.notes import note_name
from synthvae.core.checks import finite_matrix
from synthvae.core.errors import UserError
from synthvae.core.store import Store
from synthvae.maps.projection import MIN_DISTANCE, NEIGHBOURS, umap_map
from synthvae.metrics.cluster_validity import cluster_scores
from synthvae.naming.changes import CHANGES

__all__ = [
    "ClusterQuality",
    "Clusters",
    "LatentMap",
    "MapSettings",
    "cluster_quality",
    "dbscan_labels",
    "find_clusters",
    "hdbscan_labels",
    "knee_eps",
    "map_latents",
    "name_clusters",
    "silhouette",
]

EPS = 0.04
MIN_SAMPLES = 4
#: Minimum size of an HDBSCAN cluster as a share of the points: smaller groups are of no use for browsing.
CLUSTER_SHARE = 0.01
#: Number of points that a silhouette is computed on: it needs the distances of all pairs.
SILHOUETTE_POINTS = 3000

_LEAST_MEMBERS = 5  # of a cluster of HDBSCAN, however few points there are
_MINIMUM_CLUSTER = 3  # a spanning tree of fewer points has no internal edge, so no density of its own


#: Clusters by density below which, and share of the points outside them above which, the map counts as one cloud and is
#: divided into regions instead: density finds clusters in pure noise too, but leaves most of it out.
FEWEST, OUTSIDE = 3, 0.25
REGIONS = 24
#: Share of a group's members for which its name must be true, and minimum ratio of a word's frequency in the group to
#: its frequency overall.
TRUE, LIFT = 0.6, 1.2
#: Maximum number of adjectives before the noun.
MOST_WORDS = 2
#: Semitones up and down that count as near a note.
AROUND = 6.0
#: Words of a name that already describe a descriptor, so that it is not compared as well.
SAID = {
    "pitch": frozenset({"around"}),
    "brightness": frozenset({"deep", "dark", "bright", "piercing"}),
    "noisiness": frozenset({"noisy", "pure"}),
    "loudness": frozenset({"quiet", "loud"}),
}


@dataclass(frozen=True)
class MapSettings:
    """Settings of maps and clustering; by default the thesis's.

    Attributes:
        eps: DBSCAN's radius on the map; the thesis has 0.05 in its experiment 3.
        min_samples: points in a neighbourhood, itself included, that make a core point of DBSCAN.
        neighbours: UMAP's number of neighbours of each point.
        min_distance: smallest distance between points on UMAP's map.
    """

    eps: float = EPS
    min_samples: int = MIN_SAMPLES
    neighbours: int = NEIGHBOURS
    min_distance: float = MIN_DISTANCE

    def check(self) -> None:
        """Reject values that DBSCAN or UMAP does not accept.

        Raises:
            UserError: naming the option.
        """
        if not 0.0 < self.eps < float("inf"):
            raise UserError("eps", self.eps, f"give a radius above 0, such as {EPS:g}")
        if self.min_samples < 1:
            raise UserError("min_samples", self.min_samples, f"give 1 or more, such as {MIN_SAMPLES}")
        if self.neighbours < 2:
            raise UserError("neighbours", self.neighbours, f"give 2 or more, such as {NEIGHBOURS}")
        if not 0.0 <= self.min_distance <= 1.0:  # UMAP's spread, which it may not exceed
            raise UserError("min_distance", self.min_distance, "give a number from 0 to 1")


@dataclass(frozen=True)
class ClusterQuality:
    """Quality of a clustering.

    Attributes:
        points: number of points clustered.
        dimension: dimension of the space they were clustered in.
        clusters: number of clusters.
        noise: number of points in no cluster.
        noise_share: `noise / points`, between 0 and 1.
        dbcv: density-based cluster validity, -1 (bad) to 1 (well separated); None where it is not defined.
        reason: why there is no DBCV, or what it excludes; empty where there is nothing to report.
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
        quality: quality of the clustering.
    """

    points: NDArray[np.float64]
    labels: NDArray[np.intp]
    quality: ClusterQuality


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


def knee_eps(points: ArrayLike, min_samples: int = MIN_SAMPLES) -> float:
    """A radius for DBSCAN by the k-distance rule (Ester et al. 1996, KDD, section 4.2).

    The distances of all points to their k-th neighbour, k = `min_samples`, are sorted; where the curve turns from
    the flat part (points inside clusters) to the steep one (noise) is the radius. The paper lets a user choose the
    turn; here it is the point farthest below the straight line between the curve's ends, both axes scaled to 1
    (the knee of Satopää et al. 2011, ICDCS workshops, without smoothing). A cloud without noise has a knee as well:
    the rule gives a radius that fits the space's scale, not a proof that there are clusters.

    Args:
        points: shape (N, D), at least two.
        min_samples: as for `dbscan_labels`.

    Returns:
        The radius, above 0. Points with k duplicates, whose distance is 0, are left out of the curve. Where that is
        all of them, half the smallest distance between different points, which keeps them apart; where there is only
        one place any radius does, and 1 is returned.

    Raises:
        UserError: if there are fewer than two points, or a value is not finite.
    """
    rows = finite_matrix(points, "points", "point")
    if len(rows) < 2:
        raise UserError("points", points, "analyse a larger share", "1 point has no neighbour")
    from sklearn.neighbors import NearestNeighbors

    def neighbour(of: NDArray[np.float64], k: int) -> NDArray[np.float64]:
        return np.asarray(NearestNeighbors(n_neighbors=k).fit(of).kneighbors()[0][:, -1])

    distances = neighbour(rows, min(min_samples, len(rows) - 1))
    curve = np.sort(distances[distances > 0.0])
    if not len(curve):
        places = np.unique(rows, axis=0)
        return float(neighbour(places, 1).min()) / 2 if len(places) > 1 else 1.0
    height = curve[-1] - curve[0]
    if height == 0.0:
        return float(curve[0])
    line = np.linspace(0.0, 1.0, len(curve))
    return float(curve[int((line - (curve - curve[0]) / height).argmax())])


def hdbscan_labels(
    points: ArrayLike, min_cluster_size: int | None = None, min_samples: int = MIN_SAMPLES
) -> NDArray[np.intp]:
    """Cluster points by density at all radii with HDBSCAN (Campello, Moulavi and Sander 2013, PAKDD).

    Where DBSCAN cuts at one radius, this keeps the clusters that last over the widest range of radii.

    Args:
        points: shape (N, D).
        min_cluster_size: points in a cluster, at least 2; by default 1 % of all points, and 5 at least.
        min_samples: neighbours in whose distance density is measured.

    Returns:
        Shape (N,), cluster from 0 or -1 for noise. Fewer points than a cluster needs are all noise, and equal points
        are one cluster: there is no density to compare with.

    Raises:
        ValueError: if `min_cluster_size` is below 2.
        UserError: if `points` is empty or not finite.
    """
    rows = finite_matrix(points, "points", "point")
    size = max(_LEAST_MEMBERS, round(CLUSTER_SHARE * len(rows))) if min_cluster_size is None else min_cluster_size
    if size < 2:
        raise ValueError(f"min_cluster_size is {size}, 2 at least make a cluster")
    if len(rows) < size:
        return np.full(len(rows), -1, dtype=np.intp)
    if (rows == rows[0]).all():
        return np.zeros(len(rows), dtype=np.intp)
    from hdbscan import HDBSCAN

    neighbours = min(min_samples, len(rows) - 1)
    labels = HDBSCAN(min_cluster_size=size, min_samples=neighbours, core_dist_n_jobs=1).fit(rows).labels_
    return np.asarray(labels, dtype=np.intp)


def cluster_quality(points: ArrayLike, labels: NDArray[np.integer]) -> ClusterQuality:
    """Count clusters and noise, and validate the clustering with DBCV, with a defined result for any input.

    DBCV = sum over clusters of |C| / N (separation - sparseness) / max(separation, sparseness), noise
    counting in N (Moulavi et al. 2014, SDM), as `hdbscan.validity.validity_index` has it
    (`synthvae.metrics.cluster_validity`). Around it:

    - its spanning trees break ties by the order of the points, which moves the result by several hundredths
      (and lowers it on sorted points): points are sorted and then shuffled by a fixed seed, so that any order
      gives the same number;
    - duplicates count once in the densities and each in the sizes;
    - clusters of fewer than 3 distinct points count as noise;
    - fewer than two clusters have no separation, hence no DBCV;
    - points are scaled to unit size, since it compares distances with an absolute tolerance.

    Distances are Euclidean. The authors' own MATLAB code squares them, which gives other and mostly higher numbers
    (two moons of 300 points: 0.85 squared, 0.40 not), so a DBCV says little without the code that computed it.

    Args:
        points: shape (N, D), any float type.
        labels: shape (N,), cluster from 0 or -1 for noise.

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
    dbcv, reason = _density_validity(rows, np.asarray(labels), len(found))
    return ClusterQuality(len(rows), rows.shape[1], len(found), noise, noise / len(rows), dbcv, reason)


def silhouette(points: ArrayLike, labels: NDArray[np.integer], limit: int = SILHOUETTE_POINTS) -> float | None:
    """Mean silhouette of the points in clusters (Rousseeuw 1987, J. Comput. Appl. Math. 20:53), by scikit-learn.

    A point's is (b - a) / max(a, b) with its mean distance a to its own cluster and b to the nearest other one. It
    favours round clusters of one size, which those of DBSCAN need not be: DBCV decides, and this is for comparison
    with work that has no DBCV. Noise (label -1) takes no part.

    Args:
        points: shape (N, D).
        labels: shape (N,), cluster from 0 or -1 for noise.
        limit: maximum number of points; above it, the result is for a subset drawn with a fixed seed.

    Returns:
        From -1 to 1; None where fewer than two clusters, or only single points, are left.

    Raises:
        UserError: if `points` is empty or not finite.
    """
    from sklearn.metrics import silhouette_score

    clustered = np.flatnonzero(labels >= 0)
    if len(clustered) > limit:
        clustered = np.random.default_rng(0).permutation(clustered)[:limit]
    if not 2 <= len(np.unique(labels[clustered])) < len(clustered):
        return None
    return float(silhouette_score(finite_matrix(points, "points", "point")[clustered], labels[clustered]))


def map_latents(
    latents: ArrayLike, seed: int = 0, settings: MapSettings | None = None, store: Store | None = None
) -> LatentMap:
    """UMAP map, DBSCAN on it, and the validity of the clusters.

    Args:
        latents: shape (N, D), at least 4 points.
        seed: seed of the map.
        settings: settings of both; the thesis's by default.
        store: see `umap_map`.

    Returns:
        Map, labels and quality.

    Raises:
        UserError: if there are fewer than 4 points, or a value is not finite.
    """
    settings = settings or MapSettings()
    points = umap_map(latents, seed, settings.neighbours, settings.min_distance, store)
    labels = dbscan_labels(points, settings.eps, settings.min_samples)
    return LatentMap(points, labels, cluster_quality(points, labels))


def _density_validity(
    points: NDArray[np.float64], labels: NDArray[np.integer], clusters: int
) -> tuple[float | None, str]:
    """DBCV or None, and the reason."""
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
    selected = np.flatnonzero(np.isin(owner, kept))
    np.random.default_rng(0).shuffle(selected)
    identity = np.searchsorted(kept, owner[selected]).astype(np.intp)
    position = place[selected] - place[selected].mean(axis=0)
    position /= np.sqrt(np.square(position).mean())
    with np.errstate(all="ignore"):  # the result is checked below
        scores = cluster_scores(position, identity, len(kept))
    if not np.isfinite(scores).all():
        return None, "DBCV is not finite here: distances within a cluster are too small relative to the whole"
    sizes = np.bincount(identity, weights=counts[selected], minlength=len(kept))
    return float((scores * sizes).sum() / len(points)), note


@dataclass(frozen=True)
class Clusters:
    """Cluster labels of the points of a map.

    Attributes:
        labels: ``(N,)``, from 0; -1 for points in none.
        by: ``density``, or ``regions`` where the map is one cloud.
    """

    labels: NDArray[np.int64]
    by: str


def find_clusters(points: NDArray[np.floating]) -> Clusters:
    """Groups of points on a map.

    By density (HDBSCAN) where that finds several. A cloud without gaps, as most latent spaces are, has none; it is
    divided into compact regions (k-means), which serve for naming only.

    Args:
        points: ``(N, 2)``.
    """
    labels = hdbscan_labels(points)
    several = labels.max() + 1 >= FEWEST and (labels < 0).mean() <= OUTSIDE
    if several or len(np.unique(points, axis=0)) < 4 * REGIONS:
        return Clusters(labels.astype(np.int64), "density")
    from sklearn.cluster import KMeans  # a second to import
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        found = KMeans(REGIONS, n_init=4, random_state=0).fit_predict(points)
    return Clusters(found.astype(np.int64), "regions")


def name_clusters(
    labels: NDArray[np.int64],
    names: Sequence[str | None],
    pitches: NDArray[np.floating],
    descriptors: Mapping[str, NDArray[np.floating]] | None = None,
) -> list[str]:
    """Names of groups: words that are true of most of their sounds together, and the note near which most of them are.

    Of groups with equal names the first keeps the name; for each other one the descriptor by which it differs most from
    the first is appended, such as ``dark sounds, longer``.

    Args:
        labels: ``(N,)``, from 0; -1 for none.
        names: ``(N,)``, measured; None for sounds that are not measured yet.
        pitches: ``(N,)`` in Hz, NaN where there is none.
        descriptors: values ``(N,)``, by the names of `synthvae.naming.changes.CHANGES`, NaN where undefined for a
            sound; without any, all groups but the first of a name have none.

    Returns:
        A name for each group, different from all others; empty where there is none. All words before a comma are true
        together of at least `TRUE` of its members, and so are those after it by themselves.
    """
    words = [frozenset() if name is None else frozenset(name.partition(",")[0].split()) for name in names]
    nouns = {name.partition(",")[0].split()[-1] for name in names if name}
    everywhere = Counter(word for parts in words for word in parts)
    order = _order(names)
    found: list[_Named] = []
    for label in range(int(labels.max(initial=-1)) + 1):
        members = np.flatnonzero(labels == label)
        parts = [words[number] for number in members]
        own = Counter(word for part in parts for word in part)
        typical = {word: count / len(members) * len(words) / everywhere[word] for word, count in own.items()}
        chosen: list[str] = []
        true = np.ones(len(members), bool)
        for word in sorted(own, key=lambda word: (-typical[word] * own[word], word)):
            bears = true & np.array([word in part for part in parts])
            kind = word in nouns
            if bears.mean() < TRUE or (typical[word] < LIFT and not kind) or sum(w in nouns for w in chosen) * kind:
                continue
            if not kind and sum(w not in nouns for w in chosen) == MOST_WORDS:
                continue
            chosen, true = [*chosen, word], bears
        note, near = _note(pitches[members])
        if note and (true & near).mean() < TRUE:
            note = ""
        if chosen and not nouns.intersection(chosen):
            chosen.append("sounds")
        name = " ".join(sorted(chosen, key=lambda word: order.get(word, np.inf)))
        found.append(_Named(f"{name or 'sounds'} around {note}" if note else name, members))
    return _distinct(found, descriptors or {})


class _Named(NamedTuple):
    """A group: its name and the numbers of its members."""

    name: str
    members: NDArray[np.intp]


def _order(names: Sequence[str | None]) -> dict[str, float]:
    """Mean position of each word in the names that contain it, from the end: nouns come last."""
    places: dict[str, list[int]] = {}
    for name in names:
        parts = (name or "").partition(",")[0].split()
        for place, word in enumerate(parts):
            places.setdefault(word, []).append(place - len(parts))
    return {word: float(np.mean(where)) for word, where in places.items()}


def _note(pitches: NDArray[np.floating]) -> tuple[str, NDArray[np.bool_]]:
    """The median note of a group, and which of its sounds lie within half an octave of it; no note without pitches."""
    pitched = np.isfinite(pitches) & (pitches > 0)
    if not pitched.any():
        return "", pitched
    semitones = 12.0 * np.log2(np.where(pitched, pitches, 1.0) / 440.0)
    middle = float(np.median(semitones[pitched]))
    near = pitched & (np.abs(semitones - middle) <= AROUND)
    return note_name(440.0 * 2.0 ** (middle / 12.0))[0], near


def _distinct(groups: Sequence[_Named], descriptors: Mapping[str, NDArray[np.floating]]) -> list[str]:
    """Names of which no two are the same, but for empty ones."""
    first: dict[str, _Named] = {}
    taken = {group.name for group in groups}
    result = []
    for group in groups:
        name = group.name
        if name and first.setdefault(name, group) is not group:
            wordings = (f"{name}, {words}" for words in _differences(first[name], group, descriptors))
            name = next((wording for wording in wordings if wording not in taken), "")
            taken.add(name)
        result.append(name)
    return result


def _differences(first: _Named, group: _Named, descriptors: Mapping[str, NDArray[np.floating]]) -> list[str]:
    """Words for the differences of a group from another one of its name, the largest first.

    Each is a difference of the medians by at least one step of `CHANGES`, and true of enough members: they are beyond
    the other group's median.
    """
    found: list[tuple[float, str]] = []
    said = set(group.name.split())
    for name, (more, less, logarithmic, step) in CHANGES.items():
        if name not in descriptors or said & SAID.get(name, frozenset()):
            continue
        values = descriptors[name]
        if logarithmic:
            values = np.log2(np.where(values > 0, values, np.nan))
        its, others = values[group.members], values[first.members]
        if np.isfinite(its).mean() < TRUE or np.isfinite(others).mean() < TRUE:
            continue
        middle = float(np.nanmedian(others))
        difference = float(np.nanmedian(its)) - middle
        beyond = (its - middle) * np.sign(difference) > 0
        if abs(difference) >= step and beyond.mean() >= TRUE:
            found.append((abs(difference) / step, more if difference > 0 else less))
    return [words for _, words in sorted(found, key=lambda one: -one[0])]
