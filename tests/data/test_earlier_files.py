"""Files that an earlier version wrote, one of each format: they read with the values that they had.

A change of a format either still reads them or raises the format's version, with a new file beside the one here.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.bank import Bank
from synthvae.bank.transfer import read_bank_json
from synthvae.core.shards import ShardFolder
from synthvae.data.library import read_library
from synthvae.data.preset import read_preset
from synthvae.data.presets import read_dataset
from synthvae.exploration.latent_files import read_latents
from synthvae.scale.works import GenerateWork, work_of
from synthvae.synths.sensitivity import read_metric
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.training.run import load_run

TESTS = Path(__file__).parents[1]
EARLIER = Path(__file__).parent / "data/earlier"
SHORT = RenderSettings(16000, 0.25, 160)


def test_a_dataset():
    data = read_dataset(EARLIER / "presets.json")
    header = data.header
    assert (header.parameters, header.settings, header.source, header.seed) == (VOICE_63, SHORT, "uniform", 5)
    assert header.splits == {"train": (0, 1), "validation": (1, 2), "test": (2, 3)}
    assert data.hash == "0365b4af62e6321f"
    assert data.values.shape == (3, 63)
    first = dict(zip(VOICE_63.names, data.values[0].tolist(), strict=True))
    assert first["keyboard.midi_f0"] == 93.1857334
    assert first["keyboard.duration"] == 1.40137127
    assert [row[0] for row in data.values.tolist()] == [93.1857334, 30.4511149, 114.372924]


def test_a_preset():
    preset = read_preset(EARLIER / "preset.json", VOICE_63)
    drawn = np.random.default_rng(21).random((2, 63)).round(3)[0]
    np.testing.assert_allclose(preset.human, VOICE_63.denormalise(drawn), rtol=1e-8)
    assert (preset.name, preset.settings, preset.origin) == ("glass drop, C#3", SHORT, {"seed": 21})
    assert preset.descriptors == {"pitch": 440.5, "decay": None}


def test_the_presets_of_a_bank(tmp_path: Path):
    first, second = read_bank_json(EARLIER / "bank.json")
    assert (first.preset.name, first.tags) == ("first of two", ("dry", "short"))
    assert (second.preset.name, second.tags) == ("loud falling sweep", ())
    assert (first.preset.settings, first.preset.origin) == (SHORT, {"seed": 15, "number": 0})
    known = Bank(Path(shutil.copy(TESTS / "bank/data/bank.sqlite", tmp_path)), create=False)
    assert [one.new for one in known.import_json(EARLIER / "bank.json")] == [False, False]  # the bank it is from


def test_a_library():
    library = read_library(EARLIER / "library")
    rows = np.random.default_rng(21).uniform(-1, 1, (6, 40)).astype(np.float32)
    np.testing.assert_array_equal(library.audio, rows)
    assert (library.hash, library.sample_rate, library.labels) == ("57b3c044c2a238fc", 8000, ("kick", "ünï"))
    assert [len(library.rows(split)) for split in ("train", "validation", "test")] == [4, 1, 1]
    assert library.header.options == {"seconds": 1.0}
    items = library.items
    assert items["label"].tolist() == ["kick", "ünï"] * 3
    assert items["file"].tolist() == [f"a/{number}.wav" for number in range(6)]
    np.testing.assert_allclose(items["start"], np.arange(6) / 3, rtol=1e-8)
    np.testing.assert_array_equal(items["pitch"], [np.nan, np.nan, np.nan, 60.25, np.nan, np.nan])
    library.verify(range(6))


def test_a_metric():
    metric = read_metric(EARLIER / "presets.logmel-metric.safetensors")
    mean = torch.tensor([[0.0, 4.0, 8.0], [4.0, 8.0, 12.0], [8.0, 12.0, 16.0]], dtype=torch.float64)
    assert torch.equal(metric.mean, mean)
    assert torch.equal(metric.limited, mean / 2)
    assert torch.equal(metric.presets, mean[None].float() / 3)
    assert (metric.effect.tolist(), metric.ceiling.tolist()) == ([1.5, 0.25, 3.0], [2.0, 4.0, 8.0])
    assert (metric.count, metric.feature) == (20, "logmel")
    assert (metric.dataset_hash, metric.parameter_hash) == ("608ac3b08602140f", VOICE_63.hash)


def test_latents():
    run = load_run(TESTS / "training/data/run")
    points, names = read_latents(EARLIER / "latents.json", run)
    assert names == ["first", "second"]
    assert torch.equal(points, torch.tensor([[0.5, -1.25, 2.0], [0.0, 0.1, -0.3]]))


def test_shards_are_continued_and_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    folder = ShardFolder.open(Path(shutil.copytree(EARLIER / "presets.json.shards", "presets.json.shards")))
    work = work_of(folder)
    assert work == GenerateWork("presets.json", 3, 5, "uniform", None, "torchsynth.Voice", 63, 16000, 0.25, 160)
    assert (folder.items, folder.count, folder.missing) == (3, 2, [2])
    assert folder.make(work, 1) == "99e4ac1ab6d37509715fd709865ca49883cad1b46aa419b9e0ca28d8d0485c5f"
    folder.make(work, 2)
    folder.finalize(work)
    np.testing.assert_array_equal(
        read_dataset(Path("presets.json")).values, read_dataset(EARLIER / "presets.json").values
    )
    assert not folder.path.exists()
