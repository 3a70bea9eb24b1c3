"""Features by name."""

from __future__ import annotations

from synthvae.core.errors import UserError, choose_one
from synthvae.features.base import Feature
from synthvae.features.cqt import Cqt
from synthvae.features.mel import LogMel
from synthvae.features.mfcc import Mfcc
from synthvae.features.short_time import StftFeature

__all__ = ["FEATURES", "build_feature"]

_CLASSES: dict[str, type[Feature]] = {kind.name: kind for kind in (StftFeature, Mfcc, Cqt, LogMel)}

FEATURES: dict[str, str] = {name: kind.description for name, kind in _CLASSES.items()}
"""Classes by their name."""


def build_feature(name: str, sample_rate: int) -> Feature:
    """Make a feature by name, one of `FEATURES`; it needs no `.to(device)`.

    Raises:
        UserError: if there is no such feature.
        ValueError: if the feature is not defined at that sample rate.
    """
    if name not in _CLASSES:
        raise UserError("feature", name, choose_one(name, _CLASSES))
    return _CLASSES[name](sample_rate)
