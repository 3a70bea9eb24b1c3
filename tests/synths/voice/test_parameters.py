from __future__ import annotations

import math
import subprocess
import sys
import types

import pytest
import torch

from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.parameters import (
    VOICE_63,
    VOICE_78,
    import_torchsynth,
    pitch_only_parameters,
    torchsynth_modules,
)
from synthvae.synths.voice.voice import Voice
from tests.synths.voice.cube import interior

ADSR = "attack decay sustain release alpha"
LFO = "frequency mod_depth initial_phase sin tri saw rsaw sqr"
#: Korkmaz (2025), table 4.1.
TABLE_4_1 = {
    "keyboard": "midi_f0 duration",
    "adsr_1": ADSR,
    "adsr_2": ADSR,
    "lfo_1": LFO,
    "lfo_2": LFO,
    "lfo_1_amp_adsr": ADSR,
    "lfo_2_amp_adsr": ADSR,
    "lfo_1_rate_adsr": ADSR,
    "lfo_2_rate_adsr": ADSR,
    "mod_matrix": "adsr_1->vco_1_pitch adsr_2->vco_2_pitch lfo_1->vco_1_amp lfo_2->vco_2_amp adsr_1->noise_amp",
    "vco_1": "tuning mod_depth initial_phase",
    "vco_2": "tuning mod_depth initial_phase shape",
    "mixer": "vco_1 vco_2 noise",
}
#: Its tables A.1 and A.2: ranges by the last part of the name; keys with a module come first.
TABLES_A = {
    "keyboard.midi_f0": (0.0, 127.0),
    "keyboard.duration": (0.01, 4.0),
    "attack": (0.0, 2.0),
    "decay": (0.0, 2.0),
    "sustain": (0.0, 1.0),
    "release": (0.0, 5.0),
    "alpha": (0.1, 6.0),
    "frequency": (0.0, 20.0),
    "lfo_1.mod_depth": (-10.0, 20.0),
    "lfo_2.mod_depth": (-10.0, 20.0),
    "initial_phase": (-math.pi, math.pi),
    "tuning": (-24.0, 24.0),
    "vco_1.mod_depth": (-96.0, 96.0),
    "vco_2.mod_depth": (-96.0, 96.0),
}


#: These reach the waveform of the second oscillator, which is less steep the higher it plays.
STEEPENING = {"keyboard.midi_f0", "vco_2.tuning", "vco_2.mod_depth"}


def test_voice_63_is_table_4_1_of_the_thesis_and_the_other_routes_are_off():
    table = [f"{module}.{name}" for module, names in TABLE_4_1.items() for name in names.split()]
    assert len(table) == len(set(table)) == 63
    assert set(VOICE_63.names) == set(table)
    # The order is torchsynth's, which differs from the table's among the routes.
    assert [p.module for p in VOICE_63] == [name.split(".")[0] for name in table]
    assert list(VOICE_63.names) == [name for name in VOICE_78.names if name in table]
    other_routes = {name for name in VOICE_78.names if name not in table}
    assert len(other_routes) == 15
    assert VOICE_63.fixed == dict.fromkeys(other_routes, 0.0)
    assert VOICE_63.hash == "5b53b6066e9026ce", "a new hash means that every older file is of another set"


def test_ranges_are_those_of_tables_a1_and_a2_of_the_thesis():
    for p in VOICE_63:
        low, high = TABLES_A.get(p.name) or TABLES_A.get(p.name.split(".")[1]) or (0.0, 1.0)
        assert (p.minimum, p.maximum) == pytest.approx((low, high), abs=1e-6), p.name


def test_names_ranges_and_curves_are_those_of_torchsynths_voice(torchsynth_synth: types.ModuleType):
    config = import_torchsynth("config").SynthConfig(batch_size=2, buffer_size_seconds=0.1, reproducible=False)
    voice = torchsynth_synth.Voice(config)
    theirs = {f"{m}.{p}": parameter.parameter_range for (m, p), parameter in voice.get_parameters().items()}
    assert set(theirs) == set(VOICE_78.names)
    for p in VOICE_78:
        r = theirs[p.name]
        assert (p.minimum, p.maximum, p.curve, p.symmetric) == (r.minimum, r.maximum, r.curve, r.symmetric), p.name


def test_map_has_the_same_bits_as_torchsynths():
    config = import_torchsynth("config").SynthConfig(batch_size=1, buffer_size_seconds=0.1, reproducible=False)
    modules = torchsynth_modules(config)
    unit = torch.rand(1000, 78, generator=torch.Generator().manual_seed(0))
    unit[0], unit[1], unit[2] = 0.0, 0.5, 1.0
    human = VOICE_78.denormalise(unit)
    for column, p in enumerate(VOICE_78):
        module, name = p.name.split(".")
        theirs = modules[module]._parameter_ranges_dict[name].from_0to1(unit[:, column].contiguous())
        # One unit in the last place: vectorised and scalar logarithms differ by that within torch itself.
        torch.testing.assert_close(human[:, column], theirs, rtol=3e-6, atol=2e-6, msg=p.name)


def test_importing_leaves_pi_alone_and_the_generator_too():
    code = (
        "import torch, math; torch.manual_seed(5); a = torch.rand(1); torch.manual_seed(5)\n"
        "import synthvae.synths.voice.parameters\n"
        "assert torch.rand(1) == a and torch.pi == math.pi"
    )
    assert math.pi != 3.1415927410125732
    subprocess.run([sys.executable, "-c", code], check=True)


def test_held_phases_zero_the_gradients_of_pitch_only_parameters_alone():
    for space in (VOICE_63, VOICE_78):
        unit = interior(64, len(space), seed=4).requires_grad_()
        Voice(space, 16000, 0.5, 160)(unit, hold_phases=True).square().sum().backward()
        dead = {name for name, gradient in zip(space.names, unit.grad.T, strict=True) if not gradient.any()}
        assert dead == set(pitch_only_parameters(space)) - STEEPENING


def test_every_source_of_the_full_matrix_reaches_an_amplitude():
    modules = {name.split(".")[0] for name in pitch_only_parameters(VOICE_78)}
    assert modules == {"keyboard", "mod_matrix", "vco_1", "vco_2"}


def test_a_fixed_route_counts_where_it_is_open():
    assert "adsr_2.attack" in pitch_only_parameters(VOICE_63)
    fixed = {**VOICE_63.fixed, "mod_matrix.adsr_2->noise_amp": 0.5}
    assert "adsr_2.attack" not in pitch_only_parameters(ParameterSpace(VOICE_63.parameters, fixed))


def test_parameters_not_heard_as_pitch_keep_their_whole_derivative():
    unit = interior(32, 63, seed=6)
    voice = Voice(VOICE_63, 16000, 0.5, 160)
    gradients = []
    for hold in (False, True):
        given = unit.clone().requires_grad_()
        voice(given, hold_phases=hold).square().sum().backward()
        gradients.append(given.grad)
    pitch = set(pitch_only_parameters(VOICE_63))
    # The first envelope modulates pitch as well as noise, and the note's length ends every envelope.
    mixed = {name for name in VOICE_63.names if name.startswith(("adsr_1.", "keyboard.", "mod_matrix.adsr_1"))}
    whole = [column for column, name in enumerate(VOICE_63.names) if name not in pitch | mixed]
    assert len(whole) > 25
    torch.testing.assert_close(gradients[0][:, whole], gradients[1][:, whole], rtol=1e-4, atol=1e-5)
