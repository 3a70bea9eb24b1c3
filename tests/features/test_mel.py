from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from synthvae.features import EVERY_FRAME, Feature, Frames, LogMel, Mfcc, log_mel, stft, stft_powers
from synthvae.features.mel import htk_filterbank, mel_centres, slaney_filterbank


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100, 48000])
def test_filterbank_is_librosas(sample_rate):
    filters = pytest.importorskip("librosa.filters")
    expected = filters.mel(sr=sample_rate, n_fft=2048, n_mels=128, fmin=20.0, htk=True, norm=None, dtype=np.float64)
    np.testing.assert_allclose(htk_filterbank(sample_rate), expected, atol=1e-9)


@pytest.mark.parametrize(("rate", "n_fft"), [(16000, 512), (16000, 1024), (44100, 2048), (1500, 512)])
@pytest.mark.parametrize("norm", [None, "slaney"])
def test_slaneys_filterbank_is_librosas(rate, n_fft, norm):
    filters = pytest.importorskip("librosa.filters")
    expected = filters.mel(sr=rate, n_fft=n_fft, n_mels=128, norm=norm, dtype=np.float64)
    np.testing.assert_allclose(slaney_filterbank(rate, 128, n_fft, norm), expected, atol=1e-12)


@pytest.mark.parametrize("sample_rate", [100, 8000, 44100, 48000, 96000])
def test_every_band_hears_something_up_to_96_khz(sample_rate):
    assert (htk_filterbank(sample_rate).max(1) > 0).all()


def test_bands_are_triangles_of_unit_height_that_add_up_to_one_between_their_centres():
    weights = htk_filterbank(44100)
    assert weights.max() <= 1.0
    assert weights[64:].max(1).min() > 0.9  # wide bands have a bin near their centre
    centre = weights.argmax(1)
    inside = weights[:, centre[0] + 1 : centre[-1]].sum(0)
    np.testing.assert_allclose(inside, 1.0)


