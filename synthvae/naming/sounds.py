"""Names and descriptors of sounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from synthvae.audio.descriptors import measure
from synthvae.audio.pitch import check_sounds
from synthvae.naming.words import name_of

__all__ = ["LONGEST", "Named", "name_sounds"]

LONGEST = 60.0
"""Seconds that are measured; a note of the Voice has ended long before."""

_BATCH = 8  # sounds between two reports of progress


class Named(NamedTuple):
    """One sound.

    Attributes:
        name: name such as ``bright noisy pluck, A3``; similar sounds have the same.
        descriptors: a value for each of `synthvae.audio.descriptors.PRESET_DESCRIPTORS`, None where the sound has no
            such thing.
    """

    name: str
    descriptors: dict[str, float | None]


def name_sounds(
    audio: NDArray[np.floating] | Tensor, sample_rate: int, progress: Callable[[int], object] = lambda done: None
) -> list[Named]:
    """Name and describe sounds ``(N, T)``, full scale 1, by measuring their first minute.

    Each takes 12 ms for a second at 44.1 kHz and is a function of its sound alone.

    Example:
        >>> import torch
        >>> from synthvae.naming import name_sounds
        >>> name_sounds(torch.zeros(1, 44100), 44100)[0].name
        'silence'

    Raises:
        ValueError: if `audio` is not (N, T) or not floating point.
        UserError: if it is empty or not finite.
    """
    sounds = check_sounds(audio, "audio")[:, : round(LONGEST * sample_rate)]
    named: list[Named] = []
    # Frames are too few to parallelise: two threads take longer than one, five times as long on a busy machine.
    with threadpool_limits(1, "openmp"):
        for part in sounds.split(_BATCH):
            named += [Named(name_of(sound), sound.descriptors) for sound in measure(part, sample_rate)]
            progress(len(named))
    return named
