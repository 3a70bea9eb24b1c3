"""Representations by name."""

from __future__ import annotations

from typing import Any

from synthvae.core.errors import UserError, choose_one
from synthvae.features.representations.base import Representation
from synthvae.features.representations.frames import DenseFrames
from synthvae.features.representations.mel import Mel, PublishedMel
from synthvae.features.representations.stft import PublishedStft, Stft

__all__ = ["REPRESENTATIONS", "build_representation"]

_CLASSES: dict[str, type[Representation]] = {
    kind.name: kind for kind in (PublishedMel, Mel, PublishedStft, Stft, DenseFrames)
}

REPRESENTATIONS: dict[str, str] = {name: kind.description for name, kind in _CLASSES.items()}
"""Classes by their name."""


def build_representation(name: str, sample_rate: int, samples: int, **options: Any) -> Representation:  # noqa: ANN401
    """Make a representation by name, one of `REPRESENTATIONS`; it needs no `.to(device)`.

    Args:
        name: name of the representation.
        sample_rate: sample rate in Hz.
        samples: number of samples of the sounds that its `shape` describes.
        options: options of its class.

    Raises:
        UserError: if there is no such representation, or it rejects an argument.
    """
    if name not in _CLASSES:
        raise UserError("representation", name, choose_one(name, _CLASSES))
    try:
        return _CLASSES[name](sample_rate, samples, **options)
    except TypeError as error:
        raise UserError("options", sorted(options), f"give what {name} takes", why=str(error)) from error
