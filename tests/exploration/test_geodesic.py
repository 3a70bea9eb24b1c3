from __future__ import annotations

import torch

from synthvae.exploration.geodesic import shorten
from synthvae.exploration.paths import ParameterPath
from synthvae.metrics.logmel_distance import LogMelDistance, consecutive
from synthvae.synths.angles import angles
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.training.run import load_run


def test_energy_falls_ends_stay_and_nothing_leaves_the_cube(small_run, small_voice, small_dataset):
    metric = LogMelDistance(small_voice, 16000)
    path = ParameterPath(load_run(small_run), small_dataset.unit[[3, 9]])
    nodes = path(torch.linspace(0, 1, 5, dtype=torch.float64))
    calls = []
    found = shorten(small_voice, metric, nodes, angles(VOICE_63), lambda: calls.append(1))
    assert found.after < 0.7 * found.before
    assert calls
    assert torch.equal(found.nodes[[0, -1]], nodes[[0, -1]])
    assert found.nodes.min() >= 0.0
    assert found.nodes.max() <= 1.0
    energy = float((consecutive(metric.spectrograms(found.nodes)) ** 2).sum())
    assert abs(energy - found.after) < 1e-3 * energy


def test_a_path_without_inner_nodes_is_left_alone(small_voice, small_dataset):
    nodes = small_dataset.unit[:2]
    found = shorten(small_voice, LogMelDistance(small_voice, 16000), nodes, angles(VOICE_63))
    assert torch.equal(found.nodes, nodes)
    assert found.before == found.after


def test_on_a_linear_instrument_the_geodesic_is_the_straight_line():
    """With a spectrogram that is a linear function of the parameters, one step finds the exact answer."""
    mix = torch.randn(63, 200, generator=torch.Generator().manual_seed(0))

    class Linear:
        feature = None

        def spectrograms(self, unit):
            return unit @ mix

        def jacobian(self, unit, feature):
            return mix.expand(len(unit), -1, -1)[..., None]

    ends = torch.full((2, 63), 0.45)
    ends[1] = 0.55
    bent = torch.lerp(ends[:1], ends[1:], torch.linspace(0, 1, 5)[:, None])
    bent[1:-1] += 0.03 * torch.randn(3, 63, generator=torch.Generator().manual_seed(1))
    found = shorten(Linear(), Linear(), bent, torch.zeros(63, dtype=torch.bool))
    straight = torch.lerp(ends[:1], ends[1:], torch.linspace(0, 1, 5)[:, None])
    torch.testing.assert_close(found.nodes, straight, atol=2e-3, rtol=0)
