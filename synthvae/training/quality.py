"""Log-mel reconstruction error of unseen presets relative to null models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.metrics.logmel_distance import LogMelDistance
from synthvae.metrics.reconstruction import Ratio, error_ratio, null_errors, preset_errors
from synthvae.synths.base import Synth

__all__ = ["Quality", "QualityMeter"]

_NAME = "log-mel spectrogram"


@dataclass(frozen=True)
class Quality:
    """Mean log-mel error of reconstructions, relative to that of null models.

    Attributes:
        mean_preset: relative to a null model that always returns 0.5 in every unit parameter.
        mean_spectrogram: relative to a null model that always returns the mean spectrogram of the same presets.
    """

    mean_preset: Ratio
    mean_spectrogram: Ratio


class QualityMeter:
    """Mean squared difference of log-mel spectrograms, in dB², between presets and their reconstructions.

    The presets are rendered once.

    Args:
        voice: synth that renders the presets.
        unit: unit parameters ``(N, P)``, at least two.

    Raises:
        UserError: if there are fewer than two presets, or a sound is not finite.
    """

    def __init__(self, voice: Synth, unit: Tensor) -> None:
        self._distance = LogMelDistance(voice, voice.sample_rate)
        self._target = self._spectra(unit)
        self._nulls = null_errors(self._target, self._spectra(torch.full_like(unit[:1], 0.5))[0], name=_NAME)

    def measure(self, reconstruction: Tensor) -> Quality:
        """Quality of reconstructions ``(M, P)`` of the first M presets, M <= N.

        Raises:
            UserError: if a sound is not finite.
        """
        count = len(reconstruction)
        errors = preset_errors(self._target[:count], self._spectra(reconstruction), _NAME).mse
        nulls = (self._nulls.mean_preset.mse[:count], self._nulls.mean_spectrogram.mse[:count])
        return Quality(*(error_ratio(errors, null) for null in nulls))

    def _spectra(self, unit: Tensor) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._distance.spectrograms(unit)[:, None].cpu().numpy()
        return found
