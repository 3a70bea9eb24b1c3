from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from synthvae.data.names import LONGEST_SLUG, earlier_files, numbered, slug
from synthvae.data.preset import Preset, write_preset
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63

PRESET = Preset(VOICE_63, VOICE_63.denormalise(np.full(63, 0.5)), RenderSettings())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bright noisy pluck, A3", "bright-noisy-pluck_A3"),
        ("dark tone, C#4", "dark-tone_Cs4"),
        ("rumble, C#-1", "rumble_Cs-1"),
        ("Überraschung / ../x", "Uberraschung-x"),
        ("a - , _ b", "a_b"),
        ("日本", "preset"),
        ("  ", "preset"),
        (",", "preset"),
        ("x" * 200, "x" * LONGEST_SLUG),
        ("x" * (LONGEST_SLUG - 1) + ", y", "x" * (LONGEST_SLUG - 1)),
    ],
)
def test_slugs(name: str, expected: str):
    assert slug(name) == expected


def test_only_files_with_names_that_were_given_to_them_are_earlier(tmp_path: Path):
    def write(stem: str, name: str = "") -> None:
        write_preset(tmp_path / f"{stem}.json", dataclasses.replace(PRESET, name=name))

    write("random_1_0003_dark-tone_A3", "dark tone, A3")
    write("random_1_0003")
    write("random_1_0003_keeper", "dark tone, A3")  # renamed by hand
    write("random_1_00031_dark-tone_A3", "dark tone, A3")
    write("random_1_0004_hiss", "hiss")
    (tmp_path / "random_1_0003_x.json").write_text('{"name": "x"}')
    (tmp_path / "random_1_0003_y.json").write_text("half a")
    (tmp_path / "random_1_0003_z.json").mkdir()
    found = earlier_files(tmp_path, ["random_1_0003", "random_1_0005"])
    assert [path.name for path in found.pop("random_1_0003")] == [
        "random_1_0003.json",
        "random_1_0003_dark-tone_A3.json",
    ]
    assert found == {}
    assert earlier_files(tmp_path / "nowhere", ["a"]) == {}


def test_numbered_names_sort_by_their_numbers():
    assert numbered("step", 2) == ["step_000", "step_001"]
    names = numbered("a", 1001, 2)
    assert (names[0], names[-1]) == ("a_0000", "a_1000")
    assert sorted(names) == names
