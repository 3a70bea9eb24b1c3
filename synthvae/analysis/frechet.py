"""Fréchet Audio Distance from running statistics, its floor, and an embedding that needs no download.

FAD compares two sets of sounds as Gaussians in an embedding (Kilgour et al. 2019, Interspeech). It is biased
upwards at finite N, so a distance means nothing without N, the dimension, and the floor beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthvae.analysis.checks import finite_matrix, require_finite
from synthvae.errors import UserError

__all__ = [
    "FrechetDistance",
    "GaussianStatistics",
    "frechet_distance",
    "frechet_floor",
    "gaussian_distance",
    "logmel_embedding",
]


@dataclass(frozen=True)
class FrechetDistance:
    """A distance that cannot be quoted without what it depends on.

    Attributes:
        value: the distance, in the embedding's unit squared, never negative.
        n: sounds in the first set.
        other_n: sounds in the second set.
        dimension: of the embedding.
    """

    value: float
    n: int
    other_n: int
    dimension: int


class GaussianStatistics:
    """Mean and covariance of rows that arrive in batches, in float64 and in constant memory.

    Batches are joined by the pairwise update of Chan, Golub and LeVeque (1983, The American Statistician
    37:242), which stays accurate where the mean is large beside the spread.
    """

    def __init__(self, dimension: int) -> None:
        """Start with no rows.

        Args:
            dimension: columns of each row, at least 1.

        Raises:
            ValueError: if `dimension` is not positive.
        """
        if dimension < 1:
            raise ValueError(f"dimension must be 1 or more, got {dimension}")
        self._n = 0
        self._mean = np.zeros(dimension)
        self._scatter = np.zeros((dimension, dimension))

    @classmethod
    def of(cls, embeddings: ArrayLike, name: str = "embedding") -> GaussianStatistics:
        """The statistics of one array.

        Args:
            embeddings: shape (N, D).
            name: what they are, for messages.

        Returns:
            Statistics of N rows.

        Raises:
            UserError: if the array is empty or not finite.
        """
        rows = finite_matrix(embeddings, name)
        statistics = cls(rows.shape[1])
        statistics.update(rows, name)
        return statistics

    @property
    def n(self) -> int:
        """Rows seen."""
        return self._n

    @property
    def dimension(self) -> int:
        """Columns of a row."""
        return len(self._mean)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Shape (D,)."""
        return self._mean.copy()

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Shape (D, D), unbiased (divided by N - 1), symmetric.

        Raises:
            UserError: if fewer than two rows were seen.
        """
        if self._n < 2:
            raise UserError(f"covariance: {self._n} sound(s), at least 2 are needed; analyse a larger split")
        return self._scatter / (self._n - 1)

    def update(self, embeddings: ArrayLike, name: str = "embedding") -> None:
        """Take in a batch.

        Args:
            embeddings: shape (B, D).
            name: what they are, for messages.

        Raises:
            ValueError: if the number of columns is another.
            UserError: if the batch is empty or not finite.
        """
        rows = finite_matrix(embeddings, name)
        if rows.shape[1] != self.dimension:
            raise ValueError(f"{name}: expected {self.dimension} columns, got {rows.shape[1]}")
        mean = rows.mean(axis=0)
        centred = rows - mean
        self._join(len(rows), mean, centred.T @ centred)

    def merge(self, other: GaussianStatistics) -> None:
        """Take in the rows that `other` has seen.

        Args:
            other: statistics of the same dimension; left as it is.

        Raises:
            ValueError: if the dimensions differ.
        """
        if other.dimension != self.dimension:
            raise ValueError(f"cannot merge dimension {other.dimension} into {self.dimension}")
        if other.n:
            self._join(other.n, other._mean, other._scatter)

    def _join(self, n: int, mean: NDArray[np.float64], scatter: NDArray[np.float64]) -> None:
        total = self._n + n
        delta = mean - self._mean
        self._mean = self._mean + delta * (n / total)
        self._scatter = self._scatter + scatter + np.outer(delta, delta) * (self._n * n / total)
        self._n = total


def gaussian_distance(
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    other_mean: NDArray[np.float64],
    other_covariance: NDArray[np.float64],
) -> float:
    """Squared Fréchet (2-Wasserstein) distance between two Gaussians.

    d^2 = |m1 - m2|^2 + tr(S1 + S2) - 2 tr (S1^1/2 S2 S1^1/2)^1/2 (Dowson and Landau 1982, J. Multivariate
    Analysis 12:450). The last trace is the sum of the singular values of S1^1/2 S2^1/2: symmetric roots
    through the eigendecomposition and no square root of a product, so the result is never complex, and
    small eigenvalues keep their accuracy.

    Args:
        mean: shape (D,).
        covariance: shape (D, D), symmetric, positive semi-definite.
        other_mean: shape (D,).
        other_covariance: shape (D, D).

    Returns:
        The distance, zero or more.

    Raises:
        ValueError: if the shapes differ.
    """
    if mean.shape != other_mean.shape or covariance.shape != other_covariance.shape:
        raise ValueError(f"dimensions differ: {mean.shape} and {other_mean.shape}")
    cross = np.linalg.svd(_root(covariance) @ _root(other_covariance), compute_uv=False).sum()
    shift = np.square(mean - other_mean).sum()
    return max(0.0, float(shift + np.trace(covariance) + np.trace(other_covariance) - 2.0 * cross))


def frechet_distance(
    first: GaussianStatistics, second: GaussianStatistics, allow_small: bool = False
) -> FrechetDistance:
    """Fréchet distance between two sets of embeddings.

    Args:
        first: statistics of one set.
        second: statistics of the other.
        allow_small: go on where a set is too small for its covariance to have full rank.

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
            f"Fréchet distance: {smaller} sounds in {first.dimension} dimensions, at least "
            f"{first.dimension + 1} are needed for a covariance of full rank; analyse a larger split or an "
            "embedding of fewer dimensions"
        )
    value = gaussian_distance(first.mean, first.covariance, second.mean, second.covariance)
    return FrechetDistance(value, first.n, second.n, first.dimension)


