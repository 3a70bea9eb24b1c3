"""Layout of sounds on a plane by their log-mel spectrograms: similar sounds lie near each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from synthvae.features import Feature
from synthvae.maps.projection import pca_map

__all__ = ["LARGEST", "sound_map"]

#: Sounds on the map at most.
LARGEST = 3000
#: Principal components of the spectrograms that a layout starts from.
COMPONENTS = 50
#: Fewer sounds have no map.
LEAST = 4
BATCH = 64


def sound_map(audio: Tensor, feature: Feature) -> NDArray[np.float64]:
    """Places of sounds on the map of the report's first screen: principal components of their spectrograms.

    Args:
        audio: ``(N, T)``; the first `LARGEST` are placed.
        feature: log-mel spectrogram.

    Returns:
        ``(M, 2)``; M is 0 for fewer than `LEAST` sounds. Where all sounds are equal, the origin M times.
    """
    if len(audio) < LEAST:
        return np.zeros((0, 2))
    from sklearn.decomposition import PCA  # a second to import
    from threadpoolctl import threadpool_limits

    parts = [feature(part).flatten(1).numpy() for part in audio[:LARGEST].split(BATCH)]
    rows = np.concatenate(parts)
    if (rows == rows[0]).all():  # of what does not vary there are no principal components
        return np.zeros((len(rows), 2))
    reducer = PCA(min(COMPONENTS, *rows.shape), svd_solver="randomized", random_state=0)
    with threadpool_limits(1):  # sums of several threads differ in the last bit
        return pca_map(reducer.fit_transform(rows)).points
