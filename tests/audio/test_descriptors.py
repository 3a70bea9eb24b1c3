from __future__ import annotations

import math

import librosa
import numpy as np
import pytest
import torch

from synthvae.audio.descriptors import (
    DESCRIPTORS,
    NEUTRAL,
    TIMBRE,
    change,
    describe,
    describe_timbre,
    level_track,
    modulation_depth,
    pitch_track,
)
from synthvae.audio.pitch import track_pitch
from synthvae.core.errors import UserError
from synthvae.synths.voice.voice import Voice

RATE = 44100
TIME = np.arange(RATE) / RATE
BIN = RATE / 2048
NAMES = list(DESCRIPTORS)


STEPS = np.arange(100.0)
WAVE = 5.0 * np.sin(2.0 * np.pi * STEPS / 20)


def column(name: str, *sounds: np.ndarray, rate: int = RATE) -> np.ndarray:
    return describe(np.stack(sounds), rate)[:, NAMES.index(name)]


def sine(frequency: float, amplitude: float | np.ndarray = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * TIME + 0.3)


def white(seed: int = 0, seconds: float = 1.0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def coloured(exponent: float, seed: int = 0) -> np.ndarray:
    """Four seconds of noise whose power falls as frequency to the `exponent`."""
    spectrum = np.fft.rfft(white(seed, 4.0))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-exponent / 2)
    spectrum[0] = 0.0
    sound = np.fft.irfft(spectrum)
    return 0.1 * sound / sound.std()


def struck(decay: float, frequency: float = 500.0) -> np.ndarray:
    return sine(frequency, 0.9 * np.exp(-TIME / decay))


def test_the_table_says_what_the_columns_are() -> None:
    table = describe(white()[None], RATE)
    assert table.shape == (1, len(DESCRIPTORS))
    assert table.dtype == np.float64
    assert len(DESCRIPTORS) >= 25
    for name, descriptor in DESCRIPTORS.items():
        assert descriptor.name == name
        assert descriptor.meaning
        assert np.isfinite(descriptor.silence)
    assert DESCRIPTORS["centroid_iqr"].unit == "octaves"


@pytest.mark.parametrize("frequency", [220.0, 997.0, 5000.0, 15000.0])
def test_a_sine_is_all_at_its_frequency(frequency: float) -> None:
    assert 2 ** column("centroid", sine(frequency))[0] == pytest.approx(frequency, rel=2e-3)
    assert 2 ** column("rolloff", sine(frequency))[0] == pytest.approx(frequency, abs=1.5 * BIN)
    assert 2 ** column("f0", sine(frequency))[0] == pytest.approx(frequency, rel=1e-3)
    assert column("zero_crossings", sine(frequency))[0] == pytest.approx(2 * frequency, rel=1e-3, abs=BIN)
    assert column("zero_crossings_iqr", sine(frequency))[0] < 0.02 * frequency + 2 * BIN
    assert column("flux", sine(frequency))[0] < 1e-3


def test_the_hann_window_is_all_the_spread_of_a_sine_on_a_bin() -> None:
    table = dict(zip(NAMES, describe(sine(400 * BIN)[None], RATE)[0], strict=True))
    # Powers 1/6, 2/3, 1/6 on three bins.
    assert table["spread"] == pytest.approx(np.sqrt(1 / 3) / (400 * np.log(2)), rel=1e-3)
    assert table["kurtosis"] == pytest.approx(np.log2(3), abs=1e-2)
    assert table["skewness"] == pytest.approx(0.0, abs=1e-2)
    assert table["crest"] == pytest.approx(10 * np.log10(2 / 3 * 1023), abs=1e-3)  # of bins 2 to 1024
    assert table["flatness"] < -50.0


def test_the_shape_of_white_and_pink_noise() -> None:
    flat = dict(zip(NAMES, describe(coloured(0.0)[None], RATE)[0], strict=True))
    # Powers of bins are exponential: their geometric mean is exp(-Euler's constant) times the mean.
    assert flat["flatness"] == pytest.approx(-10 * np.log10(np.exp(np.euler_gamma)), abs=0.1)
    assert flat["slope"] == pytest.approx(0.0, abs=0.4)
    assert 2 ** flat["rolloff"] == pytest.approx(0.95 * RATE / 2, rel=0.01)
    assert flat["zero_crossings"] == pytest.approx(RATE / 2, rel=0.02)
    # Magnitudes are Rayleigh: those of independent frames have a cosine of pi / 4.
    assert 0.02 < flat["flux"] < 1 - np.pi / 4
    assert flat["pitched"] == 0.0
    assert flat["aperiodicity"] > 0.9
    pink, brown = column("slope", coloured(1.0), coloured(2.0))
    assert pink == pytest.approx(-10 * np.log10(2), abs=0.4)
    assert brown == pytest.approx(-20 * np.log10(2), abs=0.4)


