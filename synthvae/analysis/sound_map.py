"""Layout of sounds on a plane by their log-mel spectrograms: similar sounds lie near each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from synthvae.features import Feature
from synthvae.maps.spectra import sound_layout, spectral_features

__all__ = ["LARGEST", "sound_map"]

#: Sounds on the map at most.
LARGEST = 3000
#: Fewer sounds have no map.
LEAST = 4


def sound_map(audio: Tensor, feature: Feature) -> NDArray[np.float64]:
    """Places of sounds on the map of the report's first screen, which is laid out as the page's layout by sound is.

    Args:
        audio: ``(N, T)``; the first `LARGEST` are placed.
        feature: log-mel spectrogram.

    Returns:
        ``(M, 2)``; M is 0 for fewer than `LEAST` sounds. Where all sounds are equal, the origin M times.
    """
    if len(audio) < LEAST:
        return np.zeros((0, 2))
    from threadpoolctl import threadpool_limits

    sounds = audio[:LARGEST]
    with threadpool_limits(1):  # sums of several threads differ in the last bit
        found = spectral_features(len(sounds), lambda numbers: feature(sounds[numbers]).numpy())
        return sound_layout(found.rows)
