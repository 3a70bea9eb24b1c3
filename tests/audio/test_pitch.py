from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from synthvae.audio import pitch
from synthvae.audio.pitch import LOWEST, Pitch, check_sounds, f0_error_cents, loud_frames, track_pitch
from synthvae.core.errors import UserError
from synthvae.synths.voice.parameters import VOICE_78
from synthvae.synths.voice.voice import Voice

RATE = 44100


def tone(
    frequency: float, kind: str = "sine", seconds: float = 1.0, rate: int = RATE, phase: float = 0.3
) -> np.ndarray:
    """A tone of all its harmonics below Nyquist."""
    angle = 2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate + phase
    step = {"sine": rate, "saw": 1, "square": 2}[kind]
    return 0.5 * sum(np.sin(k * angle) / k for k in range(1, int(0.499 * rate / frequency) + 1, step))


def noise(n: int = 1, seconds: float = 1.0, seed: int = 0, rate: int = RATE) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, round(seconds * rate)))


def cents(measured: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    return 1200 * np.log2(measured / frequencies)


@pytest.mark.parametrize("kind", ["sine", "saw", "square"])
def test_tones_are_found_within_a_fifth_of_a_cent(kind: str) -> None:
    frequencies = 40 * 100 ** (np.arange(24) / 23)  # to 4 kHz
    found = track_pitch(np.stack([tone(f, kind) for f in frequencies]), RATE)
    assert found.pitched.all()
    assert np.abs(cents(found.frequency, frequencies)).max() < 0.2
    assert found.aperiodicity.max() < 0.01
    np.testing.assert_array_equal(found.share, 1.0)


def test_high_tones_whose_periods_are_a_few_samples() -> None:
    frequencies = np.array([5123.4, 7000.0, 9001.0, 11111.0, 12544.0, 14000.0])
    found = track_pitch(np.stack([tone(f) for f in frequencies]), RATE)
    assert found.pitched.all()
    assert np.abs(cents(found.frequency, frequencies)).max() < 1.0


@pytest.mark.parametrize("rate", [16000, 48000, 96000])
def test_other_sample_rates(rate: int) -> None:
    frequencies = np.array([41.0, 333.3, 3210.0])
    found = track_pitch(np.stack([tone(f, "saw", 0.4, rate) for f in frequencies]), rate)
    assert np.abs(cents(found.frequency, frequencies)).max() < 1.0


@pytest.mark.parametrize(("oscillator", "shape"), [("vco_1", 0.0), ("vco_2", 0.0), ("vco_2", 1.0)])
def test_the_voice_plays_the_note_of_its_keyboard(oscillator: str, shape: float) -> None:
    notes = np.array([28.0, 43.5, 69.0, 91.2, 110.0])
    human = np.array([[parameter.minimum for parameter in VOICE_78]] * len(notes))
    for name in VOICE_78.names:
        if name.startswith(("mod_matrix", "mixer")) or name.endswith(("tuning", "mod_depth")):
            human[:, VOICE_78.index(name)] = 0.0
    for name in ("keyboard.duration", "adsr_1.sustain", f"mod_matrix.adsr_1->{oscillator}_amp", f"mixer.{oscillator}"):
        human[:, VOICE_78.index(name)] = 1.0
    human[:, VOICE_78.index("vco_2.shape")] = shape
    human[:, VOICE_78.index("keyboard.midi_f0")] = notes
    with torch.inference_mode():
        audio = Voice(VOICE_78, RATE, 0.5)(torch.from_numpy(VOICE_78.normalise(human)).float())
    found = track_pitch(audio, RATE)
    assert found.pitched.all()
    assert np.abs(cents(found.frequency, librosa.midi_to_hz(notes))).max() < 1.0


def test_agrees_with_librosa_where_librosa_is_good() -> None:
    frequencies = np.array([180.0, 261.6, 512.3, 999.0])
    audio = np.stack([tone(f, "saw") for f in frequencies])
    other = np.median(librosa.yin(audio, fmin=60, fmax=5000, sr=RATE, frame_length=4096), axis=1)
    assert np.abs(cents(track_pitch(audio, RATE).frequency, other)).max() < 5.0


def test_a_fundamental_that_is_missing_is_found() -> None:
    audio = sum(tone(150.0 * k, phase=float(k)) for k in (3, 4, 5, 7))
    assert track_pitch(audio[None], RATE).frequency[0] == pytest.approx(150.0, rel=1e-3)


def test_noise_silence_and_what_is_not_heard_are_not_pitched() -> None:
    time = np.arange(RATE) / RATE
    sounds = {
        "white": noise()[0],
        "uniform": np.random.default_rng(1).random(RATE) - 0.5,
        "silence": np.zeros(RATE),
        "constant": np.full(RATE, 0.7),
        "inaudible": 1e-5 * tone(440.0),
        "below hearing": np.sin(2 * np.pi * 10.0 * time),
        "drift": np.sin(2 * np.pi * 3.0 * time),
        "slow": time,
        "click": np.eye(1, RATE, RATE // 2)[0],
    }
    found = track_pitch(np.stack(list(sounds.values())), RATE)
    assert dict(zip(sounds, found.pitched.tolist(), strict=True)) == dict.fromkeys(sounds, False)
    np.testing.assert_array_equal(found.frequency, 0.0)
    assert found.aperiodicity[[0, 5, 6, 7]].min() > 0.9  # nor nearly so
    np.testing.assert_array_equal(found.aperiodicity[2:5], 1.0)
    np.testing.assert_array_equal(found.share[2:5], 0.0)
    assert all(np.isfinite(values).all() for values in vars(found).values())


@pytest.mark.parametrize("ratio_db", [3.0, 7.0, 10.0, 20.0])
def test_aperiodicity_is_the_share_of_noise(ratio_db: float) -> None:
    clean = tone(440.0, "saw")
    level = clean.std() * 10 ** (-ratio_db / 20)
    found = track_pitch(clean + level * noise(6), RATE)
    np.testing.assert_allclose(found.aperiodicity, 1 / (1 + 10 ** (ratio_db / 10)), atol=0.01)
    assert found.pitched.all() == (ratio_db > 6)
    heard = found.track[found.track > 0]
    assert np.abs(cents(heard, np.array(440.0))).max(initial=0.0) < 20.0  # no frame an octave off


def test_neither_level_nor_offset_matters() -> None:
    audio = np.stack([tone(f, "square") for f in (55.0, 444.0)])
    whole, other = track_pitch(audio, RATE), track_pitch(0.01 * audio + 0.3, RATE)
    assert other.pitched.all()
    np.testing.assert_allclose(other.frequency, whole.frequency, rtol=1e-4)


def test_only_loud_frames_count() -> None:
    start = np.arange(RATE) < RATE // 4
    hiss = noise()[0]
    audio = np.where(start, tone(440.0), np.stack([np.zeros(RATE), 1e-3 * hiss, 0.3 * hiss]))
    found = track_pitch(audio, RATE)
    assert found.pitched.tolist() == [True, True, False]  # silence and hiss at -60 dB are not heard, at -10 dB it is
    assert found.frequency[:2] == pytest.approx(440.0, rel=1e-3)
    assert 0.0 < found.share[2] < 0.5
    assert found.frequency[2] == 0.0
    assert (found.track[:, found.times > 0.3] == 0.0).all()
    assert (found.track[2, found.times < 0.2] > 0.0).all()


def test_the_track_follows_a_glide() -> None:
    time = np.arange(RATE) / RATE
    angle = 2 * np.pi * 200.0 * (2**time - 1) / np.log(2)  # an octave in a second
    found = track_pitch(np.sin(angle)[None], RATE)
    later = found.times + 0.5 / found.track[0]  # half a period: windows are compared a period apart
    np.testing.assert_allclose(cents(found.track[0], 200.0 * 2**later), 0.0, atol=2.0)
    middle = np.sort(found.track[0])[(found.track.shape[1] - 1) // 2]
    assert found.frequency[0] == pytest.approx(middle)


def test_vibrato_does_not_move_the_median() -> None:
    time = np.arange(RATE) / RATE
    angle = 2 * np.pi * 2000.0 * time + 10.0 * np.sin(2 * np.pi * 20.0 * time)  # by 170 cents, 20 times in a second
    assert track_pitch(np.sin(angle)[None], RATE).frequency[0] == pytest.approx(2000.0, rel=0.01)


def test_the_median_is_a_pitch_that_was_there() -> None:
    time = np.arange(RATE) / RATE
    audio = np.where(time < 0.5, tone(200.0), tone(800.0))
    assert min(abs(track_pitch(audio[None], RATE).frequency[0] - f) for f in (200.0, 800.0)) < 1.0


def test_each_sound_is_on_its_own() -> None:
    audio = np.stack([tone(100.0, "saw"), noise()[0], np.zeros(RATE), tone(3000.0)]).astype(np.float32)
    whole = track_pitch(audio, RATE)
    for row in range(4):
        alone = track_pitch(torch.from_numpy(audio[row : row + 1]), RATE)
        for name, values in vars(alone).items():
            np.testing.assert_array_equal(
                values, getattr(whole, name) if name == "times" else getattr(whole, name)[[row]]
            )


def test_long_sounds_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = np.concatenate([tone(300.0), tone(600.0)])[None]
    whole = track_pitch(audio, RATE)
    monkeypatch.setattr(pitch, "FRAMES", 7)
    np.testing.assert_allclose(track_pitch(audio, RATE).track, whole.track, rtol=1e-5)
    assert whole.times[0] == pytest.approx(0.5 / LOWEST + 32 / RATE)
    assert np.diff(whole.times) == pytest.approx(0.02)
    assert whole.times[-1] < 2.0


@pytest.mark.parametrize("samples", [1, 50, 1500, 2205])
def test_sounds_shorter_than_a_frame(samples: int) -> None:
    found = track_pitch(tone(1000.0)[None, :samples], RATE)
    assert found.track.shape == (1, 1)
    assert found.pitched[0] == (samples >= 1500)
    if found.pitched[0]:
        assert found.frequency[0] == pytest.approx(1000.0, rel=3e-3)


def test_error_in_cents() -> None:
    target = track_pitch(np.stack([tone(440.0), tone(440.0), tone(440.0), noise()[0]]), RATE)
    semitone = 440.0 * 2 ** (1 / 12)
    answer = track_pitch(np.stack([tone(semitone, "saw"), tone(220.0), noise()[0], tone(440.0)]), RATE)
    error = f0_error_cents(target, answer)
    assert error.defined.tolist() == [True, True, False, False]
    np.testing.assert_allclose(error.values, [100.0, 1200.0, 0.0, 0.0], atol=5.0)
    np.testing.assert_array_equal(error.kept, error.values[:2])
    np.testing.assert_allclose(f0_error_cents(answer, target).values, error.values)
    np.testing.assert_array_equal(f0_error_cents(target, target).values, 0.0)
    few = Pitch(*(values[:2] for values in vars(target).values()))
    with pytest.raises(ValueError, match="4 targets against 2"):
        f0_error_cents(target, few)


def test_loud_frames_by_definition() -> None:
    power = torch.tensor([[0.1, 0.9e-5, 1.1e-5, 0.0], [1e-7, 1e-8, 1.1e-8, 1e-12], [1e-9, 0.0, 0.0, 0.0]])
    expected = [[True, False, True, False], [True, False, True, False], [False] * 4]
    assert loud_frames(power).tolist() == expected


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(UserError, match=r"^audio: preset 1 holds nan") as error:
        track_pitch(np.array([[0.0, 1.0], [0.0, np.nan]]), RATE)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="empty"):
        track_pitch(np.zeros((0, 100)), RATE)
    with pytest.raises(UserError, match="empty"):
        track_pitch(np.zeros((3, 0)), RATE)
    with pytest.raises(ValueError, match=r"shape \(N, T\)"):
        track_pitch(np.zeros(100), RATE)
    with pytest.raises(ValueError, match="int16"):
        track_pitch(np.zeros((1, 100), np.int16), RATE)


def test_sounds_keep_their_precision() -> None:
    assert check_sounds(np.zeros((1, 2)), "audio").dtype == torch.float64
    assert check_sounds(torch.zeros(1, 2, requires_grad=True), "audio").requires_grad is False
    assert check_sounds(np.zeros((1, 2), np.float16), "audio").dtype == torch.float32
