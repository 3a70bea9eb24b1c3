"""Registry entry of torchsynth's Voice; torchsynth itself is imported on first use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthvae.synths.base import Family, Synth, SynthKind
from synthvae.synths.parameters import ParameterSpace

__all__ = ["GROUPS", "KIND"]

Values = Mapping[str, float]

#: Patterns of names; a parameter may be in several groups, for example a route and its target. *pitch* is the note and
#: its depth of modulation; the envelope or LFO that modulates it belongs to *envelope* and *modulation*.
GROUPS: dict[str, tuple[str, ...]] = {
    "pitch": ("keyboard.midi_f0", "vco_*.tuning", "vco_*.mod_depth", "mod_matrix.*->vco_*_pitch"),
    "duration": ("keyboard.duration",),
    "envelope": ("adsr_*.*", "mod_matrix.adsr_*->*_amp"),
    "modulation": ("lfo_*.*", "mod_matrix.lfo_*"),
    "mix": ("mixer.*",),
    "noise": ("mixer.noise", "mod_matrix.*->noise_amp"),
    "waveform": ("vco_2.shape", "vco_*.initial_phase"),
}


def _build(parameters: ParameterSpace, **settings: Any) -> Synth:  # noqa: ANN401
    from synthvae.synths.voice.voice import Voice

    return Voice(parameters, **settings)


def _spaces() -> Sequence[ParameterSpace]:
    from synthvae.synths.voice.parameters import VOICE_63, VOICE_78

    return VOICE_63, VOICE_78


def _tail(values: Values) -> float:
    from synthvae.synths.voice.tail import tail_seconds

    return tail_seconds(values)


def _release(values: Values) -> float:
    from synthvae.synths.voice.tail import release_seconds

    return release_seconds(values)


def _rise(values: Values) -> float:
    from synthvae.synths.voice.tail import rise_seconds

    return rise_seconds(values)


def _pitch_only(parameters: ParameterSpace) -> Sequence[str]:
    from synthvae.synths.voice.parameters import pitch_only_parameters

    return pitch_only_parameters(parameters)


def _families() -> Mapping[str, Family]:
    from synthvae.synths.voice.families import families

    return families()


KIND = SynthKind(
    name="torchsynth.Voice",
    build=_build,
    spaces=_spaces,
    setup={"nebula": "default", "noise_seed": 13},  # the curves, and the seed of the noise of all sounds
    note="keyboard.midi_f0",
    hold="keyboard.duration",
    tail=_tail,
    release=_release,
    rise=_rise,
    noise="mixer.noise",
    pitch_only=_pitch_only,
    groups=GROUPS,
    families=_families,
)
