from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from synthvae.analysis.comparison import compare_runs
from synthvae.metrics.reconstruction import PresetErrors
from synthvae.training.config import TrainConfig


def run(name: str, level: float, seed: int = 0, active: int = 4, **settings: object) -> SimpleNamespace:
    errors = np.random.default_rng(sum(map(ord, name))).gamma(4.0, level / 4.0, 50)
    config = dataclasses.replace(TrainConfig(), seed=seed, **settings)
    sounds = SimpleNamespace(
        errors={"logmel": PresetErrors(errors**2, errors)}, kl=np.repeat([1.0, 0.0], [active, 16 - active])
    )
    return SimpleNamespace(name=name, run=SimpleNamespace(config=config), sounds=sounds)


NULL = np.full(50, 1.0)


def test_one_run_has_nothing_to_be_compared_with():
    assert compare_runs([run("a", 1.0)], NULL) is None


def test_presets_are_the_unit_of_runs_with_one_seed():
    found = compare_runs([run("a", 1.0), run("b", 2.0, active=16, loss="none")], NULL)
    assert found is not None
    assert found.unit == "preset"
    test = found.errors["L1 error on logmel"]
    assert test.kruskal_wallis.n == 100
    assert test.kruskal_wallis.p_value < 1e-4
    assert found.counts["active latent dimensions"].p_value < 1e-3
    closer = found.counts["presets that sound closer than the mean preset"]
    assert closer.n == 100
    assert "not between methods" in found.note
    assert "nothing but their seed" not in found.note


def test_the_seed_is_the_unit_where_methods_have_several():
    runs = [run(f"plain-seed-{seed}", 1.0, seed, loss="none") for seed in range(4)]
    runs += [run(f"heard-seed-{seed}", 4.0, seed) for seed in range(4)]
    found = compare_runs(runs, NULL)
    assert found is not None
    assert found.unit == "seed"
    assert dict(found.groups) == {
        "plain": [f"plain-seed-{seed}" for seed in range(4)],
        "heard": [f"heard-seed-{seed}" for seed in range(4)],
    }
    test = found.errors["L1 error on logmel"]
    assert test.kruskal_wallis.n == 8
    assert test.kruskal_wallis.p_value == pytest.approx(2 / 70)  # of the 70 ways to deal 8 into 4 and 4
    assert "The 2 methods differ" in test.kruskal_wallis.sentence
    assert found.counts["active latent dimensions"].n == 128


def test_seeds_of_one_method_are_told_from_methods():
    found = compare_runs([run(f"x-{seed}", 1.0, seed) for seed in range(3)], NULL)
    assert found is not None
    assert found.unit == "preset"
    assert "nothing but their seed" in found.note
