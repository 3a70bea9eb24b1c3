from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.features import build_feature
from synthvae.metrics import distances
from synthvae.metrics.distances import DISTANCES, measure_distances

RATE = 44100
TIME = np.arange(RATE) / RATE


def distance(name: str, target: np.ndarray, reconstruction: np.ndarray) -> float:
    pair = [torch.from_numpy(np.asarray(audio))[None] for audio in (target, reconstruction)]
    return float(DISTANCES[name].function(*pair, RATE).values[0])


def sine(frequency: float, amplitude: float | np.ndarray = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * TIME + 0.3)


def saw(frequency: float) -> np.ndarray:
    return sum(sine(k * frequency, 0.4 / k) for k in range(1, int(0.5 * RATE / frequency)))


def white(seed: int = 0) -> np.ndarray:
    return 0.2 * np.random.default_rng(seed).standard_normal(RATE)


def melody(start: float) -> np.ndarray:
    """Four notes of a tenth of a second in the middle of silence, the first at `start` in seconds."""
    audio = np.zeros(RATE)
    for number, frequency in enumerate((300.0, 2000.0, 700.0, 5000.0)):
        note = np.floor((TIME - start) / 0.1) == number
        audio += np.where(note, saw(frequency), 0.0)
    return audio


def plain(target: np.ndarray, reconstruction: np.ndarray) -> float:
    """As `warped_mfcc`, frame by frame."""
    feature = build_feature("mfcc", RATE)
    pair = [feature(torch.from_numpy(audio)[None])[0].numpy() for audio in (target, reconstruction)]
    return float(np.linalg.norm(pair[0] - pair[1], axis=0).mean() / np.sqrt(128))


def test_the_table_says_what_is_measured() -> None:
    measured = measure_distances(white()[None], white(1)[None], RATE)
    assert list(measured) == list(DISTANCES)
    for name, row in DISTANCES.items():
        assert row.name == name
        assert row.meaning
        assert measured[name].values.shape == measured[name].defined.shape == (1,)
        assert measured[name].values.dtype == np.float64
    assert [name for name, row in DISTANCES.items() if row.better == "higher"] == ["envelope_similarity"]


def test_identical_sounds() -> None:
    audio = np.stack([saw(220.0), white(), np.zeros(RATE), melody(0.2)]).astype(np.float32)
    measured = measure_distances(audio, audio, RATE)
    for name, values in measured.items():
        best = 1.0 if name == "envelope_similarity" else 0.0
        np.testing.assert_allclose(values.values, best, atol=1e-6, err_msg=name)
    assert measured["f0_error"].defined.tolist()[:3] == [True, False, False]
    assert all(values.defined.all() for name, values in measured.items() if name != "f0_error")


@pytest.mark.parametrize("gain", [0.25, 0.8, 2.0])
def test_a_gain_has_closed_forms(gain: float) -> None:
    target, answer = white(), gain * white()
    decibels = abs(20 * np.log10(gain))
    assert distance("spectral_convergence", target, answer) == pytest.approx(abs(1 - gain), rel=1e-6)
    loud = distance("log_spectral", 10.0 * target, 10.0 * answer)  # far above the offset of -80 dB
    assert loud == pytest.approx(decibels, rel=0.01)
    assert distance("mrstft", target, answer) == pytest.approx(abs(1 - gain) + abs(np.log(gain)), rel=1e-3)
    assert distance("warped_mfcc", target, answer) == pytest.approx(decibels, rel=1e-6)
    assert distance("transport", target, answer) == pytest.approx(0.0, abs=1e-12)
    assert distance("envelope_similarity", target, answer) == pytest.approx(1.0)


def test_log_spectral_distance_by_its_definition() -> None:
    target, answer = saw(200.0), white()
    levels = [20 * np.log10(np.abs(librosa.stft(a, pad_mode="reflect")) / 512 + 1e-4) for a in (target, answer)]
    expected = np.sqrt(np.square(levels[0] - levels[1]).mean(axis=0)).mean()
    assert distance("log_spectral", target, answer) == pytest.approx(expected, rel=1e-6)


def test_spectral_convergence_by_its_definition() -> None:
    target, answer = saw(200.0), white()
    first, second = (np.abs(librosa.stft(audio, pad_mode="reflect")) for audio in (target, answer))
    expected = np.linalg.norm(first - second) / np.linalg.norm(first)
    assert distance("spectral_convergence", target, answer) == pytest.approx(expected, rel=1e-6)
    assert distance("spectral_convergence", answer, target) != pytest.approx(expected, rel=0.1)  # of the target


