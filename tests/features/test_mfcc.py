from __future__ import annotations

import math

import pytest
import torch
from nnAudio.features import MFCC

from synthvae.features import Mfcc


@pytest.mark.parametrize("sample_rate", [16000, 22050, 44100])
def test_equal_to_nnaudio(sample_rate):
    torch.manual_seed(0)
    noise = torch.rand(3, sample_rate // 2) * 2 - 1
    decay = torch.exp(-torch.linspace(0, 12, noise.shape[1]))  # far enough down for the 80 dB limit to act
    tone = torch.sin(2 * math.pi * 440 / sample_rate * torch.arange(noise.shape[1]))
    audio = torch.stack([noise[0], noise[1] * decay, tone * decay, 0.001 * noise[2]])
    expected = MFCC(sr=sample_rate, verbose=False)(audio)
    assert (Mfcc(sample_rate)(audio) - expected).abs().max() < 1e-4 * expected.abs().max()


def test_the_80_db_range_is_each_examples_own():
    torch.manual_seed(1)
    quiet = torch.randn(1, 4000) * 1e-3 * torch.exp(-torch.linspace(0, 12, 4000))
    loud = torch.randn(1, 4000)
    feature = Mfcc(16000)
    torch.testing.assert_close(feature(torch.cat((quiet, loud)))[:1], feature(quiet))


def test_scaling_moves_the_first_coefficient_alone():
    torch.manual_seed(2)
    audio = torch.randn(1, 4000, dtype=torch.float64)
    feature = Mfcc(16000)
    change = feature(10 * audio) - feature(audio)
    torch.testing.assert_close(change[:, 0], torch.full_like(change[:, 0], 20 * math.sqrt(128)))
    assert change[:, 1:].abs().max() < 1e-9


def test_silence_is_a_constant():
    result = Mfcc(16000)(torch.zeros(1, 1000, dtype=torch.float64))
    torch.testing.assert_close(result[:, 0], torch.full((1, 2), -100 * math.sqrt(128), dtype=torch.float64))
    assert result[:, 1:].abs().max() < 1e-9
