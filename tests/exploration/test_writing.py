from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from synthvae.errors import UserError
from synthvae.exploration.finding import find_presets
from synthvae.exploration.writing import write_joined, write_presets
from synthvae.presets.preset import read_preset


def test_values_that_were_kept_are_written_as_they_were(run, tmp_path: Path):
    (source,) = find_presets(run, ["9"])
    unit = torch.from_numpy(source.unit.astype(np.float32))[None].clone()
    unit[0, 3] = 0.25
    written = write_presets(tmp_path, run, unit, ["a"], [{}], [source])
    human = read_preset(tmp_path / "a.json", run.parameters).human
    changed = np.flatnonzero(human != source.human)
    assert changed.tolist() == [3]
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["name"] == written.named[0].name
    sound, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == run.settings.sample_rate
    np.testing.assert_array_equal(sound, written.audio[0])


def test_joined_sounds_follow_each_other_with_a_gap_and_without_a_click(tmp_path: Path):
    write_joined(tmp_path / "j.wav", np.ones((3, 1000), dtype=np.float32), 1000, 0.5)
    sound, _ = soundfile.read(tmp_path / "j.wav")
    assert len(sound) == 3 * 1000 + 2 * 500
    assert (sound[:990] == 1.0).all()
    assert sound[999] == 0.0
    assert (sound[1000:1500] == 0.0).all()
    assert sound[1500] == 1.0
    for gap in (-1.0, float("nan"), 61.0):
        with pytest.raises(UserError, match="--gap is"):
            write_joined(tmp_path / "k.wav", np.ones((1, 9), dtype=np.float32), 1000, gap)
    assert not (tmp_path / "k.wav").exists()
