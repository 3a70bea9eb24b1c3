"""Sounds that are written where others were."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthvae.data.presets import Dataset
from synthvae.data.writing import numbered_presets, write_sounds
from synthvae.exploration.recorded_sounds import write_levelled
from synthvae.naming import name_sounds


def test_a_preset_of_a_sound_that_is_replaced_goes_with_it(small_dataset: Dataset, tmp_path: Path):
    _, presets = numbered_presets(small_dataset, [0, 1], 1)
    write_sounds(tmp_path, ["step_001", "step_002"], presets)
    (tmp_path / "step_003.json").write_text('{"mine": 1}')
    write_levelled(tmp_path, 16000, ["step_001", "step_003"], [np.zeros(800, np.float32)] * 2)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["step_002.json", "step_003.json"]


def test_sounds_of_other_presets_that_are_replaced_are_told(
    small_dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    _, presets = numbered_presets(small_dataset, [0, 1], 1)
    names = ["random_1", "random_2"]
    first = write_sounds(tmp_path, names, [replace(preset, name="") for preset in presets], naming=name_sounds)
    with caplog.at_level(logging.WARNING):
        write_sounds(tmp_path, names, presets, naming=name_sounds)
        assert not caplog.records
        others = write_sounds(tmp_path, names, presets[::-1], naming=name_sounds)
    assert [path.stem[9:] for path in others] == [path.stem[9:] for path in first[::-1]]
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}: 2 of the sounds replace others that had the same numbers"
    ]