def test_the_spectrum_of_a_click_is_flat() -> None:
    click = np.eye(1, RATE, RATE // 2)[0]
    table = dict(zip(NAMES, describe(click[None], RATE)[0], strict=True))
    for name in ("flatness", "crest", "slope", "decrease", "flatness_iqr", "slope_iqr"):
        assert table[name] == pytest.approx(0.0, abs=1e-3), name


def test_the_decrease_of_a_spectrum_by_its_definition() -> None:
    audio = coloured(1.0)
    magnitude = np.abs(librosa.stft(audio - audio.mean(), pad_mode="reflect"))[2:]
    steps = np.arange(1, len(magnitude))[:, None]
    expected = ((magnitude[1:] - magnitude[0]) / steps).sum(axis=0) / magnitude.sum(axis=0)
    assert column("decrease", audio)[0] == pytest.approx(np.median(expected), rel=1e-6)
    assert column("decrease", sine(60.0))[0] < -1.0


def test_equal_to_librosa_where_definitions_coincide() -> None:
    audio = white() + sine(700.0, 0.2) + sine(3000.0, 0.1 * (1 + np.sin(2 * np.pi * 3 * TIME)))
    audio -= audio.mean()
    magnitude = np.abs(librosa.stft(audio, pad_mode="reflect"))[2:]
    octaves = np.log2(np.arange(2, 1025) * BIN)
    centroid = librosa.feature.spectral_centroid(S=magnitude**2, freq=octaves)
    frames = {
        "centroid": centroid,
        "spread": librosa.feature.spectral_bandwidth(S=magnitude**2, freq=octaves, centroid=centroid),
        "rolloff": librosa.feature.spectral_rolloff(S=magnitude**2, freq=octaves, roll_percent=0.95),
        "flatness": 10 * np.log10(librosa.feature.spectral_flatness(S=magnitude)),
    }
    row = describe(audio[None], RATE)[0]
    for name, values in frames.items():
        assert row[NAMES.index(name)] == pytest.approx(np.median(values), rel=1e-6), name
        low, high = np.quantile(values, [0.25, 0.75])
        assert row[NAMES.index(f"{name}_iqr")] == pytest.approx(high - low, rel=1e-6), name
    rate = librosa.feature.zero_crossing_rate(audio, frame_length=2048, hop_length=512)[0, 2:-2] * RATE
    assert row[NAMES.index("zero_crossings")] == pytest.approx(np.median(rate), rel=0.01)


def test_moments_by_their_definition() -> None:
    audio = coloured(1.5)
    power = np.abs(librosa.stft(audio - audio.mean(), pad_mode="reflect"))[2:] ** 2
    octaves = np.log2(np.arange(2, 1025) * BIN)[:, None]
    share = power / power.sum(axis=0)
    distance = octaves - (share * octaves).sum(axis=0)
    deviation = np.sqrt((share * distance**2).sum(axis=0))
    standard = distance / deviation
    assert column("skewness", audio)[0] == pytest.approx(np.median(np.arcsinh((share * standard**3).sum(axis=0))))
    assert column("kurtosis", audio)[0] == pytest.approx(np.median(np.log2((share * standard**4).sum(axis=0))))


def test_the_slope_is_a_regression_in_which_octaves_count_alike() -> None:
    audio = white() + sine(700.0)  # far from a straight line
    power = np.abs(librosa.stft(audio - audio.mean(), pad_mode="reflect"))[2:] ** 2
    octaves, weight = np.log2(np.arange(2, 1025)), 1 / np.arange(2, 1025)
    expected = np.polyfit(octaves, 10 * np.log10(power), 1, w=np.sqrt(weight))[0]
    assert column("slope", audio)[0] == pytest.approx(np.median(expected), rel=1e-6)


def test_a_gain_moves_the_level_and_nothing_else_and_an_offset_nothing() -> None:
    audio = np.stack([white(), struck(0.2), sine(300.0)])
    difference = describe(0.5 * audio + 0.2, RATE) - describe(audio, RATE)
    levels = [NAMES.index("level"), NAMES.index("rms")]
    np.testing.assert_allclose(difference[:, levels], 20 * np.log10(0.5), atol=1e-2)
    np.testing.assert_allclose(np.delete(difference, levels, axis=1), 0.0, atol=5e-3)


def test_levels_of_a_sine() -> None:
    assert column("rms", sine(1000.0, 1.0))[0] == pytest.approx(-3.01, abs=0.01)
    assert column("level", sine(1000.0, 1.0))[0] == pytest.approx(-3.01, abs=0.01)
    assert column("level_iqr", sine(1000.0, 1.0))[0] < 0.01
    # An amplitude that falls by e every 0.2 s loses 8.7 dB in that time, down to 40 dB: frames of 0.92 s count.
    assert column("level_iqr", struck(0.2))[0] == pytest.approx(0.5 * 40.0, rel=0.05)


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.4])
def test_the_attack_of_a_ramp(seconds: float) -> None:
    attack = 10 ** column("log_attack_time", sine(2000.0, np.clip(TIME / seconds, 0.0, 1.0)))[0]
    assert attack == pytest.approx(0.8 * seconds, abs=0.006)