def test_warped_mfcc_hears_what_and_not_when() -> None:
    early, late = melody(0.2), melody(0.2 + 16 * 512 / RATE)
    assert plain(early, late) > 10.0
    assert distance("warped_mfcc", early, late) < 0.1 * plain(early, late)
    other = early[::-1].copy()  # the same notes in another order
    assert distance("warped_mfcc", early, other) > 5.0 * distance("warped_mfcc", early, late)


def test_warped_mfcc_by_dynamic_programming() -> None:
    target, answer = melody(0.1), melody(0.3) + 0.1 * white()
    feature = build_feature("mfcc", RATE)
    first, second = (feature(torch.from_numpy(a)[None])[0].numpy().T / np.sqrt(128) for a in (target, answer))
    cost = np.linalg.norm(first[:, None] - second[None], axis=2)
    total = np.full(np.add(cost.shape, 1), np.inf)
    length = np.zeros(total.shape, int)
    total[0, 0] = 0.0
    for i in range(1, total.shape[0]):
        for j in range(1, total.shape[1]):
            best = min((i - 1, j - 1), (i - 1, j), (i, j - 1), key=total.__getitem__)
            total[i, j] = total[best] + cost[i - 1, j - 1]
            length[i, j] = length[best] + 1
    assert distance("warped_mfcc", target, answer) == pytest.approx(total[-1, -1] / length[-1, -1], rel=1e-6)


@pytest.mark.parametrize(("first", "second"), [(1000.0, 1200.0), (400.0, 9000.0)])
def test_transport_grows_with_the_square_of_the_way(first: float, second: float) -> None:
    expected = ((second - first) / (RATE / 2)) ** 2
    assert distance("transport", sine(first), sine(second, 0.1)) == pytest.approx(expected, rel=0.05)


def test_envelope_similarity_by_its_definition() -> None:
    steady, rising = sine(1000.0), sine(1000.0, TIME)
    assert distance("envelope_similarity", steady, 0.1 * steady) == pytest.approx(1.0)
    assert distance("envelope_similarity", steady, rising) == pytest.approx(0.5 / np.sqrt(1 / 3), rel=0.01)
    first, second = (np.where(part, steady, 0.0) for part in (TIME < 0.45, TIME > 0.55))
    assert distance("envelope_similarity", first, second) == 0.0
    assert distance("envelope_similarity", steady, white()) == pytest.approx(1.0, abs=0.01)  # of whatever sound


def test_pitch_error_has_a_mask() -> None:
    target = np.stack([saw(440.0), saw(440.0), white(), np.zeros(RATE)])
    answer = np.stack([saw(440.0 * 2 ** (1 / 12)), white(), saw(440.0), np.zeros(RATE)])
    error = measure_distances(target, answer, RATE)["f0_error"]
    assert error.defined.tolist() == [True, False, False, False]
    np.testing.assert_allclose(error.values, [100.0, 0.0, 0.0, 0.0], atol=5.0)
    assert error.kept.shape == (1,)


def test_silence_is_as_far_as_it_is_said_to_be() -> None:
    silence, sound = np.zeros(RATE), saw(300.0)
    for name in DISTANCES:
        for target, answer in ((silence, sound), (sound, silence), (silence, silence)):
            assert np.isfinite(distance(name, target, answer)), name
    assert distance("spectral_convergence", sound, silence) == pytest.approx(1.0)
    assert distance("log_spectral", sound, silence) > 5.0
    assert distance("warped_mfcc", sound, silence) > 30.0
    assert distance("warped_mfcc", white(), silence) > 30.0
    assert distance("envelope_similarity", sound, silence) == 0.0
    assert distance("envelope_similarity", silence, silence) == 1.0


@pytest.mark.parametrize("name", [name for name in DISTANCES if name not in ("f0_error", "transport")])
def test_a_better_reconstruction_is_better(name: str) -> None:
    target = melody(0.3)
    near, far = (distance(name, target, target + gain * white()) for gain in (0.01, 0.5))
    assert far < near if DISTANCES[name].better == "higher" else near < far


def test_each_preset_is_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    target = np.stack([saw(200.0), white(), np.zeros(RATE), melody(0.1), sine(3000.0)]).astype(np.float32)
    answer = np.roll(target, 1, axis=0)
    whole = measure_distances(target, answer, RATE)
    done: list[int] = []
    monkeypatch.setattr(distances, "_BATCH", 2)
    parts = measure_distances(torch.from_numpy(target), torch.from_numpy(answer), RATE, done.append)
    assert done == [2, 4, 5]
    alone = measure_distances(target[4:], answer[4:].astype(np.float64), RATE)
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name].values, values.values, rtol=1e-4, atol=1e-6, err_msg=name)
        np.testing.assert_array_equal(parts[name].defined, values.defined)
        assert alone[name].values[0] == pytest.approx(values.values[4], rel=1e-3, abs=1e-4), name


