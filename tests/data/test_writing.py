from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
import torch

from synthvae.data.preset import read_preset
from synthvae.data.writing import write_presets
from synthvae.exploration.latent_files import find_presets


def test_values_that_were_kept_are_written_as_they_were(selective_run, tmp_path: Path):
    (source,) = find_presets(selective_run, ["9"])
    unit = torch.from_numpy(source.unit.astype(np.float32))[None].clone()
    unit[0, 3] = 0.25
    written = write_presets(tmp_path, selective_run, unit, ["a"], [{}], [source])
    human = read_preset(tmp_path / "a.json", selective_run.parameters).human
    changed = np.flatnonzero(human != source.human)
    assert changed.tolist() == [3]
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["name"] == written.names[0]
    sound, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == selective_run.settings.sample_rate
    np.testing.assert_array_equal(sound, written.audio[0])
