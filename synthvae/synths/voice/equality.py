"""Whether the Voice equals torchsynth's own modules on this machine."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.oracle import TorchsynthVoice
from synthvae.synths.voice.voice import Voice

__all__ = ["TOLERANCE", "Difference", "Equality", "compare_with_torchsynth"]

#: Largest difference of a sample in float64 that counts as equal.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Difference:
    """Absolute differences of samples: the largest and the mean."""

    largest: float
    mean: float


@dataclass(frozen=True)
class Equality:
    """The Voice beside torchsynth's modules wired with the same noise, one second at 44.1 kHz.

    Attributes:
        double: both in float64.
        single: both in float32.
        ours: the Voice in float32 beside float64.
        theirs: torchsynth's modules in float32 beside float64.
    """

    double: Difference
    single: Difference
    ours: Difference
    theirs: Difference

    @property
    def passed(self) -> bool:
        """Whether they are equal in float64, and the Voice in float32 is no farther from float64 than torchsynth."""
        return self.double.largest <= TOLERANCE and self.ours.mean <= self.theirs.mean


def compare_with_torchsynth(space: ParameterSpace, count: int, seed: int) -> Equality:
    """Compare random presets.

    Args:
        space: their parameters.
        count: how many.
        seed: of the draw.
    """
    unit = torch.rand(count, len(space), generator=torch.Generator().manual_seed(seed))
    voice = Voice(space)
    with torch.inference_mode():
        exact = TorchsynthVoice(space, count, dtype=torch.float64)(unit.double())
        ours, theirs = voice(unit), TorchsynthVoice(space, count)(unit)
        pairs = ((voice(unit.double()), exact), (ours, theirs), (ours, exact), (theirs, exact))
    found = [(first - second).abs() for first, second in pairs]
    return Equality(*(Difference(float(far.max()), float(far.mean())) for far in found))
