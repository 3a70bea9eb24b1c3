"""Families of sounds of torchsynth's Voice: drums, basses, bells, pads and plucks by ranges of its parameters.

The drums use the curves of the nebula ``drum`` that torchsynth ships, the others those of its default nebula. A nebula
defines no ranges: it sets for each parameter how values are distributed over torchsynth's range. The drum nebula has an
entry for each of the 78 parameters, so it fits the Voice unchanged; drawn over the whole ranges it gives unlabelled
sounds, and the ranges here restrict it to the families.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from synthvae.synths.base import Family
from synthvae.synths.voice.parameters import NEBULA, VOICE_78, nebula_space
from synthvae.synths.voice.reference import LFO_SHAPES

__all__ = ["families"]

Ranges = dict[str, float | tuple[float, float]]

_ENVELOPE = {"attack": 0.0, "decay": 0.3, "sustain": 0.0, "release": 0.1, "alpha": 2.0}
_OPEN = {"attack": 0.0, "decay": 0.0, "sustain": 1.0, "release": 5.0, "alpha": 1.0}
_LFO = {
    "frequency": 5.0,
    "mod_depth": 0.0,
    "initial_phase": 0.0,
    **{shape: float(shape == "sin") for shape in LFO_SHAPES},
}

#: Values of parameters that a family omits: all routes and mixer levels are 0, and the gate is longer than any drum.
_REST: dict[str, float] = {
    **{name: 0.0 for name in VOICE_78.names if name.startswith(("mod_matrix.", "mixer."))},
    **{f"{name}.{part}": value for name in ("adsr_1", "adsr_2") for part, value in _ENVELOPE.items()},
    **{
        f"lfo_{i}_{kind}_adsr.{part}": value
        for i in (1, 2)
        for kind in ("amp", "rate")
        for part, value in _OPEN.items()
    },
    **{f"lfo_{i}.{part}": value for i in (1, 2) for part, value in _LFO.items()},
    **{f"vco_{i}.{part}": 0.0 for i in (1, 2) for part in ("tuning", "mod_depth", "initial_phase")},
    "vco_2.shape": 0.5,
    "keyboard.midi_f0": 60.0,
    "keyboard.duration": 4.0,
}
_PHASES: Ranges = {"vco_1.initial_phase": (-3.1, 3.1), "vco_2.initial_phase": (-3.1, 3.1)}

_DRUMS: dict[str, Ranges] = {
    # A sine with a fast pitch drop to a low note, and a click of noise.
    "kick": {
        "keyboard.midi_f0": (26, 41),
        "vco_1.mod_depth": (12, 60),
        "mod_matrix.adsr_2->vco_1_pitch": 1,
        "adsr_2.decay": (0.02, 0.15),
        "adsr_2.alpha": (1.5, 5),
        "mod_matrix.adsr_1->vco_1_amp": 1,
        "adsr_1.decay": (0.1, 0.8),
        "adsr_1.alpha": (1, 4),
        "mod_matrix.adsr_2->noise_amp": (0.2, 1),
        "mixer.vco_1": (0.5, 1),
        "mixer.noise": (0, 0.15),
    },
    # A short tone with a small pitch drop, and noise that lasts longer.
    "snare": {
        "keyboard.midi_f0": (48, 62),
        "vco_1.mod_depth": (3, 18),
        "mod_matrix.adsr_1->vco_1_pitch": 1,
        "mod_matrix.adsr_1->vco_1_amp": 1,
        "adsr_1.decay": (0.04, 0.2),
        "adsr_1.alpha": (1, 4),
        "mod_matrix.adsr_2->noise_amp": 1,
        "adsr_2.decay": (0.1, 0.5),
        "adsr_2.alpha": (1, 4),
        "mixer.vco_1": (0.2, 0.6),
        "mixer.noise": (0.3, 0.9),
    },
    # Noise, with two oscillators whose partials are high and inharmonic to each other.
    "hat": {
        "keyboard.midi_f0": (96, 115),
        "vco_1.tuning": (2, 11),
        "vco_2.shape": (0, 1),
        "mod_matrix.adsr_1->noise_amp": 1,
        "mod_matrix.adsr_1->vco_1_amp": (0.3, 1),
        "mod_matrix.adsr_1->vco_2_amp": (0.3, 1),
        "adsr_1.decay": (0.02, 0.6),
        "adsr_1.alpha": (1, 4),
        "mixer.vco_1": (0, 0.25),
        "mixer.vco_2": (0.02, 0.25),
        "mixer.noise": (0.2, 0.9),
    },
    # A sine with a slow pitch drop.
    "tom": {
        "keyboard.midi_f0": (38, 58),
        "vco_1.mod_depth": (3, 16),
        "mod_matrix.adsr_2->vco_1_pitch": 1,
        "adsr_2.decay": (0.1, 0.6),
        "adsr_2.alpha": (1, 3),
        "mod_matrix.adsr_1->vco_1_amp": 1,
        "adsr_1.decay": (0.25, 1.0),
        "adsr_1.alpha": (1, 3),
        "mod_matrix.adsr_1->noise_amp": (0.1, 0.5),
        "mixer.vco_1": (0.5, 1),
        "mixer.noise": (0, 0.08),
    },
    # Bursts of noise within a tenth of a second, from a falling-saw LFO, and a tail.
    "clap": {
        "lfo_1.sin": 0,
        "lfo_1.rsaw": 1,
        "lfo_1.frequency": (15, 20),
        "lfo_1.mod_depth": (10, 20),
        "lfo_1_amp_adsr.decay": (0.06, 0.12),
        "lfo_1_amp_adsr.sustain": 0,
        "lfo_1_amp_adsr.alpha": (0.3, 0.8),
        "mod_matrix.lfo_1->noise_amp": 1,
        "mod_matrix.adsr_2->noise_amp": (0.2, 0.7),
        "adsr_2.attack": (0.03, 0.09),
        "adsr_2.decay": (0.1, 0.5),
        "adsr_2.alpha": (2, 5),
        "mixer.noise": (0.3, 0.9),
    },
}
_TONES: dict[str, Ranges] = {
    # Slow attack, two detuned oscillators, slow modulation.
    "pad": {
        "keyboard.midi_f0": (43, 69),
        "keyboard.duration": (0.9, 1.6),
        "adsr_1.attack": (0.2, 0.8),
        "adsr_1.decay": (0.3, 1),
        "adsr_1.sustain": (0.5, 1),
        "adsr_1.release": (0.3, 1.5),
        "adsr_1.alpha": (0.7, 2),
        "mod_matrix.adsr_1->vco_1_amp": (0.6, 1),
        "mod_matrix.adsr_1->vco_2_amp": (0.6, 1),
        "vco_1.tuning": (-0.15, 0.15),
        "vco_2.tuning": (-0.15, 0.15),
        "vco_2.shape": (0, 1),
        "lfo_1.frequency": (0.3, 6),
        "lfo_1_amp_adsr.attack": (0, 0.5),
        "lfo_1_amp_adsr.release": 0.3,
        "mod_matrix.lfo_1->vco_2_amp": (0, 0.3),
        "mixer.vco_1": (0.2, 0.6),
        "mixer.vco_2": (0.15, 0.5),
        "mod_matrix.adsr_1->noise_amp": 1,
        "mixer.noise": (0, 0.03),
    },
    # Fast attack, no sustain, square to saw.
    "pluck": {
        "keyboard.midi_f0": (48, 84),
        "adsr_1.attack": (0, 0.005),
        "adsr_1.decay": (0.15, 0.9),
        "adsr_1.alpha": (2, 5),
        "mod_matrix.adsr_1->vco_1_amp": 1,
        "mod_matrix.adsr_1->vco_2_amp": 1,
        "vco_2.tuning": (-0.1, 0.1),
        "vco_2.shape": (0, 1),
        "mixer.vco_1": (0, 0.5),
        "mixer.vco_2": (0.3, 0.8),
        "mod_matrix.adsr_2->noise_amp": 1,
        "adsr_2.decay": (0.01, 0.05),
        "mixer.noise": (0, 0.1),
    },
    # Low, sustained, square to saw plus a sine.
    "bass": {
        "keyboard.midi_f0": (24, 44),
        "keyboard.duration": (0.3, 1.4),
        "adsr_1.attack": (0, 0.02),
        "adsr_1.decay": (0.2, 0.8),
        "adsr_1.sustain": (0.3, 0.8),
        "adsr_1.release": (0.05, 0.3),
        "adsr_1.alpha": (1, 3),
        "mod_matrix.adsr_1->vco_1_amp": 1,
        "mod_matrix.adsr_1->vco_2_amp": 1,
        "vco_2.tuning": (-0.1, 0.1),
        "vco_2.shape": (0, 1),
        "mixer.vco_1": (0.3, 0.8),
        "mixer.vco_2": (0.2, 0.8),
    },
    # A high sine with a slow decay, and inharmonic partials with a faster decay.
    "bell": {
        "keyboard.midi_f0": (64, 88),
        "adsr_1.attack": (0, 0.003),
        "adsr_1.decay": (0.8, 2),
        "adsr_1.alpha": (2, 5),
        "adsr_2.decay": (0.15, 1),
        "adsr_2.alpha": (2, 5),
        "mod_matrix.adsr_1->vco_1_amp": 1,
        "mod_matrix.adsr_2->vco_2_amp": 1,
        "vco_2.tuning": (5, 22),
        "vco_2.shape": (0, 0.5),
        "mixer.vco_1": (0.4, 0.9),
        "mixer.vco_2": (0.05, 0.35),
    },
}


@lru_cache(maxsize=1)
def families() -> Mapping[str, Family]:
    """The families by name, sorted."""
    drums, tones = nebula_space("drum"), nebula_space(NEBULA)
    found = {name: Family(drums, _filled(ranges)) for name, ranges in _DRUMS.items()}
    found |= {name: Family(tones, _filled(ranges)) for name, ranges in _TONES.items()}
    return dict(sorted(found.items()))


def _filled(ranges: Ranges) -> dict[str, tuple[float, float]]:
    named = {**_REST, **_PHASES, **ranges}
    return {
        name: (float(value[0]), float(value[1])) if isinstance(value, tuple) else (float(value), float(value))
        for name, value in named.items()
    }
