"""A density of latents by a flow, fitted to those of the training sounds, to be compared with simpler ones."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from synthvae.core.randomness import generator
from synthvae.models.flows import InverseAutoregressiveFlow

__all__ = ["FlowPrior", "fit_flow"]

#: Layers; latents of a step; learning rate; steps at most, and between two looks at the latents that are held out.
LAYERS, BATCH, RATE, STEPS, LOOK = 3, 256, 2e-3, 1000, 25
#: Share of the latents that are held out, and looks without a better density after which the fit ends.
HELD_OUT, PATIENCE = 0.1, 6

#: Rounds of draws at most, of which some may overflow.
TRIES = 20


class FlowPrior(nn.Module):
    """`InverseAutoregressiveFlow` in the opposite direction: it maps latents to the standard normal distribution.

    A density then takes one pass, and a draw one for each dimension. The gates of the flow only shrink, so that its
    output is divided by a scale, which is fitted too.

    Args:
        mean: mean of the latents, ``(D,)``.
        deviation: standard deviation of the latents, ``(D,)``, above 0.
    """

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.flow = InverseAutoregressiveFlow(len(mean), 1, LAYERS)
        self.log_scale = nn.Parameter(torch.full_like(mean, LAYERS * math.log(torch.sigmoid(torch.tensor(1.0)))))

    def log_density(self, latents: Tensor) -> Tensor:
        """Logarithm of the density ``(N,)`` of latents ``(N, D)``, in nats."""
        moved, gates = self.flow((latents - self.mean) / self.deviation, _nothing(latents), torch.zeros_like(latents))
        base = torch.distributions.Normal(torch.zeros_like(self.mean), self.log_scale.exp())
        return (base.log_prob(moved) - gates - self.deviation.log()).sum(1)

    @torch.inference_mode()
    def sample(self, count: int, seed: int = 0) -> Tensor:
        """Latents ``(count, D)``.

        The inverse divides by gates one dimension after the other, and may leave the range of floats far from the
        latents that it was fitted to; such draws are drawn again.

        Raises:
            FloatingPointError: if in `TRIES` rounds too few are finite.
        """
        source, found = generator(seed), self.mean.new_empty(0, len(self.mean))
        for _ in range(TRIES):
            noise = torch.randn(count, len(self.mean), generator=source) * self.log_scale.exp()
            drawn = self.flow.inverse(noise, _nothing(noise)) * self.deviation + self.mean
            found = torch.cat([found, drawn[drawn.isfinite().all(1)]])
            if len(found) >= count:
                return found[:count]
        raise FloatingPointError(f"{len(found)} of {TRIES * count} draws from the flow are finite")


def _nothing(latents: Tensor) -> Tensor:
    """Features of a flow that depends on nothing else."""
    return latents.new_ones(len(latents), 1)


def fit_flow(latents: Tensor, seed: int = 0) -> FlowPrior:
    """Fit a flow to latents ``(N, D)`` by maximum likelihood, up to the best density of a tenth that is held out."""
    order = torch.randperm(len(latents), generator=generator(seed))
    aside = max(1, round(HELD_OUT * len(latents)))
    held, rest = latents[order[:aside]], latents[order[aside:]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        prior = FlowPrior(rest.mean(0), rest.std(0).clamp_min(1e-6))
    optimiser = torch.optim.Adam(prior.parameters(), lr=RATE)
    best, best_state, waited = -math.inf, copy.deepcopy(prior.state_dict()), 0
    for step in range(STEPS):
        if step % LOOK == 0:
            with torch.no_grad():
                density = float(prior.log_density(held).mean())
            if density > best:
                best, best_state, waited = density, copy.deepcopy(prior.state_dict()), 0
            elif (waited := waited + 1) >= PATIENCE:
                break
        chosen = torch.randint(len(rest), (BATCH,), generator=generator(seed, 1, step))
        optimiser.zero_grad()
        (-prior.log_density(rest[chosen]).mean()).backward()
        optimiser.step()
    prior.load_state_dict(best_state)
    return prior.eval()
