"""Against librosa and pghipy, and by how well the spectra of the result agree with what they should be."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from pghipy import pghipy

from synthvae.core.errors import UserError
from synthvae.features.inversion import inverse_transform, phase_gradient, read_phase, recover
from synthvae.features.invertible_stft import ShortTime, window_of

SAMPLES = 8000
GAUSS, HANN = ShortTime(512, 64), ShortTime(512, 128, "hann")


def sounds() -> torch.Tensor:
    """A decaying chord, a chirp, noise that fades in and out, and a click."""
    time = np.arange(SAMPLES) / 16000
    tones = [np.sin(2 * np.pi * f * time) / (1 + n) for n, f in enumerate((220.0, 331.0, 449.0, 1320.0))]
    chord = np.exp(-6 * time) * np.sum(tones, axis=0)
    chirp = np.sin(2 * np.pi * (300 * time + 3000 * time**2)) * np.sin(np.pi * time / time[-1])
    noise = np.random.default_rng(0).standard_normal(SAMPLES) * np.sin(np.pi * time / time[-1])
    click = np.zeros(SAMPLES)
    click[2500] = 1.0
    return torch.from_numpy(np.stack([chord, chirp, noise, click])).float()


def frames_of(transform: ShortTime) -> int:
    return -(-SAMPLES // transform.hop)


def convergence(found: torch.Tensor, magnitude: torch.Tensor, transform: ShortTime) -> np.ndarray:
    """Of the spectra, in dB: norm of the difference of magnitudes over that of what they should be."""
    difference = transform.forward(found, magnitude.shape[2]).abs() - magnitude
    return (20 * torch.log10(difference.norm(dim=(1, 2)) / magnitude.norm(dim=(1, 2)))).numpy()


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 1600, 1601, 5000])
@pytest.mark.parametrize("transform", [GAUSS, HANN], ids=["gauss", "hann"])
def test_the_inverse_returns_every_sample(samples, transform):
    audio = torch.from_numpy(np.random.default_rng(samples).standard_normal((3, samples))).float()
    spectrum = transform.forward(audio, -(-samples // transform.hop))
    found = inverse_transform(spectrum, transform, samples)
    assert found.shape == audio.shape
    torch.testing.assert_close(found, audio, atol=3e-6, rtol=0)


def test_an_inverse_that_is_not_centred_fades_in_where_its_frames_do():
    transform = ShortTime(512, 64, "hann", centred=False)
    audio = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 2048))).float()
    frames = 1 + (2048 - 512) // 64
    found = inverse_transform(transform.forward(audio, frames), transform, 2048)
    torch.testing.assert_close(found[:, 40:-40], audio[:, 40:-40], atol=1e-4, rtol=0)
    assert found[0, 0] == 0.0  # the window of the only frame is 0 there: the sample is in no spectrum
    longer = inverse_transform(transform.forward(audio, frames), transform, 3000)
    assert (longer[:, 2048:] == 0).all()


def test_the_inverse_of_any_spectrum_is_its_least_squares_solution():
    transform = ShortTime(32, 8)
    generator = np.random.default_rng(1)
    spectrum = generator.standard_normal((1, 17, 6)) + 1j * generator.standard_normal((1, 17, 6))
    spectrum[:, [0, 16]] = spectrum[:, [0, 16]].real
    found = inverse_transform(torch.from_numpy(spectrum), transform, 40)[0].numpy()
    # Frames of real signals, as a matrix, against the inverse transforms of the spectra.
    matrix = np.zeros((6, 32, 40))
    for n in range(6):
        for t in range(32):
            if 0 <= 8 * n + t - 16 < 40:
                matrix[n, t, 8 * n + t - 16] = window_of(transform)[t]
    frames = np.fft.irfft(spectrum[0], axis=0).T
    expected = np.linalg.lstsq(matrix.reshape(-1, 40), frames.ravel(), rcond=None)[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_heap_integration_is_pghipys():
    # Far from all borders, where differences are one-sided here and halved there, and above the tolerance.
    time = (np.arange(SAMPLES) - 4000) / 16000
    sound = np.exp(-((time / 0.05) ** 2)) * (np.sin(2 * np.pi * (1500 * time + 4000 * time**2)) + np.cos(9000 * time))
    magnitude = GAUSS.forward(torch.from_numpy(sound[None]), 125).abs().float()
    rows = magnitude[0].T.double().numpy()
    expected = pghipy.pghi(rows, 512, 64, GAUSS.gamma, 1e-6)
    found = phase_gradient(magnitude, GAUSS, tolerance=1e-6)[0].T.numpy()
    loud = rows > 1e-3 * rows.max()
    assert 500 < loud.sum() < loud.size / 2
    # The start has a phase of 0 at the middle of the window here and at its first sample there: they differ by 0 or pi.
    difference = np.exp(1j * (found - expected))[loud]
    assert np.abs(difference - difference[0].real.round()).max() < 1e-3


@pytest.mark.parametrize("row", [0, 1, 3], ids=["chord", "chirp", "click"])
def test_heap_integration_finds_the_phase_of_lone_ridges(row):
    audio = sounds()[row : row + 1]
    spectrum = GAUSS.forward(audio, frames_of(GAUSS))
    found = phase_gradient(spectrum.abs(), GAUSS)
    loud = spectrum.abs() > 0.1 * spectrum.abs().max()
    error = torch.exp(1j * (found - spectrum.angle()))[loud]
    assert abs(error.mean()) > 0.93  # up to a constant; of random phases it is about 0


def test_every_step_of_the_ladder_is_better_than_the_one_below():
    audio = sounds()
    magnitude = GAUSS.forward(audio, frames_of(GAUSS)).abs()
    steps = {
        phase: convergence(recover(magnitude, GAUSS, SAMPLES, phase), magnitude, GAUSS)
        for phase in ("zero", "random", "pghi", "pghi+5")
    }
    # A heap integration that equals random phase is a known way to fail.
    assert (steps["pghi"][:3] < steps["random"][:3] - 8).all()
    assert (steps["pghi"][:3] < steps["zero"][:3] - 8).all()
    assert (steps["pghi+5"] < np.maximum(steps["pghi"] - 4, -120)).all()  # below that there is only rounding
    assert steps["zero"][3] > -3  # zero phase has a click in every frame that holds part of it
    assert steps["pghi"][3] < -20
    exact = inverse_transform(GAUSS.forward(audio, frames_of(GAUSS)), GAUSS, SAMPLES)
    assert (convergence(exact, magnitude, GAUSS) < -110).all()


@pytest.mark.parametrize("iterations", [1, 2, 8])
def test_griffin_lim_is_librosas(iterations):
    audio = sounds()[:, :7990]  # a length that has as many frames in librosa as here
    magnitude = HANN.forward(audio, 63).abs()
    found = recover(magnitude, HANN, 7990, f"zero+{iterations}")
    # The chord is all but silent between its partials, where rounding decides on phases.
    for row, tolerance in enumerate((5e-3, 1e-5, 1e-5, 1e-5)):
        expected = librosa.griffinlim(
            magnitude[row].numpy(), n_iter=iterations, hop_length=128, n_fft=512, length=7990, init=None
        )
        assert np.linalg.norm(found[row].numpy() - expected) < tolerance * np.linalg.norm(expected)


def test_random_phases_and_librosas_griffin_lim_come_to_the_same():
    magnitude = HANN.forward(sounds()[:3], frames_of(HANN)).abs()
    ours, theirs = (
        convergence(recover(magnitude, HANN, SAMPLES, phase), magnitude, HANN) for phase in ("random+32", "griffin-lim")
    )
    np.testing.assert_allclose(ours, theirs, atol=4)
    assert (recover(magnitude, HANN, SAMPLES, "griffin-lim-0").shape) == (3, SAMPLES)


@pytest.mark.parametrize("samples", [7000, 7937, 8000, 8064, 9000])
def test_librosas_griffin_lim_returns_any_length(samples):
    magnitude = HANN.forward(sounds(), 63).abs()
    found = recover(magnitude, HANN, samples, "griffin-lim-1")
    assert found.shape == (4, samples)
    assert found.abs().amax(1).min() > 0


def test_librosas_griffin_lim_of_frames_that_are_not_centred():
    straight = ShortTime(512, 128, "hann", centred=False)
    audio = sounds()[:3]
    magnitude = straight.forward(audio, 1 + (SAMPLES - 512) // 128).abs()
    found = recover(magnitude, straight, SAMPLES, "griffin-lim")
    assert (convergence(found, magnitude, straight) < -12).all()
    assert (found.abs().amax(1) < 2 * audio.abs().amax(1)).all()


@pytest.mark.parametrize("phase", ["random", "pghi+2"])
def test_a_sound_is_the_same_alone_and_in_a_batch_on_any_number_of_threads(phase):
    magnitude = GAUSS.forward(sounds(), frames_of(GAUSS)).abs()
    together = recover(magnitude, GAUSS, SAMPLES, phase)
    torch.set_num_threads(3)
    torch.testing.assert_close(recover(magnitude, GAUSS, SAMPLES, phase), together, rtol=0, atol=0)
    for row in range(4):
        alone = recover(magnitude[row : row + 1], GAUSS, SAMPLES, phase)
        torch.testing.assert_close(alone[0], together[row], rtol=0, atol=0)


def test_random_phases_are_uniform_and_belong_to_a_seed():
    magnitude = torch.ones(1, 257, 200)
    drawn = phase_gradient(magnitude, GAUSS, tolerance=1.0).flatten()
    again = phase_gradient(magnitude, GAUSS, tolerance=1.0, seed=1).flatten()
    assert drawn.abs().max() <= np.pi
    share = torch.histc(drawn, 8, -np.pi, np.pi) / len(drawn)
    np.testing.assert_allclose(share.numpy(), 1 / 8, atol=0.01)
    assert abs(torch.exp(1j * (drawn - again)).mean()) < 0.02
    lagged = torch.exp(1j * (drawn[1:] - drawn[:-1])).mean()
    assert abs(lagged) < 0.02


@pytest.mark.parametrize("phase", ["zero", "random", "pghi+2", "griffin-lim-2"])
def test_silence_stays_silence(phase):
    found = recover(torch.zeros(2, 257, 20), GAUSS, 1234, phase)
    assert (found == torch.zeros(2, 1234)).all()


def test_islands_are_integrated_on_their_own():
    audio = torch.zeros(1, SAMPLES)
    audio[0, 1000], audio[0, 6000] = 1.0, 0.5
    magnitude = GAUSS.forward(audio, frames_of(GAUSS)).abs()
    found = recover(magnitude, GAUSS, SAMPLES, "pghi")[0].abs()
    assert found[980:1021].argmax() == 20
    assert found[5980:6021].argmax() == 20
    assert convergence(found[None], magnitude, GAUSS) < -15


def test_names_of_phases():
    assert read_phase("pghi+5") == ("pghi", 5)
    assert read_phase("random") == ("random", 0)
    assert read_phase("griffin-lim") == ("griffin-lim", 32)
    assert read_phase("griffin-lim-100") == ("griffin-lim", 100)
    for wrong in ("modelled", "pghi+", "pghi-5", "griffin-lim+5", "PGHI", "", "pghi+99999"):
        with pytest.raises(UserError, match="choose one of zero, random, pghi"):
            read_phase(wrong)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected \(B, 257, frames\), got shape \(1, 256, 3\)"):
        recover(torch.zeros(1, 256, 3), GAUSS, 100)
    with pytest.raises(ValueError, match="expected"):
        inverse_transform(torch.zeros(257, 3, dtype=torch.complex64), GAUSS, 100)
