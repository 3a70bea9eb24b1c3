"""The Voice as a PyTorch module: unit parameters in, sound out, gradients back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synthvae.parameters.space import ParameterSpace
from synthvae.synth.reference import render

__all__ = ["NOISE_SEED", "Voice", "control_points", "noise_signal"]

#: The seed of torchsynth's Voice; the noise of every sound is the first of the signals it draws.
NOISE_SEED = 13


def control_points(samples: int, sample_rate: int, control_rate: int) -> int:
    """Number of control points for a sound of so many samples, rounded as torchsynth rounds it."""
    return int(torch.round(torch.tensor(samples) / sample_rate * control_rate))


def noise_signal(samples: int) -> Tensor:
    """The fixed white noise, ``(samples,)`` in [-1, 1]; a shorter one is a prefix of a longer one."""
    generator = torch.Generator(device="cpu").manual_seed(NOISE_SEED)
    return torch.empty(samples).uniform_(-1.0, 1.0, generator=generator)


class Voice(nn.Module):
    """torchsynth's Voice, a pure and differentiable function of each row of unit parameters.

    The same preset gives the same samples alone, in any batch, at any position and in any process, and every
    gradient is finite on the whole closed cube, faces included. Values equal those of torchsynth's modules
    wired with the same noise; `synthvae.synth.reference` is the definition.

    Example:
        >>> from synthvae import VOICE_63, Voice
        >>> voice = Voice(VOICE_63, seconds=0.5)
        >>> voice(torch.full((1, 63), 0.5)).shape
        torch.Size([1, 22050])
    """

    noise: Tensor

    def __init__(
        self,
        parameters: ParameterSpace | None = None,
        sample_rate: int = 44100,
        seconds: float = 1.0,
        control_rate: int = 441,
    ) -> None:
        """Set up a Voice.

        Args:
            parameters: the columns of the input and the values of all other parameters; `VOICE_63` by default.
            sample_rate: Hz.
            seconds: length of every sound.
            control_rate: rate of envelopes and LFOs in Hz.

        Raises:
            ValueError: if a rate or the length is not positive or too short for two control points.
        """
        super().__init__()
        if parameters is None:
            from synthvae.parameters import voice  # needs torchsynth; nothing else here does

            parameters = voice.VOICE_63
        self.parameter_space = parameters
        self.sample_rate, self.seconds, self.control_rate = sample_rate, seconds, control_rate
        self.samples = round(seconds * sample_rate)
        if sample_rate <= 0 or control_rate <= 0 or self.samples <= 0:
            raise ValueError(f"rates and length must be positive: {sample_rate=}, {control_rate=}, {seconds=}")
        self.control_size = control_points(self.samples, sample_rate, control_rate)
        if self.control_size < 2:
            raise ValueError(f"{seconds} s at a control rate of {control_rate} Hz has fewer than two control points")
        self.register_buffer("noise", noise_signal(self.samples), persistent=False)

    def forward(self, unit: Tensor) -> Tensor:
        """Render presets.

        Args:
            unit: unit parameters ``(B, P)`` in [0, 1], float32 or float64; the audio has the same type.

        Returns:
            Audio ``(B, T)`` in [-1, 1].

        Raises:
            ValueError: if the shape is not ``(B, P)``.
        """
        if unit.ndim != 2:
            raise ValueError(f"expected unit parameters (B, {len(self.parameter_space)}), got {tuple(unit.shape)}")
        human = self.parameter_space.denormalise(unit)
        values = dict(zip(self.parameter_space.names, human.split(1, dim=1), strict=True))
        for name, value in self.parameter_space.fixed.items():
            values[name] = torch.full_like(human[:, :1], value)
        return render(values, self.noise.to(unit.dtype), self.control_size, self.sample_rate, self.control_rate)

    def extra_repr(self) -> str:
        """The settings, for ``print(voice)``."""
        return f"{self.parameter_space!r}, {self.sample_rate} Hz, {self.seconds} s, control {self.control_rate} Hz"
