"""Levenberg-Marquardt on spectrograms with finite-difference Jacobians.

Sixty renders give the change of each band of each frame with each parameter, thousands of numbers where a gradient has
one per parameter. From them follows the damped step (`synthvae.core.gauss_newton`), within the cube, for absolute
differences by iterative reweighting. The finite differences span a fraction of a parameter's range, which smooths the
ripples that pitch causes in a spectrogram, where a derivative is only valid for a few cents.

Source of the weights: Holland and Welsch 1977, Commun. Statist. A 6:813.
"""

from __future__ import annotations

import torch
from torch import Tensor

from synthvae.core.gauss_newton import damped_step
from synthvae.matching.objective import Found, Objective

__all__ = ["least_squares"]

#: Damping factors tried at once, relative to the diagonal.
DAMPINGS = (0.01, 0.1, 1.0, 10.0, 100.0)
#: Difference in dB below which an entry contributes its square.
SMALL = 1.0
#: Maximum step of one parameter, as a fraction of its range.
LONGEST = 0.3
#: Added to the diagonal, as a fraction of its mean, so that a parameter without audible effect keeps its value.
RIDGE = 1e-3
#: Relative gain below which a round counts as failed; the spans are then halved, down to the narrowest.
GAIN, NARROWEST = 0.002, 0.002
#: Rounds of removing parameters from a step that would leave the cube.
ROUNDS = 5


def least_squares(
    objective: Objective, unit: Tensor, until: int, span: float = 0.02, seed: int = 0, patience: int = 4
) -> Found:
    """Minimise the distance from a preset ``(P,)`` until convergence, or until the number of renders reaches a limit.

    Args:
        objective: distance to the target.
        unit: starting point ``(P,)``.
        until: limit of renders, as counted by the objective.
        span: span of the finite differences, as a fraction of a parameter's range.
        seed: seed of their signs.
        patience: number of rounds without gain before it ends.

    Raises:
        Stopped: from the objective.
    """
    generator = torch.Generator().manual_seed(seed)
    here = unit.clone()
    first = objective.compare(here[None])
    distance, difference = float(first.distance[0]), first.difference[0]
    failed = 0
    while objective.renders < until and failed < patience:
        steps = span * _signs(here, span, generator)
        moved = here.repeat(len(here), 1) + steps.diag()
        tried = objective.compare(moved)
        slopes = (tried.difference - difference) / steps[:, None]
        candidates = _candidates(here, slopes, difference, objective.share)
        answers = objective.compare(candidates)
        places = torch.cat([moved, candidates])
        distances = torch.cat([tried.distance, answers.distance])
        nearest = int(distances.argmin())
        gained = float(distances[nearest]) < (1.0 - GAIN) * distance
        failed = 0 if gained else failed + 1
        if not gained:
            span = max(0.5 * span, NARROWEST)
        if float(distances[nearest]) < distance:
            here, distance = places[nearest].clone(), float(distances[nearest])
            difference = torch.cat([tried.difference, answers.difference])[nearest]
    return Found(here, distance)


def _signs(here: Tensor, span: float, generator: torch.Generator) -> Tensor:
    """Random direction for each parameter, but always into the cube."""
    signs = torch.where(torch.rand(len(here), generator=generator) < 0.5, -1.0, 1.0)
    ends = here + signs * span
    return torch.where(ends > 1.0, -1.0, torch.where(ends < 0.0, 1.0, signs))


def _candidates(here: Tensor, slopes: Tensor, difference: Tensor, share: Tensor) -> Tensor:
    """End of the step for every damping, ``(dampings, P)``.

    From here ``(P,)``, with the slopes ``(P, E)`` of all entries' differences ``(E,)``, which count by their share.
    """
    weight = share / (difference.square() + SMALL**2).sqrt()
    weighted = slopes * weight
    curvature = (weighted @ slopes.T).double()
    slope = (weighted @ difference).double()
    diagonal = curvature.diagonal().clone()
    diagonal += RIDGE * diagonal.mean() + 1e-12
    steps = [_step_inside(here, curvature, slope, damping * diagonal) for damping in DAMPINGS]
    return (here + torch.stack(steps)).clamp(0.0, 1.0)


def _step_inside(here: Tensor, curvature: Tensor, slope: Tensor, damping: Tensor) -> Tensor:
    """Step with parameters fixed where they would leave the face they are on."""
    free = torch.ones(len(here), dtype=torch.bool)
    for _ in range(ROUNDS):
        step = damped_step(curvature, slope, damping, free, LONGEST)
        leaving = free & (((here <= 0.0) & (step < 0.0)) | ((here >= 1.0) & (step > 0.0)))
        if not leaving.any():
            break
        free &= ~leaving
    return step
