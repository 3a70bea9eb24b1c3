"""The measure of a match, against librosa and closed forms."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from synthvae.features.log_mel_resolutions import RESOLUTIONS, MultiResolutionLogMel
from synthvae.features.mel import htk_filterbank, log_mel

RATE, SAMPLES = 16000, 4000


@pytest.mark.filterwarnings("ignore:n_fft")
def test_each_resolution_is_librosas_spectrogram():
    audio = np.random.default_rng(0).standard_normal(SAMPLES).astype(np.float32) * 0.1
    found = MultiResolutionLogMel(RATE, SAMPLES).spectrograms(torch.from_numpy(audio)[None])
    for spectrogram, (window, hop, bands) in zip(found, RESOLUTIONS, strict=True):
        magnitude = np.abs(librosa.stft(audio, n_fft=window, hop_length=hop, pad_mode="constant"))
        mel = htk_filterbank(RATE, bands, 20.0, window) @ magnitude / (window / 4)
        wanted = 20.0 * np.log10(mel + 1e-4)
        assert spectrogram.shape == (1, wanted.shape[1], bands)
        assert np.abs(spectrogram[0].numpy().T - wanted).max() < 0.05


def test_the_middle_resolution_follows_the_log_mel_of_every_figure():
    audio = torch.rand(1, SAMPLES) - 0.5
    middle = MultiResolutionLogMel(RATE, SAMPLES).spectrograms(audio)[1]
    inner = slice(2, -2)  # what lies at the edges is padded otherwise
    assert torch.allclose(middle[0, inner], log_mel(audio, RATE)[0].T[::2][inner], atol=0.05)


def test_distances_are_those_of_the_level():
    spectra = MultiResolutionLogMel(RATE, SAMPLES)
    audio = 0.2 * torch.randn(1, SAMPLES, generator=torch.Generator().manual_seed(1))
    target = spectra.spectrograms(audio)
    assert float(spectra.distance(target, audio)) == 0.0
    # Ten times weaker noise is 20 dB below wherever the floor is far away.
    assert float(spectra.distance(target, 0.1 * audio)) == pytest.approx(20.0, abs=0.5)
    assert float(spectra.distance(target, torch.zeros_like(audio))) == pytest.approx(
        float(torch.stack([(part + 80.0).abs().mean() for part in target]).mean()), abs=0.1
    )


def test_silence_has_a_finite_gradient():
    spectra = MultiResolutionLogMel(RATE, SAMPLES)
    audio = torch.zeros(1, SAMPLES, requires_grad=True)
    spectra.distance(spectra.spectrograms(torch.rand(1, SAMPLES)), audio).sum().backward()
    assert audio.grad is not None
    assert audio.grad.isfinite().all()


def test_a_sound_counts_alike_alone_and_in_a_batch():
    spectra = MultiResolutionLogMel(RATE, SAMPLES)
    audio = torch.rand(5, SAMPLES) - 0.5
    target = spectra.spectrograms(torch.rand(1, SAMPLES) - 0.5)
    together = spectra.distance(target, audio)
    alone = torch.cat([spectra.distance(target, row[None]) for row in audio])
    assert torch.allclose(together, alone, atol=1e-4)
