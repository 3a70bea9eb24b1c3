"""STFTs as representations: magnitude and phase as published by Garcia Lopez (2025), and corrected."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.features.invertible_stft import ShortTime
from synthvae.features.representations.base import (
    TOLERANCE,
    Representation,
    compress,
    decibels,
    expand,
)
from synthvae.features.representations.mel import eighths, full_rank_size, full_scale

__all__ = ["PublishedStft", "Stft"]

#: Cells this far below the loudest have no measurable phase: their instantaneous frequency is set to that of their bin.
QUIET = 1e-5


class PublishedStft(Representation):
    """Magnitude and phase of a two-sided transform, as published by Garcia Lopez 2025.

    Two channels, the magnitude and the angle in (-pi, pi], of all `n_fft` bins, the negative frequencies included; Hann
    window, not normalised, and not centred: `W = 1 + floor((T - n_fft) / hop)` frames, so that the end of a sound that
    does not fill a frame is lost, and its first sample, where the window is 0.

    As published the inverse is centred although the transform is not: the first `n_fft / 2` samples, the attack, are
    lost, the rest moves forward to their place, and the output ends after `hop (W - 1)` samples. The `mended` inverse
    is not centred either. It then fades in over the first 0.057 n_fft samples, where it would divide by less than a
    thousandth of the windows' sum, so that a model's errors there would mask the attack.

    Args:
        sample_rate: sample rate in Hz.
        samples: number of samples of the sounds that `shape` describes.
        n_fft: samples of a frame, and number of bins; even.
        hop: number of samples between frames.
        inverse: `mended` or `published`.
    """

    name: ClassVar[str] = "stft-g"
    description: ClassVar[str] = "magnitude and phase of a two-sided STFT as published by G, 1500/250"
    level: ClassVar[str] = (
        "largest absolute sample, 0 dB at full scale; values are not without it, and invert ignores it"
    )
    bounded = False
    phase = "modelled"

    def __init__(
        self, sample_rate: int, samples: int, n_fft: int = 1500, hop: int = 250, inverse: str = "mended"
    ) -> None:
        super().__init__(sample_rate, samples, n_fft=n_fft, hop=hop, inverse=inverse)
        for argument, value in (("n_fft", n_fft), ("hop", hop)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UserError(argument, value, "give a positive whole number")
        if n_fft % 2:
            raise UserError("n_fft", n_fft, "give an even number")
        if hop > n_fft // 2:
            raise UserError("hop", hop, f"give at most half of `n_fft`, {n_fft // 2}")
        if inverse not in ("mended", "published"):
            raise UserError("inverse", inverse, "choose mended or published")
        self.transform = ShortTime(n_fft, hop, "hann", centred=False)
        self._inverse = ShortTime(n_fft, hop, "hann", centred=inverse == "published")

    @property
    def _planes(self) -> tuple[int, int]:
        return 2, self.transform.size

    def frames(self, samples: int) -> int:
        """Number of frames that the sound fills; one if it is shorter than a frame."""
        return 1 + max(0, samples - self.transform.size) // self.transform.hop

    def longest(self, frames: int) -> int:
        """Number of samples of the longest sound that does not fill another frame."""
        return self.transform.size + frames * self.transform.hop - 1

    def _analyse(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        half = self.transform.forward(audio, self.frames(audio.shape[1]))
        spectrum = torch.cat((half, half[:, 1:-1].flip(1).conj()), 1)  # two-sided spectrum of a real signal
        return torch.stack((spectrum.abs(), spectrum.angle()), 1), decibels(audio.abs().amax(1))

    def _magnitude(self, values: Tensor, level: Tensor) -> Tensor:
        return _one_side(values[:, 0].clamp_min(0.0))

    def _invert(self, values: Tensor, level: Tensor, samples: int, phase: str) -> Tensor:
        from synthvae.features import inversion  # numba

        length = min(samples, self.transform.hop * (values.shape[3] - 1)) if self._inverse.centred else samples
        if phase == "modelled":
            # The two sides of a model's output may differ: the real part of the inverse transform of all bins equals
            # that of the mean of both.
            magnitude, angle = values.unbind(1)
            half = _one_side(torch.polar(magnitude.abs(), angle + torch.where(magnitude < 0.0, math.pi, 0.0)))
            sounds = inversion.inverse_transform(half, self._inverse, length)
        else:
            sounds = inversion.recover(self._magnitude(values, level), self._inverse, length, phase, TOLERANCE)
        return torch.nn.functional.pad(sounds, (0, samples - length))


def _one_side(spectrum: Tensor) -> Tensor:
    """Bins 0 to n / 2 of the mean of a spectrum ``(B, n, W)`` and its mirror image."""
    half = spectrum.shape[1] // 2
    mirrored = torch.cat((spectrum[:, :1], spectrum[:, half:].flip(1)), 1)
    return 0.5 * (spectrum[:, : half + 1] + (mirrored.conj() if spectrum.is_complex() else mirrored))


class Stft(Representation):
    """One-sided transform whose numbers of bins and frames are of the form 8k + 1, which strided layers preserve.

    Three strided convolutions halve n to ceil(n / 2), and three transposed ones map n to 2n - 1: only 8k + 1 is
    restored. Frames are centred, as many as the sound needs, with silent ones up to the next such number. Magnitudes in
    dB below the loudest cell, scaled to [0, 1] (`synthvae.features.representations.base.compress`), with the level of
    that cell in `level`. The phase is one of

    - `if`: instantaneous frequency, a second channel in [-1, 1]. 0 is the middle frequency of the bin, and 1 half a
      turn per hop above, which is four bins if the hop is an eighth. The first frame contains its phase instead, over
      pi.
    - `unit`: a unit vector weighted by the scaled magnitude, two channels in [-1, 1] whose norm is that magnitude. The
      phase is that of the middle of each frame.
    - `none`: one channel; the inverse recovers a phase by heap integration and five iterations of Griffin-Lim.

    Args:
        sample_rate: sample rate in Hz.
        samples: number of samples of the sounds that `shape` describes.
        phase: `if`, `unit` or `none`.
        n_fft: samples of a frame, a multiple of 16; the hop is an eighth.  [default: that of `mel`, 1024 at 16 kHz]
    """

    name: ClassVar[str] = "stft"
    description: ClassVar[str] = "magnitude in dB and phase of a one-sided STFT, sizes 8k + 1, 1024/128 at 16 kHz"
    level: ClassVar[str] = "loudest bin of any frame, 0 dB for a full-scale sine; values are without it"

    def __init__(self, sample_rate: int, samples: int, phase: str = "if", n_fft: int | None = None) -> None:
        super().__init__(sample_rate, samples, phase=phase, n_fft=n_fft)
        if phase not in ("if", "unit", "none"):
            raise UserError("phase", phase, "choose if, unit or none")
        self.transform = eighths(full_rank_size(sample_rate) if n_fft is None else n_fft)
        self._form = phase
        self.bounded = phase == "none"
        self.phase = "pghi+5" if phase == "none" else "modelled"

    @property
    def _planes(self) -> tuple[int, int]:
        return 1 if self._form == "none" else 2, self.transform.bins

    def frames(self, samples: int) -> int:
        """The smallest number of the form 8k + 1 that is not below the number of hops that start within the sound."""
        return 8 * math.ceil((math.ceil(samples / self.transform.hop) - 1) / 8) + 1

    def longest(self, frames: int) -> int:
        """Number of samples of that many complete hops."""
        return frames * self.transform.hop

    def _analyse(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        spectrum = self.transform.forward(audio, self.frames(audio.shape[1]))
        magnitude = spectrum.abs()
        values, level = compress(magnitude, full_scale(self.transform))
        if self._form == "none":
            return values[:, None], level
        angle = spectrum.angle() + self._middle(spectrum.device)
        if self._form == "unit":
            return torch.stack((values * torch.cos(angle), values * torch.sin(angle)), 1), level
        quiet = magnitude <= QUIET * magnitude.amax((1, 2), keepdim=True)
        return torch.stack((values, self._frequencies(angle, quiet)), 1), level

    def _magnitude(self, values: Tensor, level: Tensor) -> Tensor:
        size = torch.linalg.vector_norm(values, dim=1) if self._form == "unit" else values[:, 0]
        return expand(size, level, full_scale(self.transform))

    def _invert(self, values: Tensor, level: Tensor, samples: int, phase: str) -> Tensor:
        from synthvae.features import inversion  # numba

        if phase != "modelled":
            return super()._invert(values, level, samples, phase)
        angle = self._phases(values[:, 1]) if self._form == "if" else torch.atan2(values[:, 1], values[:, 0])
        spectrum = torch.polar(self._magnitude(values, level), angle - self._middle(angle.device))
        return inversion.inverse_transform(spectrum, self.transform, samples)

    def _middle(self, device: torch.device) -> Tensor:
        """Offset that converts a phase relative to a frame's first sample to one relative to its middle."""
        return math.pi * (torch.arange(self.transform.bins, device=device) % 2)[:, None]

    def _advance(self, device: torch.device) -> Tensor:
        """Phase advance per frame of a sine at the middle of each bin, in turns, modulo 1."""
        turns = torch.arange(self.transform.bins, device=device) * self.transform.hop % self.transform.size
        return turns / self.transform.size

    def _frequencies(self, angle: Tensor, quiet: Tensor) -> Tensor:
        """Deviation of the phase's advance from that of the bin, in half turns; the phase itself in the first frame.

        Quiet cells have no deviation, and the next cell that is not quiet contains the difference to the resulting
        phase: the sum over frames is exact wherever there is sound.
        """
        advance = self._advance(angle.device)
        turns = angle / (2 * math.pi)
        result = torch.zeros_like(turns)
        course = torch.where(quiet[:, :, 0], 0.0, turns[:, :, 0])
        result[:, :, 0] = course - course.round()
        for n in range(1, turns.shape[2]):
            course = course + advance
            deviation = torch.where(quiet[:, :, n], 0.0, turns[:, :, n] - course)
            deviation -= deviation.round()
            course = course + deviation
            course -= course.round()
            result[:, :, n] = deviation
        return 2.0 * result

    def _phases(self, frequencies: Tensor) -> Tensor:
        """Angles ``(B, bins, W)`` from the result of `_frequencies`, in float64 to limit the accumulated error."""
        turns = frequencies.double() / 2.0
        turns[:, :, 1:] += self._advance(frequencies.device)[:, None]
        course = turns.cumsum(2)
        return (2.0 * math.pi * (course - course.round())).float()
