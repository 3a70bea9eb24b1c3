from __future__ import annotations

import torch

from synthvae.parameters.voice import VOICE_63, VOICE_78
from synthvae.synth.routing import heard_as_pitch
from synthvae.synth.voice import Voice
from synthvae.synths.parameters import ParameterSpace
from tests.synth.cube import interior

#: These reach the waveform of the second oscillator, which is less steep the higher it plays.
STEEPENING = {"keyboard.midi_f0", "vco_2.tuning", "vco_2.mod_depth"}


def test_held_phases_leave_nothing_for_what_is_heard_as_pitch_and_something_for_all_else():
    for space in (VOICE_63, VOICE_78):
        unit = interior(64, len(space), seed=4).requires_grad_()
        Voice(space, 16000, 0.5, 160)(unit, hold_phases=True).square().sum().backward()
        dead = {name for name, gradient in zip(space.names, unit.grad.T, strict=True) if not gradient.any()}
        assert dead == set(heard_as_pitch(space)) - STEEPENING


def test_every_source_of_the_full_matrix_reaches_an_amplitude():
    modules = {name.split(".")[0] for name in heard_as_pitch(VOICE_78)}
    assert modules == {"keyboard", "mod_matrix", "vco_1", "vco_2"}


def test_a_fixed_route_counts_where_it_is_open():
    assert "adsr_2.attack" in heard_as_pitch(VOICE_63)
    fixed = {**VOICE_63.fixed, "mod_matrix.adsr_2->noise_amp": 0.5}
    assert "adsr_2.attack" not in heard_as_pitch(ParameterSpace(VOICE_63.parameters, fixed))


def test_what_is_not_heard_as_pitch_has_its_whole_derivative():
    unit = interior(32, 63, seed=6)
    voice = Voice(VOICE_63, 16000, 0.5, 160)
    gradients = []
    for hold in (False, True):
        given = unit.clone().requires_grad_()
        voice(given, hold_phases=hold).square().sum().backward()
        gradients.append(given.grad)
    pitch = set(heard_as_pitch(VOICE_63))
    # The first envelope modulates pitch as well as noise, and the note's length ends every envelope.
    mixed = {name for name in VOICE_63.names if name.startswith(("adsr_1.", "keyboard.", "mod_matrix.adsr_1"))}
    whole = [column for column, name in enumerate(VOICE_63.names) if name not in pitch | mixed]
    assert len(whole) > 25
    torch.testing.assert_close(gradients[0][:, whole], gradients[1][:, whole], rtol=1e-4, atol=1e-5)
