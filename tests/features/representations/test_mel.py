from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.features.mel import slaney_filterbank
from synthvae.features.representations import Encoded, build_representation
from tests.features.representations.sounds import RATE, chord, level_of, log_distance

SAMPLES = 8000


def test_ranks_are_those_published():
    assert np.linalg.matrix_rank(slaney_filterbank(16000, 128, 512, "slaney")) == 116
    assert np.linalg.matrix_rank(slaney_filterbank(16000, 128, 1024, "slaney")) == 128


@pytest.mark.parametrize(("rate", "n_fft"), [(8000, 512), (16000, 1024), (22050, 1024), (44100, 2048), (96000, 4096)])
def test_the_size_of_a_frame_follows_from_the_rate(rate, n_fft):
    assert build_representation("mel", rate, 1000).transform.size == n_fft


def test_published_values_are_librosas():
    audio = chord(SAMPLES + 100)
    encoded = build_representation("mel-r", RATE, 32000).analyse(audio[None])
    power = librosa.feature.melspectrogram(
        y=audio.numpy(), sr=RATE, n_fft=512, hop_length=128, n_mels=128, center=True, pad_mode="constant"
    )
    expected = librosa.power_to_db(power, ref=np.max, amin=1e-20, top_db=80.0) / 80.0 + 1.0
    assert encoded.values.shape == (1, 1, 128, 64)
    np.testing.assert_allclose(encoded.values[0, 0].numpy(), expected[:, :64], atol=2e-5)
    assert encoded.values.max() == 1.0
    np.testing.assert_allclose(encoded.level.numpy(), 20 * np.log10(audio.abs().max().numpy()), rtol=1e-5)


def test_published_shape_and_inverse():
    representation = build_representation("mel-r", RATE, 32000)
    assert representation.shape == (1, 128, 250)
    audio = chord(2000)[None]
    encoded = representation.analyse(audio)
    found = representation.invert(encoded, 2000)
    # The same by librosa alone, but for the length.
    mel = 10.0 ** (8.0 * encoded.values[0, 0].numpy() - 8.0)
    magnitude = librosa.feature.inverse.mel_to_stft(mel, sr=RATE, n_fft=512)
    expected = librosa.griffinlim(magnitude, n_iter=32, hop_length=128, n_fft=512, length=2000, random_state=0)
    expected *= audio.abs().max().numpy() / np.abs(expected).max()
    spectra = [librosa.feature.melspectrogram(y=y, sr=RATE) for y in (found[0].numpy(), expected)]
    assert np.linalg.norm(spectra[0] - spectra[1]) < 0.05 * np.linalg.norm(spectra[1])
    assert found.abs().max().item() == pytest.approx(audio.abs().max().item(), rel=1e-5)


def test_levels_of_a_sine():
    time = torch.arange(16000) / RATE
    sine = torch.sin(2 * np.pi * 1000.0 * time)[None]
    mended, published = (build_representation(name, RATE, 16000) for name in ("mel", "mel-r"))
    loud, quiet = mended.analyse(sine), mended.analyse(0.1 * sine)
    # Its main lobe in a triangle of unit height: 0 dB and the part of the lobe beside its top.
    assert 0 < loud.level.item() < 5
    assert (loud.level - quiet.level).item() == pytest.approx(20, abs=1e-4)
    torch.testing.assert_close(loud.values, quiet.values, atol=1e-4, rtol=0)
    assert published.analyse(0.1 * sine).level.item() == pytest.approx(-20, abs=1e-3)


def test_phase_of_every_kind_gives_the_sound_its_level():
    audio = torch.stack([chord(SAMPLES), 0.01 * chord(SAMPLES)])
    representation = build_representation("mel", RATE, SAMPLES)
    encoded = representation.analyse(audio)
    for phase in ("default", "pghi", "random+8", "griffin-lim-8"):
        found = representation.invert(encoded, phase=phase)
        np.testing.assert_allclose(level_of(found), level_of(audio), atol=1.5)
        torch.testing.assert_close(found[1], 0.01 * found[0], atol=2e-4, rtol=0)


def test_the_mended_one_is_closer_than_the_published_one():
    audio = chord(SAMPLES)[None]
    mended, published = (build_representation(name, RATE, SAMPLES) for name in ("mel", "mel-r"))
    distance = {r.name: log_distance(audio, r.invert(r.analyse(audio))) for r in (mended, published)}
    assert distance["mel"] < 0.8 * distance["mel-r"]


def test_arguments():
    representation = build_representation("mel-r", RATE, SAMPLES, to_linear="kl")
    assert representation.header() == {
        "name": "mel-r", "sample_rate": RATE, "samples": SAMPLES, "to_linear": "kl"
    }  # fmt: skip
    with pytest.raises(UserError, match="choose nnls or kl"):
        build_representation("mel-r", RATE, SAMPLES, to_linear="pinv")
    with pytest.raises(UserError, match="n_fft is 512, too few bins; give 1024"):
        build_representation("mel", RATE, SAMPLES, n_fft=512)
    with pytest.raises(UserError, match="give a multiple of 16"):
        build_representation("mel", RATE, SAMPLES, n_fft=1000)
    representation = build_representation("mel", RATE, SAMPLES)
    silent = Encoded(torch.zeros(1, 1, 128, 3), torch.zeros(1))
    with pytest.raises(UserError, match="but its values have no phase; choose another for mel"):
        representation.invert(silent, phase="modelled")
