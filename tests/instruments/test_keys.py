"""Notes, keys, and which keys do what."""

from __future__ import annotations

import pytest

from synthvae.core.errors import UserError
from synthvae.instruments.keys import frequency_of, key_name, parse_key, sampled_keys, switch_keys


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("A4", 69),
        ("c4", 60),
        ("F#3", 54),
        ("Bb2", 46),
        ("B♭2", 46),
        ("C-1", 0),
        ("G9", 127),
        ("69", 69),
        ("4", 4),
        (" 0 ", 0),
    ],
)
def test_notes_and_numbers_are_keys(text: str, key: int):
    assert parse_key(text, "--note") == key


@pytest.mark.parametrize("text", ["H4", "A", "", "A44", "C##3", "128", "-1", "A10", "1.5", "٣"])
def test_what_is_no_key_is_refused_by_name(text: str):
    with pytest.raises(UserError, match="--note"):
        parse_key(text, "--note")


def test_every_key_has_its_name_and_frequency():
    assert [parse_key(key_name(key), "") for key in range(128)] == list(range(128))
    assert frequency_of(69) == 440.0
    assert frequency_of(57) == pytest.approx(220.0, rel=1e-12)


def test_samples_lie_from_the_lowest_key_up():
    assert sampled_keys(36, 48, 5) == [36, 41, 46]
    assert sampled_keys(60, 60, 3) == [60]
    for bad, message in (((61, 60, 3), "--lowest is C#4, above --highest C4"), ((36, 48, 0), "--every is 0")):
        with pytest.raises(UserError, match=message):
            sampled_keys(*bad)


def test_switches_lie_outside_of_the_keys_that_play():
    assert switch_keys(2, 36, 96) == [24, 25]
    assert switch_keys(2, 2, 96) == [0, 1]
    assert switch_keys(3, 1, 96) == [97, 98, 99]
    for count in range(1, 6):
        for lowest, highest in ((36, 96), (3, 100), (12, 127)):
            keys = switch_keys(count, lowest, highest)
            assert len(set(keys)) == count
            assert all(0 <= key <= 127 and not lowest <= key <= highest for key in keys)
    with pytest.raises(UserError, match="--lengths gives 2 lengths"):
        switch_keys(2, 1, 126)
