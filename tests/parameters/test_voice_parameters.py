from __future__ import annotations

import math
import subprocess
import sys
import types

import torch

from synthvae.parameters.voice import VOICE_63, VOICE_78, import_torchsynth, torchsynth_modules

STUDY_ORDER = [
    ("keyboard", 2),
    ("adsr_1", 5),
    ("adsr_2", 5),
    ("lfo_1", 8),
    ("lfo_2", 8),
    ("lfo_1_amp_adsr", 5),
    ("lfo_2_amp_adsr", 5),
    ("lfo_1_rate_adsr", 5),
    ("lfo_2_rate_adsr", 5),
    ("mod_matrix", 5),
    ("vco_1", 3),
    ("vco_2", 4),
    ("mixer", 3),
]


def test_the_study_set_has_63_columns_in_its_order():
    assert [p.module for p in VOICE_63] == [module for module, count in STUDY_ORDER for _ in range(count)]
    assert len(VOICE_63.fixed) == 15
    assert set(VOICE_63.fixed.values()) == {0.0}


def test_every_source_and_target_is_routed():
    routes = [p.name.removeprefix("mod_matrix.").split("->") for p in VOICE_63 if p.module == "mod_matrix"]
    assert {source for source, _ in routes} == {"adsr_1", "adsr_2", "lfo_1", "lfo_2"}
    assert len({target for _, target in routes}) == 5


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
        "import synthvae.parameters.voice\n"
        "assert torch.rand(1) == a and torch.pi == math.pi"
    )
    assert math.pi != 3.1415927410125732
    subprocess.run([sys.executable, "-c", code], check=True)
