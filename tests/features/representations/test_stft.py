from __future__ import annotations

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.features.representations import Encoded, build_representation
from tests.features.representations.sounds import RATE, chord, log_distance

#: FFT, hop, and bins and frames of 4 s at 16 kHz: the rows of G's autoencoders, and his VAEs.
PUBLISHED_SIZES = [
    (800, 100, 633), (1000, 100, 631), (1500, 200, 313), (2048, 350, 178), (3000, 300, 204), (4000, 300, 201),
    (1500, 250, 251),
]  # fmt: skip


@pytest.mark.parametrize(("n_fft", "hop", "frames"), PUBLISHED_SIZES)
def test_published_frame_counts(n_fft, hop, frames):
    representation = build_representation("stft-g", RATE, 64000, n_fft=n_fft, hop=hop)
    assert representation.shape == (2, n_fft, frames)
    assert frames == 1 + (64000 - n_fft) // hop
    assert representation.analyse(chord(64000)[None]).values.shape == (1, 2, n_fft, frames)


def test_published_values_are_magnitude_and_angle_of_both_sides():
    audio = chord(5000)
    values = build_representation("stft-g", RATE, 5000, n_fft=512, hop=100).analyse(audio[None]).values[0].numpy()
    window = torch.hann_window(512, dtype=torch.float64).numpy()
    for n in (0, 7, values.shape[2] - 1):
        spectrum = np.fft.fft(window * audio.double().numpy()[100 * n : 100 * n + 512])
        np.testing.assert_allclose(values[0, :, n], np.abs(spectrum), atol=1e-4)
        loud = np.abs(spectrum) > 1e-2
        error = np.angle(np.exp(1j * (values[1, :, n] - np.angle(spectrum))))
        assert np.abs(error[loud]).max() < 1e-2
        assert np.abs(values[1, :, n]).max() <= np.float32(np.pi)


def test_mended_inverse_of_published_values_returns_what_they_hold():
    audio = chord(64000)[None]
    representation = build_representation("stft-g", RATE, 64000, n_fft=4000, hop=300)
    encoded = representation.analyse(audio)
    found = representation.invert(encoded)
    filled = 4000 + 200 * 300
    error = (found - audio).abs()[0]
    assert found.shape == audio.shape
    assert error[round(0.06 * 4000) : filled - 250].max() < 1e-3
    # The first sample is in no frame: the window is 0 there. What it holds at last is in none either.
    assert found[0, 0] == 0
    assert (found[0, filled:] == 0).all()


def test_published_inverse_loses_the_first_half_of_a_frame():
    audio = chord(64000)[None]
    representation = build_representation("stft-g", RATE, 64000, n_fft=4000, hop=300, inverse="published")
    found = representation.invert(representation.analyse(audio))
    assert (found[0, 60000:] == 0).all()
    torch.testing.assert_close(found[0, :59000], audio[0, 2000:61000], atol=1e-3, rtol=0)


def test_two_sides_that_disagree_are_averaged():
    representation = build_representation("stft-g", RATE, 2000, n_fft=256, hop=64)
    encoded = representation.analyse(chord(2000)[None])
    louder = encoded.values.clone()
    louder[:, 0, 129:] *= 3.0  # negative frequencies alone
    exact, found = (representation.invert(Encoded(values, encoded.level)) for values in (encoded.values, louder))
    inner = slice(40, 1900)
    torch.testing.assert_close(found[:, inner], 2.0 * exact[:, inner], atol=0.02, rtol=0.02)


