"""Interface of a synthesizer: a module from unit parameters to audio, and a description of its kind.

A new synth is a subclass of `Synth` and a `SynthKind` that is passed to `synthvae.synths.registry.register_synth`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import forward_ad

from synthvae.core.errors import UserError
from synthvae.synths.parameters import ParameterSpace

__all__ = ["Family", "Synth", "SynthKind", "tangent"]

Values = Mapping[str, float]

#: Maximum number of directions differentiated at once; each needs memory for every intermediate signal of a sound.
_DIRECTIONS = 16


class Synth(nn.Module):
    """A pure function of each row: unit parameters ``(B, P)`` in [0, 1] to audio ``(B, T)`` in [-1, 1].

    The same preset gives the same samples alone, in any batch and at any position. A subclass implements `forward`
    with operations that PyTorch can differentiate, in forward mode too unless `jacobian` is overridden.

    Attributes:
        parameter_space: the columns of the input.
        sample_rate: sample rate in Hz.
        seconds: length of every sound.
        control_rate: rate of control signals in Hz, where the synth computes them separately.
        samples: number of samples of every sound, T.
    """

    #: Whether `forward` takes ``hold_phases``, which makes oscillator phases constants in the backward pass.
    holds_phases: ClassVar[bool] = False

    def __init__(
        self, parameters: ParameterSpace, sample_rate: int = 44100, seconds: float = 1.0, control_rate: int = 441
    ) -> None:
        """Store the settings.

        Args:
            parameters: the columns.
            sample_rate: sample rate in Hz.
            seconds: length of every sound.
            control_rate: rate of control signals in Hz.

        Raises:
            ValueError: if a rate or the length is not positive.
        """
        super().__init__()
        self.parameter_space = parameters
        self.sample_rate, self.seconds, self.control_rate = sample_rate, seconds, control_rate
        self.samples = round(seconds * sample_rate)
        if sample_rate <= 0 or control_rate <= 0 or self.samples <= 0:
            raise ValueError(f"rates and length must be positive: {sample_rate=}, {control_rate=}, {seconds=}")

    def jacobian(self, unit: Tensor, feature: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Jacobian of a feature of the audio with respect to the parameters, in forward mode.

        Args:
            unit: unit parameters ``(B, P)`` in [0, 1].
            feature: function of audio ``(B, T)``, row by row, composed of operations that PyTorch can differentiate in
                forward mode; the identity by default.

        Returns:
            Derivatives ``(B, P, ...)``, followed by the dimensions of the feature, or T. The parameter axis may be
            innermost in memory.
        """
        self.check(unit)
        return torch.stack([self._derivatives(row, feature) for row in unit.detach()])

    def with_noise(self, seed: int) -> Synth:
        """The same synth with noise drawn from another seed; `self` if it has no noise."""
        return self

    def check(self, unit: Tensor) -> None:
        """Check that the input is a batch of presets.

        Raises:
            ValueError: if the shape of `unit` is not ``(B, P)``.
        """
        if unit.ndim != 2:
            raise ValueError(f"expected unit parameters (B, {len(self.parameter_space)}), got {tuple(unit.shape)}")
        if unit.shape[1] != len(self.parameter_space):
            raise ValueError(f"expected {len(self.parameter_space)} columns, got shape {tuple(unit.shape)}")

    def _derivatives(self, row: Tensor, feature: Callable[[Tensor], Tensor] | None) -> Tensor:
        """Derivatives with respect to the parameters of one row ``(P,)``, by PyTorch's forward-mode differentiation."""
        parts = []
        for directions in torch.eye(len(row), dtype=row.dtype, device=row.device).split(_DIRECTIONS):
            with forward_ad.dual_level():
                audio = self(forward_ad.make_dual(row.expand(len(directions), -1).contiguous(), directions))
                parts.append(tangent(audio if feature is None else feature(audio)))
        return torch.cat(parts)


def tangent(dual: Tensor) -> Tensor:
    """The tangent of a dual tensor; zeros if it has none."""
    value, found = forward_ad.unpack_dual(dual)
    return torch.zeros_like(value) if found is None else found


