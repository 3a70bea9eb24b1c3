"""Principal components of log-mel spectrograms: few numbers by which sounds are compared and laid out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from synthvae.maps.projection import tsne_map

__all__ = ["COMPONENTS", "SpectralFeatures", "sound_layout", "spectral_features"]

Floats = NDArray[np.float32]

#: Number of principal components: of 10,000 uniform presets of the Voice they explain 86 % of the variance.
COMPONENTS = 50
#: Number of sounds that the components are computed from, the first ones; all are projected on them.
FITTED = 2000
#: Of t-SNE: half its usual time, and the nearest sound is as close to 0.3 dB.
ANGLE, ITERATIONS = 0.8, 500
_BATCH = 256


@dataclass(frozen=True)
class SpectralFeatures:
    """Log-mel spectrograms by their principal components, scaled so that distances are in dB.

    Attributes:
        rows: ``(N, K)``, of the sounds. The distance of two rows is the root mean square difference of their
            spectrograms in dB, less what the components leave out.
        mean: ``(F,)``, the mean spectrogram.
        components: ``(K, F)``, orthonormal.
    """

    rows: Floats
    mean: Floats
    components: Floats

    def project(self, spectrograms: Floats) -> Floats:
        """Rows ``(B, K)`` of spectrograms ``(B, ...)`` of as many bands and frames."""
        flat = spectrograms.reshape(len(spectrograms), -1)
        return ((flat - self.mean) @ self.components.T / np.sqrt(len(self.mean))).astype(np.float32)


def spectral_features(count: int, render: Callable[[NDArray[np.intp]], Floats]) -> SpectralFeatures:
    """Principal components of the spectrograms of many sounds, a batch of them in memory at a time.

    Args:
        count: N, at least 1.
        render: spectrograms ``(B, bands, frames)`` in dB of the sounds with given numbers ``(B,)``.
    """
    numbers = np.arange(count)
    first = np.concatenate([render(part).reshape(len(part), -1) for part in _batches(numbers[:FITTED])])
    mean = first.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = first - mean
    # The sounds are fewer than bands times frames, so their inner products are the smaller matrix.
    inner = (centred @ centred.T).astype(np.float64)
    _, vectors = scipy.linalg.eigh(inner, subset_by_index=(max(0, len(inner) - COMPONENTS), len(inner) - 1))
    directions = vectors[:, ::-1].T.astype(np.float32) @ centred
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    kept = (lengths > 1e-5 * max(float(lengths[0, 0]), 1e-30))[:, 0]  # equal sounds have no direction
    kept[0] = True
    components = directions[kept] / np.maximum(lengths[kept], 1e-30)
    found = SpectralFeatures(np.zeros((0, len(components)), np.float32), mean, components)
    rows = [found.project(first), *(found.project(render(part)) for part in _batches(numbers[FITTED:]))]
    return SpectralFeatures(np.concatenate(rows), mean, components)


def sound_layout(rows: Floats) -> NDArray[np.float64]:
    """Places ``(N, 2)`` of sounds by rows ``(N, K)`` of `SpectralFeatures`, at least 4: t-SNE.

    It keeps neighbours together better than UMAP does, and fills the plane evenly (docs/decisions/exploration.md).
    """
    return tsne_map(rows, angle=ANGLE, iterations=ITERATIONS)


def _batches(numbers: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [numbers[first : first + _BATCH] for first in range(0, len(numbers), _BATCH)]
