"""Closed forms, the same measure in plain Python, and the sounds that it is for."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.features.inversion import inverse_transform, recover
from synthvae.features.invertible_stft import ShortTime
from synthvae.metrics.clicks import FEWEST_BLOCKS, click_crest

HOP = 128


def noise(count: int, samples: int = 32000, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((count, samples)))


def of_differences(differences: np.ndarray) -> torch.Tensor:
    """The sound that has these second differences."""
    return torch.from_numpy(np.cumsum(np.cumsum(np.concatenate([[0.0, 0.0], differences]))))[None]


def plain(sound: np.ndarray, hop: int) -> float:
    second = [sound[n] - 2 * sound[n + 1] + sound[n + 2] for n in range(len(sound) - 2)]
    blocks = [[v * v for v in second[s : s + hop]] for s in range(0, len(second) - hop + 1, hop)]
    blocks = [block for block in blocks if sum(block) > 0]
    means = [statistics.fmean(block[p] / sum(block) for block in blocks) for p in range(hop)]
    return max(means) / sorted(means)[(hop - 1) // 2]


@pytest.mark.parametrize("height", [1.0, 2.0, 5.0])
def test_one_position_that_is_larger_than_the_others(height):
    generator = np.random.default_rng(0)
    differences = generator.choice([-1.0, 1.0], 40 * HOP)
    differences[17::HOP] *= height
    crest = click_crest(of_differences(differences), HOP)
    assert crest.defined.all()
    assert crest.values[0] == pytest.approx(height**2, rel=1e-6)
    # A gain moves nothing, and one loud block is one of forty.
    attack = differences.copy()
    attack[3 * HOP : 4 * HOP] *= 1000.0
    for other in (of_differences(0.01 * differences), of_differences(attack)):
        assert click_crest(other, HOP).values[0] == pytest.approx(height**2, rel=1e-5)
    # At another hop the positions wander through the block.
    assert click_crest(of_differences(differences), HOP - 1).values[0] < 1.0 + 0.5 * height**2


def test_measured_in_plain_python():
    sounds = noise(3, 3000)
    sounds[1, :1000] = 0.0
    found = click_crest(sounds, 64)
    for row in range(3):
        assert found.values[row] == pytest.approx(plain(sounds[row].tolist(), 64), rel=1e-9)
        assert click_crest(sounds[row : row + 1], 64).values[0] == found.values[row]


def test_noise_is_near_one_and_the_nearer_the_longer_it_is():
    means = [click_crest(noise(20, samples), HOP).values.mean() for samples in (8000, 32000, 128000)]
    expected = [1 + 2.6 * math.sqrt(2 / (samples / HOP)) for samples in (8000, 32000, 128000)]
    np.testing.assert_allclose(means, expected, atol=0.07)


def test_zero_phase_clicks_and_recovered_phase_does_not():
    time = torch.arange(32000) / 16000
    harmonics = torch.stack([torch.sin(2 * math.pi * 130.8 * k * time + k * k) / k for k in range(1, 30)])
    audio = harmonics.sum(0)[None] + 0.01 * noise(1).float()
    transform = ShortTime(1024, HOP)
    spectrum = transform.forward(audio, 250)
    sounds = {phase: recover(spectrum.abs(), transform, 32000, phase) for phase in ("zero", "pghi+5")}
    sounds["original"] = inverse_transform(spectrum, transform, 32000)
    crest = {name: click_crest(sound, HOP).values[0] for name, sound in sounds.items()}
    assert crest["original"] == pytest.approx(click_crest(audio, HOP).values[0], rel=1e-3)
    assert crest["original"] < 2.0
    assert crest["zero"] > 3 * crest["original"]
    assert crest["pghi+5"] < 1.5 * crest["original"]


def test_what_is_too_short_or_silent_is_not_defined():
    for sounds in (torch.zeros(2, 8000), noise(2, FEWEST_BLOCKS * HOP), noise(2, 1), noise(2, 100)):
        crest = click_crest(sounds, HOP)
        assert (crest.values == 1.0).all()
        assert not crest.defined.any()
    assert click_crest(noise(2, FEWEST_BLOCKS * HOP + 2), HOP).defined.all()
    part = noise(2, 8000)
    part[0, 10 * HOP :] = 0.0
    assert click_crest(part, HOP).defined.tolist() == [False, True]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="hop must be positive, got 0"):
        click_crest(noise(1), 0)
    with pytest.raises(ValueError, match="sounds: expected shape"):
        click_crest(noise(1)[0], HOP)
    with pytest.raises(UserError, match="sounds"):
        click_crest(torch.full((1, 100), math.nan), HOP)
