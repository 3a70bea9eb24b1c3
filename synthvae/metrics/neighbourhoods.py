"""Agreement of latent-space and audio neighbourhoods, and the sounds of clusters.

Every score comes with its value for latents unrelated to the sounds: random labels, random neighbours, shuffled maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.spatial.distance import cdist

from synthvae.core.checks import finite_matrix
from synthvae.core.counts import counted
from synthvae.core.errors import UserError
from synthvae.metrics.reconstruction import Summary, summarise

__all__ = [
    "ClusterExample",
    "CosineSimilarity",
    "MapTrust",
    "NeighbourhoodTrust",
    "cluster_examples",
    "cosine_similarity",
    "map_trust",
    "mean_spectrum",
    "neighbourhood_trust",
]

NEIGHBOURS = 10
#: Share of all presets that are near in sound, where a preset need not be among the very nearest.
NEAR_SHARE = 0.1
PAIRS = 5000
#: Number of members of a cluster that are selected and averaged, as in the thesis, and the share of all clusters, those
#: nearest to that size, that are medium-sized.
MEMBERS, MEDIUM_SHARE = 15, 0.1
RESAMPLES = 500
RELABELLINGS = 200
#: Maximum number of points for trustworthiness: it ranks all distances, in memory that grows with their square.
MAP_POINTS = 3000
#: Floor of a spectrum's level in dB, 0 dB being full scale 1; the level of silence.
FLOOR_DB = -120.0
_BLOCK = 1 << 22  # number of distances computed at once


@dataclass(frozen=True)
class CosineSimilarity:
    """Cosine similarity of latents, or of sounds, within and across clusters.

    Attributes:
        within: mean cosine over pairs in the same cluster, -1 to 1; None where no cluster has two latents.
        across: mean over pairs in different clusters; None where there is one cluster at most.
        random_within: lower and upper end of the 95 % interval of `within` for random labels; None where `within` is.
        random_across: the same for `across`.
        clusters: number of clusters with at least one of the `points`.
        points: number of latents used: those in a cluster and not at the origin, where there is no direction.
    """

    within: float | None
    across: float | None
    random_within: tuple[float, float] | None
    random_across: tuple[float, float] | None
    clusters: int
    points: int


@dataclass(frozen=True)
class NeighbourhoodTrust:
    """Agreement of latent-space and audio neighbourhoods.

    Attributes:
        spearman: rank correlation of latent and sound distances over random pairs, 1 for the same order; None where
            all distances of a kind are equal.
        low: lower end of its 95 % interval over presets; None where `spearman` is.
        high: upper end of that interval.
        pairs: number of pairs.
        precision: mean over presets of the share of the `neighbours` nearest in the latent space that are among as many
            nearest in sound.
        chance: expected `precision` of randomly drawn neighbours.
        near: mean over presets of the share of the nearest in the latent space that are among the nearest 10 % in
            sound.
        near_chance: expected `near` of randomly drawn neighbours.
        neighbours: number of nearest presets.
        points: number of presets.
    """

    spearman: float | None
    low: float | None
    high: float | None
    pairs: int
    precision: Summary
    chance: float
    near: Summary
    near_chance: float
    neighbours: int
    points: int


@dataclass(frozen=True)
class MapTrust:
    """Preservation of neighbourhoods by a map: trustworthiness and continuity.

    Attributes:
        trustworthiness: 1 where no point is near on the map that is far in the space.
        continuity: 1 where no point is far on the map that is near in the space.
        chance: trustworthiness of the map with its points shuffled, about 0.5.
        neighbours: number of nearest points.
        points: number of points of the map that were used.
    """

    trustworthiness: float
    continuity: float
    chance: float
    neighbours: int
    points: int


@dataclass(frozen=True)
class ClusterExample:
    """A cluster and a sample of its members.

    Attributes:
        label: label of the cluster.
        size: number of its members.
        members: indices of members, drawn at random, in the order of the draw.
    """

    label: int
    size: int
    members: tuple[int, ...]


def cosine_similarity(latents: ArrayLike, labels: NDArray[np.integer], seed: int = 0) -> CosineSimilarity:
    """Mean cosine of the angle at the origin between latents within and across clusters.

    With unit vectors u, the sum over ordered pairs of a cluster of n is |sum u|^2 - n, so all pairs are counted
    without forming them. Noise (label -1) is excluded.

    Args:
        latents: latents, shape (N, D).
        labels: cluster labels, shape (N,), from 0, or -1 for noise.
        seed: seed of the random labels, which are a permutation of the labels.

    Returns:
        Mean cosines, and their intervals for random labels.

    Raises:
        ValueError: if the lengths differ.
        UserError: if `latents` is empty or not finite.
    """
    rows = finite_matrix(latents, "latents")
    if labels.shape != (len(rows),):
        raise ValueError(f"expected {len(rows)} labels, got shape {labels.shape}")
    length = np.linalg.norm(rows, axis=1)
    counted = (labels >= 0) & (length > 0.0)
    unit = rows[counted] / length[counted, None]
    names, owner = np.unique(labels[counted], return_inverse=True)
    if not len(unit):
        return CosineSimilarity(None, None, None, None, 0, 0)
    within, across = _mean_cosines(unit, owner, len(names))
    generator = np.random.default_rng(seed)
    random = np.array([_mean_cosines(unit, generator.permutation(owner), len(names)) for _ in range(RELABELLINGS)])
    return CosineSimilarity(
        None if np.isnan(within) else within,
        None if np.isnan(across) else across,
        None if np.isnan(within) else _central(random[:, 0]),
        None if np.isnan(across) else _central(random[:, 1]),
        len(names),
        len(unit),
    )


def neighbourhood_trust(
    latents: ArrayLike,
    features: ArrayLike,
    neighbours: int = NEIGHBOURS,
    pairs: int = PAIRS,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> NeighbourhoodTrust:
    """Compare Euclidean distances of latents with those of audio features.

    Pairs of one preset share it, so the interval of the correlation comes from resampling presets, not pairs: a pair is
    repeated as often as its two presets were drawn together (the vertex bootstrap of Snijders and Borgatti 1999,
    Connections 22:161). Equal distances are ordered at random.

    Args:
        latents: latents, shape (N, D).
        features: audio features of each preset, shape (N, F), in comparable units (a log-mel embedding, or
            standardised descriptors).
        neighbours: number of nearest presets, below N.
        pairs: number of random pairs for the correlation; all if there are fewer.
        seed: seed of pairs and resamples.
        resamples: number of resamples for the interval.

    Returns:
        Correlation and precision with their chance levels.

    Raises:
        ValueError: if the lengths differ, or `neighbours` is not between 1 and N - 1.
        UserError: if there are fewer than three presets, or a value is not finite.
    """
    near, sounds = finite_matrix(latents, "latents"), finite_matrix(features, "features")
    if len(near) != len(sounds):
        raise ValueError(f"{len(near)} latents for {len(sounds)} presets' features")
    n = len(near)
    if n < 3:
        raise UserError("latents", n, "analyse a larger share", f"{counted(n, 'point')}, 3 at least have a nearest one")
    if not 1 <= neighbours < n:
        raise ValueError(f"neighbours is {neighbours}, it has to be from 1 to {n - 1}")
    generator = np.random.default_rng(seed)
    order = generator.permutation(n)  # so that ties are broken at random
    near, sounds = near[order], sounds[order]
    within = max(neighbours, round(NEAR_SHARE * (n - 1)))
    hits = np.array(list(_hits(near, sounds, neighbours, within)))
    first, second = _pairs(n, pairs, generator)
    correlation = _rank_correlation(
        np.linalg.norm(near[first] - near[second], axis=1),
        np.linalg.norm(sounds[first] - sounds[second], axis=1),
        (first, second),
        n,
        generator,
        resamples,
    )
    return NeighbourhoodTrust(
        *correlation,
        len(first),
        summarise(hits[:, 0] / neighbours, "precision", seed),
        neighbours / (n - 1),
        summarise(hits[:, 1] / neighbours, "near precision", seed),
        within / (n - 1),
        neighbours,
        n,
    )


def map_trust(latents: ArrayLike, points: ArrayLike, seed: int = 0, limit: int = MAP_POINTS) -> MapTrust:
    """Trustworthiness and continuity of a map (Venna and Kaski 2001, ICANN), computed by scikit-learn.

    Trustworthiness decreases with the ranks in the space of those of the k nearest on the map that are not among the k
    nearest in the space; continuity is the same with map and space exchanged. k is 10, fewer if there are not twice as
    many points.

    Args:
        latents: latents, shape (N, D).
        points: positions on the map, shape (N, 2).
        seed: seed of the selection of points, and of the shuffling for the chance level.
        limit: maximum number of points; if there are more, both are computed on a random subset, in which neighbours
            are farther apart.

    Returns:
        Shares between 0 and 1.

    Raises:
        ValueError: if the lengths differ.
        UserError: if there are fewer than three points, or a value is not finite.
    """
    space, shown = finite_matrix(latents, "latents"), finite_matrix(points, "map", "point")
    if len(space) != len(shown):
        raise ValueError(f"{len(space)} latents on a map of {len(shown)} points")
    if len(space) < 3:
        raise UserError(
            "latents",
            len(space),
            "analyse a larger share",
            f"{counted(len(space), 'point')}, 3 at least have neighbours",
        )
    from sklearn.manifold import trustworthiness

    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(space))[:limit]
    space, shown = space[chosen], shown[chosen]
    k = min(NEIGHBOURS, (len(space) - 1) // 2)
    shuffled = shown[generator.permutation(len(shown))]
    trust, continuity, chance = (
        float(trustworthiness(of, on, n_neighbors=k)) for of, on in ((space, shown), (shown, space), (space, shuffled))
    )
    return MapTrust(trust, continuity, chance, k, len(space))


def cluster_examples(
    labels: NDArray[np.integer], seed: int = 0, clusters: int = 3, members: int = MEMBERS
) -> tuple[ClusterExample, ...]:
    """Medium-sized clusters drawn at random, and members of each drawn at random.

    The thesis's three "mid-sized clusters" have 15 members each (section 5.5.3). Clusters are drawn from the 10 % of
    all clusters whose size is nearest to `members`, or from the nearest `clusters` if these are more. A cluster of more
    than `members` members contributes a random subset of them, a smaller one all.

    Args:
        labels: cluster labels, shape (N,), from 0, or -1 for noise.
        seed: seed of both draws.
        clusters: maximum number of clusters.
        members: maximum number of members of each.

    Returns:
        The clusters, the largest first; fewer than `clusters` if there are not as many.

    Raises:
        ValueError: if `clusters` or `members` is below 1.
    """
    if clusters < 1 or members < 1:
        raise ValueError(f"{clusters} clusters of {members} members: at least 1 of each")
    names, sizes = np.unique(labels[labels >= 0], return_counts=True)
    nearest = np.argsort(np.abs(sizes - members), kind="stable")[: max(clusters, round(MEDIUM_SHARE * len(names)))]
    generator = np.random.default_rng(seed)
    drawn = generator.permutation(nearest)[:clusters]
    examples = []
    for place in drawn[np.argsort(-sizes[drawn], kind="stable")]:
        own = generator.permutation(np.flatnonzero(labels == names[place]))[:members]
        examples.append(ClusterExample(int(names[place]), int(sizes[place]), tuple(int(index) for index in own)))
    return tuple(examples)


def mean_spectrum(audio: ArrayLike, sample_rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean magnitude spectrum of whole sounds, as the thesis shows it for clusters.

    Magnitudes |FFT| of a Hann-windowed sound, scaled so that a sine of full scale at the centre of a bin is 1, are
    averaged over sounds and then converted to dB.

    Args:
        audio: sounds, shape (M, T), full scale 1.
        sample_rate: sample rate in Hz.

    Returns:
        Frequencies in Hz, shape (T // 2 + 1,), and levels in dB of full scale, -120 at least, of the same shape.

    Raises:
        UserError: if there is no sound, or a sample is not finite.
    """
    sounds = finite_matrix(audio, "audio", "sound")
    window = np.hanning(sounds.shape[1] + 1)[:-1] if sounds.shape[1] > 1 else np.ones(1)
    total = np.zeros(sounds.shape[1] // 2 + 1)
    for part in _blocks(len(sounds), sounds.shape[1]):
        total += np.abs(np.fft.rfft(sounds[part] * window, axis=1)).sum(axis=0)
    magnitude = total / len(sounds) / (window.sum() / 2)
    level = 20 * np.log10(np.maximum(magnitude, 10 ** (FLOOR_DB / 20)))
    return np.arange(len(level)) * sample_rate / sounds.shape[1], level


def _mean_cosines(unit: NDArray[np.float64], owner: NDArray[np.intp], clusters: int) -> tuple[float, float]:
    """Mean cosine within and across clusters; NaN where there is no pair."""
    sums = np.zeros((clusters, unit.shape[1]))
    np.add.at(sums, owner, unit)
    sizes = np.bincount(owner, minlength=clusters)
    n = len(unit)
    pairs_within = float((sizes * (sizes - 1.0)).sum())
    pairs_across = n * (n - 1.0) - pairs_within
    total_within = float(np.square(sums).sum()) - n
    total_across = float(np.square(sums.sum(axis=0)).sum()) - n - total_within
    return (
        total_within / pairs_within if pairs_within else np.nan,
        total_across / pairs_across if pairs_across else np.nan,
    )


def _hits(
    near: NDArray[np.float64], sounds: NDArray[np.float64], neighbours: int, within: int
) -> Iterator[tuple[int, int]]:
    """For each point, the number of its nearest latents among as many, and among `within`, nearest in sound."""
    n = len(near)
    for part in _blocks(n, n):
        rows = np.arange(n)[part]
        by_latent, by_sound = cdist(near[rows], near), cdist(sounds[rows], sounds)
        for distances in (by_latent, by_sound):
            distances[np.arange(len(rows)), rows] = -1.0  # sorts the point itself first, which is excluded
        nearest = np.argsort(by_latent, axis=1, kind="stable")[:, 1 : neighbours + 1]
        place = np.empty(by_sound.shape, dtype=np.intp)
        np.put_along_axis(place, np.argsort(by_sound, axis=1, kind="stable"), np.arange(n)[None], axis=1)
        reached = np.take_along_axis(place, nearest, axis=1)  # rank by sound, from 1
        yield from zip((reached <= neighbours).sum(axis=1), (reached <= within).sum(axis=1), strict=True)


def _pairs(n: int, pairs: int, generator: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Distinct random pairs of different points, or all pairs."""
    everything = n * (n - 1) // 2
    if pairs >= everything:
        first, second = np.triu_indices(n, 1)
        return first, second
    numbers = generator.choice(everything, pairs, replace=False)
    # Pair number k of the rows (1, 0), (2, 0), (2, 1), (3, 0), ...: row r begins at r (r - 1) / 2.
    second = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.intp)
    second -= numbers < second * (second - 1) // 2  # where the root was rounded up
    return (numbers - second * (second - 1) // 2).astype(np.intp), second


def _rank_correlation(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    ends: tuple[NDArray[np.intp], NDArray[np.intp]],
    n: int,
    generator: np.random.Generator,
    resamples: int,
) -> tuple[float | None, float | None, float | None]:
    """Spearman's correlation and its interval over points."""
    value = _spearman(x, y)
    if value is None:
        return None, None, None
    drawn = []
    for _ in range(resamples):
        counts = np.bincount(generator.integers(0, n, n), minlength=n)
        chosen = np.repeat(np.arange(len(x)), counts[ends[0]] * counts[ends[1]])
        resampled = _spearman(x[chosen], y[chosen]) if len(chosen) > 1 else None
        if resampled is not None:
            drawn.append(resampled)
    if not drawn:
        return value, None, None
    low, high = _central(np.array(drawn))
    return value, low, high


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    first, second = stats.rankdata(x), stats.rankdata(y)
    if first.std() == 0.0 or second.std() == 0.0:
        return None
    return float(np.clip(np.corrcoef(first, second)[0, 1], -1.0, 1.0))


def _central(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _blocks(rows: int, columns: int) -> list[slice]:
    step = max(1, _BLOCK // max(1, columns))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
