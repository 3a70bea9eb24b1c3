"""Mel bands of sixteen spectra side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthvae.core.compile import plain
from synthvae.features.kernels.fourier import BINS, bin_of
from synthvae.features.kernels.vector import LANES, load, root, splat, store

__all__ = ["Bands", "bands", "frame_bands", "slope_of_bands"]

_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_TINY = np.float32(1e-36)  # under the root of a power spectrum: the direction of 0 is 0


class Bands(NamedTuple):
    """A filterbank in which every bin belongs to two neighbouring bands at most.

    Attributes:
        lower: index of the lower of two bands, for each run of bins.
        first: first bin of each run and, last, the end of the last run.
        low: each bin's weight in the lower band, ``(1025,)``.
        high: each bin's weight in the next higher band.
        number: number of bands.
    """

    lower: NDArray[np.int64]
    first: NDArray[np.int64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    number: int


def bands(weights: NDArray[np.float64]) -> Bands:
    """Convert a filterbank of triangles to `Bands`.

    Args:
        weights: filterbank ``(number, bins)``; `frame_bands` needs the 1025 bins of its transform.

    Raises:
        ValueError: if a bin belongs to more than two bands or to two that are not neighbours.
    """
    number = weights.shape[0]
    within = weights > 0
    lowest = np.where(within.any(0), within.argmax(0), -1)
    highest = np.where(within.any(0), number - 1 - within[::-1].argmax(0), -1)
    if (highest - lowest > 1).any():
        raise ValueError("every bin must belong to at most two bands, and those must be neighbours")
    bins = np.flatnonzero(lowest >= 0)
    # A bin in only one band belongs to the run of the bins below or above it; either is correct.
    starts = [k for k in bins if k == bins[0] or lowest[k] != lowest[k - 1]]
    low, high = np.zeros((2, weights.shape[1]), dtype=np.float32)
    low[bins] = weights[lowest[bins], bins]
    both = bins[highest[bins] > lowest[bins]]
    high[both] = weights[highest[both], both]
    first = np.array([*starts, bins[-1] + 1], dtype=np.int64)
    return Bands(lowest[first[:-1]].astype(np.int64), first, low, high, number)


@plain
def frame_bands(work, constants, filters, direction, mel, powers=False):
    """Directions and mel bands of the frame of sixteen signals that is in a workspace.

    Args:
        work: workspace after all passes.
        constants: constants of the transform, a `Transform`.
        filters: filterbank, a `Bands`.
        direction: result, S / |S| (0 where S is), ``(2 * 1025 * 16,)``: real parts, then imaginary ones;
            empty if not needed.
        mel: result, the filterbank applied to |S|, ``(number * 16,)``.
        powers: whether to apply it to |S|^2, with 2 S as direction; in both cases the direction is the derivative of
            the filterbank's input with respect to S.
    """
    half_cosine, half_sine, spot = constants[3], constants[4], constants[5]
    lower, first, low, high, number = filters
    nothing, one, two, tiny = splat(_ZERO), splat(_ONE), splat(_TWO), splat(_TINY)
    mel[:] = _ZERO
    wanted = direction.shape[0] > 0
    for run in range(lower.shape[0] + 2):
        # Before, in and after the runs of bins that belong to some band.
        start = 0 if run == 0 else first[run - 1]
        end = BINS if run > lower.shape[0] else first[run]
        below = above = nothing
        for k in range(start, end):
            real, imaginary = bin_of(work, k, spot, half_cosine, half_sine)
            power = real * real + imaginary * imaginary
            magnitude = power if powers else root(power + tiny)
            if wanted:
                inverse = two if powers else one / magnitude
                store(direction, k * LANES, real * inverse)
                store(direction, (BINS + k) * LANES, imaginary * inverse)
            below = below + magnitude * splat(low[k])
            above = above + magnitude * splat(high[k])
        if (run > 0) & (run <= lower.shape[0]):
            at = lower[run - 1] * LANES
            store(mel, at, load(mel, at) + below)
            if lower[run - 1] + 1 < number:
                store(mel, at + LANES, load(mel, at + LANES) + above)


@plain
def slope_of_bands(filters, by_bands, slopes):
    """Convert directions to derivatives with respect to bins, given those with respect to bands.

    Args:
        filters: filterbank, a `Bands`.
        by_bands: derivatives with respect to bands, ``(number * 16,)``.
        slopes: directions from `frame_bands`, overwritten by the result.
    """
    lower, first, low, high, number = filters
    for k in range(BINS):
        if (k < first[0]) | (k >= first[lower.shape[0]]):
            store(slopes, k * LANES, splat(_ZERO))
            store(slopes, (BINS + k) * LANES, splat(_ZERO))
    for run in range(lower.shape[0]):
        at = lower[run] * LANES
        below = load(by_bands, at)
        above = load(by_bands, at + LANES) if lower[run] + 1 < number else splat(_ZERO)
        for k in range(first[run], first[run + 1]):
            slope = below * splat(low[k]) + above * splat(high[k])
            store(slopes, k * LANES, load(slopes, k * LANES) * slope)
            store(slopes, (BINS + k) * LANES, load(slopes, (BINS + k) * LANES) * slope)
