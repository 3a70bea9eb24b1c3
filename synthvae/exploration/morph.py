"""Morphs between presets: in perceptually equal steps, or with descriptors of timbre that change evenly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.checks import check_seed
from synthvae.core.counts import counted
from synthvae.core.errors import UserError, choose_one
from synthvae.exploration.even import choose_stops, unevenness
from synthvae.exploration.geodesic import ITERATIONS, shorten
from synthvae.exploration.paths import (
    Curve,
    LatentPath,
    OffsetPath,
    ParameterPath,
    residual,
)
from synthvae.exploration.smooth import ROUNDS as SMOOTH_ROUNDS
from synthvae.exploration.smooth import free_parameters, straighten
from synthvae.metrics.logmel_distance import LogMelDistance, consecutive, pairwise
from synthvae.synths.angles import angles, unwrapped, within
from synthvae.synths.registry import synth_kind
from synthvae.training.run import Run

__all__ = ["BAR", "LARGEST_WEIGHT", "MOST_STEPS", "WAYS", "Walk", "blend", "check_presets", "morph"]

WAYS = ("latent", "metric", "parameters", "smooth")
#: Ratio of the longest to the mean step up to which a walk counts as even.
BAR = 1.5
MOST_STEPS = 128
#: Points of a path that are rendered before its stops are chosen: a minimum, and a number per step.
POINTS, POINTS_PER_STEP = 257, 6
#: The same minimum for the points from which nodes of a geodesic are chosen.
GEODESIC_POINTS = 129
#: Rounds in which intervals too coarse to choose from are rendered at twice the resolution.
REFINEMENTS = 4
#: Number of points beyond which no interval is refined: the choice takes time quadratic in it.
MOST_POINTS = 769
#: Ratio of a step to the mean up to which refining is not worth its time.
FINE = 1.25
#: Number of intervals of a geodesic between two presets, and of rounds of respacing and shortening its nodes.
INTERVALS, ROUNDS = 8, 3
#: Maximum number of intervals of a smooth path, over all presets.
SMOOTH_INTERVALS = 16
#: Distance in dB below which sounds count as equal.
SAME = 0.02

Progress = Callable[[float], object]


#: Largest weight; beyond it the sum is outside the decoder's training range.
LARGEST_WEIGHT = 10.0


@dataclass(frozen=True)
class Walk:
    """A morph: presets with their positions and audible distances.

    Attributes:
        unit: unit parameters of the stops, ``(S, P)``.
        latent: their points of the latent path, ``(S, D)``; the encoder's output for other paths.
        position: positions ``(S,)`` float64, increasing: 0 at the first preset, 1 at the last, the others evenly
            between; below 0 and above 1 beyond the ends.
        distances: distances ``(S - 1,)`` float64 from each stop to the next in dB: root mean square difference of
            log-mel spectrograms.
        direct: distances ``(N - 1,)`` float64 from each given preset to the next in dB.
        given: indices of the stops that are bit-identical to the given presets.
        remark: one-line note on the walk; may be empty.
    """

    unit: Tensor
    latent: Tensor
    position: NDArray[np.float64]
    distances: NDArray[np.float64]
    direct: NDArray[np.float64]
    given: tuple[int, ...]
    remark: str = ""

    @property
    def unevenness(self) -> float:
        """The longest step over the mean step, 1 at best."""
        return unevenness(self.distances)

    @property
    def length(self) -> float:
        """The sum of all steps in dB."""
        return float(self.distances.sum())


@dataclass(frozen=True)
class _PathPoints:
    """Points of a path in its order, with their spectrograms."""

    position: Tensor
    unit: Tensor
    spectra: Tensor


def morph(
    run: Run,
    unit: Tensor,
    steps: int = 9,
    way: str = "latent",
    even: bool | None = None,
    extrapolate: float = 0.0,
    progress: Progress = lambda share: None,
    seed: int = 0,
) -> Walk:
    """Morph through presets, in their order, in perceptually equal steps or with smooth timbre.

    The given presets are stops of the walk, bit for bit, although the autoencoder reproduces none of them exactly: the
    residual is interpolated in parameter space from each preset to the next (`synthvae.exploration.paths`). Stops
    between them are chosen from a fine sampling of the path, so that the distances from stop to stop are equal
    (`synthvae.exploration.even`), and the path is sampled more finely where it changes too fast to choose.

    Args:
        run: the model.
        unit: unit parameters of N presets ``(N, P)``, at least two.
        steps: number of stops S, at least N (and two more with `extrapolate`), at most 128.
        way: ``latent``, a straight line through the latent space; ``metric``, a geodesic of the log-mel distance
            (`synthvae.exploration.geodesic`): the shortest walk, which fades sounds out and in where the others glide
            in pitch, and takes some seconds; ``parameters``, a straight line through the parameters; ``smooth``, the
            same, with every parameter but those of pitch adjusted so that descriptors of timbre change along straight
            lines (`synthvae.exploration.smooth`), taking a fifth of a second for each of up to 16 steps.
        even: whether steps are perceptually equal; otherwise they are equal in position, and the given presets are
            stops only where a position coincides. By default all ways but ``smooth`` are even: equally distant stops
            are not those at which descriptors change linearly.
        extrapolate: extension beyond both ends, as a fraction of the path between two presets, 0 to 1.
        progress: called with the fraction of the work done.
        seed: seed of the search for a smooth path; the other ways use no randomness.

    Raises:
        UserError: for an unknown way, too few or too many steps, fewer than two presets, values that are not unit
            parameters, or an invalid seed.
    """
    check_presets(run, unit, 2)
    unit = unit.detach().float()
    _check(len(unit), steps, way, extrapolate)
    check_seed(seed)
    even = way != "smooth" if even is None else even
    metric = LogMelDistance(run.voice, run.settings.sample_rate)
    path = _path(run, metric, unit, way, steps, seed, progress)
    given = torch.linspace(0.0, 1.0, len(unit), dtype=torch.float64)
    beyond = extrapolate / (len(unit) - 1)
    direct = consecutive(metric.spectrograms(unit))
    remark = ""
    if even:
        points, stops, remark = _stops(metric, path, unit, given, beyond, steps)
        position, rows, sounds = points.position[stops], points.unit[stops], points.spectra[stops]
    else:
        position = torch.linspace(-beyond, 1.0 + beyond, steps, dtype=torch.float64)
        rows = _exactly(path(position), position, unit, given)
        sounds = metric.spectrograms(rows)
    progress(1.0)
    exact = tuple(k for k, at in enumerate(position.tolist()) if at in given.tolist())
    return Walk(rows, path.latent(position), position.numpy(), consecutive(sounds), direct, exact, remark)


def check_presets(run: Run, unit: Tensor, least: int) -> None:
    """Reject anything other than a batch of a run's presets.

    Raises:
        UserError: if the shape is not ``(N, P)`` with N at least `least`, or a value is outside 0 to 1 or not finite.
    """
    width = len(run.parameters)
    if unit.ndim != 2 or unit.shape[1] != width or len(unit) < least:
        raise UserError(
            "unit", unit, f"give at least {least} rows of {width} unit parameters", f"shape {tuple(unit.shape)}"
        )
    wrong = ~((unit >= 0.0) & (unit <= 1.0))
    if wrong.any():
        row, column = (int(i) for i in wrong.nonzero()[0])
        name, value = run.parameters.names[column], float(unit[row, column])
        raise UserError(f"preset {row}: {name}", value, "give numbers from 0 to 1", why="in unit parameters")


def _check(count: int, steps: int, way: str, extrapolate: float) -> None:
    if way not in WAYS:
        raise UserError("way", way, choose_one(way, WAYS))
    if not (math.isfinite(extrapolate) and 0.0 <= extrapolate <= 1.0):
        raise UserError("extrapolate", extrapolate, "give a number from 0 to 1, the way between two presets")
    least = count + (2 if extrapolate > 0.0 else 0)
    if not least <= steps <= MOST_STEPS:
        beyond = " and go beyond both ends" if extrapolate > 0.0 else ""
        raise UserError(
            "steps", steps, f"to stop at {count} presets{beyond} give at least {least}, and at most {MOST_STEPS}"
        )


def _path(run: Run, metric: LogMelDistance, unit: Tensor, way: str, steps: int, seed: int, progress: Progress) -> Curve:
    if way == "latent":
        return LatentPath(run, unit)
    if way == "parameters":
        return ParameterPath(run, unit)
    legs = len(unit) - 1
    done = 0

    def advance(total: int) -> None:
        nonlocal done
        done += 1
        progress(0.95 * done / total)

    if way == "smooth":
        return _smooth(run, unit, steps, seed, lambda: advance(legs * SMOOTH_ROUNDS))
    nodes = []
    for leg in range(legs):
        done = leg * ROUNDS * ITERATIONS
        found = _geodesic(run, metric, unit[leg : leg + 2], lambda: advance(legs * ROUNDS * ITERATIONS))
        nodes.append(found[: -1 if leg < legs - 1 else None])
    joined = torch.cat(nodes)
    return ParameterPath(run, joined, torch.linspace(0.0, 1.0, len(joined), dtype=torch.float64))


def _smooth(run: Run, unit: Tensor, steps: int, seed: int, tell: Callable[[], object]) -> Curve:
    """Straight lines through the parameters, straightened in descriptors, with as many nodes as steps."""
    legs = len(unit) - 1
    intervals = math.ceil(min(steps - 1, SMOOTH_INTERVALS) / legs)
    at = torch.linspace(0.0, 1.0, legs * intervals + 1, dtype=torch.float64)
    line = _exactly(ParameterPath(run, unit)(at), torch.arange(len(at)), unit, torch.arange(len(unit)) * intervals)
    free = free_parameters(run.parameters, synth_kind(run.settings.synth).groups)
    nodes = line.clone()
    for first in range(0, legs * intervals, intervals):
        leg = slice(first, first + intervals + 1)
        nodes[leg] = straighten(run.voice, line[leg], free, seed, tell)
    return OffsetPath(run, unit, nodes, at)


def _geodesic(run: Run, metric: LogMelDistance, ends: Tensor, tell: Callable[[], object]) -> Tensor:
    """Nodes ``(INTERVALS + 1, P)`` of the shortest walk found between two presets.

    Shortening stops where the nodes gain nothing more, not where steps are equal; respaced evenly along their path,
    they gain again.
    """
    circular = angles(run.parameters)

    def spread(path: Curve) -> tuple[float, Tensor]:
        whole = torch.tensor([0.0, 1.0], dtype=torch.float64)
        found, stops, _ = _stops(metric, path, ends, whole, 0.0, INTERVALS + 1, GEODESIC_POINTS)
        return float(consecutive(found.spectra[stops]).sum()), found.unit[stops]

    best = min((spread(path) for path in (LatentPath(run, ends), ParameterPath(run, ends))), key=lambda walk: walk[0])
    nodes = best[1]
    for _ in range(ROUNDS):
        nodes = shorten(run.voice, metric, nodes, circular, tell).nodes
        walk = spread(ParameterPath(run, nodes))
        nodes = walk[1]
        best = min(best, walk, key=lambda walk: walk[0])
    return best[1]


def _stops(
    metric: LogMelDistance, path: Curve, unit: Tensor, given: Tensor, beyond: float, steps: int, least: int = POINTS
) -> tuple[_PathPoints, NDArray[np.intp], str]:
    """Points of a path, the indices of its stops, and a remark."""
    count = max(least, POINTS_PER_STEP * steps)
    capacity = min(metric.capacity(metric.spectrograms(unit[:1])), max(MOST_POINTS, count))
    points = _render_points(metric, path, unit, given, _grid(given, beyond, max(min(count, capacity // 2), 2 * steps)))
    for refinement in range(REFINEMENTS + 1):
        distance = pairwise(points.spectra)
        if distance.max() < SAME:
            even = np.linspace(0, len(distance) - 1, steps).round().astype(np.intp)
            return points, even, "the presets and all points between them sound the same"
        required = [k for k, at in enumerate(points.position.tolist()) if at in given.tolist()]
        required = sorted({0, *required, len(distance) - 1})
        stops = choose_stops(distance, points.position.numpy(), steps, required)
        chords = distance[stops[:-1], stops[1:]]
        # No stop can be chosen between adjacent points; refine where their distance is a large part of a step.
        coarse = np.diagonal(distance, 1) > (FINE - 1.0) * chords.mean()
        room = capacity - len(distance)
        if unevenness(chords) <= FINE or not coarse.any() or room < coarse.sum() or refinement == REFINEMENTS:
            break
        middle = 0.5 * (points.position[:-1] + points.position[1:])[torch.from_numpy(coarse)]
        points = _merge(points, _render_points(metric, path, unit, given, middle))
    return points, stops, _remark(distance, stops, points.position.numpy())


def _remark(distance: NDArray[np.float64], stops: NDArray[np.intp], position: NDArray[np.float64]) -> str:
    chords = distance[stops[:-1], stops[1:]]
    if unevenness(chords) <= BAR:
        return ""
    largest = int(chords.argmax())
    first, last = int(stops[largest]), int(stops[largest + 1])
    leaps = np.diagonal(distance, 1)[first:last]
    leap = int(leaps.argmax())
    if leaps[leap] > 0.5 * chords[largest]:
        width = position[first + leap + 1] - position[first + leap]
        return (
            f"step {largest + 1} is {chords[largest]:.1f} dB because the sound jumps by {leaps[leap]:.1f} dB within "
            f"{width:.1g} of the path, without sounds in between"
        )
    return (
        f"step {largest + 1} is {chords[largest]:.1f} dB where the mean is {chords.mean():.1f}: the given presets are "
        "too unequally far apart for so few steps; more steps help"
    )


def _grid(given: Tensor, beyond: float, points: int) -> Tensor:
    """About `points` positions over the whole path, including those of the given presets exactly."""
    knots = given.tolist() if beyond == 0.0 else [-beyond, *given.tolist(), 1.0 + beyond]
    whole = knots[-1] - knots[0]
    parts = [given]
    for first, last in itertools.pairwise(knots):
        count = max(2, math.ceil(points * (last - first) / whole))
        parts.append(torch.linspace(first, last, count + 1, dtype=torch.float64)[1:-1])
    if beyond > 0.0:
        parts.append(torch.tensor([knots[0], knots[-1]], dtype=torch.float64))
    return torch.cat(parts).sort().values


def _render_points(metric: LogMelDistance, path: Curve, unit: Tensor, given: Tensor, position: Tensor) -> _PathPoints:
    rows = _exactly(path(position), position, unit, given)
    return _PathPoints(position, rows, metric.spectrograms(rows))


def _exactly(rows: Tensor, position: Tensor, unit: Tensor, given: Tensor) -> Tensor:
    """Rows of a path with the given presets inserted at their positions, free of rounding."""
    for preset, at in zip(unit, given, strict=True):
        rows[position == at] = preset
    return rows


def _merge(first: _PathPoints, second: _PathPoints) -> _PathPoints:
    position, order = torch.cat((first.position, second.position)).sort()
    return _PathPoints(
        position, torch.cat((first.unit, second.unit))[order], torch.cat((first.spectra, second.spectra))[order]
    )


def blend(run: Run, unit: Tensor, weights: Tensor) -> Tensor:
    """Add and subtract presets: unit parameters ``(P,)``.

    With z the latents of the presets and r the autoencoder's residuals of them,

        x = decode(sum_i w_i z_i) + sum_i w_i r_i,

    clamped to the cube. One preset of weight 1, all others 0, is that preset, bit for bit. Weights need not add up to
    1; where they add up to 0, the sum is a direction, applied at the mean of the prior.

    Args:
        run: the model.
        unit: presets ``(N, P)``.
        weights: weights ``(N,)``, of any sign.

    Raises:
        UserError: if the number of weights differs from that of presets, one is not finite or beyond 10, all are 0, or
            a preset is invalid.
    """
    check_presets(run, unit, 1)
    weights = torch.as_tensor(weights, dtype=torch.float32)
    if weights.shape != (len(unit),):
        raise UserError(
            "weights",
            weights,
            "give one for each",
            f"{counted(weights.numel(), 'number')} for {counted(len(unit), 'preset')}",
        )
    for weight in weights.tolist():
        if not abs(weight) <= LARGEST_WEIGHT:
            raise UserError(
                "weights",
                float(weight),
                f"give numbers from -{LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}",
                f"holds {weight:g}",
            )
    if not bool(weights.any()):
        raise UserError("weights", weights, "give at least one other", "all 0, which is no blend")
    unit = unit.detach().float()
    if int(weights.count_nonzero()) == 1 and float(weights.max()) == 1.0:
        return unit[int(weights.argmax())].clone()  # free of rounding
    latent, circular = run.encode(unit), angles(run.parameters)
    rest = unwrapped(residual(run, unit, latent), circular)
    share = weights[None]
    mixed = run.decode(share @ latent) + share @ rest
    return within(mixed, circular)[0]
