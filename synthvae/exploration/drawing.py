"""Draws from a run's prior, by default only those whose sounds are playable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from synthvae.audio.playable import columns_of, tails_complete, unplayable_reason
from synthvae.core.checks import check_seed
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset
from synthvae.data.writing import Rendered, render_whole
from synthvae.exploration.latent_files import decoded_presets
from synthvae.naming import name_sounds
from synthvae.training.run import Run

__all__ = ["Drawn", "draw_presets", "why_left_out"]

#: Maximum number of draws per requested preset, and a minimum of that limit for all together.
MOST, FEWEST = 32, 256


class Drawn(NamedTuple):
    """Presets drawn from the prior.

    Attributes:
        presets: presets with the duration of their sounds; with names and descriptors except where every draw was
            accepted.
        numbers: index of each preset's draw among those of the seed.
        left_out: number of rejected draws, by reason (`synthvae.audio.playable.REASONS`).
    """

    presets: list[Preset]
    numbers: list[int]
    left_out: Counter[str]


def draw_presets(
    run: Run,
    random: int,
    seed: int = 0,
    everything: bool = False,
    progress: Callable[[int], object] = lambda done: None,
) -> Drawn:
    """Draw latent points from the prior, in the order of a seed, until the requested number of presets is playable.

    The first draws are those of ``run.sample_latent(random, seed)``; further ones continue the same generator.

    Args:
        run: run with prior and decoder.
        random: number of presets.
        seed: seed of the draws.
        everything: whether to accept every draw, playable or not.
        progress: called with the number of presets found.

    Raises:
        UserError: if fewer are playable among 32 times as many draws (256 where that is more), or the seed is invalid.
    """
    check_seed(seed)
    if random < 1:
        raise UserError("random", random, "give at least 1")
    generator = torch.Generator().manual_seed(seed)
    presets: list[Preset] = []
    numbers: list[int] = []
    left_out: Counter[str] = Counter()
    most, drawn = random if everything else max(FEWEST, MOST * random), 0
    while drawn < most:
        latents = torch.randn(random, run.latent_size, generator=generator)
        origins = [{"seed": seed, "draw": drawn + row} for row in range(random)]
        batch = decoded_presets(run, latents, origins)
        if everything:
            return Drawn(batch, list(range(random)), left_out)
        for rendered in render_whole(batch, name_sounds):
            if reason := _reason(rendered):
                left_out[reason] += 1
            else:
                presets.append(rendered.preset)
                numbers.append(drawn)
                progress(len(presets))
            drawn += 1
            if len(presets) == random:
                return Drawn(presets, numbers, left_out)
    raise UserError(
        "random",
        random,
        "give a smaller number, or add `everything` for sounds that are not",
        why=f"but only {len(presets)} of {drawn} draws are playable ({why_left_out(left_out)})",
    )


def why_left_out(left_out: Mapping[str, int]) -> str:
    """Counts by reason, the largest first: ``5 quieter than -40 LUFS, 2 centred below 80 Hz``."""
    return ", ".join(f"{count} {reason}" for reason, count in Counter(left_out).most_common())


def _reason(rendered: Rendered) -> str:
    columns = columns_of([rendered.preset.descriptors])
    complete = tails_complete(rendered.audio[None], rendered.preset.settings.sample_rate)
    return str(unplayable_reason(columns, complete)[0])
