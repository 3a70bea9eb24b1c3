from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from nnAudio.features import CQT1992v2

from synthvae.features import Cqt
from synthvae.features.cqt import fast_length


def sounds(sample_rate, length):
    torch.manual_seed(0)
    time = torch.arange(length) / sample_rate
    noise = torch.rand(length) * 2 - 1
    click = torch.zeros(length)
    click[length // 3] = 1.0
    square = torch.sign(torch.sin(2 * math.pi * 300 * time))
    sweep = torch.sin(2 * math.pi * 40 * (2 ** (6 * time / time[-1]) - 1) * time[-1] / (6 * math.log(2)))
    edge = torch.cat((torch.ones(100), torch.zeros(length - 200), -torch.ones(100)))
    return torch.stack([noise, click, square, sweep, edge])


@pytest.mark.parametrize(("sample_rate", "seconds"), [(44100, 1.0), (16000, 1.0), (8000, 18.0)])
def test_equal_to_nnaudio(sample_rate, seconds):
    audio = sounds(sample_rate, int(seconds * sample_rate))
    if seconds > 1:
        audio = audio[:2]
    reference = CQT1992v2(sr=sample_rate, verbose=False)
    expected = torch.view_as_complex(reference(audio, output_format="Complex").contiguous())
    result = Cqt(sample_rate).spectrum(audio)
    assert result.shape == expected.shape
    error = (result - expected).abs().amax((1, 2)) / expected.abs().amax((1, 2))
    assert error.max() < 1e-4, error


@pytest.mark.parametrize("length", [1, 600, 2000])
def test_short_audio_is_the_sum_of_the_definition_with_zeros_around(length):
    sample_rate = 8000
    torch.manual_seed(1)
    audio = torch.randn(1, length, dtype=torch.float64)
    result = Cqt(sample_rate).spectrum(audio)[0].numpy()
    scale = np.abs(result).max()
    for k in (0, 25, 59, 83):
        frequency = 32.70 * 2 ** (k / 12)
        taps = math.ceil(sample_rate / frequency / (2 ** (1 / 12) - 1))
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(taps) / taps)
        time = np.arange(taps) - (taps + 1) // 2
        kernel = window * np.exp(2j * np.pi * frequency * time / sample_rate)
        kernel *= math.sqrt(taps) / np.abs(kernel).sum()
        padded = np.pad(audio[0].numpy(), taps)
        for n in range(length // 512 + 1):
            piece = padded[512 * n + taps + time[0] :][:taps]
            assert abs((piece * kernel.conj()).sum() - result[k, n]) < 1e-4 * scale


def test_bins_above_nyquist_are_left_out():
    audio = torch.randn(1, 4000)
    assert Cqt(4000).spectrum(audio).shape == (1, 72, 8)  # 32.70 Hz times 2^(71/12) is 1976 Hz
    reference = CQT1992v2(sr=4000, n_bins=72, verbose=False)
    expected = reference(audio, output_format="Magnitude")
    assert (Cqt(4000)(audio) - expected).abs().max() < 1e-4 * expected.max()


def test_a_sample_rate_without_room_for_one_bin_is_refused():
    with pytest.raises(ValueError, match=r"at least 65\.4 Hz"):
        Cqt(65)


def test_an_octave_up_is_twelve_bins_up():
    time = torch.arange(44100, dtype=torch.float64) / 44100
    peaks = [
        Cqt(44100)(torch.sin(2 * math.pi * f * time)[None])[0, :, 40].argmax().item() for f in (110.0, 220.0, 440.0)
    ]
    assert np.diff(peaks).tolist() == [12, 12]


def test_fast_lengths_have_small_factors():
    assert [fast_length(n) for n in (1, 7, 131, 135, 301)] == [1, 8, 135, 135, 320]
