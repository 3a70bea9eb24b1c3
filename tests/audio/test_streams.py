"""Files that libsndfile cannot seek, or whose headers do not say how long they are."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.audio import streams
from synthvae.audio.recordings import read_recording, read_windows, resting_level
from synthvae.audio.streams import SoundStream
from synthvae.core.errors import UserError
from synthvae.matching.target import prepare_target, read_target

RATE = 8000
#: An AIFF file for whose parts libsndfile seeks a place before its start.
MALFORMED = bytes.fromhex(
    "464f524d00000fe0414946434656455200000004a2805140434f4d4d00000018000100000fa00008400bfa00000000000000756c61770000"
    "b63f2d468351277460a89bb503c74d95e99ca154c2534e4400000fa80000000000000000ffa99b94"
)
TONE = 0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)


def wav() -> bytearray:
    file = io.BytesIO()
    soundfile.write(file, TONE, RATE, "PCM_16", format="WAV")
    return bytearray(file.getvalue())


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "GSM610"), ("AU", "G721_32"), ("WAV", "G721_32"), ("XI", "DPCM_16"), ("AU", "G723_40")],
)
def test_what_cannot_be_sought_is_read_to_its_end(kind: str, subtype: str, tmp_path: Path):
    path = tmp_path / "a.sound"
    soundfile.write(path, TONE, 44100 if kind == "XI" else RATE, subtype, format=kind)
    found = read_recording(path)
    assert len(TONE) <= len(found.audio) < len(TONE) + 500, "coders fill their last block up"
    assert found.audio.std() == pytest.approx(0.3 / 2**0.5, abs=0.05)
    windows = list(read_windows(path, 4000, found.sample_rate, 4000))
    assert len(windows) == -(-len(found.audio) // 4000)
    assert read_target(io.BytesIO(path.read_bytes())).seconds == pytest.approx(
        len(found.audio) / found.sample_rate, abs=0.1
    )


@pytest.mark.parametrize("chunks_after", [b"", b"LIST\x04\x00\x00\x00abcd"])
def test_a_header_that_says_nothing_was_recorded(chunks_after: bytes, caplog: pytest.LogCaptureFixture):
    content = wav()
    place = content.index(b"data") + 4
    content[4:8] = content[place : place + 4] = bytes(4)
    found = read_recording(io.BytesIO(bytes(content)), name="upload")
    np.testing.assert_allclose(found.audio, TONE, atol=1e-4)
    assert f"upload: its header says 0 bytes of sound, and {2 * len(TONE):,} are read" in caplog.text
    with pytest.raises(UserError, match="upload: holds no samples"):  # nothing but the next chunk lies there
        read_recording(io.BytesIO(bytes(content[: place + 4]) + chunks_after), name="upload")


def piped_flac(samples: np.ndarray, rate: int) -> bytes:
    """A FLAC file as it is written to a pipe: zeros instead of its length, 36 bits from the middle of byte 21."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_24")
    content = bytearray(file.getvalue())
    content[21] &= 0xF0
    content[12:18] = bytes(6)  # nor the sizes of its frames
    content[22:26] = bytes(4)
    return bytes(content)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("samples", [2, 255, 256, 257, 4096, 4097, 12_288, 70_000, 600_123])
