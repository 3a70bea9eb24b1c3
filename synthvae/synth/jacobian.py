"""Derivatives of what is heard, or measured, by all parameters of a preset at once, in forward mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd import forward_ad

from synthvae.features.mel import LogMel

if TYPE_CHECKING:
    from synthvae.synth.voice import Voice

__all__ = ["jacobian"]

#: Most directions that plain PyTorch is asked for at once; each holds every intermediate signal of a sound.
_DIRECTIONS = 16


def jacobian(voice: Voice, unit: Tensor, feature: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """See `synthvae.synth.voice.Voice.jacobian`."""
    unit = unit.detach()
    if not voice.is_fast(unit.dtype, unit.device):
        return torch.stack([_by_definition(voice, row, feature) for row in unit])
    if type(feature) is LogMel:
        return voice.fast().log_mel_jacobian(unit, feature.sample_rate)
    if feature is None:
        return voice.fast().tangents(unit)[1]
    return torch.stack([_through(feature, *voice.fast().tangents(row[None])) for row in unit])


def _through(feature: Callable[[Tensor], Tensor], audio: Tensor, tangents: Tensor) -> Tensor:
    """Derivatives of a feature of one sound ``(1, T)``, from those of its samples ``(1, P, T)``."""
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(audio.expand(tangents.shape[1], -1).contiguous(), tangents[0].contiguous())
        return _tangent(feature(dual))


def _by_definition(voice: Voice, row: Tensor, feature: Callable[[Tensor], Tensor] | None) -> Tensor:
    """Derivatives by the parameters of one row ``(P,)``, by PyTorch's own forward mode."""
    parts = []
    for directions in torch.eye(len(row), dtype=row.dtype, device=row.device).split(_DIRECTIONS):
        with forward_ad.dual_level():
            audio = voice(forward_ad.make_dual(row.expand(len(directions), -1).contiguous(), directions))
            parts.append(_tangent(audio if feature is None else feature(audio)))
    return torch.cat(parts)


def _tangent(dual: Tensor) -> Tensor:
    value, tangent = forward_ad.unpack_dual(dual)
    return torch.zeros_like(value) if tangent is None else tangent
