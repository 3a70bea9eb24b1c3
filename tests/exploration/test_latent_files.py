from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.data.generation import generate_dataset
from synthvae.data.preset import units
from synthvae.data.writing import write_presets
from synthvae.exploration.latent_files import find_dataset, find_preset, find_presets, find_run, read_latents
from synthvae.synths.voice.parameters import VOICE_63
from tests.errors import user_error


@pytest.mark.usefixtures("no_space")
def test_the_run_that_was_trained_last_is_found_and_told(tmp_path: Path):
    with pytest.raises(UserError, match="no trained run in it; name one .`run`"):
        find_run(None, tmp_path / "runs")
    for number, name in enumerate(("old", "exp1/seed-0")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").touch()
        (folder / "run.json").touch()
        os.utime(folder / "weights.safetensors", (1000 + number, 1000 + number))
        assert find_run(None, tmp_path / "runs")[0] == folder
    (tmp_path / "runs" / "unfinished").mkdir()
    (tmp_path / "runs" / "unfinished" / "run.json").touch()
    path, note = find_run(None, tmp_path / "runs")
    assert path.name == "seed-0"
    assert "trained last of 2 runs" in note
    assert find_run(Path("given"), tmp_path / "runs") == (Path("given"), "")


def test_the_default_dataset_is_found_or_else_the_newest(tmp_path: Path):
    usual = tmp_path / "presets.json"
    with pytest.raises(UserError, match="no dataset in it; make one with 'synthvae generate-dataset'"):
        find_dataset(None, usual)
    (tmp_path / "other.json").write_text('{"format": "synthvae-run"}')
    for number, name in enumerate(("b.json", "a.json")):
        generate_dataset(tmp_path / name, VOICE_63, 7)
        os.utime(tmp_path / name, (1000 + number, 1000 + number))
    path, note = find_dataset(None, usual)
    assert path.name == "a.json"
    assert "the newest of 2" in note
    generate_dataset(usual, VOICE_63, 7)
    os.utime(usual, (1, 1))
    assert find_dataset(None, usual)[0] == usual
    assert find_dataset(Path("given"), usual) == (Path("given"), "")


def test_numbers_and_files_are_the_same_preset(run, small_dataset, tmp_path: Path):
    origin = {"test": True}
    write_presets(tmp_path, run, small_dataset.unit[[7]], ["seven"], [origin], find_presets(run, ["7"]))
    by_number, by_file = find_presets(run, ["7", str(tmp_path / "seven.json")])
    assert np.array_equal(by_number.human, by_file.human)
    assert by_file.name
    assert by_file.origin == {"run": run.path.name, **origin}
    assert torch.equal(units([by_file])[0], find_preset(run, "7"))


def test_the_option_that_is_wrong_is_named(run):
    with user_error("minus", "nothing.json"):
        find_presets(run, ["1", "nothing.json"], None, ["plus", "minus"])
    with pytest.raises(UserError, match="no preset 64"):
        find_presets(run, ["64"])


def test_a_recording_among_presets_is_named_before_a_dataset_is_opened(run):
    with user_error("presets", "kick.wav", match=r"a recording; .* recordings with recordings or sounds of a library$"):
        find_presets(run, ["64", "kick.wav"], Path("no-such-dataset.json"))


@pytest.mark.parametrize(
    "row",
    ["{0}.5,-{0}.25", "\ufeff{0}.5,-{0}.25", "{0},5;-{0},25", "{0}.5;-{0}.25", "{0},5\t-{0},25", "{0}.5, -{0}.25"],
)
def test_numbers_of_every_spreadsheet_are_read(row: str, tmp_path: Path):
    (tmp_path / "z.csv").write_text("\n".join(row.format(number).replace("\ufeff", "") for number in (1, 2)))
    if row.startswith("\ufeff"):
        (tmp_path / "z.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "z.csv").read_bytes())
    found = read_latents(tmp_path / "z.csv", SimpleNamespace(latent_size=2))
    assert found.points.tolist() == [[1.5, -1.25], [2.5, -2.25]]
