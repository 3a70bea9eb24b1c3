"""Kernel audio distance: maximum mean discrepancy between two sets of embeddings, without a Gaussian assumption.

KAD (Chung et al. 2025, arXiv 2502.15602) is the squared maximum mean discrepancy with a Gaussian kernel, in its
unbiased form (Gretton et al. 2012, J. Machine Learning Research 13:723). It needs fewer sounds than a Fréchet distance,
and no covariance of full rank; its floor is a distribution around zero, not a bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthvae.core.checks import finite_matrix
from synthvae.core.counts import counted
from synthvae.core.errors import UserError

__all__ = ["SCALE", "KernelDistance", "KernelFloor", "kernel_distance", "kernel_floor", "median_distance"]

#: Factor by which Chung et al. multiply the reported squared discrepancy.
SCALE = 100.0
#: Number of rows of the kernel matrix in memory at once.
BLOCK = 512
#: Maximum number of sounds whose pairs enter the median; the pairs of more would fill the memory and change little.
MEDIAN_SOUNDS = 4096


@dataclass(frozen=True)
class KernelDistance:
    """A squared maximum mean discrepancy, with the settings it depends on.

    Attributes:
        value: squared discrepancy, between 0 and 2 in expectation; negative by chance where the sets hardly differ, and
            not clipped.
        bandwidth: bandwidth of the kernel, in the embedding's unit.
        n: number of sounds in the reference.
        other_n: number of sounds in the other set.
        dimension: dimension of the embedding.
    """

    value: float
    bandwidth: float
    n: int
    other_n: int
    dimension: int

    @property
    def kad(self) -> float:
        """The value as reported by Chung et al., times `SCALE`."""
        return SCALE * self.value


@dataclass(frozen=True)
class KernelFloor:
    """Kernel distance between random halves of one set: its value without any difference.

    Attributes:
        mean: mean over the divisions, close to 0.
        deviation: standard deviation over the divisions.
        high: 95 % quantile over the divisions: a distance below it is not distinguishable from none.
        bandwidth: bandwidth of the kernel, in the embedding's unit.
        n: number of sounds in each half.
        draws: number of divisions.
    """

    mean: float
    deviation: float
    high: float
    bandwidth: float
    n: int
    draws: int


def median_distance(embeddings: ArrayLike, name: str = "reference") -> float:
    """Median Euclidean distance between two sounds of a set, the bandwidth of Chung et al.

    Args:
        embeddings: embeddings, shape (N, D); of more than `MEDIAN_SOUNDS`, that many at even spacing are used.
        name: name of the values, for messages.

    Returns:
        The median in the embedding's unit, positive.

    Raises:
        UserError: if there are fewer than 2 sounds, at least half of all pairs are equal, or a value is not finite.
    """
    rows = finite_matrix(embeddings, name)
    if len(rows) < 2:
        raise UserError(name, len(rows), "analyse more", f"{len(rows)} sound(s), at least 2 are needed for a distance")
    if len(rows) > MEDIAN_SOUNDS:
        rows = rows[np.linspace(0, len(rows) - 1, MEDIAN_SOUNDS).astype(np.intp)]
    rows = rows - rows.mean(axis=0)
    squares = [
        block[np.arange(start, start + len(block))[:, None] < np.arange(len(rows))]
        for start, block in _squared_distances(rows, rows)
    ]
    median = float(np.median(np.sqrt(np.concatenate(squares))))
    # The squares are computed as differences, so that equal sounds far from the mean can differ by a rounding error.
    if median <= 1e-7 * float(np.sqrt(np.square(rows).sum(axis=1).max())):
        raise UserError(
            name,
            name,
            "check that the sounds differ",
            "half of all pairs of sounds are equal, so the kernel has no width",
        )
    return median


def kernel_distance(reference: ArrayLike, other: ArrayLike, bandwidth: float | None = None) -> KernelDistance:
    """Squared maximum mean discrepancy between two sets of embeddings, unbiased.

    MMD^2 = mean of k(x, x') over pairs of the reference + mean of k(y, y') over pairs of the other - 2 mean of k(x, y),
    a sound never paired with itself, k(x, y) = exp(-|x - y|^2 / (2 s^2)) with bandwidth s (Gretton et al. 2012,
    equation 3; Chung et al. 2025). Not symmetric, because s is that of the reference. In float64, in blocks: memory
    grows with N, time with N^2.

    Args:
        reference: embeddings of the reference, shape (N, D).
        other: embeddings of the other set, shape (M, D).
        bandwidth: bandwidth s; `median_distance` of the reference if None.

    Returns:
        The distance.

    Raises:
        ValueError: if the dimensions differ, or the bandwidth is not positive.
        UserError: if a set has fewer than 2 sounds, the reference has no median distance, or a value is not finite.
    """
    rows, others = finite_matrix(reference, "embedding"), finite_matrix(other, "embedding")
    if rows.shape[1] != others.shape[1]:
        raise ValueError(f"dimensions differ: {rows.shape[1]} and {others.shape[1]}")
    smaller = min(len(rows), len(others))
    if smaller < 2:
        raise UserError(
            "embedding", smaller, "analyse more", f"{smaller} sound(s) in a set, at least 2 are needed for a distance"
        )
    width = median_distance(rows, "embedding") if bandwidth is None else bandwidth
    if not width > 0.0:
        raise ValueError(f"bandwidth must be positive, got {width}")
    centre = rows.mean(axis=0)
    rows, others = rows - centre, others - centre
    value = (
        _kernel_sum(rows, rows, width) / (len(rows) * (len(rows) - 1))
        + _kernel_sum(others, others, width) / (len(others) * (len(others) - 1))
        - 2.0 * _kernel_sum(rows, others, width) / (len(rows) * len(others))
    )
    return KernelDistance(value, width, len(rows), len(others), rows.shape[1])


def kernel_floor(embeddings: ArrayLike, seed: int = 0, draws: int = 200) -> KernelFloor:
    """Kernel distance between two random halves of one set, with the bandwidth of the whole set.

    The standard deviation falls as 1 / N, so that of halves is about twice that of two sets as large as the whole.

    Args:
        embeddings: embeddings of the reference, shape (N, D).
        seed: seed of the random halves (if the number is odd, one sound is left out, another each time).
        draws: number of divisions, at least 2.

    Returns:
        Mean, standard deviation and 95 % quantile.

    Raises:
        ValueError: if `draws` is less than 2.
        UserError: if there are fewer than 4 sounds, they have no median distance, or a value is not finite.
    """
    if draws < 2:
        raise ValueError(f"draws must be 2 or more, got {draws}")
    rows = finite_matrix(embeddings, "embedding")
    half = len(rows) // 2
    if half < 2:
        raise UserError(
            "embedding",
            len(rows),
            "analyse more",
            f"no two halves in {counted(len(rows), 'sound')}, at least 4 are needed",
        )
    width = median_distance(rows, "embedding")
    rows = rows - rows.mean(axis=0)
    generator = np.random.default_rng(seed)
    first, second = np.zeros((len(rows), draws)), np.zeros((len(rows), draws))
    for draw in range(draws):
        order = generator.permutation(len(rows))
        first[order[:half], draw] = 1.0
        second[order[half : 2 * half], draw] = 1.0
    within, across = np.zeros(draws), np.zeros(draws)
    for start, block in _kernel(rows, rows, width):  # one pass over the kernel for all divisions
        own, other = first[start : start + len(block)], second[start : start + len(block)]
        to_first, to_second = block @ first, block @ second
        within += (own * to_first).sum(axis=0) + (other * to_second).sum(axis=0)
        across += (own * to_second).sum(axis=0)
    values = within / (half * (half - 1)) - 2.0 * across / half**2
    return KernelFloor(
        float(values.mean()), float(values.std(ddof=1)), float(np.quantile(values, 0.95)), width, half, draws
    )


def _kernel_sum(rows: NDArray[np.float64], others: NDArray[np.float64], bandwidth: float) -> float:
    return sum(float(block.sum()) for _, block in _kernel(rows, others, bandwidth))


def _kernel(
    rows: NDArray[np.float64], others: NDArray[np.float64], bandwidth: float
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Blocks of the kernel matrix, each with its first row; 0 for pairs of a sound with itself."""
    for start, squared in _squared_distances(rows, others):
        block = np.exp(squared / (-2.0 * bandwidth**2))
        if others is rows:
            own = np.arange(len(block))
            block[own, start + own] = 0.0
        yield start, block


def _squared_distances(
    rows: NDArray[np.float64], others: NDArray[np.float64]
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Blocks of |x - y|^2 = |x|^2 + |y|^2 - 2 x y, each with its first row; accurate if both sets are centred."""
    norms = np.square(others).sum(axis=1)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        squared = np.square(part).sum(axis=1)[:, None] + norms - 2.0 * (part @ others.T)
        yield start, np.maximum(squared, 0.0, out=squared)
