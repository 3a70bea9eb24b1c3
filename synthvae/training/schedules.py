"""Schedules of the KL weight and of the learning rate."""

from __future__ import annotations

import math

__all__ = ["KL_SCHEDULES", "LR_SCHEDULES", "PUBLISHED_KL_SCHEDULES", "kl_factor", "learning_rate_factor"]

#: Legal values of `kl_schedule`: how the weight of the KL divergence rises from 0 to its value over `kl_warmup` epochs.
KL_SCHEDULES = ("constant", "linear", "cosine", "logistic", "cyclical")
#: Those specific to García López (2025), whose linear and cosine schedules equal the ones above.
PUBLISHED_KL_SCHEDULES = ("logistic-g", "cyclical-g")
LR_SCHEDULES = ("constant", "drop", "cosine", "plateau")
#: Steepness of the logistic rise: 0.7 % at its start, 99.3 % at its end (before it is stretched to 0 and 1).
STEEPNESS = 10.0


def kl_factor(schedule: str, epoch: float, warmup: float, baseline: float = 0.0) -> float:
    """Factor of the KL weight, `baseline` to 1, after a fractional number of epochs.

    linear, cosine and logistic rise once, from 0 at the start to 1 after `warmup` epochs (Bowman et al., "Generating
    Sentences from a Continuous Space", CoNLL 2016, has the logistic one); cyclical rises linearly over the first half
    of every `warmup` epochs and stays at 1 for the second (Fu et al., "Cyclical Annealing Schedule", NAACL 2019).
    Without `warmup` it is 1.

    logistic-g and cyclical-g follow García López (2025): the slope of the logistic is 1 per epoch whatever the
    warm-up, and it is not stretched, so that it ends below 1 (at 0.984 for a warm-up of 8 with a baseline of 0.1);
    cyclical-g restarts it every `warmup` epochs.
    """
    if schedule == "constant" or warmup <= 0:
        return 1.0
    return baseline + (1.0 - baseline) * _rise(schedule, epoch, warmup)


def _rise(schedule: str, epoch: float, warmup: float) -> float:
    if schedule == "logistic-g":
        return 1.0 / (1.0 + math.exp(warmup / 2 - min(epoch, warmup)))
    if schedule == "cyclical-g":
        return 1.0 / (1.0 + math.exp(warmup / 2 - epoch % warmup))
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
    """Factor of the learning rate, between 0 and 1.

    Args:
        schedule: ``constant``, ``drop``, ``cosine``, which falls from 1 to 0 over all epochs, or ``plateau``, whose
            drops depend on the validation loss and are not in this factor.
        epoch: fractional number of epochs finished.
        epochs: maximum number of epochs.
        drop_after: with ``drop``, number of epochs at the full rate.
        drop_every: with ``drop``, number of epochs between later drops.
        drop_factor: with ``drop``, factor of each drop.
    """
    if schedule == "cosine":
        return 0.5 + 0.5 * math.cos(math.pi * min(1.0, epoch / epochs))
    if schedule != "drop":
        return 1.0
    drops = 0 if epoch < drop_after else 1 + (int(epoch) - drop_after) // drop_every
    return drop_factor**drops
