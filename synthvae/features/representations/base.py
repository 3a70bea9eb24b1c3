"""Base class of representations: invertible model inputs computed from audio."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.features.base import check_audio
from synthvae.features.invertible_stft import ShortTime

__all__ = ["SILENCE", "TOLERANCE", "Encoded", "Representation", "compress", "decibels", "expand"]

#: Level of silence in dB, and of everything below it.
SILENCE = -120.0
#: Range of the values in decibels: the loudest cell of a sound is 1, and this far below it is 0.
RANGE = 80.0
#: Share of a sound's largest magnitude at and below which heap integration uses random phases: 20 dB below the lowest
#: level that values represent. On sixty sounds the result is the same as with 1e-7, in two thirds of the time.
TOLERANCE = 1e-5


class Encoded(NamedTuple):
    """Representation of sounds as a model's input.

    Attributes:
        values: values ``(B, C, H, W)``, float32: channels, bands or bins, frames.
        level: levels ``(B,)`` in dB, from `SILENCE` up, of the quantity named by `Representation.level`. Where values
            are relative to the loudest cell, it is the level of that cell.
    """

    values: Tensor
    level: Tensor


class Representation(nn.Module):
    """A representation of audio that can be inverted. It has no weights, buffers or state dict.

    Every row is a function of that row alone. The number of frames depends on the length of a sound, and the inverse
    returns the sound's own number of samples.

    Args:
        sample_rate: sample rate in Hz.
        samples: number of samples of the sounds that `shape` describes.
        options: options of the class, as in the header.

    Attributes:
        shape: shape (C, H, W) of a sound of `samples` samples.

    Raises:
        UserError: if the sample rate or the number of samples is not positive.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    #: The quantity whose level `Encoded.level` is, and whether values are normalised by it.
    level: ClassVar[str]
    #: The transform that values are computed from.
    transform: ShortTime
    #: Default phase of `invert`; ``modelled`` if the values include a phase.
    phase: str
    #: Whether all values are in [0, 1].
    bounded: bool

    def __init__(self, sample_rate: int, samples: int, **options: Any) -> None:  # noqa: ANN401
        super().__init__()
        for argument, value in (("sample_rate", sample_rate), ("samples", samples)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UserError(argument, value, "give a positive whole number")
        self.sample_rate, self.samples = sample_rate, samples
        self._options = options

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of channels, of bands or bins, and of frames of a sound of `self.samples` samples."""
        return (*self._planes, self.frames(self.samples))

    @property
    def _planes(self) -> tuple[int, int]:
        """Numbers of channels, and of bands or bins."""
        raise NotImplementedError

    def frames(self, samples: int) -> int:
        """Number of frames of a sound of that many samples."""
        raise NotImplementedError

    def longest(self, frames: int) -> int:
        """Number of samples of the longest sound that has that many frames."""
        raise NotImplementedError

    def header(self) -> dict[str, Any]:
        """Name and options as JSON, from which `synthvae.features.representations.build_representation` rebuilds it."""
        return {"name": self.name, "sample_rate": self.sample_rate, "samples": self.samples, **self._options}

    @torch.no_grad()
    def analyse(self, audio: Tensor) -> Encoded:
        """Represent sounds ``(B, T)`` of any length ``T >= 1``, with full scale 1, as `self.frames(T)` frames.

        Raises:
            ValueError: if `audio` is not ``(B, T)`` with ``T >= 1``.
            TypeError: if it is neither float32 nor float64.
        """
        check_audio(audio)
        values, level = self._analyse(audio.float())
        return Encoded(values.float().contiguous(), level.float())

    @torch.no_grad()
    def invert(self, encoded: Encoded, samples: int | None = None, phase: str = "default") -> Tensor:
        """Convert values and levels to sounds.

        Args:
            encoded: values ``(B, C, H, W)`` with any number of frames, and levels ``(B,)``.
            samples: number of samples of a sound.  [default: `self.samples` if that has W frames, otherwise the largest
                number that does]
            phase: one of `synthvae.features.inversion.PHASES`, ``modelled`` if the values include a phase, or
                ``default``, which is `self.phase`.

        Returns:
            ``(B, samples)``, float32, on the device of the values.

        Raises:
            ValueError: if values or levels have another shape.
            UserError: if there is no such method for the phase, or `samples` is not positive.
        """
        values, level = encoded
        planes = self._planes
        if values.ndim != 4 or tuple(values.shape[1:3]) != planes or values.shape[3] < 1:
            raise ValueError(f"values must be (B, {planes[0]}, {planes[1]}, W), got shape {tuple(values.shape)}")
        if tuple(level.shape) != (len(values),):
            raise ValueError(f"level must be ({len(values)},), got shape {tuple(level.shape)}")
        if samples is None:
            frames = values.shape[3]
            samples = self.samples if frames == self.frames(self.samples) else self.longest(frames)
        if samples < 1:
            raise UserError("samples", samples, "give a positive whole number")
        chosen = self.phase if phase == "default" else phase
        if chosen == "modelled" and self.phase != "modelled":
            raise UserError("phase", phase, f"choose another for {self.name}", why="but its values have no phase")
        return self._invert(values.float(), level.float(), samples, chosen)

    @torch.no_grad()
    def magnitude(self, encoded: Encoded) -> Tensor:
        """The magnitudes of `self.transform` for which `invert` recovers a phase, ``(B, bins, W)``."""
        return self._magnitude(encoded.values.float(), encoded.level.float())

    def at_level(self, sounds: Tensor, level: Tensor) -> Tensor:
        """Scale sounds to their level; unchanged where the magnitudes already include it."""
        return sounds

    def _analyse(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _magnitude(self, values: Tensor, level: Tensor) -> Tensor:
        raise NotImplementedError

    def _invert(self, values: Tensor, level: Tensor, samples: int, phase: str) -> Tensor:
        from synthvae.features import inversion  # numba

        sounds = inversion.recover(self._magnitude(values, level), self.transform, samples, phase, TOLERANCE)
        return self.at_level(sounds, level)

    def forward(self, audio: Tensor) -> Tensor:
        """The values of `analyse`."""
        return self.analyse(audio).values

    def extra_repr(self) -> str:
        """Show the header in `repr`."""
        return ", ".join(f"{key}={value!r}" for key, value in self.header().items() if key != "name")


def decibels(magnitude: Tensor) -> Tensor:
    """Level of a magnitude, 0 dB at 1, from `SILENCE` up."""
    return 20.0 * torch.log10(magnitude.clamp_min(10.0 ** (SILENCE / 20.0)))


def compress(magnitude: Tensor, full_scale: float) -> tuple[Tensor, Tensor]:
    """Decibels below the loudest cell of each sound, scaled to [0, 1], and its level.

    `v = (10 log10(r^2 + 1e-8) + 80) / 80`, r the magnitude over the largest of the sound. The floor is added rather
    than applied as a limit, so that `expand` is the inverse over the whole range. The loudest cell of silence is set to
    `SILENCE`, so that there is no division by 0; its values are 0.

    Args:
        magnitude: magnitudes ``(B, H, W)``.
        full_scale: magnitude at 0 dB.

    Returns:
        Values ``(B, H, W)``, and levels ``(B,)`` in dB.
    """
    level = decibels(magnitude.amax((1, 2)) / full_scale)
    relative = magnitude / (full_scale * _amplitude(level))
    return (10.0 * torch.log10(relative.square() + _FLOOR) + RANGE) / RANGE, level


def expand(values: Tensor, level: Tensor, full_scale: float) -> Tensor:
    """The magnitudes of `compress`; values outside [0, 1] are limited to that range."""
    power = torch.pow(10.0, (values.clamp(0.0, 1.0) * RANGE - RANGE) / 10.0) - _FLOOR
    return power.clamp_min(0.0).sqrt() * (full_scale * _amplitude(level))


def _amplitude(level: Tensor) -> Tensor:
    return torch.exp(level * (math.log(10.0) / 20.0))[:, None, None]


_FLOOR = 10.0 ** (-RANGE / 10.0)
