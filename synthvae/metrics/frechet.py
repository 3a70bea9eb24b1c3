"""Fréchet Audio Distance, its floor, and its extrapolation to infinitely many sounds.

FAD compares two sets of sounds as Gaussians in an embedding (Kilgour et al. 2019, Interspeech). It is biased
upwards at finite N, so a distance must be read together with N, the dimension, and the floor; the bias falls
as 1 / N, so that the distance of infinitely many sounds can be extrapolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from synthvae.core.checks import finite_matrix
from synthvae.core.counts import counted
from synthvae.core.errors import UserError

__all__ = [
    "ExtrapolatedDistance",
    "FrechetDistance",
    "GaussianStatistics",
    "frechet_distance",
    "frechet_extrapolated",
    "frechet_floor",
    "gaussian_distance",
]

#: Maximum number of subsample sizes for the extrapolation: all, halves, thirds, quarters.
PARTS = 4
#: Number of groups of sounds for the jackknife.
GROUPS = 10
#: Number of dimensions up to which a distance is computed on one thread.
SMALL = 256


@dataclass(frozen=True)
class FrechetDistance:
    """A Fréchet distance with the numbers of sounds and the embedding it depends on.

    Attributes:
        value: the distance, in the embedding's unit squared, never negative.
        n: number of sounds in the first set.
        other_n: number of sounds in the second set.
        dimension: dimension of the embedding.
    """

    value: float
    n: int
    other_n: int
    dimension: int


@dataclass(frozen=True)
class ExtrapolatedDistance:
    """The Fréchet distance extrapolated to infinitely many sounds, with the quality of the fit.

    Attributes:
        intercept: intercept of the fitted line, in the embedding's unit squared, not clipped; noise makes it negative
            where the sets hardly differ.
        standard_error: standard error of the intercept over the sampling of sounds.
        low: lower end of the 95 % confidence interval, not clipped.
        high: upper end of that interval.
        points: points of the fitted line: number of sounds in a subsample of the second set, and the mean distance of
            all subsamples of that size.
        n: number of sounds in the first set.
        other_n: number of sounds in the second set.
        dimension: dimension of the embedding.
    """

    intercept: float
    standard_error: float
    low: float
    high: float
    points: tuple[tuple[int, float], ...]
    n: int
    other_n: int
    dimension: int

    @property
    def value(self) -> float:
        """The intercept, or 0 where it is negative; mark such values, see `clipped`."""
        return max(0.0, self.intercept)

    @property
    def clipped(self) -> bool:
        """Whether `value` is 0 in place of a negative intercept."""
        return self.intercept < 0.0


@dataclass(frozen=True)
class GaussianStatistics:
    """Mean and covariance of the embedding of a set of sounds, in float64.

    Attributes:
        n: number of rows of the embedding, one per sound in most embeddings.
        mean: mean, shape (D,).
        covariance: covariance, shape (D, D), unbiased (divided by N - 1).
    """

    n: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, embeddings: ArrayLike, name: str = "embedding") -> GaussianStatistics:
        """The statistics of one array.

        Args:
            embeddings: embeddings, shape (N, D).
            name: name of the values, for messages.

        Raises:
            UserError: if there are fewer than two rows, or a value is not finite.
        """
        rows = finite_matrix(embeddings, name)
        if len(rows) < 2:
            raise UserError(
                "covariance", len(rows), "analyse a larger split", f"{len(rows)} sound(s), at least 2 are needed"
            )
        return cls(len(rows), rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False)))

    @property
    def dimension(self) -> int:
        """Number of columns of a row."""
        return len(self.mean)


def gaussian_distance(
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    other_mean: NDArray[np.float64],
    other_covariance: NDArray[np.float64],
) -> float:
    """Squared Fréchet (2-Wasserstein) distance between two Gaussians.

    d^2 = |m1 - m2|^2 + tr(S1 + S2) - 2 tr (S1^1/2 S2 S1^1/2)^1/2 (Dowson and Landau 1982, J. Multivariate
    Analysis 12:450). The last trace is the sum of the singular values of F1^T F2 for any factors S = F F^T: no square
    root of a product, so the result is never complex, and small eigenvalues keep their accuracy. A factor of a
    covariance of low rank has few columns, so that few sounds in many dimensions take little time.

    Args:
        mean: mean, shape (D,).
        covariance: covariance, shape (D, D), symmetric, positive semi-definite.
        other_mean: mean of the other Gaussian, shape (D,).
        other_covariance: covariance of the other Gaussian, shape (D, D).

    Returns:
        The distance, zero or more.

    Raises:
        ValueError: if the shapes differ.
    """
    if mean.shape != other_mean.shape or covariance.shape != other_covariance.shape:
        raise ValueError(f"dimensions differ: {mean.shape} and {other_mean.shape}")
    cross = np.linalg.svd(_factor(covariance).T @ _factor(other_covariance), compute_uv=False).sum()
    shift = np.square(mean - other_mean).sum()
    return max(0.0, float(shift + np.trace(covariance) + np.trace(other_covariance) - 2.0 * cross))


def frechet_distance(
    first: GaussianStatistics, second: GaussianStatistics, allow_small: bool = False
) -> FrechetDistance:
    """Fréchet distance between two sets of embeddings.

    Args:
        first: statistics of the first set.
        second: statistics of the second set.
        allow_small: whether a set may be too small for its covariance to have full rank.

    Returns:
        The distance with both N and the dimension.

    Raises:
        ValueError: if the dimensions differ.
        UserError: if a set has fewer than dimension + 1 sounds and `allow_small` is not set.
    """
    if first.dimension != second.dimension:
        raise ValueError(f"dimensions differ: {first.dimension} and {second.dimension}")
    smaller = min(first.n, second.n)
    if smaller <= first.dimension and not allow_small:
        raise UserError(
            "Fréchet distance",
            smaller,
            "analyse a larger split or an embedding of fewer dimensions",
            f"{counted(smaller, 'sound')} in {first.dimension} dimensions, at least {first.dimension + 1} are needed "
            "for a covariance of full rank",
        )
    value = gaussian_distance(first.mean, first.covariance, second.mean, second.covariance)
    return FrechetDistance(value, first.n, second.n, first.dimension)


def frechet_floor(embeddings: ArrayLike, seed: int = 0) -> FrechetDistance:
    """Fréchet distance between two random halves of one set: the value of FAD without any difference.

    The bias falls as 1 / N, so the floor of halves is above the floor at the N of the whole set: a distance
    below it is not distinguishable from none.

    Args:
        embeddings: embeddings, shape (N, D).
        seed: seed of the random halves (if the number is odd, one sound is left out).

    Returns:
        The distance; both N are N // 2.

    Raises:
        UserError: if the halves are too small, or a value is not finite.
    """
    rows = finite_matrix(embeddings, "embedding")
    half = len(rows) // 2
    if half < 2:
        raise UserError(
            "embedding",
            len(rows),
            "analyse more",
            f"no two halves in {counted(len(rows), 'sound')}, at least 4 are needed",
        )
    order = np.random.default_rng(seed).permutation(len(rows))
    first, second = (GaussianStatistics.of(rows[part]) for part in (order[:half], order[half : 2 * half]))
    return frechet_distance(first, second)


def frechet_extrapolated(first: ArrayLike, second: ArrayLike, seed: int = 0) -> ExtrapolatedDistance:
    """Fréchet distance of infinitely many sounds: FAD-infinity.

    The expected distance of n sounds is d + c / n + O(1 / n^2), so the intercept of a line through distances against 1
    / n has no first-order bias (Chong and Forsyth 2020, CVPR, for FID; Gui et al. 2024, ICASSP, arXiv 2311.01616, for
    FAD). Two things differ from both papers. Subsamples are the k parts of a random division, k = 1, 2, ..., so that
    every size uses every sound once and their means are about equally accurate; drawing with replacement, as Gui et al.
    do, repeats sounds and narrows the covariance. And both sets are divided, because the first set, if it is no larger
    than the second, biases the distance as much. Sets of equal size are divided identically: sound i of one may be made
    from sound i of the other, and stays with it.

    The standard error is that of a jackknife over groups of sounds (Efron and Stein 1981, Annals of Statistics 9:586):
    the residuals of the line do not contain it, since all its points come from the same sounds. The interval is
    Student's with ``GROUPS - 1`` degrees of freedom; if the sets do not differ it is too wide.

    Args:
        first: embeddings of the reference, shape (N, D).
        second: embeddings compared with it, shape (M, D).
        seed: seed of the divisions.

    Returns:
        The intercept with its interval and the points it came from.

    Raises:
        ValueError: if the dimensions differ.
        UserError: if a set is too small to be halved, or a value is not finite.
    """
    rows, others = finite_matrix(first, "embedding"), finite_matrix(second, "embedding")
    if rows.shape[1] != others.shape[1]:
        raise ValueError(f"dimensions differ: {rows.shape[1]} and {others.shape[1]}")
    dimension, divided = rows.shape[1], min(len(rows), len(others))
    remaining = divided - -(-divided // GROUPS)  # without the largest group
    parts = min(PARTS, remaining // (dimension + 1))
    if parts < 2:
        needed = -(-2 * (dimension + 1) * GROUPS // (GROUPS - 1)) + 1
        raise UserError(
            "FAD-infinity",
            min(len(rows), len(others)),
            "analyse a larger split or an embedding of fewer dimensions",
            f"{len(rows)} and {len(others)} sounds in {dimension} dimensions, at least {needed} of each "
            "are needed for halves with a covariance of full rank",
        )
    generator = np.random.default_rng((seed, 1))
    group = generator.permutation(len(others)) % GROUPS
    own_group = group if len(rows) == len(others) else generator.permutation(len(rows)) % GROUPS
    # On small matrices the overhead of threads exceeds the computation.
    with threadpool_limits(1 if dimension <= SMALL else None, "blas"):
        points = _mean_distances(rows, others, parts, seed)
        without = [
            _mean_distances(rows[own_group != index], others[group != index], parts, seed) for index in range(GROUPS)
        ]
    intercept, left_out = _intercept(points), np.array([_intercept(some) for some in without])
    error = float(np.sqrt((GROUPS - 1) / GROUPS * np.square(left_out - left_out.mean()).sum()))
    reach = float(stats.t.ppf(0.975, GROUPS - 1)) * error
    return ExtrapolatedDistance(
        intercept, error, intercept - reach, intercept + reach, points, len(rows), len(others), dimension
    )


def _mean_distances(
    first: NDArray[np.float64], second: NDArray[np.float64], parts: int, seed: int
) -> tuple[tuple[int, float], ...]:
    """Size of a part and mean distance of the parts, for a division into 1, 2, ..., `parts` parts."""
    generator = np.random.default_rng(seed)
    points = []
    for count in range(1, parts + 1):
        order = generator.permutation(len(second))
        own_order = order if len(first) == len(second) else generator.permutation(len(first))
        size, own_size = len(second) // count, len(first) // count
        distances = []
        for part in range(count):
            own = first[own_order[part * own_size : (part + 1) * own_size]]
            other = second[order[part * size : (part + 1) * size]]
            distances.append(frechet_distance(GaussianStatistics.of(own), GaussianStatistics.of(other)).value)
        points.append((size, float(np.mean(distances))))
    return tuple(points)


def _intercept(points: tuple[tuple[int, float], ...]) -> float:
    """Intercept of the least-squares line of distance against 1 / n."""
    sizes, distances = np.array(points).T
    return float(np.polynomial.polynomial.polyfit(1.0 / sizes, distances, 1)[0])


def _factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """F ``(D, R)`` of rank R with F F^T the covariance, by pivoted Cholesky decomposition.

    The remainder after R steps is below D times the rounding error of the largest variance, and is dropped.
    """
    upper, pivots, rank, _ = lapack.dpstrf((covariance + covariance.T) / 2.0)
    factor = np.zeros((len(covariance), rank))
    factor[pivots - 1] = np.triu(upper)[:rank].T
    return factor
