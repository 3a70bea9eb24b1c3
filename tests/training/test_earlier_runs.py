"""Runs written by earlier versions, before tasks existed: they load, and resume as they would have then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from synthvae.core.files import load_tensors
from synthvae.data.generation import generate_dataset
from synthvae.data.presets import Dataset, read_dataset
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice
from synthvae.training.config import resolve_config
from synthvae.training.log import read_metrics
from synthvae.training.run import load_run
from synthvae.training.tasks.presets import PresetTask
from synthvae.training.trainer import train

#: Four epochs of three steps in two phases, killed in the second step of the third epoch; `finished` is what the same
#: version made of it after that.
DATA = Path(__file__).parent / "data"
#: A tenth of what one step of Adam moves a weight by: processors round differently.
TENTH_OF_A_STEP = 1e-4


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    path = tmp_path / "presets.json"
    generate_dataset(path, VOICE_63, 24, 5, settings=RenderSettings(sample_rate=16000, seconds=0.25, control_rate=160))
    return read_dataset(path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "run", tmp_path / "run"))


def test_it_loads(run: Path):
    loaded = load_run(run)
    assert (loaded.latent_size, loaded.parameters, loaded.state["epoch"]) == (3, VOICE_63, 2)
    assert loaded.config.phases[1].loss == "sclp"
    expected = load_tensors(run / "weights.safetensors")[0]
    assert all(torch.equal(value, expected[name]) for name, value in loaded.model.state_dict().items())


def test_it_goes_on_to_the_weights_and_the_log_of_then(run: Path, dataset: Dataset):
    loaded = load_run(run)
    config = resolve_config(None, {**vars(loaded.config), "data": str(dataset.path)})
    position = train(
        PresetTask(config, dataset, Voice(dataset.parameters, **dataset.header.settings.to_dict())), run, resume=True
    )
    assert (position.epoch, position.phase, position.best_epoch) == (4, 1, 1)
    found, expected = (
        load_tensors(path)[0] for path in (run / "checkpoint.safetensors", DATA / "finished.safetensors")
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # Gradients, of which the moments of Adam are means, are larger than weights and differ more between processors.
        allowed = 5e-3 * float(value.abs().max()) if "exp_avg" in name else TENTH_OF_A_STEP
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=allowed, msg=name)
    log, before = read_metrics(run / "metrics.csv"), read_metrics(DATA / "finished.csv")
    pd.testing.assert_frame_equal(log[before.columns], before, rtol=1e-3)
