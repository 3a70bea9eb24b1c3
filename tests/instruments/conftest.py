"""Presets whose sound is known beforehand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from synthvae.data.preset import Preset
from synthvae.parameters.voice import VOICE_78
from synthvae.presets.settings import RenderSettings

MakePreset = Callable[..., Preset]


@pytest.fixture
def make_preset() -> MakePreset:
    """A preset of a steady sine at its key, held to the end; change values by name, ``__`` standing for the dot."""

    def make(settings: RenderSettings | None = None, name: str = "", **changes: float) -> Preset:
        human = VOICE_78.denormalise(np.full(len(VOICE_78), 0.5))
        values = dict(zip(VOICE_78.names, human.tolist(), strict=True))
        values |= {key: 0.0 for key in values if key.startswith(("mod_matrix.", "mixer.", "vco_1.", "vco_2."))}
        values |= {key: 0.0 for key in values if key.endswith((".attack", ".decay", ".release"))}
        values |= {"keyboard.midi_f0": 69.0, "keyboard.duration": 1.0, "mixer.vco_1": 0.5}
        values |= {"mod_matrix.adsr_1->vco_1_amp": 1.0, "mod_matrix.adsr_1->vco_2_amp": 1.0, "adsr_1.sustain": 1.0}
        values |= {"mod_matrix.adsr_1->noise_amp": 1.0}
        values |= {key.replace("__", "."): value for key, value in changes.items()}
        settings = settings or RenderSettings(sample_rate=16000, seconds=0.25, control_rate=160)
        return Preset(VOICE_78, VOICE_78.from_dict(values), settings, {}, name)

    return make