def test_a_sound_that_is_there_at_once_has_the_shortest_attack() -> None:
    assert 10 ** column("log_attack_time", sine(2000.0), struck(0.3, 2000.0)) == pytest.approx([0.0025, 0.0025])
    # The fade is all that counts, not the silence before it.
    late = sine(2000.0, np.clip((TIME - 0.5) / 0.1, 0.0, 1.0))
    assert 10 ** column("log_attack_time", late)[0] == pytest.approx(0.08, abs=0.006)


@pytest.mark.parametrize("decay", [0.05, 0.1])
def test_the_envelope_of_an_exponential_decay(decay: float) -> None:
    assert column("temporal_centroid", struck(decay, 3000.0))[0] == pytest.approx(decay, rel=0.03)
    assert column("effective_duration", struck(decay, 3000.0))[0] == pytest.approx(decay * np.log(1 / 0.4), abs=0.005)


def test_the_envelope_of_a_constant_tone() -> None:
    assert column("temporal_centroid", sine(2000.0))[0] == pytest.approx(0.5, abs=0.002)
    assert column("effective_duration", sine(2000.0))[0] == pytest.approx(1.0, abs=0.005)
    assert column("modulation", sine(2000.0))[0] < 1e-3


@pytest.mark.parametrize(("rate", "depth"), [(5.0, 0.3), (8.3, 0.8), (15.0, 0.3)])
def test_the_depth_of_a_tremolo(rate: float, depth: float) -> None:
    shaken = sine(2000.0, 0.4 * (1 + depth * np.cos(2 * np.pi * rate * TIME)))
    assert column("modulation", shaken)[0] == pytest.approx(depth, rel=0.06)


def test_the_fundamental_and_how_it_moves() -> None:
    glide = np.sin(2 * np.pi * 400.0 * (2**TIME - 1) / np.log(2))  # an octave in a second
    rows = describe(np.stack([glide, sine(400.0), white()]), RATE)
    f0, movement, pitched = (rows[:, NAMES.index(name)] for name in ("f0", "f0_iqr", "pitched"))
    assert f0[0] == pytest.approx(np.log2(400.0) + 0.5, abs=0.03)
    assert movement[0] == pytest.approx(0.5, abs=0.05)
    assert movement[1] < 1e-3
    assert (f0[2], movement[2], pitched[2]) == (NEUTRAL, 0.0, 0.0)  # none: 1 kHz, and said so
    np.testing.assert_array_equal(pitched[:2], 1.0)


