"""Low-latency rendering of presets, for playback and the studio."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthvae.features.mel import at_level, log_mel
from synthvae.synths.base import Synth
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.registry import synth_kind
from synthvae.synths.settings import FEWEST_CONTROL_POINTS, RenderSettings

__all__ = ["LONGEST", "Renderer", "build_synth", "fade_out", "render_all", "render_rows", "whole_seconds"]

Floats = NDArray[np.float32]

#: Maximum length of a sound rendered in one call, in seconds.
LONGEST = 10.0
#: Lengths are rounded up to a multiple of this, in seconds, to limit the number of Voices to build.
STEP = 0.25
#: Seconds over which the end of a sound for listening is faded out.
FADE = 0.02
_KEPT = 8
_BATCH = 128


_RENDERING = threading.Lock()  # one batch already uses all cores


def build_synth(parameters: ParameterSpace, settings: RenderSettings) -> Synth:
    """Build the synth that renders presets with the given settings.

    Raises:
        UserError: if the synth of the settings is unknown, or the parameters are not those of that synth.
    """
    return synth_kind(settings.synth).build(parameters, **settings.to_dict())


def whole_seconds(human: NDArray[np.float64], parameters: ParameterSpace, settings: RenderSettings) -> float:
    """Length in seconds of a sound with its release: hold, tail and fade, rounded up to a multiple of 0.25, at most 10.

    For a synth without a hold parameter, whose release time is unknown, the length given in the settings.

    Args:
        human: values ``(P,)`` in human units.
        parameters: the columns.
        settings: render settings of the preset.
    """
    kind = synth_kind(settings.synth)
    if kind.hold is None:
        return settings.seconds
    values = parameters.to_dict(human)
    seconds = STEP * math.ceil((values[kind.hold] + kind.tail(values) + FADE) / STEP)
    return max(min(seconds, LONGEST), FEWEST_CONTROL_POINTS / settings.control_rate)


def fade_out(sound: Floats, sample_rate: int, seconds: float = FADE) -> Floats:
    """A copy of a sound ``(T,)`` whose last `seconds` are multiplied by half a period of a raised cosine."""
    count = min(round(seconds * sample_rate), len(sound))
    faded = sound.copy()
    faded[len(sound) - count :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, count + 1) / max(count, 1), dtype=np.float32)
    return faded


class HasVoice(Protocol):
    """Object with a synth and its settings, such as a run."""

    @property
    def parameters(self) -> ParameterSpace:
        """The columns."""

    @property
    def settings(self) -> RenderSettings:
        """Render settings."""

    @property
    def voice(self) -> Synth:
        """Synth for sounds of the length in `settings`."""


class Renderer:
    """Renders sounds of any length with the synth of a run; thread-safe.

    Args:
        run: run with the parameters and settings.
    """

    def __init__(self, run: HasVoice) -> None:
        self._run = run
        self._voices: OrderedDict[float, Synth] = OrderedDict({run.settings.seconds: run.voice})
        self._lock = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self._run.settings.sample_rate

    @property
    def voice(self) -> Synth:
        """Synth for sounds of the run's length."""
        return self._run.voice

    def samples(self, unit: Floats, seconds: float | None = None) -> Floats:
        """Render unit parameters ``(B, P)`` to sounds ``(B, T)``, of the run's length by default."""
        voice = self._run.voice if seconds is None else self._voice(seconds)
        with torch.inference_mode():
            return voice(torch.from_numpy(np.ascontiguousarray(unit, np.float32))).numpy()

    def played(self, unit: Floats, note: float | None = None, hold: float | None = None) -> Floats:
        """One sound ``(T,)`` for listening, with its release; optionally at another pitch or with another hold time.

        Its length is `whole_seconds`, and the end is faded out to avoid a click. The level is that of the synth;
        `synthvae.audio.loudness.levelled` scales it to the loudness of written sounds.

        Args:
            unit: unit parameters ``(P,)``.
            note: MIDI note number: 60 sounds as C4 if neither oscillator is detuned. The tuning of the preset still
                applies.
            hold: duration of the key press in seconds, clamped to the range of its parameter.

        Raises:
            UserError: if the synth has no parameter for a given `note` or `hold`.
        """
        space, settings = self._run.parameters, self._run.settings
        human = space.denormalise(unit.astype(np.float64))
        kind = synth_kind(settings.synth)
        for value, find in ((note, kind.require_note), (hold, kind.require_hold)):
            if value is not None:
                column = space.index(find())
                parameter = space.parameters[column]
                human[column] = min(max(value, parameter.minimum), parameter.maximum)
        if note is not None or hold is not None:
            unit = space.normalise(human).astype(np.float32)
        sound = self.samples(unit[None], whole_seconds(human, space, settings))[0]
        return fade_out(sound, settings.sample_rate)

    def log_mel(self, unit: Floats, note: float | None = None, level: float | None = None) -> Floats:
        """Log-mel spectrograms in dB of the run's sounds, ``(B, bands, frames)``.

        Args:
            unit: unit parameters ``(B, P)``.
            note: MIDI note number at which all are played; by default that of each preset.
            level: RMS to which all sounds except silent ones are scaled; by default that of each sound.
        """
        rows = np.array(unit, np.float32)
        if note is not None:
            space = self._run.parameters
            column = space.index(synth_kind(self._run.settings.synth).require_note())
            human = space.denormalise(rows[:1].astype(np.float64))
            human[:, column] = note
            rows[:, column] = space.normalise(human)[0, column]
        parts = []
        for first in range(0, len(rows), _BATCH):
            audio = torch.from_numpy(self.samples(rows[first : first + _BATCH]))
            with torch.inference_mode():
                levelled = audio if level is None else at_level(audio, level)
                parts.append(log_mel(levelled, self.sample_rate).numpy())
        return np.concatenate(parts)

    def _voice(self, seconds: float) -> Synth:
        with self._lock:
            voice = self._voices.pop(seconds, None)
            if voice is None:
                voice = build_synth(self._run.parameters, replace(self._run.settings, seconds=seconds))
            self._voices[seconds] = voice
            while len(self._voices) > _KEPT:
                self._voices.popitem(last=False)
            return voice


def render_all(voice: nn.Module, unit: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Render presets ``(N, P)`` batch by batch without gradients: audio ``(B, T)``."""
    for first in range(0, len(unit), batch_size):
        with torch.inference_mode():
            audio = voice(unit[first : first + batch_size])
        yield audio


def render_rows(
    human: NDArray[np.float64], parameters: ParameterSpace, settings: RenderSettings
) -> NDArray[np.float32]:
    """Render presets ``(B, P)`` in human units to audio ``(B, T)``."""
    unit = torch.from_numpy(parameters.normalise(human).astype(np.float32))
    with _RENDERING, torch.inference_mode():
        audio = _synth(parameters, settings)(unit)
    return audio.numpy()


@lru_cache(maxsize=_KEPT)
def _synth(parameters: ParameterSpace, settings: RenderSettings) -> Synth:
    return build_synth(parameters, settings)
