"""Compiled kernels of the inversion, one sound at a time: heap integration, overlap-add, projections, mel to linear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synthvae.core.compile import cached, flush_denormals, hash_of, inlined, plain, restore_denormals
from synthvae.features.kernels.vector import LANES, interleave, load, separate, splat, store

__all__ = ["cut_frames", "integrate_phase", "mel_updates", "overlap_add", "polar", "project"]

_PI, _TWICE_PI = np.pi, 2.0 * np.pi
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_TINY = np.float32(1e-30)
#: Share of a magnitude from which another one counts as equal to it.
_NEARLY = np.float32(0.9999)
_SCRAMBLE, _FIRST_MIX, _SECOND_MIX = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)


@inlined
def _random_phase(seed, cell):
    """A number in [-pi, pi) that depends only on the seed and the index of a cell (splitmix64)."""
    bits = (np.uint64(seed) + np.uint64(cell) + np.uint64(1)) * _SCRAMBLE
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST_MIX
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND_MIX
    bits = bits ^ (bits >> np.uint64(31))
    return (float(bits >> np.uint64(11)) * 2.0**-53 - 0.5) * _TWICE_PI


@plain
def _push(keys, cells, size, key, cell):
    """Add a cell to a max-heap of `size` entries; returns the new size."""
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if keys[above] >= key:
            break
        keys[at], cells[at] = keys[above], cells[above]
        at = above
    keys[at], cells[at] = key, cell
    return size + 1


@plain
def _pop(keys, cells, size):
    """Remove the largest entry of a heap of `size` entries; returns its cell and the new size."""
    first, size = cells[0], size - 1
    key, cell, at = keys[size], cells[size], 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and keys[below + 1] > keys[below]:
            below += 1
        if keys[below] <= key:
            break
        keys[at], cells[at] = keys[below], cells[below]
        at = below
    keys[at], cells[at] = key, cell
    return first, size


@plain
def _gradients(magnitude, hop, size, gamma, floor, along_time, along_frequency):
    """Change of phase from frame to frame and from bin to bin, by centred differences of the log magnitude.

    The phases refer to the middle of each frame. The log magnitude of a real signal is even about bin 0 and the last
    bin, so its derivative along frequency is 0 there. In the first and the last frame the differences are one-sided and
    exact for parabolas: the log magnitude of a click is a parabola over time, and a click in the first frame must be
    located correctly.
    """
    frames, bins = magnitude.shape
    level = np.empty((frames, bins), np.float32)
    for n in range(frames):
        for k in range(bins):
            level[n, k] = np.log(max(magnitude[n, k], floor))
    scale = np.float32(0.5 * hop * size / gamma)
    across = np.float32(-0.5 * gamma / (hop * size))
    four, three = np.float32(4.0), np.float32(3.0)
    for n in range(frames):
        inside = 0 < n < frames - 1
        before, after = max(n - 1, 0), min(n + 1, frames - 1)
        # At either end, from the next two frames; with fewer than three frames the slope is 0.
        sign = across if n == 0 else -across
        near, far = (min(1, frames - 1), min(2, frames - 1)) if n == 0 else (max(n - 1, 0), max(n - 2, 0))
        sign *= np.float32(frames > 2)
        for k in range(bins):
            advance = np.float32(_TWICE_PI * ((hop * k) % size) / size)
            lower, upper = (k - 1, k + 1) if 0 < k < bins - 1 else (k, k)
            along_time[n, k] = scale * (level[n, upper] - level[n, lower]) + advance
            if inside:
                along_frequency[n, k] = across * (level[after, k] - level[before, k])
            else:
                along_frequency[n, k] = sign * (four * level[near, k] - three * level[n, k] - level[far, k])


@plain
def _spread(magnitude, floor, along_time, along_frequency, start, done, phase, keys, cells):
    """Integrate the phase from one cell over all connected cells, in order of decreasing magnitude."""
    frames, bins = magnitude.shape
    n, k = divmod(start, bins)
    # The spectrum of a click is flat, so rounding alone decides which of its cells is the largest. The phase that the
    # first cell gets, 0, is right up to its sign at bin 0 alone.
    least = _NEARLY * magnitude[n, k]
    while k > 0 and magnitude[n, k - 1] >= least and not done[n, k - 1]:
        k -= 1
    phase[n, k], done[n, k] = 0.0, True
    size = _push(keys, cells, 0, magnitude[n, k], n * bins + k)
    while size > 0:
        cell, size = _pop(keys, cells, size)
        n, k = divmod(cell, bins)
        here = phase[n, k]
        if n + 1 < frames and not done[n + 1, k] and magnitude[n + 1, k] > floor:
            phase[n + 1, k] = here + 0.5 * (along_time[n, k] + along_time[n + 1, k])
            done[n + 1, k] = True
            size = _push(keys, cells, size, magnitude[n + 1, k], cell + bins)
        if n > 0 and not done[n - 1, k] and magnitude[n - 1, k] > floor:
            phase[n - 1, k] = here - 0.5 * (along_time[n, k] + along_time[n - 1, k])
            done[n - 1, k] = True
            size = _push(keys, cells, size, magnitude[n - 1, k], cell - bins)
        if k + 1 < bins and not done[n, k + 1] and magnitude[n, k + 1] > floor:
            phase[n, k + 1] = here + 0.5 * (along_frequency[n, k] + along_frequency[n, k + 1])
            done[n, k + 1] = True
            size = _push(keys, cells, size, magnitude[n, k + 1], cell + 1)
        if k > 0 and not done[n, k - 1] and magnitude[n, k - 1] > floor:
            phase[n, k - 1] = here - 0.5 * (along_frequency[n, k] + along_frequency[n, k - 1])
            done[n, k - 1] = True
            size = _push(keys, cells, size, magnitude[n, k - 1], cell - 1)


def _kernels(sources: str) -> tuple[Any, ...]:
    # See `cached` about `sources`.
    def integrate_phase(magnitude, hop, size, gamma, tolerance, seed, phase):
        """Phase gradient heap integration of one sound.

        Args:
            magnitude: magnitudes ``(frames, bins)``.
            hop: hop of the transform, in samples.
            size: frame size of the transform, in samples.
            gamma: gamma of the window.
            tolerance: share of the largest magnitude; a cell at or below it gets a random phase.
            seed: seed of the random phases.
            phase: result, ``(frames, bins)`` in [-pi, pi), as of a transform whose phases refer to a frame's first
                sample.
        """
        sources  # noqa: B018
        frames, bins = magnitude.shape
        largest, start = _ZERO, 0
        for n in range(frames):
            for k in range(bins):
                if magnitude[n, k] > largest:
                    largest, start = magnitude[n, k], n * bins + k
        floor = np.float32(largest * tolerance)
        done = np.zeros((frames, bins), np.bool_)
        angle = np.empty((frames, bins), np.float64)
        if largest > _ZERO:
            along_time, along_frequency = np.empty((2, frames, bins), np.float32)
            _gradients(magnitude, hop, size, gamma, max(floor, _TINY), along_time, along_frequency)
            keys, cells = np.empty(frames * bins, np.float32), np.empty(frames * bins, np.int32)
            _spread(magnitude, floor, along_time, along_frequency, start, done, angle, keys, cells)
            # Regions separated from the rest by cells below the floor, the loudest region first.
            left = 0
            for n in range(frames):
                for k in range(bins):
                    if magnitude[n, k] > floor and not done[n, k]:
                        left += 1
            if left > 0:
                waiting, sizes, left = np.empty(left, np.int32), np.empty(left, np.float32), 0
                for n in range(frames):
                    for k in range(bins):
                        if magnitude[n, k] > floor and not done[n, k]:
                            waiting[left], sizes[left] = n * bins + k, -magnitude[n, k]
                            left += 1
                for place in np.argsort(sizes, kind="mergesort"):
                    cell = waiting[place]
                    if not done[cell // bins, cell % bins]:
                        _spread(magnitude, floor, along_time, along_frequency, cell, done, angle, keys, cells)
        for n in range(frames):
            for k in range(bins):
                value = angle[n, k] + _PI * (k & 1) if done[n, k] else _random_phase(seed, n * bins + k)
                phase[n, k] = value - _TWICE_PI * np.floor(value / _TWICE_PI + 0.5)

    def polar(magnitude, phase, spectrum):
        """Convert magnitude and phase to a complex spectrum; all ``(frames, bins)``."""
        sources  # noqa: B018
        for n in range(magnitude.shape[0]):
            for k in range(magnitude.shape[1]):
                size, angle = magnitude[n, k], phase[n, k]
                spectrum[n, k] = complex(size * np.cos(angle), size * np.sin(angle))

    def project(magnitude, spectrum, previous, momentum):
        """Replace the magnitudes of a spectrum by the given ones.

        Args:
            magnitude: target magnitudes ``(frames, bins)``.
            spectrum: spectrum of the current sound, and result, ``(frames, 2 * bins)``: real and imaginary parts
                interleaved.
            previous: spectrum of the previous iteration, and result, that of this iteration.
            momentum: momentum of fast Griffin-Lim, 0 in the first iteration.
        """
        sources  # noqa: B018
        for n in range(magnitude.shape[0]):
            for k in range(magnitude.shape[1]):
                real, imaginary = spectrum[n, 2 * k], spectrum[n, 2 * k + 1]
                last_real, last_imaginary = previous[n, 2 * k], previous[n, 2 * k + 1]
                previous[n, 2 * k], previous[n, 2 * k + 1] = real, imaginary
                real += momentum * (real - last_real)
                imaginary += momentum * (imaginary - last_imaginary)
                scale = magnitude[n, k] / max(np.sqrt(real * real + imaginary * imaginary), _TINY)
                spectrum[n, 2 * k], spectrum[n, 2 * k + 1] = scale * real, scale * imaginary

    def cut_frames(sound, offset, hop, window, frames):
        """Windowed frames ``(frames, size)`` of a sound ``(T,)``, which is 0 beyond its ends."""
        sources  # noqa: B018
        samples, size = sound.shape[0], window.shape[0]
        for n in range(frames.shape[0]):
            start = n * hop - offset
            low, high = min(max(0, -start), size), max(0, min(size, samples - start))
            frames[n, :low] = _ZERO
            for t in range(low, high):
                frames[n, t] = window[t] * sound[start + t]
            frames[n, max(low, high) :] = _ZERO

    def overlap_add(frames, offset, hop, window, reciprocal, sound):
        """Sound ``(T,)`` whose frames are closest to the given windowed frames ``(frames, size)``."""
        sources  # noqa: B018
        samples, size = sound.shape[0], window.shape[0]
        sound[:] = _ZERO
        for n in range(frames.shape[0]):
            start = n * hop - offset
            for t in range(max(0, -start), min(size, samples - start)):
                sound[start + t] += window[t] * frames[n, t]
        for t in range(samples):
            sound[t] *= reciprocal[t]

    def mel_updates(mel, lower, first, low, high, iterations, linear):
        """Multiplicative updates of power or magnitude that lower the Kullback-Leibler divergence of its mel bands.

        Args:
            mel: mel bands ``(frames, bands)``.
            lower: lower band of each run of bins, as in `synthvae.features.kernels.mel.Bands`.
            first: first bin of each run, as there.
            low: weights in the lower band, as there.
            high: weights in the upper band, as there.
            iterations: number of updates, from a flat spectrum.
            linear: result, ``(frames, bins)``; 0 in bins outside all bands.
        """
        sources  # noqa: B018
        before = flush_denormals()
        frames, bands = mel.shape
        bins = low.shape[0]
        estimate = np.zeros(bins * LANES, np.float32)
        wanted, model = np.zeros((bands + 1) * LANES, np.float32), np.zeros((bands + 1) * LANES, np.float32)
        tiny = splat(_TINY)
        for start in range(0, frames, LANES):
            count = min(LANES, frames - start)
            interleave(mel, start * bands, bands, count, wanted[: bands * LANES])
            estimate[:] = _ZERO
            for k in range(first[0], first[lower.shape[0]]):
                store(estimate, k * LANES, splat(_ONE))
            for _ in range(iterations):
                model[:] = _ZERO
                for run in range(lower.shape[0]):
                    below = above = splat(_ZERO)
                    for k in range(first[run], first[run + 1]):
                        value = load(estimate, k * LANES)
                        below = below + value * splat(low[k])
                        above = above + value * splat(high[k])
                    at = lower[run] * LANES
                    store(model, at, load(model, at) + below)
                    store(model, at + LANES, load(model, at + LANES) + above)
                for band in range(bands):
                    at = band * LANES
                    store(model, at, load(wanted, at) / (load(model, at) + tiny))
                store(model, bands * LANES, splat(_ZERO))
                for run in range(lower.shape[0]):
                    at = lower[run] * LANES
                    below, above = load(model, at), load(model, at + LANES)
                    for k in range(first[run], first[run + 1]):
                        share = _ONE / (low[k] + high[k])
                        factor = below * splat(low[k] * share) + above * splat(high[k] * share)
                        store(estimate, k * LANES, load(estimate, k * LANES) * factor)
            separate(estimate, count, linear, start * bins, bins)
        restore_denormals(before)

    return tuple(cached(kernel) for kernel in (integrate_phase, polar, project, cut_frames, overlap_add, mel_updates))


_PACKAGE = Path(__file__).parents[2]
integrate_phase, polar, project, cut_frames, overlap_add, mel_updates = _kernels(
    hash_of([_PACKAGE / "core/compile.py", _PACKAGE / "features/kernels/vector.py", Path(__file__)])
)
