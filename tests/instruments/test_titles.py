"""Names of sounds and of their files."""

from __future__ import annotations

from synthvae.instruments.titles import described, file_stems, without_note


def test_the_second_of_one_name_gets_a_number():
    assert file_stems(["pluck", "Pluck", "pluck, A3", "pluck"]) == ["pluck", "Pluck-2", "pluck_A3", "pluck-3"]
    assert file_stems(["a-2", "a", "a"]) == ["a-2", "a", "a-3"]
    assert file_stems(["???", "../../etc"]) == ["preset", "etc"]


def test_an_instrument_has_no_note_of_its_own():
    assert without_note("bright pluck, C#-1") == "bright pluck"
    assert without_note("bright pluck, soft") == "bright pluck, soft"
    assert without_note(", A3") == ", A3"


def test_presets_keep_their_names_and_get_what_they_lack(make_preset):
    calls = []
    named, measured = described([make_preset(name="mine"), make_preset()], calls.append)
    assert named.name == "mine"
    assert named.descriptors["note"] == 69.0
    assert measured.name.endswith(", A4")
    assert calls == [1, 2]
    again = described([measured])[0]
    assert (again.name, again.descriptors) == (measured.name, measured.descriptors)
