"""Presets for torchsynth's own Voice: the dictionary that its ``set_parameters`` takes, and that as JSON.

``Voice.set_parameters`` takes tensors of human values, one for each row of the batch, by pairs of a module's and a
parameter's name (torchsynth 1.0.2, ``torchsynth/synth.py``). It keeps them as float32 positions in [0, 1], so what it
plays is equal but for rounding; its first noise signal is the one that every preset has here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from synthvae.data.preset import TORCHSYNTH_FORMAT, Preset, round_significant
from synthvae.synths.voice.kind import KIND
from synthvae.synths.voice.parameters import VOICE_78

__all__ = ["torchsynth_document", "torchsynth_parameters"]

VERSION = 1

USAGE = (
    "values = json.load(open(FILE))['parameters']",
    "voice.set_parameters({tuple(name.split('.')): torch.tensor([value]) for name, value in values.items()})",
)
"""From the file to the call, of a ``voice = torchsynth.synth.Voice(SynthConfig(**config))`` with the file's config."""


def torchsynth_parameters(preset: Preset) -> dict[tuple[str, str], Tensor]:
    """Argument for ``torchsynth.synth.Voice.set_parameters``, for a Voice with a batch of one.

    All 78 parameters, those that the preset holds fixed included, float32 ``(1,)`` in human units, by module and name.

    Example:
        >>> import numpy as np
        >>> from synthvae.synths.settings import RenderSettings
        >>> preset = Preset(VOICE_78, VOICE_78.denormalise(np.full(78, 0.5)), RenderSettings())
        >>> torchsynth_parameters(preset)["keyboard", "midi_f0"]
        tensor([63.5000])
    """
    return {
        (module, name): torch.tensor([value])
        for full, value in _values(preset).items()
        for module, name in [full.split(".", 1)]
    }


def torchsynth_document(preset: Preset, title: str) -> dict[str, Any]:
    """The same as a document for a JSON file, titled for people.

    Returns:
        ``parameters`` by ``module.name``, ``config`` as keyword arguments of ``torchsynth.config.SynthConfig``, and
        ``usage``, the two lines that make the call of them.
    """
    settings = preset.settings
    return {
        "format": TORCHSYNTH_FORMAT,
        "version": VERSION,
        "synth": KIND.header,
        "name": title,
        "usage": list(USAGE),
        "config": {
            "batch_size": 1,
            "sample_rate": settings.sample_rate,
            "buffer_size_seconds": settings.seconds,
            "control_rate": settings.control_rate,
            "reproducible": False,
        },
        "parameters": _values(preset),
    }


def _values(preset: Preset) -> dict[str, float]:
    """Human values within the ranges, which torchsynth insists on to the last bit."""
    human = round_significant(VOICE_78.from_dict(preset.parameters.to_dict(preset.human)))
    return {p.name: min(max(value, p.minimum), p.maximum) for p, value in zip(VOICE_78, human.tolist(), strict=True)}
