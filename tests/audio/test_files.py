"""WAV and FLAC read back to the bit, by readers that are not ours; loops and stamps."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile

from synthvae.audio.files import (
    SamplerData,
    Stamp,
    check_flac,
    flac_bytes,
    has_stamp,
    quantise,
    read_stamp,
    sampler_wav_bytes,
)
from tests.errors import user_error

STAMP = Stamp("bright plück", "0123456789abcdef")
NOISE = np.random.default_rng(0).uniform(-1.1, 1.1, 1001).astype(np.float32)  # odd, and too loud here and there


def chunks(content: bytes) -> dict[bytes, bytes]:
    """A RIFF file's chunks, by a reader of its own."""
    assert content[:4] == b"RIFF"
    assert content[8:12] == b"WAVE"
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    found, place = {}, 12
    while place < len(content):
        name, size = content[place : place + 4], struct.unpack("<I", content[place + 4 : place + 8])[0]
        found[name] = content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    assert place == len(content)
    return found


def test_quantised_samples_are_the_nearest_steps_and_stop_at_full_scale():
    sound = np.array([0.0, 0.5, -1.0, 1.0, 2.0, -2.0, 1.4 / 32768, 1.6 / 32768], dtype=np.float32)
    assert quantise(sound, "int16").tolist() == [0, 16384, -32768, 32767, 32767, -32768, 1, 2]
    assert quantise(sound, "int24")[:5].tolist() == [0, 4194304, -8388608, 8388607, 8388607]
    assert quantise(sound, "float").dtype == np.float32
    np.testing.assert_array_equal(quantise(sound, "float"), sound)


@pytest.mark.filterwarnings("ignore:Chunk")  # SciPy knows no smpl
@pytest.mark.parametrize("sample_format", ["float", "int16", "int24"])
def test_a_wav_reads_back_to_the_bit_with_two_readers(sample_format: str):
    samples = quantise(NOISE, sample_format)
    content = sampler_wav_bytes(samples, 44100, sample_format, STAMP, SamplerData(60.0))
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        assert (file.samplerate, file.channels, file.frames, file.title) == (44100, 1, 1001, "bright plück")
        read = file.read(dtype="float32" if sample_format == "float" else "int32")
    shift = {"float": 0, "int16": 16, "int24": 8}[sample_format]
    np.testing.assert_array_equal(read >> shift if shift else read, samples)
    rate, theirs = wavfile.read(io.BytesIO(content))
    assert rate == 44100
    np.testing.assert_array_equal(theirs >> 8 if sample_format == "int24" else theirs, samples)


@pytest.mark.parametrize("sample_format", ["int16", "int24"])
def test_a_flac_reads_back_to_the_bit(sample_format: str):
    samples = quantise(NOISE, sample_format)
    with soundfile.SoundFile(io.BytesIO(flac_bytes(samples, 48000, sample_format, STAMP))) as file:
        assert (file.samplerate, file.channels, file.title) == (48000, 1, "bright plück")
        assert file.subtype == {"int16": "PCM_16", "int24": "PCM_24"}[sample_format]
        read = file.read(dtype="int32")
    np.testing.assert_array_equal(read >> (16 if sample_format == "int16" else 8), samples)


def test_same_samples_make_the_same_bytes():
    samples = quantise(NOISE, "int24")
    assert sampler_wav_bytes(samples, 44100, "int24", STAMP) == sampler_wav_bytes(samples, 44100, "int24", STAMP)
    assert flac_bytes(samples, 44100, "int24", STAMP) == flac_bytes(samples, 44100, "int24", STAMP)


def test_the_sampler_chunk_has_key_fraction_and_loop():
    content = sampler_wav_bytes(quantise(NOISE, "int16"), 44100, "int16", STAMP, SamplerData(61.25, (100, 900)))
    numbers = struct.unpack("<9I6I", chunks(content)[b"smpl"])
    assert numbers[2] == round(1e9 / 44100)
    assert numbers[3:5] == (61, 2**30)
    assert numbers[7] == 1
    assert numbers[9:] == (0, 0, 100, 899, 0, 0)  # the last sample itself is the end
    assert b"smpl" not in chunks(sampler_wav_bytes(quantise(NOISE, "int16"), 44100, "int16", STAMP))


@pytest.mark.parametrize(
    ("pitch", "key", "fraction"), [(60.0 - 1e-12, 60, 0.0), (59.96, 60, 0.0), (60.04, 60, 0.0), (59.9, 59, 0.9)]
)
def test_a_pitch_that_is_nearly_a_keys_is_that_keys(pitch: float, key: int, fraction: float):
    content = sampler_wav_bytes(quantise(NOISE, "int16"), 44100, "int16", STAMP, SamplerData(pitch))
    found = struct.unpack("<9I", chunks(content)[b"smpl"])[3:5]
    assert found[0] == key
    assert found[1] / 2**32 == pytest.approx(fraction, abs=1e-6)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_stamp_holds_for_the_same_source_and_untouched_samples(tmp_path: Path, ending: str):
    samples = quantise(NOISE, "int24")
    write = sampler_wav_bytes if ending == "wav" else flac_bytes
    path = tmp_path / f"a.{ending}"
    path.write_bytes(write(samples, 44100, "int24", STAMP))
    assert has_stamp(path, STAMP.source)
    assert read_stamp(path) == STAMP.source
    assert not has_stamp(path, "f" * 16)
    changed = samples.copy()
    changed[500] += 1
    stamped_as_before = write(changed, 44100, "int24", STAMP)
    path.write_bytes(stamped_as_before)
    assert has_stamp(path, STAMP.source)
    with soundfile.SoundFile(path) as file:
        comment = file.comment
    with soundfile.SoundFile(path, "w", 44100, 1, "PCM_24") as file:  # edited in another program, which keeps comments
        file.comment = comment
        file.write(samples << 8)
    assert read_stamp(path) is None


def test_what_is_no_sound_has_no_stamp(tmp_path: Path):
    (tmp_path / "text.wav").write_text("hello")
    whole = sampler_wav_bytes(quantise(NOISE, "int16"), 44100, "int16", STAMP)
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    for name in ("text.wav", "cut.wav", "missing.wav", "."):
        assert read_stamp(tmp_path / name) is None


def test_flac_refuses_rates_that_it_has_no_word_for():
    check_flac(44100, "int24")
    with user_error("to", "flac", "65537 Hz.*; use wav"):
        check_flac(65537, "int24")
