"""The Voice as a differentiable PyTorch module from unit parameters to audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd import forward_ad

from synthvae.core.errors import UserError
from synthvae.features.mel import LogMel
from synthvae.synths.base import Synth, tangent
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.kernels.layout import NAMES
from synthvae.synths.voice.reference import render

if TYPE_CHECKING:
    from synthvae.synths.voice.fast import FastVoice

__all__ = ["NOISE_SEED", "Voice", "control_points", "noise_signal"]


def _through(feature: Callable[[Tensor], Tensor], audio: Tensor, tangents: Tensor) -> Tensor:
    """Derivatives of a feature of one sound ``(1, T)``, from derivatives of its samples ``(1, P, T)``."""
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(audio.expand(tangents.shape[1], -1).contiguous(), tangents[0].contiguous())
        return tangent(feature(dual))


#: Noise seed of torchsynth's Voice; the noise of every sound is the first signal drawn with it.
NOISE_SEED = 13


def control_points(samples: int, sample_rate: int, control_rate: int) -> int:
    """Number of control points for a sound of `samples` samples, rounded as in torchsynth."""
    return int(torch.round(torch.tensor(samples) / sample_rate * control_rate))


def noise_signal(samples: int, seed: int = NOISE_SEED) -> Tensor:
    """White noise of a seed, ``(samples,)`` in [-1, 1]; a shorter signal is a prefix of a longer one."""
    generator = torch.Generator(device="cpu").manual_seed(seed)
    return torch.empty(samples).uniform_(-1.0, 1.0, generator=generator)


class Voice(Synth):
    """torchsynth's Voice, a pure and differentiable function of each row of unit parameters.

    The same preset gives the same samples alone, in any batch, at any position and in any process, and every
    gradient is finite on the whole closed cube, faces included. Values equal those of torchsynth's modules
    with the same noise; `synthvae.synths.voice.reference` is the definition.

    There are two paths. float32 on a CPU is computed by compiled kernels, which are many times faster and closer to
    float64 than plain PyTorch in float32, and differentiable once. All other inputs, and all inputs with `exact`, are
    computed by the definition in plain PyTorch, which is differentiable any number of times. `path` describes the one
    in use.

    Example:
        >>> from synthvae import VOICE_63, Voice
        >>> voice = Voice(VOICE_63, seconds=0.5)
        >>> voice(torch.full((1, 63), 0.5)).shape
        torch.Size([1, 22050])
    """

    noise: Tensor
    holds_phases = True

    def __init__(
        self,
        parameters: ParameterSpace | None = None,
        sample_rate: int = 44100,
        seconds: float = 1.0,
        control_rate: int = 441,
        exact: bool = False,
    ) -> None:
        """Set up a Voice.

        Args:
            parameters: the columns of the input and the values of all other parameters; `VOICE_63` by default.
            sample_rate: sample rate in Hz.
            seconds: length of every sound.
            control_rate: rate of envelopes and LFOs in Hz.
            exact: whether to compute the definition in plain PyTorch for every type and device.

        Raises:
            ValueError: if a rate or the length is not positive or too short for two control points.
            UserError: if the parameters are not those of torchsynth's Voice.
        """
        if parameters is None:
            from synthvae.synths.voice import parameters as voice  # imports torchsynth, which is needed only here

            parameters = voice.VOICE_63
        given = set(parameters.names) | set(parameters.fixed)
        if given != set(NAMES):
            wrong = sorted(given ^ set(NAMES))[0]
            raise UserError(
                "parameters",
                wrong,
                "a parameter set and its fixed values must name its 78 parameters, each once",
                f"parameter {wrong} is {'unknown to' if wrong in given else 'missing for'} torchsynth's Voice",
            )
        super().__init__(parameters, sample_rate, seconds, control_rate)
        self.exact = exact
        self.control_size = control_points(self.samples, sample_rate, control_rate)
        if self.control_size < 2:
            raise ValueError(f"{seconds} s at a control rate of {control_rate} Hz has fewer than two control points")
        self.register_buffer("noise", noise_signal(self.samples), persistent=False)
        self._fast: FastVoice | None = None

    @property
    def path(self) -> str:
        """Description of the path for float32 input on this module's device; see `path_of` for other inputs."""
        return self.path_of(torch.float32, self.noise.device)

    def path_of(self, dtype: torch.dtype, device: torch.device | str) -> str:
        """Description of the path of an input: kernels or reference, type and device."""
        device = torch.device(device)
        way = "compiled kernels" if self.is_fast(dtype, device) else "reference"
        return f"{way}, {str(dtype).removeprefix('torch.')} on {device.type}"

    def is_fast(self, dtype: torch.dtype, device: torch.device) -> bool:
        """Whether an input of this type on this device is rendered by the compiled kernels."""
        return not self.exact and dtype == torch.float32 and device.type == "cpu"

    def fast(self) -> FastVoice:
        """The kernels of this Voice, also if the other path is used; the first call loads numba."""
        if self._fast is None:
            from synthvae.synths.voice.fast import FastVoice  # numba takes a third of a second to load

            noise = self.noise.detach().to("cpu", torch.float32)
            self._fast = FastVoice(self.parameter_space, noise, self.control_size, self.sample_rate, self.control_rate)
        return self._fast

    def with_noise(self, seed: int) -> Voice:
        """The same Voice with noise of another seed."""
        other = Voice(self.parameter_space, self.sample_rate, self.seconds, self.control_rate, self.exact)
        other.noise = noise_signal(self.samples, seed).to(self.noise)
        if self.is_fast(torch.float32, self.noise.device):
            other._fast = self.fast().with_noise(other.noise)
        return other

    def forward(self, unit: Tensor, hold_phases: bool = False) -> Tensor:
        """Render presets to audio ``(B, T)`` in [-1, 1].

        Args:
            unit: unit parameters ``(B, P)`` in [0, 1], float32 or float64; also the type of the audio.
            hold_phases: whether the phases of both oscillators are constants in the backward pass. The derivative then
                covers the effect of levels, envelopes and waveforms and omits that of pitch, which on spectral losses
                is thousands of times larger and correct only within a few cents.

        Raises:
            ValueError: if the shape is not ``(B, P)``.
        """
        self.check(unit)
        if self.is_fast(unit.dtype, unit.device):
            return self.fast()(unit, hold_phases)
        human = self.parameter_space.denormalise(unit)
        values = dict(zip(self.parameter_space.names, human.split(1, dim=1), strict=True))
        for name, value in self.parameter_space.fixed.items():
            values[name] = torch.full_like(human[:, :1], value)
        setting = (self.noise.to(unit.dtype), self.control_size, self.sample_rate, self.control_rate)
        return render(values, *setting, hold_phases)

    def jacobian(self, unit: Tensor, feature: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Derivatives of a feature of the audio by every parameter, in forward mode; see `Synth.jacobian`.

        The P directional derivatives of one preset share their common computations: on a CPU in float32, those of a
        log-mel spectrogram (`synthvae.features.mel.LogMel`) take a small fraction of the time of P renders.
        """
        self.check(unit)
        unit = unit.detach()
        if not self.is_fast(unit.dtype, unit.device):
            return super().jacobian(unit, feature)
        if type(feature) is LogMel:
            return self.fast().log_mel_jacobian(unit, feature.sample_rate)
        if feature is None:
            return self.fast().tangents(unit)[1]
        return torch.stack([_through(feature, *self.fast().tangents(row[None])) for row in unit])

    def extra_repr(self) -> str:
        """The settings, for ``print(voice)``."""
        return (
            f"{self.parameter_space!r}, {self.sample_rate} Hz, {self.seconds} s, control {self.control_rate} Hz, "
            f"{self.path}"
        )
