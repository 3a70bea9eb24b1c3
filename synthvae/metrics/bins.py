"""Number of statistically different bins (NDB): compares the distribution of a set of sounds with the training sounds.

Training sounds are divided into bins by k-means, and the share of another set in each bin is tested against the
training sounds' (Richardson and Weiss, "On GANs and GMMs", NeurIPS 2018). Bins without any sound of a model are modes
that it lacks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthvae.core.checks import finite_matrix
from synthvae.core.errors import UserError

__all__ = ["BINS", "LEVEL", "Bins", "DifferentBins"]

BINS, LEVEL = 50, 0.05


@dataclass(frozen=True)
class DifferentBins:
    """Bins in which a set's share differs from the training sounds'.

    Attributes:
        different: number of such bins.
        bins: total number of bins.
        level: significance level of the test of each bin.
        by_chance: expected number without any difference: bins times level.
        at_most: 95 % quantile of the number by chance, if the bins were independent.
        empty: number of bins without a sound of the set.
        n: number of sounds of the set.
        reference_n: number of training sounds.
    """

    different: int
    bins: int
    level: float
    by_chance: float
    at_most: int
    empty: int
    n: int
    reference_n: int


class Bins:
    """Bins of a training set.

    Args:
        training: features of the training sounds, ``(N, D)``.
        bins: number of bins.
        seed: seed of k-means.

    Raises:
        UserError: if there are fewer training sounds than bins, or a value is not finite.
    """

    def __init__(self, training: NDArray[np.floating], bins: int = BINS, seed: int = 0) -> None:
        rows = finite_matrix(training, "training sounds")
        if len(rows) < bins:
            raise UserError("bins", bins, "analyse more training sounds", f"there are {len(rows)} training sounds")
        from sklearn.cluster import KMeans  # takes a second to import

        found = KMeans(bins, n_init=1, random_state=seed).fit(rows)
        self._means, self._counts = found, np.bincount(found.labels_, minlength=bins)

    def compare(self, features: NDArray[np.floating], level: float = LEVEL) -> DifferentBins:
        """Test the share of a set in each bin against the training sounds', by a two-proportion z test.

        Args:
            features: features of the set, ``(M, D)``.
            level: significance level of each test.

        Raises:
            UserError: if the set is empty, or a value is not finite.
        """
        rows = finite_matrix(features, "sounds")
        if not len(rows):
            raise UserError("sounds", 0, "analyse more", "an empty set has no shares")
        counts = np.bincount(self._means.predict(rows), minlength=len(self._counts))
        own, total = len(rows), int(self._counts.sum())
        pooled = (counts + self._counts) / (own + total)
        error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / own + 1.0 / total))
        difference = np.abs(counts / own - self._counts / total)
        different = int((difference > stats.norm.isf(level / 2) * error).sum())
        bins = len(counts)
        most = int(stats.binom.ppf(0.95, bins, level))
        return DifferentBins(different, bins, level, bins * level, most, int((counts == 0).sum()), own, total)
