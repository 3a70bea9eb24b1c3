"""torchsynth's Voice as parameter spaces: `VOICE_63`, the set of Korkmaz (2025), and `VOICE_78`, all parameters.

Ranges, curves and the nebula are read from the installed torchsynth. ``torchsynth.synth`` does not import on
current Python installations (it needs ``pkg_resources`` and a module that Lightning has dropped), so the list
of the modules of its Voice is repeated here, in the same order (Turian, Shier, Tzanetakis, McNally and Henry,
"One Billion Audio Sounds from GPU-enabled Modular Synthesis", DAFx 2021).
"""

from __future__ import annotations

import importlib
import json
from importlib import resources
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

from synthvae.synths.parameters import Parameter, ParameterSpace
from synthvae.synths.voice.reference import SOURCES, TARGETS

if TYPE_CHECKING:
    from torchsynth.config import SynthConfig
    from torchsynth.module import SynthModule

__all__ = [
    "NEBULA",
    "ROUTES_63",
    "ROUTE_SOURCES",
    "ROUTE_TARGETS",
    "VOICE_63",
    "VOICE_78",
    "nebula_space",
    "pitch_only_parameters",
    "torchsynth_modules",
]

#: The set of curves that is the default in torchsynth and that synth1B1 was drawn with.
NEBULA = "default"
ROUTE_SOURCES = ("adsr_1", "adsr_2", "lfo_1", "lfo_2")
ROUTE_TARGETS = ("vco_1_pitch", "vco_1_amp", "vco_2_pitch", "vco_2_amp", "noise_amp")

UNITS = {
    "attack": "s",
    "decay": "s",
    "release": "s",
    "duration": "s",
    "midi_f0": "MIDI",
    "tuning": "semitones",
    "frequency": "Hz",
    "initial_phase": "rad",
}


#: Oscillator parameters that affect only the phase, apart from a small effect on the second oscillator's waveform.
_OSCILLATORS = tuple(
    f"{oscillator}.{part}" for oscillator in ("vco_1", "vco_2") for part in ("tuning", "mod_depth", "initial_phase")
)
_PITCHES = tuple(target for target in TARGETS if target.endswith("_pitch"))


def import_torchsynth(name: str) -> ModuleType:
    """Import ``torchsynth.<name>`` and undo its one side effect: it overwrites ``torch.pi`` with float32's pi."""
    pi = torch.pi
    try:
        return importlib.import_module(f"torchsynth.{name}")
    finally:
        setattr(torch, "pi", pi)  # noqa: B010 - final in the type stubs, but torchsynth assigns it


def torchsynth_modules(config: SynthConfig, nebula: str = NEBULA) -> dict[str, SynthModule]:
    """Modules of torchsynth by name, unconnected, in the order and setup of its Voice, with a nebula applied."""
    m = import_torchsynth("module")
    kinds: list[tuple[str, Any, dict[str, Any]]] = [
        ("keyboard", m.MonophonicKeyboard, {}),
        ("adsr_1", m.ADSR, {}),
        ("adsr_2", m.ADSR, {}),
        ("lfo_1", m.LFO, {}),
        ("lfo_2", m.LFO, {}),
        ("lfo_1_amp_adsr", m.ADSR, {}),
        ("lfo_2_amp_adsr", m.ADSR, {}),
        ("lfo_1_rate_adsr", m.ADSR, {}),
        ("lfo_2_rate_adsr", m.ADSR, {}),
        ("control_vca", m.ControlRateVCA, {}),
        ("control_upsample", m.ControlRateUpsample, {}),
        (
            "mod_matrix",
            m.ModulationMixer,
            {
                "n_input": len(ROUTE_SOURCES),
                "n_output": len(ROUTE_TARGETS),
                "input_names": list(ROUTE_SOURCES),
                "output_names": list(ROUTE_TARGETS),
            },
        ),
        ("vco_1", m.SineVCO, {}),
        ("vco_2", m.SquareSawVCO, {}),
        ("noise", m.Noise, {"seed": 13}),
        ("vca", m.VCA, {}),
        ("mixer", m.AudioMixer, {"n_input": 3, "curves": [1.0, 1.0, 0.025], "names": ["vco_1", "vco_2", "noise"]}),
    ]
    modules = {name: kind(config, device=torch.device("cpu"), **options) for name, kind, options in kinds}
    entries = json.loads((resources.files("torchsynth") / "nebulae" / "voice" / f"{nebula}.json").read_text())
    for entry in entries:
        module, parameter, attribute = entry["name"]
        setattr(modules[module]._parameter_ranges_dict[parameter], attribute, entry["value"])
    return modules


