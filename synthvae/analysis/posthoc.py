"""Which of several groups differ from which, and by how much: Dunn's test between all pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from synthvae.analysis.assumptions import p_text
from synthvae.core.checks import finite_values
from synthvae.core.errors import UserError

__all__ = ["PairTest", "dunn", "holm", "share_lower", "superiority"]

# Bands of Vargha and Delaney (2000) for the distance of the probability of superiority from 0.5.
_BANDS = ((0.06, "negligible"), (0.14, "small"), (0.21, "medium"))


@dataclass(frozen=True)
class PairTest:
    """Two of several groups compared.

    Attributes:
        first: name of one group.
        second: name of the other.
        p_value: of Dunn's test, after Holm's correction for the number of pairs.
        share_lower: how often a value of `first` lies below one of `second`, ties counting half; 0.5 is no difference.
        effect: the band of `share_lower` in a word.
        sentence: the result in plain words.
    """

    first: str
    second: str
    p_value: float
    share_lower: float
    effect: str
    sentence: str


def share_lower(first: ArrayLike, second: ArrayLike) -> float:
    """How often a value of one group lies below one of another: P(X < Y) + P(X = Y) / 2.

    The probability of superiority A of Vargha and Delaney (2000, J. Educational and Behavioral Statistics 25:101),
    which is Mann-Whitney's U divided by the number of pairs.

    Args:
        first: shape (N,).
        second: shape (M,).

    Returns:
        Between 0 and 1; 0.5 is no difference.

    Raises:
        UserError: if a group is empty or not finite.
    """
    x, y = finite_values(first, "first group"), finite_values(second, "second group")
    ranks = stats.rankdata(np.concatenate([x, y]))
    larger = ranks[: len(x)].sum() - len(x) * (len(x) + 1) / 2  # pairs in which x is the larger, ties half
    return float(1.0 - larger / (len(x) * len(y)))


def superiority(share: float) -> str:
    """The band of a `share_lower` in a word.

    Args:
        share: between 0 and 1.

    Returns:
        ``negligible`` within 0.06 of 0.5, ``small`` within 0.14, ``medium`` within 0.21, else ``large`` (Vargha and
        Delaney 2000).
    """
    for bound, word in _BANDS:
        if abs(share - 0.5) < bound:
            return word
    return "large"


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Correct p values for their number, so that all of them together err with the level of one.

    The i-th smallest of m becomes the largest of (m - j + 1) p_(j) over j <= i, at most 1 (Holm 1979,
    Scandinavian J. of Statistics 6:65), computed by `statsmodels.stats.multitest.multipletests`.

    Args:
        p_values: shape (m,), between 0 and 1.

    Returns:
        Shape (m,), in the order given.
    """
    from statsmodels.stats.multitest import multipletests  # seconds, and only this needs it

    raw = np.asarray(p_values, dtype=np.float64)
    if not len(raw):  # which statsmodels 0.14 divides by
        return raw
    corrected: NDArray[np.float64] = multipletests(raw, method="holm")[1]
    return corrected


def dunn(groups: Mapping[str, ArrayLike], measure: str = "error") -> tuple[PairTest, ...]:
    """Dunn's test with Holm's correction between all pairs of groups of values where less is better.

    With mean ranks R over all N values, z = (R_g - R_h) / sqrt((N (N + 1) / 12 - sum (t^3 - t) / (12 (N - 1)))
    (1 / n_g + 1 / n_h)) for ties of t values (Dunn 1964, Technometrics 6:241), computed by
    `scikit_posthocs.posthoc_dunn`. The spread of the ranks is that of all groups, so a pair is judged by what was
    seen of the others too. Where all values are equal every p is 1.

    Args:
        groups: name to values, shape (N_g,); two groups or more.
        measure: what the values are, for sentences and messages.

    Returns:
        One test per pair, in the order of the groups.

    Raises:
        UserError: if there are fewer than two groups, or a group is empty or not finite.
    """
    if len(groups) < 2:
        raise UserError(f"{measure}: Dunn's test compares 2 or more groups, {len(groups)} given; name another")
    arrays = {name: finite_values(values, f"{measure} of {name}") for name, values in groups.items()}
    names = list(arrays)
    p_values = np.ones((len(names), len(names)))
    if len(np.unique(np.concatenate(list(arrays.values())))) > 1:
        from scikit_posthocs import posthoc_dunn  # brings pandas and statsmodels: seconds to import

        table = posthoc_dunn([values.tolist() for values in arrays.values()], p_adjust="holm")
        p_values = np.asarray(table, dtype=np.float64)
    tests = []
    for i, j in combinations(range(len(names)), 2):
        share = share_lower(arrays[names[i]], arrays[names[j]])
        p_value, effect = float(p_values[i, j]), superiority(share)
        sentence = _sentence(measure, names[i], names[j], p_value, share, effect)
        tests.append(PairTest(names[i], names[j], p_value, share, effect, sentence))
    return tuple(tests)


def _sentence(measure: str, first: str, second: str, p_value: float, share: float, effect: str) -> str:
    better, worse = (first, second) if share >= 0.5 else (second, first)
    often = f"{better} has the lower {measure} in {100 * max(share, 1 - share):.0f} of 100 draws of one value from each"
    size = f"{effect} effect, {p_text(p_value)} after Holm"
    if p_value >= 0.05:
        return f"{first} and {second} cannot be told apart: {often} ({size})."
    if effect == "negligible":
        return f"{better} and {worse} differ too little to guide a choice: {often} ({size})."
    return f"{better} beats {worse}: {often} ({size})."
