"""Near-duplicate detection, and splits that keep groups of near-duplicates together."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthvae.core.errors import UserError
from synthvae.data.presets import SPLITS

__all__ = ["ALIKE", "SKETCH", "Groups", "parse_shares", "sketch", "split_groups", "unite_alike"]

#: Minimum correlation of near-duplicates. Copies at another level, word length or polarity have more than 0.99. Noise
#: up to the Nyquist frequency that was resampled twice, or lossily compressed, has little more than this.
ALIKE = 0.95
#: Number of values of a sketch.
SKETCH = 32
#: Minimum correlation of sketches for sounds to be compared: for two sounds with correlation 0.95 it is 0.95 with a
#: standard deviation of 0.017, and for unrelated sounds 0 with a standard deviation of 0.18.
_CANDIDATES = 0.88
#: Number of sketches compared with all others at once.
_BLOCK = 256
#: Random key of the signs and positions of a sketch.
_KEY = 18


class Groups:
    """Union-find (disjoint sets) over the numbers 0 to N - 1."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, number: int) -> int:
        """The smallest number of the set that contains a number."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def unite(self, first: int, second: int) -> None:
        """Merge the sets of two numbers."""
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low

    def unite_equal(self, keys: Sequence[Hashable]) -> None:
        """Unite all numbers with equal keys; None and empty keys are not equal to any other."""
        seen: dict[Hashable, int] = {}
        for number, key in enumerate(keys):
            if key:
                self.unite(seen.setdefault(key, number), number)

    def numbers(self) -> list[int]:
        """The set index of each number; sets are numbered in the order of their first members."""
        order: dict[int, int] = {}
        return [order.setdefault(self.find(number), len(order)) for number in range(len(self._parent))]


@lru_cache(maxsize=2)
def _places(samples: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    words = np.random.Philox(key=_KEY).random_raw(samples)
    return (words % SKETCH).astype(np.int64), np.where(words >> np.uint64(63), 1.0, -1.0)


def sketch(audio: NDArray[np.float32]) -> list[float]:
    """Count sketch of norm 1: a short vector whose scalar products estimate the correlation of sounds.

    Each sample is added to one of `SKETCH` sums, with a random sign (Charikar, Chen and Farach-Colton, "Finding
    frequent items in data streams", 2002). The mean of the samples is removed before, and the level after.

    Args:
        audio: sound ``(T,)``, not constant.

    Returns:
        `SKETCH` values, rounded to six decimals.
    """
    places, signs = _places(len(audio))
    values = audio.astype(np.float64)
    sums = np.bincount(places, weights=signs * (values - values.mean()), minlength=SKETCH)
    norm = float(np.sqrt(np.square(sums).sum()))
    return [round(value, 6) for value in (sums / norm if norm else sums).tolist()]


def unite_alike(sketches: NDArray[np.float32], sound: Callable[[int], NDArray[np.float32]], groups: Groups) -> None:
    """Unite near-duplicates: sounds whose correlation at lag 0 has a magnitude of `ALIKE` or more.

    Args:
        sketches: sketches ``(N, SKETCH)``; sounds with similar sketches are then compared sample by sample.
        sound: function that returns an item ``(T,)`` by number.
        groups: groups of the N items, updated in place.
    """
    for first, second in _candidates(sketches):
        if groups.find(first) != groups.find(second) and _correlation(sound(first), sound(second)) >= ALIKE:
            groups.unite(first, second)


def _candidates(sketches: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    for start in range(0, len(sketches), _BLOCK):
        alike = np.abs(sketches[start : start + _BLOCK] @ sketches[start:].T) >= _CANDIDATES
        for row, column in np.argwhere(alike).tolist():
            if row < column:
                yield start + row, start + column


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    a, b = (sound.astype(np.float64) - sound.mean(dtype=np.float64) for sound in (first, second))
    return float(abs(a @ b) / np.sqrt(max((a @ a) * (b @ b), 1e-300)))


def parse_shares(text: str) -> tuple[float, ...]:
    """Parse the text of ``split`` into three shares that add up to 1.

    Args:
        text: percentages for train, validation and test, comma-separated.

    Raises:
        UserError: if there are not three positive numbers that add up to 100.
    """
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError("split", text, "write e.g. 80,10,10", why="not three numbers") from None
    if len(shares) != len(SPLITS) or not all(share > 0 for share in shares) or abs(sum(shares) - 100) > 1e-6:
        why = "not the percentages of train, validation and test, each above 0, that add up to 100"
        raise UserError("split", text, "write e.g. 80,10,10", why=why)
    return tuple(share / 100 for share in shares)


def split_groups(
    groups: Sequence[int], labels: Sequence[str], shares: Sequence[float], seed: int, source: object = "source"
) -> list[str]:
    """Assign whole groups of items to splits, matching the shares within each label as closely as groups allow.

    For each label, groups are processed from the largest to the smallest, those of equal size in random order, and each
    is assigned to the split that lacks most items. Rounding errors of a label are carried over to the next, larger
    label, so that the splits have the requested sizes as well.

    Args:
        groups: group index of each item, from 0.
        labels: label of each item.
        shares: shares of train, validation and test.
        seed: seed of the random order.
        source: source of the items, for the message.

    Returns:
        The split of each item. No split is empty.

    Raises:
        UserError: if there are fewer groups than splits.
    """
    members: dict[int, Counter[str]] = {}
    for group, label in zip(groups, labels, strict=True):
        members.setdefault(group, Counter())[label] += 1
    if len(members) < len(SPLITS):
        problem = f"{len(members)} sounds that are not nearly alike, a split needs at least {len(SPLITS)}"
        raise UserError(source, source, "give more sounds", problem)
    main = {group: count.most_common(1)[0][0] for group, count in members.items()}
    size = Counter(labels)
    order = np.random.Philox(key=seed).random_raw(max(members) + 1).tolist()
    ranked = sorted(members, key=lambda g: (size[main[g]], main[g], -members[g].total(), order[g]))
    chosen: dict[int, int] = {}
    lacking = [0.0] * len(SPLITS)
    for _, of_label in itertools.groupby(ranked, main.__getitem__):
        same = list(of_label)
        count = sum(members[group].total() for group in same)
        lacking = [rest + share * count for rest, share in zip(lacking, shares, strict=True)]
        for group in same:
            split = lacking.index(max(lacking))
            chosen[group] = split
            lacking[split] -= members[group].total()
    _fill_empty(chosen, members)
    return [SPLITS[chosen[group]] for group in groups]


def _fill_empty(chosen: dict[int, int], members: dict[int, Any]) -> None:
    """Move the smallest group of the split with the most groups to each empty split."""
    for split in range(len(SPLITS)):
        count = Counter(chosen.values())
        if not count[split]:
            fullest = count.most_common(1)[0][0]
            moved = min((g for g, s in chosen.items() if s == fullest), key=lambda group: members[group].total())
            chosen[moved] = split