def _read_parameters(nebula: str = NEBULA) -> dict[str, Parameter]:
    config = import_torchsynth("config").SynthConfig(batch_size=1, buffer_size_seconds=0.1, reproducible=False)
    with torch.random.fork_rng(devices=[]):  # torchsynth's constructors draw from the global generator
        modules = torchsynth_modules(config, nebula)
    found = {}
    for module, instance in modules.items():
        for r in instance.parameter_ranges:
            name = f"{module}.{r.name}"
            unit = UNITS.get(r.name, "")
            if r.name == "mod_depth":
                unit = "Hz" if module.startswith("lfo") else "semitones"
            found[name] = Parameter(
                name, float(r.minimum), float(r.maximum), float(r.curve), bool(r.symmetric), unit, r.description or ""
            )
    return found


def nebula_space(nebula: str) -> ParameterSpace:
    """All 78 parameters with the curves of a nebula that torchsynth ships: ``default`` or ``drum``."""
    return ParameterSpace(tuple(_read_parameters(nebula).values()))


_ALL = _read_parameters()

#: All 78 parameters of torchsynth's Voice, in registration order.
VOICE_78 = ParameterSpace(tuple(_ALL.values()))

#: The five routes of Korkmaz (2025), table 4.1: the only entries of the modulation matrix among the 63 parameters.
ROUTES_63 = ("adsr_1->vco_1_pitch", "adsr_2->vco_2_pitch", "lfo_1->vco_1_amp", "lfo_2->vco_2_amp", "adsr_1->noise_amp")


def _voice_63() -> ParameterSpace:
    free = [p for p in VOICE_78 if p.module != "mod_matrix" or p.name.split(".", 1)[1] in ROUTES_63]
    return ParameterSpace(tuple(free), {p.name: 0.0 for p in VOICE_78 if p not in free})


#: The 63 parameters of Korkmaz (2025), tables 4.1, A.1 and A.2, in torchsynth's order. The thesis does not give the
#: values of the other 15 routes; here they are fixed at 0 (no modulation).
VOICE_63 = _voice_63()


def pitch_only_parameters(parameters: ParameterSpace) -> list[str]:
    """Names of the columns, in order, that affect the sound only through the phases of the oscillators.

    They are the pitch of the keyboard, tuning, depth and initial phase of the oscillators, the routes to pitch, and
    all parameters of a source of the modulation matrix without an open route to an amplitude. For them the derivative
    with phases held constant (`synthvae.synths.voice.voice.Voice.forward`) is zero or nearly zero: pitch also sets the
    steepness of the second oscillator's waveform.

    Args:
        parameters: parameter space of torchsynth's Voice. A route is open if it is a column or fixed at a value other
            than 0.
    """
    open_routes = {name for name in parameters.names if name.startswith("mod_matrix.")}
    open_routes |= {name for name, value in parameters.fixed.items() if name.startswith("mod_matrix.") and value != 0}
    pitch_sources = {
        source
        for source in SOURCES
        if not any(f"mod_matrix.{source}->{target}" in open_routes for target in TARGETS if target not in _PITCHES)
    }
    # The envelopes of an LFO are named after it: lfo_1_amp_adsr, lfo_1_rate_adsr.
    modules = pitch_sources | {f"{s}_{kind}_adsr" for s in pitch_sources for kind in ("amp", "rate")}
    routes = {f"mod_matrix.{source}->{target}" for source in SOURCES for target in _PITCHES}
    held = {"keyboard.midi_f0", *_OSCILLATORS, *routes}
    return [p.name for p in parameters if p.name in held or p.module in modules]
