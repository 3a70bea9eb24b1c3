"""A synth of three parameters, as a third-party package would provide it: a decaying sine."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from synthvae.synths.base import Synth, SynthKind
from synthvae.synths.parameters import Parameter, ParameterSpace

SPACE = ParameterSpace(
    (
        Parameter("sine.pitch", 36.0, 96.0, unit="MIDI"),
        Parameter("sine.decay", 0.02, 1.0, 0.5, unit="s"),
        Parameter("sine.level", 0.1, 1.0),
    )
)


class Sine(Synth):
    """``level * exp(-t / decay) * sin(2 pi f t)``."""

    def forward(self, unit: Tensor) -> Tensor:
        self.check(unit)
        pitch, decay, level = self.parameter_space.denormalise(unit).split(1, dim=1)
        t = torch.arange(self.samples, dtype=unit.dtype, device=unit.device) / self.sample_rate
        frequency = 440.0 * torch.exp2((pitch - 69.0) / 12.0)
        return level * torch.exp(-t / decay) * torch.sin(2.0 * math.pi * frequency * t)


KIND = SynthKind("tests.Sine", Sine, lambda: (SPACE,), {"version": 1}, note="sine.pitch")
