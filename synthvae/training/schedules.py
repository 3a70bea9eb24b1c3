"""Schedules of the KL weight and of the learning rate."""

from __future__ import annotations

import math

__all__ = ["KL_SCHEDULES", "LR_SCHEDULES", "kl_factor", "learning_rate_factor"]

#: Every legal `kl_schedule`: how the weight of the KL divergence rises from 0 to its value over `kl_warmup` epochs.
KL_SCHEDULES = ("constant", "linear", "cosine", "logistic", "cyclical")
LR_SCHEDULES = ("constant", "drop", "cosine")
#: Steepness of the logistic rise: 0.7 % at its start, 99.3 % at its end (before it is stretched to 0 and 1).
STEEPNESS = 10.0


def kl_factor(schedule: str, epoch: float, warmup: float) -> float:
    """Factor of the KL weight.

    linear, cosine and logistic rise once, from 0 at the start to 1 after `warmup` epochs (Bowman et al., "Generating
    Sentences from a Continuous Space", CoNLL 2016, has the logistic one); cyclical rises linearly over the first half
    of every `warmup` epochs and stays at 1 for the second (Fu et al., "Cyclical Annealing Schedule", NAACL 2019).

    Args:
        schedule: one of `KL_SCHEDULES`.
        epoch: epochs done, with the part of the one under way.
        warmup: epochs of the rise or of a cycle; 0 for the full weight from the start.

    Returns:
        Between 0 and 1.
    """
    if schedule == "constant" or warmup <= 0:
        return 1.0
    if schedule == "cyclical":
        return min(1.0, 2.0 * (epoch % warmup) / warmup)
    done = min(1.0, epoch / warmup)
    if schedule == "linear":
        return done
    if schedule == "cosine":
        return 0.5 - 0.5 * math.cos(math.pi * done)
    low, high = (1.0 / (1.0 + math.exp(sign * STEEPNESS / 2)) for sign in (1.0, -1.0))
    return (1.0 / (1.0 + math.exp(-STEEPNESS * (done - 0.5))) - low) / (high - low)


def learning_rate_factor(
    schedule: str, epoch: float, epochs: int, drop_after: int, drop_every: int, drop_factor: float
) -> float:
    """Factor of the learning rate.

    Args:
        schedule: ``constant``, ``drop`` or ``cosine``, which falls from 1 to 0 over all epochs.
        epoch: epochs done, with the part of the one under way.
        epochs: there will be at most.
        drop_after: with ``drop``, epochs at the full rate.
        drop_every: with ``drop``, then it is multiplied by `drop_factor` once per so many epochs.
        drop_factor: with ``drop``, see above.

    Returns:
        Between 0 and 1.
    """
    if schedule == "cosine":
        return 0.5 + 0.5 * math.cos(math.pi * min(1.0, epoch / epochs))
    if schedule == "constant":
        return 1.0
    drops = 0 if epoch < drop_after else 1 + (int(epoch) - drop_after) // drop_every
    return drop_factor**drops
