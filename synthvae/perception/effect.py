"""What each parameter does to the sound over its whole range: Sobol's total effect."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.data.presets import Dataset

__all__ = ["EFFECT_PRESETS", "effect_on_dataset", "total_effect"]

BATCH = 64
#: Presets between which values are exchanged: enough for the order of what is heard most, for seconds of work.
EFFECT_PRESETS = 256


def total_effect(
    voice: nn.Module,
    feature: nn.Module,
    unit: Tensor,
    seed: int = 0,
    progress: Callable[[int], object] = lambda done: None,
) -> Tensor:
    """Mean squared change of a feature when one parameter alone is drawn anew.

    Jansen's estimator of the total effect (Jansen, "Analysis of variance designs for model output", Computer
    Physics Communications 117, 1999), without its division by twice the variance, so that it is in the feature's
    unit squared and one half of it is the error of leaving the parameter out of an otherwise perfect answer.

    Args:
        voice: unit parameters ``(B, P)`` to audio ``(B, T)``.
        feature: of the audio, real.
        unit: presets ``(N, P)``, at least two; the new values of a parameter are those of the other presets.
        seed: of the pairing.
        progress: called with the number of parameters done.

    Returns:
        ``(P,)`` float64.

    Raises:
        ValueError: if there are fewer than two presets.
    """
    if len(unit) < 2:
        raise ValueError(f"need at least two presets to exchange values between, got {len(unit)}")
    order = torch.randperm(len(unit), generator=torch.Generator().manual_seed(seed))
    partner = torch.empty_like(order)
    partner[order] = order.roll(1)  # one cycle: nobody is its own partner
    before = _features(voice, feature, unit)
    effects = []
    for column in range(unit.shape[1]):
        changed = unit.clone()
        changed[:, column] = unit[partner, column]
        after = _features(voice, feature, changed)
        effects.append(
            sum((b - a).double().square().mean() * len(b) for a, b in zip(before, after, strict=True)) / len(unit)
        )
        progress(column + 1)
    return torch.stack([torch.as_tensor(effect) for effect in effects])


def _features(voice: nn.Module, feature: nn.Module, unit: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        return [feature(voice(part)) for part in unit.split(BATCH)]


def effect_on_dataset(
    voice: nn.Module, feature: nn.Module, dataset: Dataset, progress: Callable[[int], object] = lambda done: None
) -> Tensor:
    """Total effects over the first presets of a dataset's training split; same arguments and return otherwise.

    Raises:
        UserError: if the split has fewer than two presets.
    """
    unit = dataset.split("train")[:EFFECT_PRESETS]
    if len(unit) < 2:
        raise UserError(f"{dataset.path}: one training preset; what a parameter does takes at least 2 to exchange")
    return total_effect(voice, feature, unit, progress=progress)