def test_a_flac_file_that_was_written_to_a_pipe(samples: int, channels: int):
    sound = np.random.default_rng(samples).uniform(-0.4, 0.4, (samples, 1)) * np.linspace(1.0, 0.3, channels)
    found = read_recording(io.BytesIO(piped_flac(sound, 11025)))
    assert len(found.audio) == samples
    np.testing.assert_allclose(found.audio, sound.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("size", [2**32 - 1, 2**31, 7])
def test_a_header_that_says_more_or_less(size: int):
    content = wav()
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", size)
    found = read_recording(io.BytesIO(bytes(content)))
    assert len(found.audio) == (len(TONE) if size > 7 else 3)


@pytest.fixture(scope="module")
def bit_rates() -> dict[bytes, bytes]:
    """Five seconds of MP3 whose bit rates differ, as encoded, and without the frame that says how many there are."""
    file = io.BytesIO()
    sound = np.concatenate([np.zeros(44100), np.random.default_rng(0).uniform(-0.4, 0.4, 4 * 44100)])
    with soundfile.SoundFile(file, "w", 44100, 1, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5) as made:
        made.write(sound)
    content = file.getvalue()
    stream = SoundStream(io.BytesIO(content), "x")
    places = [place for place, _ in stream._frames()]
    bare = content[places[1] :]
    tag = b"ID3\x03\x00\x00" + struct.pack(">I", 6) + bytes(6)
    return {b"whole": content, b"bare": bare, b"tagged": tag + bare}


@pytest.mark.parametrize("kind", [b"whole", b"bare", b"tagged"])
def test_an_mp3_of_variable_bit_rate_is_read_to_its_end(bit_rates: dict[bytes, bytes], kind: bytes):
    if kind != b"whole":
        with soundfile.SoundFile(io.BytesIO(bit_rates[kind])) as alone:
            assert abs(alone.frames / 44100 - 5) > 0.5, "libsndfile guesses"
    found = read_recording(io.BytesIO(bit_rates[kind]))
    assert len(found.audio) / 44100 == pytest.approx(5.0, abs=0.1)


def test_a_stream_is_read_as_its_parts_in_any_order(bit_rates: dict[bytes, bytes]):
    stream = SoundStream(io.BytesIO(bit_rates[b"tagged"]), "x")
    whole = stream.read(10**9)
    place, frame = stream._inserted
    assert whole == bit_rates[b"tagged"][:place] + frame + bit_rates[b"tagged"][place:]
    assert b"Xing" in frame
    for first, size in ((0, 3), (place - 2, 5), (place + 3, 40), (place + len(frame) - 1, 7), (len(whole) - 2, 9)):
        assert stream.seek(first) == stream.tell() == first
        assert stream.read(size) == whole[first : first + size]
    assert stream.seek(-1) == 0
    assert stream.seek(-4, os.SEEK_END) == len(whole) - 4


def test_a_malformed_file_is_one_line_and_nothing_else(capfd: pytest.CaptureFixture[str], tmp_path: Path):
    path = tmp_path / "a.aiff"
    path.write_bytes(MALFORMED + bytes(4092 - len(MALFORMED)))
    with pytest.raises(UserError, match="not audio that can be read"):
        read_recording(path)
    assert capfd.readouterr() == ("", "")


def test_a_pipe_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for most in (2**30, 1000):
        monkeypatch.setattr(streams, "MOST_PIPED", most)
        path = tmp_path / f"pipe{most}"
        os.mkfifo(path)
        writer = threading.Thread(target=lambda path=path: _write(path, bytes(wav())), daemon=True)
        writer.start()
        if most > 1000:
            np.testing.assert_allclose(read_recording(path).audio, TONE, atol=1e-4)
        else:
            with pytest.raises(UserError, match="of a pipe; write it to a file"):
                read_recording(path)
        writer.join(10)


def _write(path: Path, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), path.open("wb") as file:
        file.write(content)


def test_an_offset_is_removed_before_silence_is_cut():
    sound = np.pad(np.hanning(RATE) * TONE[:RATE], (2 * RATE, RATE)) + 0.02
    plain, offset = (prepare_target(audio, RATE, "a", RATE) for audio in (sound - 0.02, sound))
    np.testing.assert_allclose(offset.audio, plain.audio, atol=1e-6)
    assert offset.seconds < 1.1
    assert any("offset of 0.02 removed" in note for note in offset.notes)


def test_silence_around_a_sound_changes_nothing():
    sound = np.hanning(RATE) * TONE[:RATE]
    bare = prepare_target(sound, RATE, "a", RATE)
    led = prepare_target(np.pad(sound, (RATE, RATE // 2)) + 0.2, RATE, "a", RATE)
    np.testing.assert_allclose(led.audio, bare.audio, atol=1e-5)


def test_a_sound_that_rests_nowhere_has_no_offset():
    assert resting_level(TONE, RATE) == 0.0
    assert resting_level(np.zeros(0), RATE) == 0.0
    assert resting_level(np.concatenate([np.full(100, 0.1), TONE]), RATE) == pytest.approx(0.1)


def test_a_recording_of_too_many_samples_is_refused_before_it_is_read():
    with pytest.raises(UserError, match="more than fit"):
        read_target(io.BytesIO(bytes(wav())), most=1000)
