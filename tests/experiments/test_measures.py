from __future__ import annotations

from pathlib import Path

import pytest

from synthvae.data.presets import Dataset
from synthvae.experiments.measures import _epochs
from synthvae.training.config import resolve_config
from synthvae.training.log import read_metrics
from synthvae.training.run import load_run
from synthvae.training.tasks.presets import PresetTask
from synthvae.training.trainer import train


def test_only_the_epochs_of_the_second_phase_count(small_dataset: Dataset, tmp_path: Path):
    settings = {
        "data": str(small_dataset.path),
        "loss": "none",
        "network": "mlp",
        "epochs": 3,
        "lr": 1e-2,
        "patience": 0,
    }
    config = resolve_config(None, {**settings, "then": {"epochs": 2, "kl_weight": 0.5}})
    train(PresetTask(config, small_dataset, None), tmp_path / "run")
    rows = read_metrics(tmp_path / "run/metrics.csv")
    assert len(rows) == 5
    state = load_run(tmp_path / "run").state
    epochs, best = _epochs(state)
    assert epochs == 2
    assert best == max(0, state["best_epoch"] + 1 - 3)


@pytest.mark.parametrize(
    ("state", "counted"),
    [
        ({"phase_start": 0, "epoch": 30, "best_epoch": 9}, (30, 10)),
        ({"phase_start": 1000, "epoch": 1059, "best_epoch": 1048}, (59, 49)),
        ({"phase_start": 1000, "epoch": 1010, "best_epoch": 990}, (10, 0)),  # no epoch of it was better
    ],
)
def test_epochs_are_counted_from_the_start_of_the_last_phase(state: dict[str, int], counted: tuple[int, int]):
    assert _epochs(state) == counted
