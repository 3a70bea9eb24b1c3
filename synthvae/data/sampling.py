"""Drawing of presets such that preset i depends only on (seed, i)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["SYNTH1B1_WIDTH", "synth1b1_unit", "uniform_unit"]

#: Parameters of torchsynth's Voice, all of which synth1B1 draws.
SYNTH1B1_WIDTH = 78
#: Number of 64-bit words that Philox generates per step of its counter.
WORDS_PER_STEP = 4


def uniform_unit(seed: int, first: int, count: int, width: int) -> NDArray[np.float64]:
    """Draw presets ``first`` to ``first + count - 1`` of a seed uniformly from the unit cube of `width` parameters.

    The counter of a Philox generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) is
    set to the start of preset `first`, so any shard can be generated independently and every size is a prefix of a
    larger one. NumPy guarantees the stream of raw words, and the arithmetic on them is exact.

    Example:
        >>> bool((uniform_unit(7, 0, 10, 63)[4:6] == uniform_unit(7, 4, 2, 63)).all())
        True

    Returns:
        Multiples of 2^-24 in [0, 1), ``(count, width)``, which float32 represents exactly.
    """
    steps = -(-width // WORDS_PER_STEP)
    words = np.random.Philox(key=seed, counter=first * steps).random_raw(count * steps * WORDS_PER_STEP)
    top_bits = (words.reshape(count, steps * WORDS_PER_STEP)[:, :width] >> np.uint64(40)).astype(np.float64)
    return top_bits * 2.0**-24


def synth1b1_unit(first: int, count: int, names: tuple[str, ...]) -> NDArray[np.float64]:
    """The unit parameters of torchsynth's published dataset synth1B1, sounds ``first`` to ``first + count - 1``.

    torchsynth reseeds its generator with the number of the sound and assigns the draws to its parameters in
    the alphabetical order of their registered names (``AbstractSynth.randomize``; Turian et al., DAFx 2021).

    Returns:
        Values ``(count, 78)`` in [0, 1), in the order of `names`.

    Raises:
        ValueError: if there are not 78 `names`.
    """
    if len(names) != SYNTH1B1_WIDTH:
        raise ValueError(f"synth1B1 has {SYNTH1B1_WIDTH} parameters, got {len(names)} names")
    registered = [name.replace(".", ".torchparameters.", 1) for name in names]
    order = np.argsort(np.argsort(registered))  # the draw that each column receives
    generator = torch.Generator(device="cpu")
    draws = torch.empty(count, SYNTH1B1_WIDTH)
    for row in range(count):
        generator.manual_seed(first + row)
        torch.rand(SYNTH1B1_WIDTH, generator=generator, out=draws[row])
    return draws.numpy()[:, order].astype(np.float64)
