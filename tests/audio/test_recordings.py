from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.audio import recordings
from synthvae.audio.recordings import Recording, mix_down, read_recording, read_windows
from synthvae.audio.resampling import resample
from synthvae.core.errors import UserError
from tests.audio.test_streams import piped_flac

RATE = 48000
TONE = 0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE // 2) / RATE)


@pytest.mark.parametrize(
    ("kind", "subtype", "error"),
    [
        ("WAV", "PCM_U8", 0.01),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "DOUBLE", 0.0),
        ("WAV", "ALAW", 0.02),
        ("WAVEX", "FLOAT", 1e-7),
        ("FLAC", "PCM_16", 1e-4),
        ("AIFF", "PCM_24", 1e-6),
        ("CAF", "PCM_32", 1e-8),
        ("OGG", "VORBIS", 0.02),
        ("OGG", "OPUS", 0.05),
        ("MP3", None, 0.1),
    ],
)
def test_every_format_is_read(kind: str, subtype: str | None, error: float, tmp_path: Path):
    path = tmp_path / "a.sound"
    soundfile.write(path, TONE, RATE, format=kind, subtype=subtype)
    found = read_recording(path)
    assert (found.sample_rate, found.channels, found.loudest) == (RATE, 1, False)
    middle = slice(2000, len(TONE) - 2000)  # coders ring at the ends
    np.testing.assert_allclose(found.audio[middle], TONE[middle], atol=error)


@pytest.mark.parametrize("rate", [1000, 8000, 22050, 44100, 192000, 384000])
def test_every_rate_is_read(rate: int, tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", TONE, rate)
    assert read_recording(tmp_path / "a.wav").sample_rate == rate


def test_eight_channels_become_their_mean(tmp_path: Path):
    channels = np.stack([TONE * k / 4 for k in range(8)], axis=1)
    soundfile.write(tmp_path / "a.wav", channels, RATE, "DOUBLE")
    found = read_recording(tmp_path / "a.wav")
    assert (found.channels, found.loudest) == (8, False)
    np.testing.assert_allclose(found.audio, channels.mean(axis=1), atol=1e-12)


@pytest.mark.parametrize("cancel", [False, True])
def test_a_file_of_many_channels_is_mixed_in_blocks(cancel: bool, tmp_path: Path):
    generator = np.random.default_rng(0)
    first = 0.2 * generator.standard_normal(1_000_001) * np.linspace(0.1, 1.0, 1_000_001)
    samples = (
        np.stack(
            [first, (-1.2 if cancel else 1.2) * first, 0.1 * first] + [(0.02 if cancel else 0.5) * first] * 5, axis=1
        )
        + 0.05
    )
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="DOUBLE")
    tracemalloc.start()
    found = read_recording(tmp_path / "a.wav")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found.audio, mix_down(samples, RATE, "a").audio)
    np.testing.assert_array_equal(found.audio, samples[:, 1] if cancel else samples.mean(axis=1))
    assert (found.channels, found.loudest) == (8, cancel)
    assert most < 0.7 * samples.nbytes, "a few copies of one channel, and of a block"


def test_channels_that_cancel_leave_the_loudest():
    found = mix_down(np.stack([TONE, -1.1 * TONE, np.zeros_like(TONE)], axis=1), RATE, "x")
    assert found.loudest
    np.testing.assert_array_equal(found.audio, -1.1 * TONE)


def test_an_open_file_is_read():
    stream = io.BytesIO()
    soundfile.write(stream, TONE, RATE, format="WAV", subtype="DOUBLE")
    stream.seek(0)
    np.testing.assert_allclose(read_recording(stream, name="upload").audio, TONE, atol=1e-12)
    with pytest.raises(UserError, match=r"^upload: not audio that can be read"):
        read_recording(io.BytesIO(b"nothing"), name="upload")


def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", TONE, RATE, "DOUBLE")
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[: len(whole) // 2])
    found = read_recording(tmp_path / "b.wav").audio
    np.testing.assert_array_equal(found, TONE[: len(found)])
    assert len(found) > len(TONE) // 3


def write_long_wav(path: Path, hours: float) -> None:
    """A WAV file of silence at 8 kHz and 8 bits that takes no room on the disk."""
    size = round(hours * 3600 * 8000)
    header = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data" + struct.pack("<I", size)
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", size + len(header)) + header)
        file.truncate(size + len(header) + 8)


def write_piped_flac(path: Path) -> None:
    """A FLAC file whose header does not say its length, and of which nothing else was written."""
    path.write_bytes(piped_flac(TONE, RATE)[:42])


BAD = {
    "missing.wav": (lambda path: None, ("cannot read (No such file", "give a recording")),
    "folder.wav": (lambda path: path.mkdir(), ("is a directory", "give a recording")),
    "text.wav": (lambda path: path.write_text("a song"), ("not audio that can be read", "WAV, FLAC, OGG, MP3 or AIFF")),
    "nothing.wav": (lambda path: path.write_bytes(b""), ("not audio that can be read",)),
    "pixels.png": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)), ("not audio that can be read",)),
    "bare.raw": (lambda path: path.write_bytes(bytes(999)), ("without a header", "give WAV")),
    "empty.wav": (lambda path: soundfile.write(path, np.zeros(0), RATE), ("holds no samples",)),
    "silent.wav": (lambda path: soundfile.write(path, np.zeros((99, 2)), RATE), ("silent", "-240 dB")),
    "quiet.wav": (lambda path: soundfile.write(path, 3e-6 * TONE, RATE, "FLOAT"), ("silent", "-121 dB")),
    "constant.wav": (lambda path: soundfile.write(path, np.full(99, 0.3), RATE, "FLOAT"), ("silent",)),
    "nan.wav": (
        lambda path: soundfile.write(path, np.where(np.arange(99) == 7, np.nan, 0.1), RATE, "FLOAT"),
        ("sample 7 is not finite", "export the recording again"),
    ),
    "inf.wav": (lambda path: soundfile.write(path, np.full(9, np.inf), RATE, "FLOAT"), ("sample 0 is not finite",)),
    "slow.wav": (lambda path: soundfile.write(path, TONE, 999), ("its sample rate is 999 Hz", "1000 to 384000 Hz")),
    "long.wav": (lambda path: write_long_wav(path, 10), ("10 hours long", "at most 10 minutes", "cut out the sound")),
    "longish.wav": (lambda path: write_long_wav(path, 0.5), ("30 minutes long", "at most 10 minutes")),
    "piped.flac": (write_piped_flac, ("header does not say how long", "export the recording again")),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_recording_is_refused_in_one_line(name: str, tmp_path: Path):
    make, parts = BAD[name]
    make(tmp_path / name)
    with pytest.raises(UserError) as caught:
        read_recording(tmp_path / name)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: ")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([TONE] * 3, axis=1), RATE)
    assert len(read_recording(path, longest=0.5).audio) == RATE // 2
    with pytest.raises(UserError, match=r"0\.5 s long, at most 0\.4 s are read"):
        read_recording(path, longest=0.4)
    monkeypatch.setattr(recordings, "MOST_SAMPLES", 3 * len(TONE) - 1)
    with pytest.raises(UserError, match="0.5 s of 3 channels at 48000 Hz are more than fit.*mix it to one channel"):
        read_recording(path)


