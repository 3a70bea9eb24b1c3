"""Smooth morphs: paths along which descriptors of timbre change in straight lines.

Straight lines through the parameters are not straight in timbre: a descriptor curves and jitters along them. The inner
nodes x_1, ..., x_(K-1) of the line between two presets are moved so that their descriptors d follow the line l between
those of the ends. With RMS over nodes, the cost is

    F = sum_k rms_i(d_ik - l_ik) / a_k + rms_i(K^2 (d_(i-1)k - 2 d_ik + d_(i+1)k)) / b_k,

SPINVAE's two scores (`synthvae.metrics.paths.path_scores`) in units of their usual values a and b on straight lines
through the parameters. Each round

1. draws presets around every inner node and describes their sounds,
2. fits the derivative of the descriptors at each node to all sounds described so far around it and its neighbours, by
   ridge regression,
3. solves for a Gauss-Newton step of all nodes at once, with each RMS replaced by a sum of squares weighted to have its
   current slope, and describes two lengths of that step,
4. selects for every node, among all described presets, the one with the smallest F, by coordinate descent.

F is measured, not predicted, and never rises. Derivatives over a finite distance are used because descriptors (medians
and quartiles over frames) jitter at a small scale; those by forward mode follow the jitter. Parameters of pitch,
rates and phases stay on the line: their derivatives are hundreds of times the others', and valid for a few cents.

Only the descriptors of `OPTIMISED` are in F. `HELD_OUT` are never measured here; they show whether the sound itself
improves or only the optimised figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.audio.descriptors import DESCRIPTORS, TIMBRE, describe_timbre
from synthvae.core.gauss_newton import damped_step
from synthvae.core.randomness import generator
from synthvae.synths.base import Synth
from synthvae.synths.groups import columns_of
from synthvae.synths.parameters import ParameterSpace

__all__ = ["HELD_OUT", "OPTIMISED", "ROUNDS", "free_parameters", "path_cost", "straighten"]

Array = NDArray[np.float64]

#: Descriptors of F with their a and b: means of RMS distance from the straight line and of RMS second derivative over
#: 240 straight lines of 9 steps between training presets of `VOICE_63` (seed 5).
OPTIMISED: dict[str, tuple[float, float]] = {
    "centroid": (0.4, 18.6),
    "centroid_iqr": (0.328, 20.9),
    "spread": (0.215, 11.3),
    "spread_iqr": (0.207, 14.5),
    "skewness": (0.787, 45.7),
    "skewness_iqr": (0.649, 53.0),
    "flatness": (4.62, 213.0),
    "flatness_iqr": (3.42, 217.0),
    "crest": (0.992, 75.7),
    "crest_iqr": (0.813, 66.1),
    "decrease": (0.365, 18.8),
    "decrease_iqr": (0.298, 18.3),
    "flux": (0.0145, 0.931),
    "flux_iqr": (0.0223, 1.64),
    "level": (4.7, 263.0),
    "level_iqr": (3.4, 281.0),
    "log_attack_time": (0.308, 23.4),
    "temporal_centroid": (0.0654, 3.31),
    "modulation": (0.148, 10.8),
}
#: All other descriptors: those of pitch, and those that nearly duplicate an optimised one (rolloff, kurtosis, slope,
#: zero crossings, RMS level, duration).
HELD_OUT: tuple[str, ...] = tuple(name for name in DESCRIPTORS if name not in OPTIMISED)
_COLUMNS = [TIMBRE.index(name) for name in OPTIMISED]
_LINE, _BEND = np.array(list(OPTIMISED.values())).T

#: Units of parameters that are not moved off the straight line.
PITCH_UNITS = frozenset({"MIDI", "semitones", "Hz", "rad"})
ROUNDS = 4
#: Number of presets drawn around each node in a round, and their standard deviation in each parameter.
DRAWS, REACH = 9, 0.03
#: Fractions of the Gauss-Newton step that are described.
LENGTHS = (1.0, 0.5)
#: Maximum change of a parameter in one step.
LONGEST_STEP = 0.15
#: Weights, in a cost of about 40, of a step, of the distance from the line, and of the roughness of that distance.
DAMPING, PULL, ROUGHNESS = 2.4, 0.6, 3.0
#: Ridge penalty relative to the mean diagonal of the regression.
RIDGE = 0.5
#: Weight of neighbours' sounds in the regression; distance below which a sound's weight no longer grows.
NEIGHBOUR, CLOSE = 0.5, 0.025
#: An RMS below this fraction of its usual value gets no more weight.
LEAST = 0.1
#: Maximum number of rounds of coordinate descent, and the gain below which it stops.
SWEEPS, ENOUGH = 4, 1e-6
#: Number of sounds rendered at once.
BATCH = 64


def free_parameters(parameters: ParameterSpace, groups: Mapping[str, Sequence[str]]) -> Tensor:
    """Which parameters may leave the straight line, ``(P,)`` bool: all but those of pitch, rates and phases.

    Args:
        parameters: parameters of the columns.
        groups: groups of the synth (`synthvae.synths.base.SynthKind`); its group ``pitch``, if any, stays on the line.
    """
    fixed = columns_of(parameters, groups, [name for name in ("pitch",) if name in groups])
    return ~(fixed | torch.tensor([p.unit in PITCH_UNITS for p in parameters]))


def path_cost(descriptors: Array) -> Array:
    """F of paths, ``(...)``, from their descriptors ``(..., S, K)``, S at least 3, K as `OPTIMISED`; see the module."""
    deviation, bend = _curvature(descriptors)
    off, rough = (np.sqrt(np.square(values).mean(axis=-2)) for values in (deviation, bend))
    cost: Array = (off / _LINE + rough / _BEND).sum(axis=-1)
    return cost


def straighten(
    voice: Synth, line: Tensor, free: Tensor, seed: int = 0, progress: Callable[[], object] = lambda: None
) -> Tensor:
    """Move the inner nodes of a path in the cube so that descriptors change along straight lines.

    Args:
        voice: the synth.
        line: nodes ``(K + 1, P)`` of the straight line between two presets.
        free: mask ``(P,)`` of the parameters that may move; see `free_parameters`.
        seed: seed of the draws.
        progress: called after each of `ROUNDS`.

    Returns:
        Nodes ``(K + 1, P)``: both ends and all parameters that are not free as given; F is never more than the line's.
    """
    if len(line) < 3 or not free.any():
        return line
    nodes = _Nodes(voice, line, free)
    random = generator(seed)
    for _ in range(ROUNDS):
        now = nodes.unit()
        noise = torch.randn(len(now), DRAWS, int(free.sum()), generator=random)
        nodes.add(now, REACH * noise)
        step = nodes.step()
        nodes.add(now, step[:, None] * torch.tensor(LENGTHS)[:, None])
        nodes.select(len(LENGTHS))
        progress()
    return torch.cat((line[:1], nodes.unit(), line[-1:]))


class _Nodes:
    """Presets described for each of I inner nodes, C for each, and the index of the current one."""

    def __init__(self, voice: Synth, line: Tensor, free: Tensor) -> None:
        self.voice, self.free, self.line = voice, free, line[1:-1]
        described = self._describe(line)
        self.ends = described[[0, -1]]
        self.presets = self.line[:, None]  # (I, C, P)
        self.descriptors = described[1:-1, None]  # (I, C, K)
        self.chosen = np.zeros(len(self.line), dtype=np.intp)
        second = np.diff(np.eye(len(line)), 2, axis=0)[:, 1:-1]  # second differences of inner nodes
        self.second, self.coupling = second, second.T @ second

    def unit(self) -> Tensor:
        """Current nodes, ``(I, P)``."""
        return self.presets[torch.arange(len(self.line)), torch.from_numpy(self.chosen)]

    def add(self, now: Tensor, moves: Tensor) -> None:
        """Describe presets at offsets ``(I, M, free)`` from the nodes."""
        presets = now[:, None].repeat(1, moves.shape[1], 1)
        presets[:, :, self.free] = (presets[:, :, self.free] + moves).clamp(0.0, 1.0)
        described = self._describe(presets.flatten(0, 1)).reshape(*presets.shape[:2], -1)
        self.presets = torch.cat((self.presets, presets), dim=1)
        self.descriptors = np.concatenate((self.descriptors, described), axis=1)

    def step(self) -> Tensor:
        """The Gauss-Newton step of all nodes, ``(I, free)``."""
        inner, width = len(self.line), int(self.free.sum())
        intervals = inner + 1
        deviation, bend = _curvature(self._path(self.chosen))
        derivatives = self._derivatives()
        # d rms(v) / d v_i = v_i / (rms(v) S).
        off, rough = (np.sqrt(np.square(values).mean(axis=0)) for values in (deviation, bend))
        on_line = 1.0 / (np.maximum(off, LEAST * _LINE) * _LINE * len(deviation))
        on_bend = intervals**4 / (np.maximum(rough, LEAST * _BEND) * _BEND * len(bend))
        weights = np.eye(inner)[:, :, None] * on_line + self.coupling[:, :, None] * on_bend
        hessian = np.einsum("iak,ijk,jbk->iajb", derivatives, weights, derivatives, optimize=True)
        smoothing = PULL * np.eye(inner) + ROUGHNESS * self.coupling
        hessian += smoothing[:, None, :, None] * np.eye(width)[None, :, None]
        moved = (self.unit() - self.line)[:, self.free].double().numpy()
        pull = on_line * deviation[1:-1] + on_bend / intervals**2 * (self.second.T @ bend)
        slope = np.einsum("iak,ik->ia", derivatives, pull) + smoothing @ moved
        size = inner * width
        return damped_step(
            torch.from_numpy(hessian.reshape(size, size)),
            torch.from_numpy(slope.ravel()),
            torch.full((size,), DAMPING, dtype=torch.float64),
            torch.ones(size, dtype=torch.bool),
            LONGEST_STEP,
        ).view(inner, width)

    def select(self, steps: int) -> None:
        """Choose the presets of least cost, starting from the nodes and from each of the last `steps` presets."""
        last = self.presets.shape[1] - np.arange(1, steps + 1)
        starts = [self.chosen, *(np.full_like(self.chosen, number) for number in last)]
        self.chosen = min((self._descend(start) for start in starts), key=lambda found: found[0])[1]

    def _descend(self, start: NDArray[np.intp]) -> tuple[float, NDArray[np.intp]]:
        chosen, path = start.copy(), self._path(start)
        cost = float(path_cost(path))
        for _ in range(SWEEPS):
            before = cost
            for node in range(len(chosen)):
                paths = np.repeat(path[None], self.descriptors.shape[1], axis=0)
                paths[:, node + 1] = self.descriptors[node]
                costs = path_cost(paths)
                best = int(costs.argmin())
                if costs[best] < cost:
                    chosen[node], path, cost = best, paths[best], float(costs[best])
            if cost > before - ENOUGH:
                break
        return cost, chosen

    def _derivatives(self) -> Array:
        """Derivatives of descriptors with respect to free parameters at each node, ``(I, free, K)``."""
        moves = (self.presets - self.unit()[:, None])[:, :, self.free].double().numpy()
        changes = self.descriptors - self.descriptors[np.arange(len(self.chosen)), self.chosen][:, None]
        weights = 1.0 / (np.square(moves).mean(axis=2) + CLOSE**2)
        found = []
        for node in range(len(moves)):
            near = np.arange(max(node - 1, 0), min(node + 2, len(moves)))
            root = np.sqrt(weights[near] * np.where(near == node, 1.0, NEIGHBOUR)[:, None])[:, :, None]
            x, y = ((root * values[near]).reshape(-1, values.shape[2]) for values in (moves, changes))
            gram = x.T @ x
            ridge = RIDGE * np.trace(gram) / len(gram) + np.finfo(float).tiny
            found.append(np.linalg.solve(gram + ridge * np.eye(len(gram)), x.T @ y))
        return np.stack(found)

    def _path(self, chosen: NDArray[np.intp]) -> Array:
        inner = self.descriptors[np.arange(len(chosen)), chosen]
        return np.concatenate((self.ends[:1], inner, self.ends[1:]))

    def _describe(self, unit: Tensor) -> Array:
        with torch.inference_mode():
            rows = [describe_timbre(self.voice(part), self.voice.sample_rate) for part in unit.split(BATCH)]
        return np.concatenate(rows)[:, _COLUMNS]


def _curvature(descriptors: Array) -> tuple[Array, Array]:
    """Distance from the straight line between the ends, and second derivative, of paths ``(..., S, K)``."""
    intervals = descriptors.shape[-2] - 1
    share = np.linspace(0.0, 1.0, intervals + 1)[:, None]
    line = descriptors[..., :1, :] * (1.0 - share) + descriptors[..., -1:, :] * share
    return descriptors - line, np.diff(descriptors, 2, axis=-2) * intervals**2