def _silent(values: Values) -> float:
    return 0.0


def _none(parameters: ParameterSpace) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Family:
    """Sounds of one kind, such as kick drums, as ranges of a synth's parameters.

    Attributes:
        space: space of all parameters of the synth; within a range, values are uniform under the curves of this space.
        ranges: minimum and maximum of every parameter by name, in human units; they may be equal.
    """

    space: ParameterSpace
    ranges: Mapping[str, tuple[float, float]]

    def draw(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map numbers ``(B, P)`` in [0, 1], positions within each range, to presets ``(B, P)`` in human units."""
        low, high = (np.array([[self.ranges[name][end] for name in self.space.names]]) for end in (0, 1))
        first, last = self.space.normalise(low), self.space.normalise(high)
        return np.clip(self.space.denormalise(first + unit * (last - first)), low, high)


def _no_families() -> Mapping[str, Family]:
    return {}


@dataclass(frozen=True)
class SynthKind:
    """A kind of synthesizer, identified by its name in files.

    The functions may import their dependencies when called, so that the header of a file can be checked without them.

    Attributes:
        name: name in files and as argument ``synth``.
        build: function that returns a `Synth` for a parameter space and the keyword arguments ``sample_rate``,
            ``seconds`` and ``control_rate``.
        spaces: function that returns the parameter spaces, all of different sizes: the default one first, the one with
            every parameter last.
        setup: fields stored in files besides the name: everything else that changes the sound of a preset.
        note: name of the parameter for the played note, a MIDI number; None if the synth plays no notes.
        hold: name of the parameter for the duration of the key press, in seconds; None if there is none.
        tail: function from all human values by name to the seconds from note-off to silence.
        release: function as `tail`, for the seconds from note-off until the sound has decayed by 20 dB.
        rise: function as `tail`, for the seconds from note-on to the end of the last attack.
        noise: name of the parameter for the noise level; None if the synth has no noise.
        pitch_only: function that returns the columns that affect the sound only through oscillator phases.
        groups: patterns of parameter names by group name.
        families: function that returns families of sounds by name, in the parameters of `every`.
    """

    name: str
    build: Callable[..., Synth]
    spaces: Callable[[], Sequence[ParameterSpace]]
    setup: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None
    hold: str | None = None
    tail: Callable[[Values], float] = _silent
    release: Callable[[Values], float] = _silent
    rise: Callable[[Values], float] = _silent
    noise: str | None = None
    pitch_only: Callable[[ParameterSpace], Sequence[str]] = _none
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    families: Callable[[], Mapping[str, Family]] = _no_families

    @property
    def header(self) -> dict[str, Any]:
        """The field ``synth`` of files of this kind."""
        return {"name": self.name, **self.setup}

    @property
    def every(self) -> ParameterSpace:
        """The parameter space in which every parameter is a column."""
        return self.spaces()[-1]

    def space(self, count: int | None = None) -> ParameterSpace:
        """A parameter space by the number of its columns.

        Args:
            count: number of columns; None for the default space.

        Raises:
            UserError: if there is no space with this number of columns.
        """
        spaces = self.spaces()
        for space in spaces:
            if count is None or len(space) == count:
                return space
        choices = " or ".join(str(len(space)) for space in spaces)
        raise UserError("parameters", count, f"choose {choices}, the parameters that {self.name} has")

    def require_note(self) -> str:
        """Name of the parameter for the played note.

        Raises:
            UserError: if the synth plays no notes.
        """
        if self.note is None:
            raise UserError(
                "synth", self.name, "leave the note out, or use a synth that has them", why="which plays no notes"
            )
        return self.note

    def require_hold(self) -> str:
        """Name of the parameter for the duration of the key press.

        Raises:
            UserError: if the synth has no such parameter.
        """
        if self.hold is None:
            raise UserError(
                "synth", self.name, "leave the length out, or use a synth that has one", why="which holds no keys"
            )
        return self.hold
