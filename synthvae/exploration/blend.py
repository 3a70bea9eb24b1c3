"""Arithmetic with presets: a weighted sum in the latent space, brass minus its attack plus another's."""

from __future__ import annotations

import torch
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.exploration.morph import check_presets
from synthvae.exploration.paths import angles, residual, unwrapped, within
from synthvae.training.run import Run

__all__ = ["LARGEST_WEIGHT", "blend"]

#: Beyond it the sum lies where no preset is and the decoder knows nothing.
LARGEST_WEIGHT = 10.0


def blend(run: Run, unit: Tensor, weights: Tensor) -> Tensor:
    """Add and subtract presets.

    With z the latents of the presets and r what the autoencoder leaves out of them,

        x = decode(sum_i w_i z_i) + sum_i w_i r_i,

    brought into the cube. One preset of weight 1, all others 0, is that preset to the bit. Weights need not add up to
    1; where they add up to 0, the sum is a direction, and what it leads to from the middle of the prior.

    Args:
        run: the model.
        unit: presets ``(N, P)``.
        weights: ``(N,)``, of any sign.

    Returns:
        Unit parameters ``(P,)``.

    Raises:
        UserError: if there are not as many weights as presets, one is not finite or beyond 10, all are 0, or a preset
            is none.
    """
    check_presets(run, unit, 1)
    weights = torch.as_tensor(weights, dtype=torch.float32)
    if weights.shape != (len(unit),):
        raise UserError(f"--weights holds {weights.numel()} numbers for {len(unit)} presets; give one for each")
    for weight in weights.tolist():
        if not abs(weight) <= LARGEST_WEIGHT:
            raise UserError(f"--weights holds {weight:g}; give numbers from -{LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}")
    if not bool(weights.any()):
        raise UserError("--weights are all 0, which is no blend; give at least one other")
    unit = unit.detach().float()
    if int(weights.count_nonzero()) == 1 and float(weights.max()) == 1.0:
        return unit[int(weights.argmax())].clone()  # free of rounding
    latent, circular = run.encode(unit), angles(run.parameters)
    rest = unwrapped(residual(run, unit, latent), circular)
    share = weights[None]
    mixed = run.decode(share @ latent) + share @ rest
    return within(mixed, circular)[0]
