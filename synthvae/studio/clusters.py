"""Which sounds of the map belong together, and what to call each group: the words that tell it from the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthvae.analysis.latent import hdbscan_labels
from synthvae.audio.notes import note_name

__all__ = ["Clusters", "find_clusters", "name_clusters"]

#: Clusters by density below which, and share of the points outside them above which, the map counts as one cloud and is
#: divided into regions instead: density finds clusters in pure noise too, but leaves most of it out.
FEWEST, OUTSIDE = 3, 0.25
REGIONS = 12
#: Share of a group's names that a word has to be in, and how many times more often than in all names.
SHARE, LIFT = 0.25, 1.2
#: Adjectives in front of the noun.
MOST_WORDS = 2
#: Semitones between the quartiles of a group's notes up to which it has a pitch of its own.
PITCHED = 14.0
#: Measured sounds that a group needs for a name.
LEAST = 3


@dataclass(frozen=True)
class Clusters:
    """Which points of the map belong together.

    Attributes:
        labels: ``(N,)``, from 0; -1 for points in none.
        by: ``density``, or ``regions`` where the map is one cloud.
    """

    labels: NDArray[np.int64]
    by: str


def find_clusters(points: NDArray[np.floating], seed: int = 0) -> Clusters:
    """Groups of points on a map.

    By density (HDBSCAN) where that finds several. A cloud without gaps, as most latent spaces are, has none; it is
    divided into compact regions (k-means), which claim nothing and give its parts names.

    Args:
        points: ``(N, 2)``.
        seed: of the regions.
    """
    labels = hdbscan_labels(points)
    several = labels.max() + 1 >= FEWEST and (labels < 0).mean() <= OUTSIDE
    if several or len(np.unique(points, axis=0)) < 4 * REGIONS:
        return Clusters(labels.astype(np.int64), "density")
    from sklearn.cluster import KMeans  # a second to import
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        found = KMeans(REGIONS, n_init=4, random_state=seed).fit_predict(points)
    return Clusters(found.astype(np.int64), "regions")


def name_clusters(labels: NDArray[np.int64], names: Sequence[str | None], pitches: NDArray[np.floating]) -> list[str]:
    """What to call each group, from the names of its sounds.

    The noun is the one most typical of the group; before it stand the adjectives that are common in it and more so
    than elsewhere, after it its median note where its pitches lie together.

    Args:
        labels: ``(N,)``, from 0; -1 for none.
        names: ``(N,)``, measured; None for sounds that are not measured yet.
        pitches: ``(N,)`` in Hz, NaN where there is none.

    Returns:
        A name for each group; a number where too few of its sounds are measured.
    """
    words = [None if name is None else name.partition(",")[0].split() for name in names]
    everywhere = Counter(word for parts in words if parts for word in parts)
    nouns = Counter(parts[-1] for parts in words if parts)
    total = max(1, sum(parts is not None for parts in words))
    found: list[str] = []
    for label in range(int(labels.max(initial=-1)) + 1):
        members = np.flatnonzero(labels == label)
        known = [parts for number in members if (parts := words[number])]
        if len(known) < LEAST:
            found.append(f"group {label + 1}")
            continue
        noun = _typical(Counter(parts[-1] for parts in known), nouns, len(known), total)
        adjectives = _adjectives([parts[:-1] for parts in known], everywhere, total)
        found.append(" ".join([*adjectives, noun]) + _note(pitches[members]))
    return _distinct(found)


def _typical(own: Counter[str], everywhere: Counter[str], count: int, total: int) -> str:
    """The word that is frequent here and, less weightily, rarer elsewhere."""
    return max(sorted(own), key=lambda word: own[word] / count * np.sqrt(own[word] / count * total / everywhere[word]))


def _adjectives(known: Sequence[list[str]], everywhere: Counter[str], total: int) -> list[str]:
    """The most typical words, in the order in which names have them."""
    own = Counter(word for parts in known for word in parts)
    place = {word: np.mean([parts.index(word) for parts in known if word in parts]) for word in own}
    scores = {}
    for word, count in own.items():
        share, lift = count / len(known), count / len(known) * total / everywhere[word]
        if share >= SHARE and lift >= LIFT:
            scores[word] = share * np.log(lift)
    best = sorted(scores, key=lambda word: (-scores[word], word))[:MOST_WORDS]
    return sorted(best, key=lambda word: place[word])


def _note(pitches: NDArray[np.floating]) -> str:
    pitched = pitches[np.isfinite(pitches) & (pitches > 0)]
    if len(pitched) < max(LEAST, len(pitches) / 4):
        return ""
    low, middle, high = np.percentile(12.0 * np.log2(pitched / 440.0), [25, 50, 75])
    return f" around {note_name(440.0 * 2.0 ** (middle / 12.0))[0]}" if high - low <= PITCHED else ""


def _distinct(names: list[str]) -> list[str]:
    """Names of which no two are the same: the second of a name is called 2."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result
