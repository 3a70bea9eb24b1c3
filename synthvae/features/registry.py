"""Features by name, and several of them from one transform."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.features.base import Feature
from synthvae.features.cqt import Cqt
from synthvae.features.fourier import stft
from synthvae.features.mel import LogMel
from synthvae.features.mfcc import Mfcc
from synthvae.features.short_time import StftFamily, StftFeature

__all__ = ["FEATURES", "build_feature", "multi_feature"]

_CLASSES: dict[str, type[Feature]] = {kind.name: kind for kind in (StftFeature, Mfcc, Cqt, LogMel)}

FEATURES: dict[str, str] = {name: kind.description for name, kind in _CLASSES.items()}
"""What each legal name stands for."""


def build_feature(name: str, sample_rate: int) -> Feature:
    """Make a feature by name.

    Args:
        name: one of `FEATURES`.
        sample_rate: in Hz.

    Returns:
        The feature; it needs no `.to(device)`.

    Raises:
        UserError: if there is no such feature.
        ValueError: if the feature does not exist at that sample rate.
    """
    if name not in _CLASSES:
        raise UserError("feature", name, f"choose one of {', '.join(_CLASSES)}")
    return _CLASSES[name](sample_rate)


def multi_feature(audio: Tensor, features: Sequence[Feature]) -> dict[str, Tensor]:
    """Compute several features of the same audio; all of the STFT family share one transform.

    Args:
        audio: `(B, T)`.
        features: which ones.

    Returns:
        By feature name, what each feature's `forward` returns.

    Raises:
        ValueError: if two of the features have the same name.
    """
    if len({feature.name for feature in features}) < len(features):
        raise ValueError(f"features must differ, got {[feature.name for feature in features]}")
    shared = stft(audio) if any(isinstance(feature, StftFamily) for feature in features) else None
    result = {}
    for feature in features:
        if isinstance(feature, StftFamily) and shared is not None:
            spectrum = feature.from_stft(shared)
            result[feature.name] = spectrum.abs() if feature.complex else spectrum
        else:
            result[feature.name] = feature(audio)
    return result
