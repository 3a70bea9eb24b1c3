"""Judgements of statistics: good news, bad news, or undecided.

One place for all marks of the report: a mark is green only where the whole interval is on the good side of the null,
and neutral where the interval holds the null's value or where there is no interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthvae.analysis.results import RunResults
from synthvae.audio.pitch import Measured
from synthvae.maps.nulls import Expected
from synthvae.maps.stability import Range
from synthvae.metrics.distances import DISTANCES
from synthvae.metrics.paths import PathComparison
from synthvae.metrics.reconstruction import Ratio, summarise
from synthvae.report.document import Judgement

__all__ = [
    "against_mean_preset",
    "of_all",
    "of_clusters",
    "of_differences",
    "of_interval",
    "of_paths",
    "of_ratio",
]


def of_interval(low: float | None, high: float | None, null: float) -> Judgement:
    """Of a number that is better the lower it is, by its interval; swap both ends' signs where higher is better."""
    if low is None or high is None or low <= null <= high:
        return "neutral"
    return "good" if high < null else "bad"


def of_ratio(ratio: Ratio) -> Judgement:
    """Of an error relative to that of a null model."""
    return of_interval(ratio.low, ratio.high, 1.0)


def of_differences(differences: NDArray[np.float64]) -> Judgement:
    """Of errors minus those of a null model on the same presets ``(N,)``."""
    if len(differences) < 2:
        return "neutral"
    summary = summarise(differences)
    return of_interval(summary.low, summary.high, 0.0)


def of_all(judgements: Sequence[Judgement]) -> Judgement:
    """Of several comparisons together: good or bad where all are, else neutral."""
    return judgements[0] if len(set(judgements)) == 1 else "neutral"


def of_paths(comparison: PathComparison) -> Judgement:
    """Of paths: by the descriptors that differ significantly from the reference, where these are most of all."""
    most = len(comparison.changes) / 2.0
    return "good" if comparison.improved > most else "bad" if comparison.worsened > most else "neutral"


def of_clusters(dbcv: Range | Expected | None, led: Sequence[bool]) -> Judgement:
    """Of clusters by the null models they lead: neutral where they lead some, or have no DBCV."""
    if dbcv is None:
        return "neutral"
    return "good" if all(led) else "neutral" if any(led) else "bad"


def against_mean_preset(run: RunResults, name: str, null: Measured) -> Judgement:
    """Of a run's mean by a distance against the mean preset's, on the presets where both are defined."""
    measured, count = run.distances[name], len(null.values)  # null models are compared on the first presets
    both = measured.defined[:count] & null.defined
    sign = 1.0 if DISTANCES[name].better == "lower" else -1.0
    return of_differences(sign * (measured.values[:count][both] - null.values[both]))
