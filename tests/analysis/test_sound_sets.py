from __future__ import annotations

import numpy as np
import pytest
import torch

from synthvae.analysis.sound_sets import Seen, compare_sets, map_positions, measure_round_trips, see
from synthvae.metrics.bins import BINS


def seen(rows: np.ndarray) -> Seen:
    return Seen(rows, rows)


def test_copies_and_strangers_beside_fresh_sounds():
    random = np.random.default_rng(0)
    labels = np.arange(500) % 2
    rows = random.standard_normal((500, 6)) + 4.0 * labels[:, None]
    training, fresh = rows[:300], rows[300:]
    sets = {
        "test": seen(fresh),
        "reconstructions": seen(fresh + 0.1),
        "aggregate": seen(training[:100] + 0.001),
        "normal": seen(fresh + 30.0),
    }
    found = compare_sets(seen(training), sets, labels[:300], labels[300:], ("a", "b"))
    assert found.training == 300
    assert {name: one.sounds for name, one in found.sets.items()} == {name: len(s.picture) for name, s in sets.items()}
    test, copied, far = (found.sets[name] for name in ("test", "aggregate", "normal"))
    assert test.copies == pytest.approx(0.5, abs=0.12)
    assert (copied.copies, far.copies) == (1.0, 0.0)
    assert test.kernel < found.kernel_floor < far.kernel
    assert test.frechet is not None
    assert test.frechet_limit is not None
    assert far.frechet == pytest.approx(6 * 30.0**2, rel=0.05)
    assert test.frechet_limit < test.frechet < far.frechet
    assert test.bins is not None
    assert far.bins is not None
    assert test.bins.different <= test.bins.at_most
    assert far.bins.empty > BINS / 2
    assert found.classes is not None
    assert found.classes.originals > 0.95
    assert found.classes.majority == 0.5
    assert found.classes.training == {"a": 0.5, "b": 0.5}


def test_few_sounds_of_one_label_have_no_distance():
    rows = np.random.default_rng(0).standard_normal((20, 6))
    sets = {name: seen(rows[:5]) for name in ("test", "reconstructions", "aggregate")}
    found = compare_sets(seen(rows), sets, np.zeros(20, int), np.zeros(5, int), ("a",))
    assert found.classes is None
    one = found.sets["test"]
    assert (one.frechet, one.frechet_limit, one.bins) == (None, None, None)


def test_what_is_compared_is_a_small_picture():
    tones = torch.sin(torch.tensor([[200.0], [3000.0]]) * torch.arange(8000) * (2 * torch.pi / 16000))
    found = see(tones, 16000)
    assert found.picture.shape == (2, 16 * 32)
    low, high = found.picture.reshape(2, 16, 32).mean(2).argmax(1)
    assert low < high


def test_round_trips_of_latents_in_a_plane_are_exact():
    plane = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    latents = torch.cat([plane, torch.zeros(200, 3)], 1)

    def decode(rows: torch.Tensor) -> torch.Tensor:
        return rows[:, :1] * torch.sin(torch.arange(4000) * 0.3)

    found = measure_round_trips(latents, plane.numpy(), np.arange(10), decode, 16000)
    assert found.sounds == 10
    assert found.pca.explained == pytest.approx(1.0)
    assert found.pca.decoded == pytest.approx(0.0, abs=1e-3)
    assert 0.8 < found.umap.explained < 1.0
    assert 0.0 < found.umap.decoded < found.mean
    shuffled = measure_round_trips(latents, plane[torch.randperm(200)].numpy(), np.arange(10), decode, 16000)
    assert shuffled.umap.explained < 0.1

    between = map_positions(latents, plane.numpy(), 50, 0)
    assert between.shape == (50, 5)
    assert float(between[:, 2:].abs().max()) == 0.0
    assert float(between.abs().max()) <= float(latents.abs().max())