@pytest.mark.parametrize("change", [lambda audio: audio[:, :100], lambda audio: audio[:1]])
def test_shapes_have_to_agree(change: Callable[[np.ndarray], np.ndarray]) -> None:
    audio = np.zeros((2, RATE))
    with pytest.raises(ValueError, match="differ"):
        measure_distances(audio, change(audio), RATE)


def test_what_is_no_sound_is_refused() -> None:
    audio = np.stack([white(), white()])
    broken = audio.copy()
    broken[1, 5] = np.nan
    with pytest.raises(UserError, match=r"^reconstructions: preset 1 holds nan") as error:
        measure_distances(audio, broken, RATE)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="targets: preset 1"):
        measure_distances(broken, audio, RATE)
    with pytest.raises(UserError, match="targets: shape"):
        measure_distances(audio[:0], audio[:0], RATE)
    with pytest.raises(ValueError, match="int64"):
        measure_distances(np.zeros((1, 9), int), np.zeros((1, 9), int), RATE)


def logmel_mse(target: np.ndarray, reconstruction: np.ndarray) -> float:
    feature = build_feature("logmel", RATE)
    first, second = (feature(torch.from_numpy(audio)[None]) for audio in (target, reconstruction))
    return float((first - second).square().mean())


def click(start: float, amplitude: float) -> np.ndarray:
    """Noise of 10 ms."""
    during = (start <= TIME) & (start + 0.01 > TIME)
    return np.where(during, amplitude * np.random.default_rng(1).standard_normal(RATE), 0.0)


def test_a_lost_transient_counts_more_than_a_change_of_level() -> None:
    hiss = 0.1 * white()
    target = hiss + click(0.4, 0.2)  # 20 dB louder
    lost, quieter = hiss, 10 ** (-4 / 20) * target
    assert logmel_mse(target, lost) < logmel_mse(target, quieter)  # a few frames of 87
    assert distance("energy_weighted_logmel", target, quieter) == pytest.approx(4.0, rel=0.05)
    assert distance("energy_weighted_logmel", target, lost) > 8.0
    added = distance("energy_weighted_logmel", lost, target)
    assert added == pytest.approx(distance("energy_weighted_logmel", target, lost))


def test_a_transient_lost_from_a_swell_is_a_slower_attack() -> None:
    swell = sine(500.0, 0.1 * np.minimum(TIME / 0.8, 1.0))
    target = swell + click(0.0, 0.5)
    assert distance("attack_error", target, swell) > 500.0
    assert distance("onset_error", target, swell) == pytest.approx(80.0, abs=10.0)
    assert distance("attack_error", target, 0.1 * target) == 0.0


@pytest.mark.parametrize("shift", [0.03, 0.2])
def test_a_shift_is_an_error_of_the_onset_and_not_of_the_attack(shift: float) -> None:
    early, late = (np.where(start <= TIME, 1.0, 0.0) * sine(800.0) for start in (0.1, 0.1 + shift))
    for pair in ((early, late), (late, early)):
        assert distance("onset_error", *pair) == pytest.approx(1000 * shift, abs=2.5)
        assert distance("attack_error", *pair) <= 2.5


def test_attack_error_is_the_difference_of_ramps() -> None:
    short, long = (sine(2000.0, np.minimum(TIME / length, 1.0)) for length in (0.1, 0.35))
    assert distance("attack_error", short, long) == pytest.approx(0.8 * 250.0, abs=10.0)


def test_energy_weighted_error_by_its_definition() -> None:
    target, answer = saw(200.0), white()
    feature = build_feature("logmel", RATE)
    first, second = (feature(torch.from_numpy(audio)[None])[0].numpy() for audio in (target, answer))
    weight = 10.0 ** (np.maximum(first, second) / 10.0)
    expected = np.sqrt(np.average(np.square(first - second), weights=weight))
    assert distance("energy_weighted_logmel", target, answer) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["onset_error", "attack_error"])
def test_a_silent_sound_has_no_onset_before_its_end(name: str) -> None:
    at_once = sine(800.0)
    for pair in ((at_once, np.zeros(RATE)), (np.zeros(RATE), at_once)):
        assert distance(name, *pair) == pytest.approx(1000.0, abs=12.5)
    assert distance(name, np.zeros(RATE), np.zeros(RATE)) == 0.0
