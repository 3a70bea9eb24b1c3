"""Null models of clusters on a map: maps of latents without information on presets.

Two nulls. *Noise*: standard normal draws, as many and of as many dimensions as the latents. A *collapsed encoder*: the
posterior means of a VAE whose posterior has fallen onto the prior, as it does with the weight of 1 that the thesis
prints for the KL divergence. Such means are not noise: they are a faint, smooth function of the presets, and UMAP,
which uses the ranks of neighbours rather than distances, maps weak structure like strong structure.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from synthvae.core.store import Store
from synthvae.losses.terms import clamp_penalty, kl_divergence, parameter_error
from synthvae.maps.clusters import ClusterQuality
from synthvae.models import build_model

__all__ = [
    "COLLAPSED",
    "LEVEL",
    "NOISE",
    "NULL_SEEDS",
    "CollapsedEncoder",
    "Expected",
    "collapsed_encoder",
    "expected",
    "expected_clusters",
    "noise_draws",
]

NOISE, COLLAPSED = "normal noise", "collapsed encoder"
#: Seeds of the noise draws, and of the collapsed encoders, each with a map of its own.
NULL_SEEDS = (0, 1, 2, 3, 4)
LEVEL = 0.95
#: Training of a collapsed encoder: Adam with this learning rate, number of steps and presets per step.
STEPS, RATE, BATCH = 1000, 1e-3, 256
#: Name of a stored encoder; changed when one is trained in another way.
STORED = "collapsed-encoder-1"
#: The thesis's weights of the clamp penalty and of the KL divergence.
ALPHA, KL_WEIGHT = 100.0, 1.0
#: Held while the weights are drawn, since they come from the generator that all threads share.
_GLOBAL_GENERATOR = threading.Lock()


@dataclass(frozen=True)
class Expected:
    """Value of a null model: mean over its maps, with the prediction interval of one more map.

    Attributes:
        mean: over maps.
        low: lower end of the 95 % prediction interval (Student's t); None with a single map.
        high: upper end of it; None with a single map.
        maps: number of maps.
    """

    mean: float
    low: float | None
    high: float | None
    maps: int

    @property
    def words(self) -> str:
        """Mean and interval of a DBCV as a phrase."""
        span = "" if self.low is None or self.high is None else f" ({self.low:.2f} to {self.high:.2f} for one more map)"
        return f"{self.mean:.2f}{span}"


def expected(values: Sequence[float], least: float = -math.inf, most: float = math.inf) -> Expected | None:
    """Mean and 95 % prediction interval of one more value: mean -+ t(n - 1) s sqrt(1 + 1 / n).

    The interval of the mean would be narrower, and would shrink with more maps; but a null is compared with one map, or
    a few, and the question is whether the null could have produced it.

    Args:
        values: values of the maps of a null.
        least: lower bound of the values; the interval ends there.
        most: upper bound of the values.

    Returns:
        None where there is no value.
    """
    n = len(values)
    if n == 0:
        return None
    mean = float(np.mean(values))
    if n == 1:
        return Expected(mean, None, None, 1)
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1) * np.std(values, ddof=1) * np.sqrt(1 + 1 / n))
    return Expected(mean, max(least, mean - reach), min(most, mean + reach), n)


def expected_clusters(qualities: Sequence[ClusterQuality]) -> tuple[Expected | None, Expected | None, Expected | None]:
    """Clusters, share of noise, and DBCV over the maps that have one.

    Args:
        qualities: quality of the clusters on each map.
    """
    return (
        expected([q.clusters for q in qualities], least=0.0),
        expected([q.noise_share for q in qualities], 0.0, 1.0),
        expected([q.dbcv for q in qualities if q.dbcv is not None], -1.0, 1.0),
    )


@dataclass(frozen=True)
class CollapsedEncoder:
    """The latents of a collapsed encoder.

    Attributes:
        latents: posterior means ``(N, D)`` of the presets.
        kl: mean over presets of the KL divergence of all dimensions together, in nats.
    """

    latents: NDArray[np.float64]
    kl: float


def noise_draws(n: int, dimension: int, seeds: Sequence[int]) -> dict[int, NDArray[np.float64]]:
    """Standard normal noise ``(n, dimension)`` by its seed, as it is surveyed."""
    return {seed: np.random.default_rng(seed).standard_normal((n, dimension)) for seed in seeds}


def collapsed_encoder(
    unit: Tensor, widths: Sequence[int], seed: int, steps: int = STEPS, store: Store | None = None
) -> CollapsedEncoder:
    """Train a VAE until its posterior has collapsed, and encode the presets it was trained on.

    The thesis's network and loss without the spectral term, which acts on the decoder's output and renders every
    preset: squared parameter error, 100 times the clamp penalty and the KL divergence with the weight 1, minimised by
    Adam (rate 1e-3, 1,000 steps of 256 presets) from newly drawn weights. A latent dimension gains less in the error of
    independent parameters than it costs in nats, so that nothing is encoded: on uniform presets 4e-5 nats are left, and
    the parameter error is that of the mean preset.

    Args:
        unit: presets ``(N, P)``.
        widths: widths of the encoder after the input; the last is the latent size D.
        seed: seed of weights, batches and posterior samples.
        steps: number of training steps.
        store: cache of results, by a hash of the presets and all settings; without one, always trained.

    Returns:
        The latents, and the remaining divergence.
    """
    inputs = [hashlib.sha256(unit.numpy().tobytes()).hexdigest(), len(unit), *widths, seed, steps]
    return (store or Store(None)).get(CollapsedEncoder, STORED, inputs, lambda: _collapse(unit, widths, seed, steps))


def _collapse(unit: Tensor, widths: Sequence[int], seed: int, steps: int) -> CollapsedEncoder:
    generator = torch.Generator().manual_seed(seed)
    with _GLOBAL_GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model("mlp", unit.shape[1], widths)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(steps):
        x = unit[torch.randint(len(unit), (min(BATCH, len(unit)),), generator=generator)]
        mean, log_variance = model.encode(x)
        raw = model.decode(mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=generator))
        kl = kl_divergence(mean, log_variance).sum(1)
        loss = parameter_error(raw.clamp(0.0, 1.0), x) + ALPHA * clamp_penalty(raw) + KL_WEIGHT * kl
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()
    with torch.inference_mode():
        mean, log_variance = model.encode(unit)
        kl = kl_divergence(mean, log_variance).sum(1).double().mean()
    return CollapsedEncoder(mean.double().numpy(), float(kl))
