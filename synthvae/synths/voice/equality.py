"""Comparison of the Voice with torchsynth's modules on this machine."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.oracle import TorchsynthVoice
from synthvae.synths.voice.voice import Voice

__all__ = ["TOLERANCE", "Difference", "Equality", "compare_with_torchsynth"]

#: Maximum absolute difference of samples in float64 that counts as equal.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Difference:
    """Absolute differences of samples: maximum and mean."""

    largest: float
    mean: float


@dataclass(frozen=True)
class Equality:
    """Differences between the Voice and torchsynth's modules with the same noise, for one second at 44.1 kHz.

    Attributes:
        double: difference with both in float64.
        single: difference with both in float32.
        ours: difference between the Voice in float32 and in float64.
        theirs: difference between torchsynth's modules in float32 and in float64.
    """

    double: Difference
    single: Difference
    ours: Difference
    theirs: Difference

    @property
    def passed(self) -> bool:
        """Whether they are equal in float64, and the float32 error of the Voice does not exceed that of torchsynth."""
        return self.double.largest <= TOLERANCE and self.ours.mean <= self.theirs.mean


def compare_with_torchsynth(space: ParameterSpace, count: int, seed: int) -> Equality:
    """Compare the Voice with torchsynth's modules on random presets.

    Args:
        space: parameter space of the presets.
        count: number of presets.
        seed: seed of the presets.
    """
    unit = torch.rand(count, len(space), generator=torch.Generator().manual_seed(seed))
    voice = Voice(space)
    with torch.inference_mode():
        exact = TorchsynthVoice(space, count, dtype=torch.float64)(unit.double())
        ours, theirs = voice(unit), TorchsynthVoice(space, count)(unit)
        pairs = ((voice(unit.double()), exact), (ours, theirs), (ours, exact), (theirs, exact))
    found = [(first - second).abs() for first, second in pairs]
    return Equality(*(Difference(float(far.max()), float(far.mean())) for far in found))
