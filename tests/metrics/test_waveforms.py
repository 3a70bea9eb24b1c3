"""Closed forms in float64, and the same measures computed another way."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy import signal

from synthvae.core.errors import UserError
from synthvae.metrics.waveforms import (
    MAX_LAG,
    PHASE_JUDGES,
    WAVEFORM_UNITS,
    WaveformErrors,
    null_waveforms,
    waveform_errors,
)

RATE, LENGTH = 16000, 32768
#: Samples of a period: a bin of the STFT, and the sound has a whole number of them.
PERIOD = 128


def sine(delay: float = 0.0) -> torch.Tensor:
    time = torch.arange(LENGTH, dtype=torch.float64)
    return torch.sin(2 * np.pi / PERIOD * (time - delay))[None]


def noise(n: int = 1, length: int = LENGTH, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(0.1 * np.random.default_rng(seed).standard_normal((n, length)))


def test_every_measure_has_a_unit():
    assert [field.name for field in fields(WaveformErrors)] == list(WAVEFORM_UNITS)
    assert set(PHASE_JUDGES) < set(WAVEFORM_UNITS)


@pytest.mark.parametrize("delay", [0.0, 16.0, 32.0, 64.0])
def test_a_shifted_sine(delay: float):
    errors = waveform_errors(sine(), sine(delay), RATE)
    # A difference of two sines is a sine of amplitude 2 sin(phase / 2); a sine's mean absolute value is 2 / pi of it.
    amplitude = 2 * np.sin(np.pi * delay / PERIOD)
    assert errors.waveform[0] == pytest.approx(2 / np.pi * amplitude, rel=1e-3, abs=1e-12)
    # In the STFT it has |S| = 512 and, by the Hann window, 256 in both neighbouring bins; only the frames that reach
    # beyond the ends differ.
    whole = (512**2 + 2 * 256**2) / 1025
    assert errors.complex_stft[0] == pytest.approx(whole * amplitude**2, rel=0.04, abs=1e-9)
    assert abs(errors.lag[0]) == delay / RATE  # half a period is as early as late
    assert (errors.lag[0] > 0) == (delay > 0) or delay == PERIOD / 2
    # The product of the overlapping parts, which are whole half periods or hold no more than one of them.
    time = np.arange(LENGTH - int(delay))
    overlap = np.square(np.sin(2 * np.pi * time / PERIOD)).sum()
    assert errors.decorrelation[0] == pytest.approx(1 - overlap / (LENGTH / 2), abs=2e-3)
    assert errors.level_slope[0] == pytest.approx(0.0, abs=0.1)


def test_an_inverted_signal():
    target = noise()
    errors, silence = (waveform_errors(target, answer, RATE) for answer in (-target, torch.zeros_like(target)))
    assert errors.complex_stft[0] == pytest.approx(4 * silence.complex_stft[0], rel=1e-12)
    assert errors.waveform[0] == pytest.approx(2 * silence.waveform[0], rel=1e-12)
    assert errors.level_slope[0] == 0.0
    assert errors.decorrelation[0] > 0.95  # no delay of noise is its opposite
    # A sine's opposite is the sine, half a period later or earlier.
    errors = waveform_errors(sine(), -sine(), RATE)
    assert abs(errors.lag[0]) == PERIOD / 2 / RATE
    assert errors.decorrelation[0] == pytest.approx(PERIOD / 2 / LENGTH, rel=1e-9)
    constant = torch.ones(1, 4000, dtype=torch.float64)
    errors = waveform_errors(constant, -constant, RATE)
    most = round(MAX_LAG * RATE)
    assert errors.decorrelation[0] == pytest.approx(1 + (4000 - most) / 4000)
    assert abs(errors.lag[0]) == pytest.approx(MAX_LAG)


@pytest.mark.parametrize("delay", [0, 5, -7, 320])
def test_a_delay_and_a_level_are_forgiven_by_the_correlation_alone(delay: int):
    burst = torch.zeros(1, LENGTH, dtype=torch.float64)
    burst[:, 5000:9000] = noise(1, 4000)
    errors = waveform_errors(burst, 0.3 * burst.roll(delay, 1), RATE)
    assert errors.decorrelation[0] == pytest.approx(0.0, abs=1e-12)
    assert errors.lag[0] == delay / RATE
    assert errors.waveform[0] > 0.0
    late = waveform_errors(burst, burst.roll(321, 1), RATE)  # a sample more than is looked for
    assert late.decorrelation[0] > 0.9


def test_a_random_phase_is_worse_than_silence():
    phases = np.random.default_rng(0).uniform(0, PERIOD, 64)
    target = sine().expand(64, -1)
    answers = torch.cat([sine(phase) for phase in phases])
    silence = waveform_errors(target[:1], torch.zeros_like(target[:1]), RATE)
    ratio = waveform_errors(target, answers, RATE).complex_stft.mean() / silence.complex_stft[0]
    assert ratio == pytest.approx(2 - 2 * np.cos(2 * np.pi * phases / PERIOD).mean(), rel=0.02)
    assert 1.5 < ratio < 2.5


def test_measures_computed_another_way():
    target, answer = noise(3, 5000), noise(3, 5000, 1)
    errors = waveform_errors(target, answer, RATE)
    for row, (first, second) in enumerate(zip(target.numpy(), answer.numpy(), strict=True)):
        padded = [np.pad(sound, 1024, mode="reflect") for sound in (first, second)]
        window = signal.get_window("hann", 2048)
        frames = [np.array([p[s : s + 2048] * window for s in range(0, 5000 + 1, 512)]) for p in padded]
        spectra = [np.fft.rfft(part) for part in frames]
        assert errors.complex_stft[row] == pytest.approx(np.square(np.abs(spectra[0] - spectra[1])).mean(), rel=1e-9)
        products = signal.correlate(second, first, method="direct")
        lags = signal.correlation_lags(5000, 5000)
        near = np.abs(lags) <= round(MAX_LAG * RATE)
        best = products[near].max() / np.linalg.norm(first) / np.linalg.norm(second)
        assert errors.decorrelation[row] == pytest.approx(1 - best, rel=1e-9)
        assert errors.lag[row] == lags[near][products[near].argmax()] / RATE


@pytest.mark.parametrize("slope", [-12.0, 0.0, 30.0])
def test_the_slope_of_a_level_that_grows(slope: float):
    target = noise()
    time = torch.arange(LENGTH) / RATE
    errors = waveform_errors(target, target * 10 ** (slope * (time - 1) / 20), RATE)
    assert errors.level_slope[0] == pytest.approx(slope, rel=0.01, abs=1e-9)


def test_silence_and_short_sounds_are_finite():
    silent = torch.zeros(1, 400)
    both = waveform_errors(silent, silent, RATE)
    assert [float(getattr(both, name)[0]) for name in WAVEFORM_UNITS] == [0.0] * 5
    one = waveform_errors(noise(1, 400), torch.zeros(1, 400), RATE)
    assert (one.decorrelation[0], one.lag[0]) == (1.0, 0.0)
    assert np.isfinite([getattr(one, name)[0] for name in WAVEFORM_UNITS]).all()
    assert waveform_errors(torch.ones(2, 1), torch.ones(2, 1), RATE).decorrelation.tolist() == [0.0, 0.0]


def test_nulls_and_batches():
    target, mean_preset = noise(37, 4000).float(), noise(1, 4000, 5).float()
    nulls = null_waveforms(target, mean_preset, RATE, seed=3)
    alone = waveform_errors(target[20:21], mean_preset, RATE)
    for name in WAVEFORM_UNITS:
        assert getattr(nulls.mean_preset, name)[20] == pytest.approx(getattr(alone, name)[0])
    np.testing.assert_array_equal(nulls.silence.decorrelation, 1.0)
    np.testing.assert_allclose(nulls.silence.waveform, target.double().abs().mean(1))
    assert nulls.random_preset.level_slope.mean() == pytest.approx(0.0, abs=1e-9)
    # Two noises have nothing to do with each other: their powers add up.
    assert nulls.random_preset.complex_stft.mean() / nulls.silence.complex_stft.mean() == pytest.approx(2, rel=0.05)


def test_sounds_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="differ"):
        waveform_errors(noise(1, 400), noise(1, 401), RATE)
    with pytest.raises(UserError, match="reconstructions"):
        waveform_errors(noise(1, 400), torch.full((1, 400), np.nan), RATE)