def test_only_loud_frames_count() -> None:
    half = np.arange(RATE) < RATE // 2
    hiss = 0.005 * white()  # 60 dB below the tone
    rows = describe(np.where(half, sine(500.0), np.stack([np.zeros(RATE), hiss])), RATE)
    for name in ("centroid", "flatness", "slope", "zero_crossings", "level", "f0"):
        alone = describe(sine(500.0)[None, : RATE // 2], RATE)[0, NAMES.index(name)]
        assert rows[:, NAMES.index(name)] == pytest.approx(alone, abs=1.0 if name == "zero_crossings" else 0.1), name


def test_silence_has_the_values_of_the_table() -> None:
    silence = [descriptor.silence for descriptor in DESCRIPTORS.values()]
    quiet = np.stack([np.zeros(RATE), np.full(RATE, 0.5), 1e-5 * white()])
    for row in describe(np.concatenate([quiet, white()[None]]), RATE)[:3]:
        np.testing.assert_array_equal(row, silence)
    assert DESCRIPTORS["level"].silence == DESCRIPTORS["rms"].silence == -80.0


@pytest.mark.parametrize("samples", [1, 2, 300, 1024, 3000, 9000])
def test_short_sounds_have_finite_values(samples: int) -> None:
    for audio in (white()[:samples], np.ones(samples), np.eye(1, samples)[0]):
        assert np.isfinite(describe(audio[None], RATE)).all()


def test_random_presets_of_the_voice_have_finite_values(small_voice: Voice) -> None:
    unit = torch.rand(32, len(small_voice.parameter_space), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        audio = small_voice(unit)
    table = describe(audio, 16000)
    assert np.isfinite(table).all()
    assert (table.std(axis=0) > 0).all()  # every column tells some presets apart


def test_each_sound_is_on_its_own() -> None:
    audio = np.stack([white(), np.zeros(RATE), *(struck(0.1 * k, 100.0 * k) for k in range(1, 10))]).astype(np.float32)
    done: list[int] = []
    whole = describe(audio, RATE, progress=done.append)
    assert done == [8, 11]
    for row in (0, 1, 10):
        np.testing.assert_allclose(describe(torch.from_numpy(audio[row : row + 1]), RATE)[0], whole[row], rtol=1e-9)
    np.testing.assert_array_equal(describe(audio, RATE, track_pitch(audio, RATE)), whole)


def test_timbre_alone_is_the_same_in_single_precision(small_voice: Voice) -> None:
    unit = torch.rand(20, len(small_voice.parameter_space), generator=torch.Generator().manual_seed(3))
    sounds = torch.cat((small_voice(unit), torch.zeros(1, small_voice.samples)))
    whole, timbre = describe(sounds, RATE), describe_timbre(sounds, RATE)
    assert list(TIMBRE) == NAMES[: len(TIMBRE)]
    assert set(NAMES) - set(TIMBRE) == {"aperiodicity", "pitched", "f0", "f0_iqr"}
    error = np.abs(timbre - whole[:, : len(TIMBRE)]).max(axis=0)
    assert (error <= 1e-2 * np.ptp(whole[:, : len(TIMBRE)], axis=0)).all()  # a frame may be loud for one of them alone
    for row in range(len(sounds)):  # each a function of that sound alone
        np.testing.assert_array_equal(describe_timbre(sounds[row : row + 1], RATE)[0], timbre[row])
        np.testing.assert_array_equal(describe(sounds[row : row + 1], RATE)[0], whole[row])
    with pytest.raises(ValueError, match="audio"):
        describe_timbre(sounds[0], RATE)


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(UserError, match=r"^audio: preset 1 holds inf"):
        describe(np.array([[0.0, 1.0], [0.0, np.inf]]), RATE)
    with pytest.raises(UserError, match="empty"):
        describe(np.zeros((0, 5)), RATE)
    with pytest.raises(ValueError, match="2 sounds, but the pitch of 1"):
        describe(np.zeros((2, RATE)), RATE, track_pitch(np.zeros((1, RATE)), RATE))


def test_change_is_between_the_outer_fifths():
    assert change(STEPS) == 80.0
    assert change(-STEPS) == -80.0
    assert change(STEPS[:4]) == 0.0


def test_only_regular_modulation_wavers():
    assert modulation_depth(WAVE + 0.2 * STEPS, 0.01, 1.0, (2.0, 20.0)) == pytest.approx(8.0, abs=2.0)
    assert modulation_depth(STEPS, 0.01, 1.0, (2.0, 20.0)) is None
    assert modulation_depth(WAVE, 0.01, 11.0, (2.0, 20.0)) is None, "not deep enough"
    assert modulation_depth(WAVE, 0.001, 1.0, (2.0, 20.0)) is None, "50 a second are none"
    assert modulation_depth(WAVE[:35], 0.01, 1.0, (2.0, 20.0)) is None, "two peaks are none"
    uneven = np.zeros(100)
    uneven[[10, 15, 60]] = 5.0
    assert modulation_depth(uneven, 0.01, 1.0, (2.0, 20.0)) is None


def test_gaps_of_a_pitch_are_filled():
    track = np.array([0.0, 220.0, 0.0, 440.0, 0.0])
    np.testing.assert_allclose(pitch_track(track) - 12 * math.log2(220.0), [0.0, 6.0, 12.0])
    assert not len(pitch_track(np.zeros(9)))


def test_level_is_smooth_and_has_a_floor():
    power = np.ones(1000)
    power[500:] = 0.0
    level = level_track(power, 0.0025, 40.0)
    assert len(level) == len(power)
    assert level[0] == pytest.approx(0.0)
    assert level[-1] == pytest.approx(-40.0)
    assert (np.diff(level) <= 1e-9).all()
    buzz = 1.0 + np.sin(2.0 * np.pi * 40.0 * 0.0025 * np.arange(1000))
    assert np.ptp(level_track(buzz, 0.0025, 40.0)[50:-50]) < 0.5, "periods of 40 Hz are no movement"