def frechet_floor(
    embeddings: ArrayLike, seed: int = 0, allow_small: bool = False, name: str = "embedding"
) -> FrechetDistance:
    """Fréchet distance between two random halves of one set: what FAD reads where there is no difference.

    The bias falls as 1 / N, so the floor of halves lies above the floor at the N of the whole set: a distance
    below it cannot be told from none.

    Args:
        embeddings: shape (N, D).
        seed: draws the halves (an odd sound is left out).
        allow_small: as in `frechet_distance`.
        name: what they are, for messages.

    Returns:
        The distance; both N are N // 2.

    Raises:
        UserError: if the halves are too small, or a value is not finite.
    """
    rows = finite_matrix(embeddings, name)
    half = len(rows) // 2
    if half < 2:
        raise UserError(f"{name}: {len(rows)} sounds make no two halves, at least 4 are needed; analyse more")
    order = np.random.default_rng(seed).permutation(len(rows))
    first = GaussianStatistics.of(rows[order[:half]], name)
    second = GaussianStatistics.of(rows[order[half : 2 * half]], name)
    return frechet_distance(first, second, allow_small)


def logmel_embedding(logmel: NDArray[np.floating], bands: int = 32) -> NDArray[np.float64]:
    """Embed log-mel spectrograms by the mean and the spread over time of each band.

    Neighbouring mel bands are averaged to `bands`; of each, the mean over frames says what the sound's
    spectrum is (timbre, loudness), and the standard deviation over frames how far it moves (envelope,
    modulation). Both are in dB, need no download, and ignore when something happens, as the pooled
    embeddings of VGGish and PANNs do. The default of 64 dimensions (32 bands, close to the 40 of common
    MFCCs) lets 130 sounds pass the rank condition of the floor, and several hundred estimate it well.

    Args:
        logmel: shape (N, M, T), in dB, M a multiple of `bands`.
        bands: pooled bands.

    Returns:
        Shape (N, 2 * bands), dB: the means of all bands, then the deviations.

    Raises:
        ValueError: if the shape does not fit.
        UserError: if there is no sound, or a value is not finite.
    """
    if logmel.ndim != 3 or not logmel.shape[2]:
        raise ValueError(f"log-mel: expected shape (N, bands, frames), got {logmel.shape}")
    n, mels, frames = logmel.shape
    if bands < 1 or mels % bands:
        raise ValueError(f"log-mel: {mels} bands cannot be pooled evenly to {bands}")
    if not n:
        raise UserError("log-mel: 0 sounds; check that the split is not empty")
    require_finite(logmel, "log-mel")
    pooled = logmel.reshape(n, bands, mels // bands, frames).mean(axis=2, dtype=np.float64)
    return np.concatenate([pooled.mean(axis=2), pooled.std(axis=2)], axis=1)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric square root; eigenvalues that rounding pushed below zero are zero."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
