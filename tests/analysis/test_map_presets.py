"""Which presets are mapped."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from synthvae.analysis.sounds import MAPPED, presets_to_map
from synthvae.core.errors import UserError
from synthvae.data.generation import generate_dataset
from synthvae.data.presets import Dataset, read_dataset
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78


def test_the_training_presets_come_first_and_the_rest_is_in_no_split(small_dataset: Dataset):
    train = small_dataset.split("train")
    assert torch.equal(presets_to_map(small_dataset, 10), train[:10])
    found = presets_to_map(small_dataset)
    assert found.shape == (MAPPED, 63) == (10_000, 63)
    assert found.dtype == torch.float32
    assert torch.equal(found[: len(train)], train)
    assert torch.equal(presets_to_map(small_dataset, 200), found[:200])
    assert len(torch.unique(torch.cat([found, small_dataset.unit[len(train) :]]), dim=0)) == MAPPED + 64 - len(train)
    # Uniform, as the dataset is: the means and variances of 10,000 values.
    assert (found.mean(dim=0) - 0.5).abs().max() < 0.02
    assert (found.var(dim=0) - 1 / 12).abs().max() < 0.003


def test_further_presets_are_drawn_as_the_dataset_was(tmp_path: Path):
    generate_dataset(tmp_path / "human.json", VOICE_63, 20, source="uniform-human")
    human = VOICE_63.denormalise(presets_to_map(read_dataset(tmp_path / "human.json"), 3000).double().numpy())
    column = VOICE_63.names.index("adsr_1.attack")  # whose unit is curved
    attack = list(VOICE_63)[column]
    low, high = attack.minimum, attack.maximum
    assert abs(human[:, column].mean() - (low + high) / 2) < 0.03 * (high - low)
    generate_dataset(tmp_path / "small.json", VOICE_78, 20, source="synth1b1")
    generate_dataset(tmp_path / "large.json", VOICE_78, 40, source="synth1b1")
    small, large = (read_dataset(tmp_path / f"{name}.json") for name in ("small", "large"))
    train = len(small.split("train"))
    torch.testing.assert_close(presets_to_map(small, train + 20)[train:], large.unit[20:])


def test_a_source_nobody_knows_is_one_line(small_dataset: Dataset):
    header = dataclasses.replace(small_dataset.header, source="my own")
    foreign = dataclasses.replace(small_dataset, header=header)
    assert len(presets_to_map(foreign, 46)) == 46
    with pytest.raises(UserError, match=r"46 training presets, and source 'my own' .* `map_presets` 46"):
        presets_to_map(foreign, 47)
