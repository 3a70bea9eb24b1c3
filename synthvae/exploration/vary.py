"""Variations of a preset from its latent neighbourhood, ordered by audible distance.

From the preset's latent z a ray goes to a draw e of the prior,

    z(s) = sqrt(1 - s²) z + s e,    s from 0 to 1,

so that every point of it is as likely as the preset itself, and its end is independent of the preset. The residual of
the autoencoder is added (`synthvae.exploration.paths`), so that s = 0 is the preset, bit for bit.

The position on a ray is not a perceptual measure: one ray changes the pitch immediately and another never does. So
amount is a fraction of an audible distance, 1 being the median distance of the preset from prior samples, which is
that of an unrelated sound; each variation is the first point of its ray at the target distance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.checks import check_seed
from synthvae.core.errors import UserError
from synthvae.exploration.morph import SAME, check_presets
from synthvae.exploration.paths import residual
from synthvae.metrics.logmel_distance import LogMelDistance, pairwise
from synthvae.synths.angles import angles, within
from synthvae.synths.groups import columns_of
from synthvae.synths.registry import synth_kind
from synthvae.training.run import Run

__all__ = ["MOST", "Variations", "vary"]

MOST = 256
#: Number of prior samples whose median distance defines the amount 1, and their fixed seed.
REFERENCE_SAMPLES, REFERENCE_SEED = 64, 0
#: Number of rays drawn for each neighbour; the one that sounds least like the others is used.
RAYS = 3
#: Initial scales rendered on each ray: geometric, since the pitch is lost within a hundredth of its length.
SCALES = np.geomspace(1e-3, 1.0, 20)
BISECTIONS = 6


@dataclass(frozen=True)
class Variations:
    """Variations of a preset, the nearest first.

    Attributes:
        unit: unit parameters ``(C, P)``.
        latent: latents ``(C, D)`` from the encoder.
        distances: distances ``(C,)`` float64 from the preset in dB: root mean square difference of log-mel
            spectrograms.
        reach: distance in dB at the amount 1.
        remark: one-line note to the user; may be empty.
    """

    unit: Tensor
    latent: Tensor
    distances: NDArray[np.float64]
    reach: float
    remark: str = ""


@dataclass(frozen=True)
class _Rays:
    """Rays from one preset; see the module docstring."""

    run: Run
    preset: Tensor
    ends: Tensor
    held: Tensor

    def at(self, ray: NDArray[np.intp], scale: NDArray[np.float64]) -> Tensor:
        """Unit parameters ``(M, P)`` on rays ``(M,)`` at scales ``(M,)``."""
        start = self.run.encode(self.preset[None])
        rest = residual(self.run, self.preset[None], start)
        s = torch.from_numpy(scale).float()[:, None]
        latent = (1.0 - s.square()).clamp_min(0.0).sqrt() * start + s * self.ends[torch.from_numpy(ray)]
        unit = within(self.run.decode(latent) + rest, angles(self.run.parameters))
        return torch.where(self.held, self.preset, unit)


def vary(
    run: Run, unit: Tensor, amount: float = 0.2, count: int = 16, keep: Sequence[str] = (), seed: int = 0
) -> Variations:
    """Sample variations of a preset.

    The distances of the neighbours are spread evenly from ``amount / count`` to ``amount``, in units of the amount 1
    (see the module docstring), as far as their rays reach; no two are on one ray, and of several rays the ones that
    sound least alike are used.

    Args:
        run: the model.
        unit: unit parameters of the preset ``(P,)``.
        amount: audible distance of the furthest: 0 is the preset itself, 1 the distance of a random sound.
        count: number of variations C, 1 to 256.
        keep: groups (of the synth's `SynthKind`) or parameters whose values are fixed.
        seed: seed of the draws.

    Raises:
        UserError: for an amount or a count out of range, an unknown name to keep, an invalid preset, or if the fixed
            parameters leave no audible change.
    """
    if not (math.isfinite(amount) and 0.0 <= amount <= 1.0):
        raise UserError("amount", amount, "give a number from 0 (the preset itself) to 1 (any sound)")
    if not 1 <= count <= MOST:
        raise UserError("count", count, f"give a whole number from 1 to {MOST}")
    check_seed(seed)
    unit = unit.detach().float()
    check_presets(run, unit[None], 1)
    held = columns_of(run.parameters, synth_kind(run.settings.synth).groups, keep)
    if bool(held.all()):
        raise UserError("keep", keep, "keep less", "fixes every parameter, so there is nothing to vary")
    metric = LogMelDistance(run.voice, run.settings.sample_rate)
    origin = metric.spectrograms(unit[None])
    references = run.sample(REFERENCE_SAMPLES, REFERENCE_SEED)
    reach = float(np.median(pairwise(origin, metric.spectrograms(references))))
    if amount == 0.0:
        same = unit.expand(count, -1).clone()
        return Variations(same, run.encode(same), np.zeros(count), reach, "amount 0 is the preset itself")
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randn(RAYS * count, run.latent_size, generator=generator)
    rays = _Rays(run, unit, ends, held)
    grid = np.arange(len(ends)).repeat(len(SCALES))
    distance = _distances(metric, origin, rays.at(grid, np.tile(SCALES, len(ends)))).reshape(len(ends), -1)
    if distance.max() < SAME:
        raise UserError(
            "keep", keep, "keep less", f"the parameters that it leaves change the sound by less than {SAME:g} dB"
        )
    targets = amount * reach * np.arange(1, count + 1) / count
    chosen, scales = _choose(metric, origin, rays, distance, targets)
    rows = rays.at(chosen, scales)
    distances = _distances(metric, origin, rows)
    order = np.argsort(distances, kind="stable")
    short = int((distances < 0.8 * targets).sum())
    remark = ""
    if short:
        remark = f"{short} of {count} stay nearer than asked for: the model moves this preset no further"
        remark += ", with the fixed parameters" if keep else ""
    rows = rows[torch.from_numpy(order)]
    return Variations(rows, run.encode(rows), distances[order], reach, remark)


def _distances(metric: LogMelDistance, origin: Tensor, unit: Tensor) -> NDArray[np.float64]:
    """Distances from one spectrogram ``(1, F)`` to presets ``(M, P)``, whose own are not stored."""
    parts = unit.split(256)
    return np.concatenate([pairwise(metric.spectrograms(part), origin)[:, 0] for part in parts])


def _choose(
    metric: LogMelDistance, origin: Tensor, rays: _Rays, distance: NDArray[np.float64], targets: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """A ray for each target distance, and the first scale at which it is that far from the preset.

    The furthest targets choose first, since the fewest rays reach that far.
    """
    reaches = np.maximum.accumulate(distance, axis=1)
    free = np.ones(len(distance), dtype=bool)
    chosen = np.zeros(len(targets), dtype=np.intp)
    chosen_sounds: list[Tensor] = []
    for number in np.argsort(-targets):
        able = free & (reaches[:, -1] >= targets[number])
        pool = np.flatnonzero(able)[:RAYS]
        if not len(pool):
            left = np.flatnonzero(free)
            pool = left[np.argsort(-reaches[left, -1])[:1]]
        scale = SCALES[np.minimum((reaches[pool] < targets[number]).sum(axis=1), len(SCALES) - 1)]
        sounds = metric.spectrograms(rays.at(pool, scale))
        apart = pairwise(sounds, torch.stack(chosen_sounds)).min(axis=1) if chosen_sounds else np.zeros(len(pool))
        best = int(apart.argmax())
        chosen[number], free[pool[best]] = pool[best], False
        chosen_sounds.append(sounds[best])
    crossing = (reaches[chosen] < targets[:, None]).sum(axis=1)
    far = crossing == len(SCALES)
    high = SCALES[np.minimum(crossing, len(SCALES) - 1)]
    low = np.where(crossing > 0, SCALES[np.maximum(crossing - 1, 0)], 0.0)
    furthest = SCALES[distance[chosen].argmax(axis=1)]
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        beyond = _distances(metric, origin, rays.at(chosen, middle)) >= targets
        high, low = np.where(beyond, middle, high), np.where(beyond, low, middle)
    return chosen, np.where(far, furthest, high)
