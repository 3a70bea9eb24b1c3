"""Aspects in which sounds are alike: overall, spectrum, timbre, pitch, amplitude over time, each with its distance.

All but the pitch are computed from log-mel spectrograms of sounds at one level. An aspect's distance has a unit of its
own; `typical_distances` gives its median between two randomly drawn sounds of a set, which makes aspects comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy  # which loads its parts on first use: the page of `explore` does not wait for them
from numpy.typing import NDArray

__all__ = ["ASPECTS", "Aspect", "aspect_distances", "aspect_rows", "near_duplicates", "typical_distances"]

Floats = NDArray[np.float32]

#: Number of cepstral coefficients of the timbre, without the first, which is the level.
COEFFICIENTS = 13
#: Range in decibels below the loudest frame that is used in the amplitude over time.
DEPTH = 60.0
#: Number of pairs of sounds whose median is the typical distance.
PAIRS = 2000


@dataclass(frozen=True)
class Aspect:
    """One aspect.

    Attributes:
        name: name of the aspect in arguments.
        unit: unit of its distance.
        meaning: definition of the distance, in a sentence.
    """

    name: str
    unit: str
    meaning: str


ASPECTS = {
    aspect.name: aspect
    for aspect in (
        Aspect("overall", "dB", "Root mean square difference of the log-mel spectrograms."),
        Aspect("spectrum", "dB", "Root mean square difference of the mean spectra, in dB over mel bands."),
        Aspect("timbre", "dB", "That of the envelopes of the mean spectra, by 13 cepstral coefficients."),
        Aspect("pitch", "semitones", "Distance of the pitches."),
        Aspect("amplitude", "dB", "Root mean square difference of the levels of frames, to 60 dB below the loudest."),
    )
}


def aspect_rows(spectrograms: Floats) -> dict[str, Floats]:
    """Rows ``(B, K)`` by aspect, spectrum, timbre and amplitude, of spectrograms ``(B, bands, frames)`` in dB.

    The Euclidean distance of two rows is that of the sounds.
    """
    power = np.power(10.0, spectrograms / 10.0)
    spectrum = 10.0 * np.log10(power.mean(axis=2))
    bands, frames = spectrograms.shape[1:]
    cepstrum = scipy.fft.dct(spectrum, norm="ortho", axis=1)[:, 1 : 1 + COEFFICIENTS]
    level = 10.0 * np.log10(power.sum(axis=1))
    level = np.maximum(level - level.max(axis=1, keepdims=True), -DEPTH)
    rows = {"spectrum": (spectrum, bands), "timbre": (cepstrum, bands), "amplitude": (level, frames)}
    return {name: (row / np.sqrt(count)).astype(np.float32) for name, (row, count) in rows.items()}


def aspect_distances(
    rows: Mapping[str, Floats], own: Mapping[str, Floats], pitches: NDArray[np.floating], pitch: float | None
) -> dict[str, NDArray[np.float64]]:
    """Distances ``(N,)`` of sounds from one sound, by aspect; for pitch NaN where either has none.

    Args:
        rows: rows ``(N, K)`` of the sounds by aspect, also for ``overall``.
        own: rows ``(K,)`` of the one sound, by aspect.
        pitches: ``(N,)`` in Hz, NaN where a sound has none.
        pitch: pitch of the one sound in Hz.
    """
    found = {name: np.linalg.norm(rows[name] - own[name], axis=1).astype(np.float64) for name in rows}
    with np.errstate(divide="ignore", invalid="ignore"):
        found["pitch"] = 12.0 * np.abs(np.log2(np.asarray(pitches, np.float64) / (pitch or np.nan)))
    return found


def typical_distances(rows: Mapping[str, Floats], pitches: NDArray[np.floating]) -> dict[str, float]:
    """Median distance of two sounds drawn at random, by aspect; 1 where that is 0 or there are none."""
    count = len(pitches)
    random = np.random.default_rng(0)
    first = random.integers(0, count, PAIRS)
    second = (first + random.integers(1, max(2, count), PAIRS)) % count
    found = {name: np.linalg.norm(values[first] - values[second], axis=1) for name, values in rows.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        found["pitch"] = 12.0 * np.abs(np.log2(np.asarray(pitches, np.float64)[first] / pitches[second]))
    known = {name: values[np.isfinite(values)] for name, values in found.items()}
    medians = {name: float(np.median(values)) if len(values) else 0.0 for name, values in known.items()}
    return {name: value if value > 0.0 else 1.0 for name, value in medians.items()}


def near_duplicates(rows: Floats, distance: float) -> list[NDArray[np.intp]]:
    """Groups of sounds that are chained by distances of rows ``(N, K)`` of at most `distance`, the largest first."""
    pairs = scipy.spatial.cKDTree(rows).query_pairs(distance, output_type="ndarray")
    graph = scipy.sparse.coo_array(
        (np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(rows), len(rows))
    )
    group = scipy.sparse.csgraph.connected_components(graph, directed=False)[1]
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return sorted((part for part in parts if len(part) > 1), key=lambda part: (-len(part), int(part[0])))
