"""Presets to samples, with the Voices that were set up for them kept."""

from __future__ import annotations

import dataclasses
import threading
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.data.preset import Preset
from synthvae.parameters.space import ParameterSpace
from synthvae.presets.settings import FEWEST_CONTROL_POINTS, RenderSettings
from synthvae.synth.voice import Voice

__all__ = ["render_preset", "render_rows", "with_values"]

_MOST_KEPT = 8
_RENDERING = threading.Lock()  # a Voice of many presets wants all cores as it is


def render_rows(
    human: NDArray[np.float64], parameters: ParameterSpace, settings: RenderSettings
) -> NDArray[np.float32]:
    """Render presets.

    Args:
        human: ``(B, P)`` in human units.
        parameters: the columns.
        settings: how.

    Returns:
        ``(B, T)``.
    """
    unit = torch.from_numpy(parameters.normalise(human).astype(np.float32))
    with _RENDERING, torch.inference_mode():
        audio = _voice(parameters, settings)(unit)
    return audio.numpy()


def render_preset(preset: Preset) -> NDArray[np.float32]:
    """The preset's own sound, ``(T,)``."""
    return render_rows(preset.human[None], preset.parameters, preset.settings)[0]


def with_values(preset: Preset, seconds: float | None = None, **values: float) -> Preset:
    """The preset with other values.

    Args:
        preset: what is changed.
        seconds: length of its sound, or what two control points last if that is more; its own where None.
        values: human values by name, ``__`` standing for the dot.
    """
    human = preset.human.copy()
    for name, value in values.items():
        human[preset.parameters.index(name.replace("__", "."))] = value
    settings = preset.settings
    if seconds is not None:
        least = FEWEST_CONTROL_POINTS / settings.control_rate
        settings = dataclasses.replace(settings, seconds=max(seconds, least))
    return dataclasses.replace(preset, human=human, settings=settings)


@lru_cache(maxsize=_MOST_KEPT)
def _voice(parameters: ParameterSpace, settings: RenderSettings) -> Voice:
    return Voice(parameters, **settings.to_dict())
