"""The terms of the total loss that need no audio: unweighted, and per example."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["clamp_penalty", "free_bits", "kl_divergence", "parameter_error"]


def parameter_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Squared L2 distance of normalised parameters `(B, P)`, `sum_p (x^_p - x_p)^2`, `(B,)`."""
    return (x_hat - x).square().sum(1)


def clamp_penalty(raw: Tensor) -> Tensor:
    """Squared distance of a linear output from the unit cube, `sum_p max(0, raw_p - 1, -raw_p)^2`.

    `(B, P)` to `(B,)`, zero inside the cube and on its faces.
    """
    return (raw - raw.clamp(0.0, 1.0)).square().sum(1)


def kl_divergence(mu: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence `(B, D)` of a diagonal Gaussian from the standard normal, whose sum is the KL term of an example.

    `KL_j = (mu_j^2 + sigma_j^2 - log sigma_j^2 - 1) / 2` nats. Reference: Kingma and Welling, Auto-Encoding
    Variational Bayes, 2014, appendix B.
    """
    return 0.5 * (mu.square() + log_variance.exp() - log_variance - 1.0)


def free_bits(kl: Tensor, floor: float) -> Tensor:
    """The KL term `(B,)` with a floor for each dimension, below which a smaller divergence brings no gain.

    `sum_j max(mean over the batch of KL_j, floor)` in nats, written per example: a dimension whose mean is below the
    floor contributes the floor, without gradient. Reference: Kingma et al., "Improved Variational Inference with
    Inverse Autoregressive Flow", NeurIPS 2016, appendix C.8.
    """
    above = kl.detach().mean(0) > floor
    return torch.where(above, kl, floor).sum(1)
