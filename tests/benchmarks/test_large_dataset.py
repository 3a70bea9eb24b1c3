from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks.large_dataset import LargeDataset, large_dataset_table, measure_large_dataset

GOOD = LargeDataset(10_000_000, 60.0, 80.0, 0.8, 4_420_000_000, True, True, 20, 12.0, 11.0, 1.0)


@pytest.mark.slow
def test_a_small_dataset_passes(tmp_path: Path):
    pytest.importorskip("pyarrow")
    found = measure_large_dataset(20_000, 4, 3, tmp_path)
    assert found.same_first
    assert found.resumed
    assert 0 < found.kept <= 4
    assert found.memory < 1
    assert found.size / found.presets < 600


@pytest.mark.parametrize(
    "change",
    [{"memory": 1.1}, {"training_memory": 4.1}, {"first_step": 21.0}, {"same_first": False}, {"resumed": False}],
)
def test_every_limit_counts(change: dict[str, float]):
    assert GOOD.passed
    assert not dataclasses.replace(GOOD, **change).passed


def test_the_table_has_figures_and_limits():
    text = large_dataset_table(GOOD)
    assert "| 10,000,000 presets | measured | limit |" in text
    assert "| generated, s (CPU) | 60 (80: 125,000 presets a second and core) |  |" in text
    assert "| training, s (CPU) to its first step | 12.0 (11.0) | 20 |" in text