@pytest.mark.parametrize("samples", [1600, 20001, 64000])
def test_sizes_survive_three_strides(samples):
    for n_fft in (400, 1024, 2048):
        shape = build_representation("stft", RATE, samples, n_fft=n_fft).shape
        for size in shape[1:]:
            shrunk = size
            for _ in range(3):
                shrunk = -(-shrunk // 2)
            for _ in range(3):
                shrunk = 2 * shrunk - 1
            assert shrunk == size
    assert build_representation("stft", RATE, 32000).shape == (2, 513, 257)


@pytest.mark.parametrize(("phase", "tolerance"), [("if", 2e-3), ("unit", 1e-5)])
@pytest.mark.parametrize("samples", [1600, 7777, 48000])
def test_modelled_phase_is_exact(phase, tolerance, samples):
    audio = torch.stack([chord(samples), torch.flip(chord(samples), (0,)), 0.001 * chord(samples, 1)])
    representation = build_representation("stft", RATE, samples, phase=phase)
    found = representation.invert(representation.analyse(audio))
    peak = audio.abs().amax(1, keepdim=True)
    assert ((found - audio).abs() / peak).max() < tolerance


def test_instantaneous_frequency_of_a_sine():
    # A quarter of a bin above bin 64: with eight hops a frame, a thirty-second of a turn per hop.
    time = torch.arange(16000) / RATE
    sine = torch.sin(2 * np.pi * (64.25 * RATE / 1024) * time)[None]
    frequency = build_representation("stft", RATE, 16000).analyse(sine).values[0, 1]
    np.testing.assert_allclose(frequency[63:67, 10:100].numpy()[1], 0.25 / 4, atol=1e-3)
    np.testing.assert_allclose(frequency[63:67, 10:100].numpy()[2], (0.25 - 1) / 4, atol=1e-3)


def test_unit_vectors_have_the_magnitude_of_their_cell():
    audio = chord(4000)[None]
    unit = build_representation("stft", RATE, 4000, phase="unit").analyse(audio).values
    plain = build_representation("stft", RATE, 4000, phase="none").analyse(audio).values
    torch.testing.assert_close(unit.norm(dim=1), plain[:, 0], atol=1e-6, rtol=0)
    # A click in the middle of a frame has a phase of 0 there.
    click = torch.zeros(1, 4000)
    click[0, 1280] = 1.0
    values = build_representation("stft", RATE, 4000, phase="unit").analyse(click).values[0, :, :, 10]
    torch.testing.assert_close(values[0], torch.ones(513), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["mel", "stft", "frames"])
@pytest.mark.parametrize("phase", ["default", "pghi+5"])
def test_a_click_at_the_first_sample_survives(name, phase):
    click = torch.zeros(1, 4000)
    click[0, 0] = 0.5
    representation = build_representation(name, RATE, 4000)
    found = representation.invert(representation.analyse(click), phase=phase)[0].abs()
    assert found.argmax() == 0
    assert found[0] > 0.25
    assert found[64:].max() < 0.1 * found[0]


@pytest.mark.parametrize("inverse", ["mended", "published"])
def test_a_click_at_the_first_sample_is_in_no_published_frame(inverse):
    click = torch.zeros(1, 4000)
    click[0, 0] = 0.5
    representation = build_representation("stft-g", RATE, 4000, inverse=inverse)
    assert representation.analyse(click).values[:, 0].max() == 0
    later = torch.zeros(1, 4000)
    later[0, 100] = 0.5
    found = representation.invert(representation.analyse(later))[0]
    assert (found.abs().argmax() == 100 and found[100] > 0.49) == (inverse == "mended")


def test_recovered_phase_beats_random_and_zero_phase():
    audio = chord(8000)[None]
    for name, options in (("stft", {"phase": "none"}), ("stft-g", {"n_fft": 1024, "hop": 128})):
        representation = build_representation(name, RATE, 8000, **options)
        encoded = representation.analyse(audio)
        distance = {
            phase: log_distance(audio, representation.invert(encoded, phase=phase))
            for phase in ("zero", "random", "pghi+5")
        }
        assert distance["pghi+5"] < 0.4 * min(distance["zero"], distance["random"])


def test_arguments():
    for options, message in (
        ({"n_fft": 801}, "give an even number"), ({"n_fft": 0}, "positive"), ({"hop": 800}, "at most half"),
        ({"inverse": "exact"}, "choose mended or published"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=message):
            build_representation("stft-g", RATE, 4000, **options)
    for options, message in (({"phase": "polar"}, "choose if, unit or none"), ({"n_fft": 1000}, "multiple of 16")):
        with pytest.raises(UserError, match=message):
            build_representation("stft", RATE, 4000, **options)
    with pytest.raises(UserError, match="choose mel or linear"):
        build_representation("frames", RATE, 4000, scale="bark")
