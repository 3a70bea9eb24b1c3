from __future__ import annotations

import numpy as np
import torch

from synthvae.analysis.sound_map import sound_map
from synthvae.features import build_feature

RATE = 16000


def tones(frequencies: list[float]) -> torch.Tensor:
    time = torch.arange(RATE // 4) / RATE
    return torch.stack([0.3 * torch.sin(2 * torch.pi * frequency * time) for frequency in frequencies])


def test_similar_sounds_lie_near_each_other() -> None:
    audio = torch.cat([tones([300.0, 305.0, 310.0]), tones([4000.0, 4050.0, 4100.0])])
    points = sound_map(audio, build_feature("logmel", RATE))
    assert points.shape == (6, 2)
    low, high = points[:3], points[3:]
    between = np.linalg.norm(low.mean(axis=0) - high.mean(axis=0))
    assert max(np.ptp(low, axis=0).max(), np.ptp(high, axis=0).max()) < 0.5 * between
    np.testing.assert_array_equal(points, sound_map(audio, build_feature("logmel", RATE)))


def test_three_sounds_have_no_map() -> None:
    assert sound_map(tones([300.0, 400.0, 500.0]), build_feature("logmel", RATE)).shape == (0, 2)


def test_equal_sounds_lie_in_one_place() -> None:
    np.testing.assert_array_equal(sound_map(tones([300.0] * 5), build_feature("logmel", RATE)), np.zeros((5, 2)))
