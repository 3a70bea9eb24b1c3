"""Detection of clicks that repeat once per frame, an artefact of the same wrong phase in all frames.

Zero phase in every frame gives a pulse in every frame, one hop apart. Log-mel and other magnitudes hardly change; the
second difference does, and its energy is concentrated at one position within the hop.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from synthvae.audio.pitch import Measured, check_sounds
from synthvae.metrics.distances import Audio

__all__ = ["click_crest"]

#: Minimum number of blocks of a hop for a crest: with fewer, single samples dominate.
FEWEST_BLOCKS = 16
#: Energy of a block's second difference, relative to that of the sound's loudest block, at and below which it is
#: silent.
SILENT = 1e-10


def click_crest(audio: Audio, hop: int) -> Measured:
    """Largest over median energy of the second difference by position within the hop, at least 1.

    Every block of a hop is first divided by its own energy, so that a single attack, which is in one block, does not
    dominate. Steady noise is near 1, the nearer the more blocks: the mean of a position over B blocks has a standard
    deviation of sqrt(2 / B), and the largest of 128 is 2.6 deviations above the mean, 1.23 for two seconds at 16 kHz.

    Args:
        audio: sounds, shape (N, T).
        hop: hop of the transform from which the sounds were made, in samples.

    Returns:
        One number per sound, each a function of that sound alone. It is 1 and marked as undefined if fewer than sixteen
        blocks contain any sound.

    Raises:
        ValueError: if the hop is not positive, or the audio is not (N, T) or not floating point.
        UserError: if it is empty or not finite.
    """
    if hop < 1:
        raise ValueError(f"hop must be positive, got {hop}")
    sounds = check_sounds(audio, "sounds").double()
    energy = sounds.diff(n=2, dim=1).square()
    values, defined = np.ones(len(sounds)), np.zeros(len(sounds), dtype=np.bool_)
    for row in range(len(sounds)):
        crest = _crest(energy[row, : energy.shape[1] // hop * hop].unflatten(0, (-1, hop)))
        if crest is not None:
            values[row], defined[row] = crest, True
    return Measured(values, defined)


def _crest(blocks: Tensor) -> float | None:
    total = blocks.sum(1)
    sounding = total > SILENT * total.amax() if len(total) else total > 0
    if int(sounding.sum()) < FEWEST_BLOCKS:
        return None
    course = (blocks[sounding] / total[sounding, None]).mean(0)
    return float(course.max() / course.median().clamp_min(torch.finfo(course.dtype).tiny))