def test_samples_are_checked_like_files():
    assert isinstance(mix_down(TONE.astype(np.float32), RATE, "x"), Recording)
    with pytest.raises(UserError, match="x: holds no samples"):
        mix_down(np.zeros((0, 2)), RATE, "x")
    with pytest.raises(UserError, match="x: sample 3 is not finite"):
        mix_down(np.array([[0, 1], [0, 1], [0, 1], [0, np.inf]]), RATE, "x")


NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000])
@pytest.mark.parametrize("hop", [8000, 4000, 5001])
def test_windows_are_cut_from_the_resampled_recording(rate: int, hop: int, tmp_path: Path):
    sound = NOISE[: round(2.3 * rate)]
    soundfile.write(tmp_path / "a.wav", sound, rate, "DOUBLE")
    whole = resample(sound, rate, 16000)
    found = list(read_windows(tmp_path / "a.wav", 8000, 16000, hop, shortest=0.05))
    starts = [round(window.start * 16000) for window in found]
    assert starts == list(range(0, len(starts) * hop, hop))
    assert len(whole) - (starts[-1] + 8000) < 0.05 * 16000  # nothing longer is left out
    assert starts[-1] + 8000 - hop < len(whole)
    for start, window in zip(starts, found, strict=True):
        assert (window.channels, window.sample_rate) == (1, rate)
        wanted = whole[start : start + 8000]
        np.testing.assert_allclose(window.audio[: len(wanted)], wanted, atol=2e-6)
        assert not window.audio[len(wanted) :].any()


def test_one_window_reads_no_more_of_a_long_recording_than_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_long_wav(tmp_path / "a.wav", 10)  # refused by read_recording
    frames = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *a, **k: frames.append(len(got := read(*a, **k))) or got)
    (window,) = read_windows(tmp_path / "a.wav", 32000, 16000)
    assert frames[0] < 2.1 * 8000
    assert sum(frames) < 2.1 * 8000
    assert window.audio is None  # constant, so silent, although the filter rings at its start


def test_a_short_recording_is_padded_and_too_short_a_one_refused(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", TONE[:480], RATE, "DOUBLE")
    for hop in (None, 8000):
        (window,) = read_windows(tmp_path / "a.wav", 16000, 16000, hop, shortest=0.01)
        assert len(window.audio) == 16000
        assert window.audio[:160].any()
        assert not window.audio[160:].any()
    with pytest.raises(UserError, match=r"too short \(0\.01 s, less than 0\.02 s\)"):
        list(read_windows(tmp_path / "a.wav", 16000, 16000, shortest=0.02))


def test_silent_windows_are_marked(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.zeros(RATE), TONE, np.zeros(RATE)]), RATE, "FLOAT")
    found = [window.audio is None for window in read_windows(tmp_path / "a.wav", 8000, 16000, 8000)]
    assert found == [True, True, False, True, True]


@pytest.mark.parametrize("name", ["text.wav", "empty.wav", "nan.wav", "slow.wav", "bare.raw", "piped.flac"])
def test_windows_refuse_what_is_no_recording(name: str, tmp_path: Path):
    make, parts = BAD[name]
    make(tmp_path / name)
    with pytest.raises(UserError) as caught:
        list(read_windows(tmp_path / name, 8000, 16000))
    assert parts[0] in caught.value.problem


def test_whole_numbers_in_a_file_of_floats_are_refused(tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", 32768 * TONE, RATE, "FLOAT")
    with pytest.raises(UserError, match=r"peak out of range \(9\.8.*full scale is 1"):
        list(read_windows(tmp_path / "a.wav", 8000, 16000))


def test_many_channels_are_limited_by_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    soundfile.write(tmp_path / "a.wav", np.stack([TONE] * 3, axis=1), RATE)
    monkeypatch.setattr(recordings, "MOST_SAMPLES", 3 * 2000)
    with pytest.raises(UserError, match="3 channels at 48000 Hz are more than fit"):
        list(read_windows(tmp_path / "a.wav", 8000, 16000))
