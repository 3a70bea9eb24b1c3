"""Objective of matching: distance of presets to a target, its gradient, and a count of renders."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from synthvae.features.log_mel_resolutions import MultiResolutionLogMel
from synthvae.synths.base import Synth

__all__ = ["GRADIENT_COST", "Compared", "Found", "Objective", "Stopped"]

#: Renders that a sound with its gradient counts for: one forward, and a backward of about twice the work.
GRADIENT_COST = 3
BATCH = 64
#: Value used in place of a distance that is not finite, which has not been observed.
FAR = 1e3


class Stopped(Exception):  # noqa: N818 - no error: the budget is spent
    """The budget is spent, or a stop was requested."""


class Found(NamedTuple):
    """A preset and its distance.

    Attributes:
        unit: ``(P,)`` in [0, 1].
        distance: distance to the target, in dB.
    """

    unit: Tensor
    distance: float


class Compared(NamedTuple):
    """Distances of presets, and the spectrogram differences behind them.

    Attributes:
        distance: ``(B,)`` in dB.
        difference: ``(B, E)`` in dB, every band of every frame at every resolution.
    """

    distance: Tensor
    difference: Tensor


class Objective:
    """Distance of presets to a target.

    Attributes:
        renders: sounds rendered so far; one with its gradient counts as `GRADIENT_COST`.
        best: the closest preset so far.
        on_progress: called after every batch with the objective itself.
        keep: called after every batch with the presets ``(B, P)`` and their distances ``(B,)``.
    """

    def __init__(
        self, voice: Synth, target: Tensor, stop: Callable[[], bool] = lambda: False, budget: int | None = None
    ) -> None:
        """Set up the objective for a target ``(T,)`` and a voice of the same length.

        `stop` is called before every batch, and true ends the search; a batch that would exceed the budget of renders
        is truncated, or raises `Stopped` where no budget is left.
        """
        self.voice, self.stop, self.budget = voice, stop, budget
        self.spectra = MultiResolutionLogMel(voice.sample_rate, voice.samples)
        with torch.no_grad():
            self.target = self.spectra.spectrograms(target[None])
        #: Weight of each entry of a difference in the distance, ``(E,)``, summing to 1.
        self.share = torch.cat([torch.full((t.numel(),), 1.0 / (len(self.target) * t.numel())) for t in self.target])
        self.renders = 0
        self.best: Found | None = None
        self.on_progress: Callable[[Objective], object] = lambda objective: None
        self.keep: Callable[[Tensor, Tensor], object] = lambda unit, distance: None

    @property
    def left(self) -> int:
        """Number of renders left."""
        return 2**62 if self.budget is None else self.budget - self.renders

    def __call__(self, unit: Tensor) -> Tensor:
        """Distances ``(B,)`` in dB of presets ``(B, P)``.

        Raises:
            Stopped: if the budget does not cover all of them, after rendering those that it covers.
        """
        parts = []
        for part in unit.split(BATCH):
            within = part[: self._allow(1)]
            with torch.no_grad():
                found = self._distance(within, hold_phases=False)
            self._note(within, found, len(within))
            parts.append(found)
            if len(within) < len(part):
                raise Stopped
        return torch.cat(parts)

    def compare(self, unit: Tensor) -> Compared:
        """Distances of presets ``(B, P)`` with the differences behind them.

        Raises:
            Stopped: if the budget does not cover all of them.
        """
        if self._allow(1) < len(unit):
            raise Stopped
        with torch.no_grad():
            spectra = self.spectra.spectrograms(self.voice(unit))
            difference = torch.cat([(a - b).flatten(1) for a, b in zip(spectra, self.target, strict=True)], 1)
            distance = difference.abs() @ self.share
        distance = torch.where(distance.isfinite(), distance, FAR)
        self._note(unit, distance, len(unit))
        return Compared(distance, torch.nan_to_num(difference, FAR, FAR, FAR))

    def gradient(self, unit: Tensor, hold_phases: bool) -> tuple[Tensor, Tensor]:
        """Distances ``(B,)`` and their gradients ``(B, P)``; arguments and errors as of `Synth.forward` and a call.

        Raises:
            Stopped: if the budget does not cover all of them.
        """
        if self._allow(GRADIENT_COST) < len(unit):
            raise Stopped
        point = unit.detach().clone().requires_grad_()
        distance = self._distance(point, hold_phases)
        (slope,) = torch.autograd.grad(distance.sum(), point)
        self._note(unit, distance.detach(), GRADIENT_COST * len(unit))
        return distance.detach(), torch.nan_to_num(slope, 0.0, 0.0, 0.0)

    def _distance(self, unit: Tensor, hold_phases: bool) -> Tensor:
        distance = self.spectra.distance(self.target, self._render(unit, hold_phases))
        return torch.where(distance.isfinite(), distance, FAR)

    def _render(self, unit: Tensor, hold_phases: bool) -> Tensor:
        """Render sounds; phases are held only if the synth supports it."""
        held = hold_phases and self.voice.holds_phases
        audio: Tensor = self.voice(unit, hold_phases=True) if held else self.voice(unit)
        return audio

    def _allow(self, cost: int) -> int:
        """Number of presets that may be rendered at this cost per preset."""
        if self.stop():
            raise Stopped
        allowed = max(0, self.left) // cost
        if not allowed:
            raise Stopped
        return allowed

    def _note(self, unit: Tensor, distance: Tensor, cost: int) -> None:
        self.renders += cost
        nearest = int(distance.argmin())
        if self.best is None or distance[nearest] < self.best.distance:
            self.best = Found(unit[nearest].detach().clone(), float(distance[nearest]))
        self.keep(unit.detach(), distance)
        self.on_progress(self)
