from __future__ import annotations

import pytest
import torch
from nnAudio.features import STFT

from synthvae.features import StftFeature, stft


@pytest.mark.parametrize("sample_rate", [16000, 44100])
def test_equal_to_nnaudio(sample_rate):
    torch.manual_seed(0)
    audio = torch.rand(2, sample_rate // 2) * 2 - 1
    reference = STFT(n_fft=2048, hop_length=512, verbose=False, sr=sample_rate)
    feature = StftFeature(sample_rate)
    expected = torch.view_as_complex(reference(audio, output_format="Complex").contiguous())
    assert (feature.spectrum(audio) - expected).abs().max() < 1e-4 * expected.abs().max()
    magnitude = reference(audio, output_format="Magnitude")
    assert (feature(audio) - magnitude).abs().max() < 1e-4 * magnitude.max()


def test_a_sine_on_a_bin_has_magnitude_512_and_its_own_phase():
    time = torch.arange(8192, dtype=torch.float64)
    sine = torch.cos(2 * torch.pi * 100 * time / 2048 + 0.3)[None]
    spectrum = StftFeature(44100).spectrum(sine)[0, :, 4]
    assert spectrum.abs().argmax() == 100
    torch.testing.assert_close(spectrum[100].abs().item(), 512.0)
    phase = spectrum[100].angle().item()  # frame 4 starts at 4 * 512 - 1024, half a period of bin 100 away
    torch.testing.assert_close(phase, 0.3)


def test_the_spectrum_is_the_transform_itself():
    audio = torch.randn(1, 2000)
    torch.testing.assert_close(StftFeature(8000).spectrum(audio), stft(audio))