def test_log_mel_is_its_definition():
    torch.manual_seed(0)
    audio = torch.randn(1, 5000, dtype=torch.float64)
    padded = np.pad(audio[0].numpy(), 1024, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    frames = np.stack([padded[512 * n : 512 * n + 2048] * window for n in range(5000 // 512 + 1)])
    magnitude = np.abs(np.fft.rfft(frames)) / 512
    expected = 20 * np.log10(magnitude @ htk_filterbank(16000).T + 1e-4).T
    np.testing.assert_allclose(log_mel(audio, 16000)[0].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("frequency", [100.0, 440.0, 1000.0, 5000.0, 15000.0])
def test_a_full_scale_sine_peaks_near_one(frequency):
    time = torch.arange(44100, dtype=torch.float64) / 44100
    sine = torch.sin(2 * math.pi * frequency * time)[None]
    level = log_mel(sine, 44100)[0, :, 20:60].amax(0)
    # a narrow band hears one bin of the main lobe and may miss its top, a wide one adds up to all of it (2)
    assert level.min() > 20 * math.log10(0.5)
    assert level.max() < 20 * math.log10(2.0) + 0.01


def test_silence_is_minus_80_db():
    torch.testing.assert_close(log_mel(torch.zeros(1, 1000), 44100), torch.full((1, 128, 2), -80.0))


def test_a_sample_rate_without_room_for_bands_is_refused():
    with pytest.raises(ValueError, match="above 40 Hz"):
        LogMel(40)


def test_bands_peak_at_their_centres():
    filterbank, centres = htk_filterbank(44100), mel_centres(44100)
    assert (np.diff(centres) > 0).all()
    spacing = 44100 / 2048
    wide = np.flatnonzero(filterbank.max(axis=1) > 0.9)
    assert len(wide) > 30
    assert np.abs(filterbank[wide].argmax(axis=1) * spacing - centres[wide]).max() < spacing


@pytest.mark.parametrize("samples", [100, 1024, 5000, 44100])
@pytest.mark.parametrize("frames", [EVERY_FRAME, Frames(0, 3), Frames(1, 2)])
def test_the_kernel_is_the_definition(samples: int, frames: Frames):
    if frames.first > samples // 512:
        return
    audio = torch.randn(19, samples, generator=torch.Generator().manual_seed(0)) * torch.logspace(-6, 0, 19)[:, None]
    expected = LogMel(44100)(audio.double(), frames)  # float64 has no kernel
    with torch.no_grad():
        found = LogMel(44100)(audio, frames)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=3e-3, rtol=0)
    torch.testing.assert_close(found, LogMel(44100)(audio, frames), atol=6e-3, rtol=0)


@torch.no_grad()
def test_rows_of_the_kernel_do_not_depend_on_their_batch():
    audio = torch.randn(33, 3000, generator=torch.Generator().manual_seed(0))
    whole = log_mel(audio, 16000)
    for rows in (slice(0, 1), slice(5, 22), slice(32, 33)):
        assert torch.equal(log_mel(audio[rows], 16000), whole[rows])
    inside = torch.func.vmap(lambda row: log_mel(row[None], 16000)[0], in_dims=1)(audio.T.contiguous())
    assert torch.equal(inside, whole)


@torch.no_grad()
def test_what_is_not_finite_stays_so_in_the_kernel():
    audio = torch.zeros(2, 3000)
    audio[0, 1500] = torch.nan
    found = log_mel(audio, 16000)
    assert not found[0].isfinite().all()
    assert torch.equal(found[1], torch.full_like(found[1], -80.0))


def test_powers_are_squared_magnitudes():
    generator = torch.Generator().manual_seed(0)
    for size, samples, frames in ((1, 100, EVERY_FRAME), (16, 3000, EVERY_FRAME), (35, 3000, Frames(1, 2))):
        audio = torch.randn(size, samples, generator=generator)
        exact = stft_powers(audio.double(), frames)
        found = stft_powers(audio, frames)
        torch.testing.assert_close(exact, stft(audio.double(), frames).abs().square())
        torch.testing.assert_close(found.double(), exact, atol=1e-6 * float(exact.max()), rtol=0)
        assert torch.equal(stft_powers(audio[-1:], frames)[0], found[-1])


@pytest.mark.parametrize("feature", [LogMel(44100), Mfcc(44100), stft_powers], ids=["logmel", "mfcc", "powers"])
@pytest.mark.parametrize("frames", [EVERY_FRAME, Frames(1, 2)])
def test_derivatives_of_the_kernel_are_those_of_the_definition(
    feature: Callable[[torch.Tensor, Frames], torch.Tensor], frames: Frames
):
    audio = torch.randn(18, 4000, generator=torch.Generator().manual_seed(0)) * torch.logspace(-2, 0, 18)[:, None]
    weights = torch.randn(feature(audio, frames).shape, generator=torch.Generator().manual_seed(1))
    direction = torch.randn(audio.shape, generator=torch.Generator().manual_seed(2))

    def derived(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        function = torch.func.vjp(lambda x: feature(x, frames), audio.to(dtype))[1]
        return function(weights.to(dtype))[0], function

    found, function = derived(torch.float32)
    expected, _ = derived(torch.float64)
    error = (found.double() - expected).norm(dim=1) / expected.norm(dim=1)
    assert error.max() < 1e-4
    assert torch.equal(torch.func.vmap(lambda w: function(w)[0])(weights[None])[0], found)
    moved = torch.func.jvp(lambda x: feature(x, frames), (audio,), (direction,))[1]
    torch.testing.assert_close((moved * weights).sum(), (direction * found).sum(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("feature", [LogMel(44100), Mfcc(44100)], ids=["logmel", "mfcc"])
def test_a_gradient_of_the_kernel_is_the_same_alone_and_in_any_batch(feature: Feature):
    audio = torch.randn(19, 2000, generator=torch.Generator().manual_seed(0))

    def gradient(rows: torch.Tensor) -> torch.Tensor:
        leaf = rows.clone().requires_grad_()
        return torch.autograd.grad(feature(leaf).square().sum(), leaf)[0]

    whole = gradient(audio)
    torch.testing.assert_close(
        gradient(audio[17:18])[0], whole[17], rtol=1e-5, atol=1e-6 * float(whole[17].abs().max())
    )
    assert not gradient(torch.zeros(1, 2000)).any()
