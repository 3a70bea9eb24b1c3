"""WAV and FLAC files for samplers: exact samples, loop points, and a stamp with their origin."""

from __future__ import annotations

import hashlib
import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from synthvae.audio.wav import chunk, riff_wave
from synthvae.core.errors import UserError, choose_one
from synthvae.core.files import atomic_write

__all__ = [
    "AUDIO_ENDINGS",
    "SAMPLER_FORMATS",
    "SAMPLE_FORMATS",
    "SamplerData",
    "Stamp",
    "check_flac",
    "flac_bytes",
    "has_stamp",
    "quantise",
    "read_stamp",
    "sampler_wav_bytes",
    "wav_bytes",
    "write_wav",
]

#: Extensions of the files taken from a directory; a file given by name may have any.
AUDIO_ENDINGS = (".aif", ".aiff", ".flac", ".mp3", ".ogg", ".wav")
SAMPLER_FORMATS = ("float", "int16", "int24")
_BITS = {"int16": 16, "int24": 24}

_STAMP = re.compile(r"synthvae export, made from ([0-9a-f]{16}), samples ([0-9a-f]{16})")

_LOOP_FORWARD = 0
_NEAR = 0.05  # semitones, which are inaudible


SAMPLE_FORMATS = ("float", "int16")


@dataclass(frozen=True)
class SamplerData:
    """Sampler metadata of a WAV's ``smpl`` chunk.

    Attributes:
        pitch: pitch of the sample as a fractional MIDI number.
        loop: first and one-past-last sample of the loop; None without one.
    """

    pitch: float
    loop: tuple[int, int] | None = None


@dataclass(frozen=True)
class Stamp:
    """Metadata written into a file besides its samples.

    Attributes:
        title: title of the sound, for display.
        source: 16 hexadecimal digits that identify all inputs of the file.
    """

    title: str
    source: str

    def comment(self, samples: NDArray[np.generic]) -> str:
        """The line that `has_stamp` looks for."""
        return f"synthvae export, made from {self.source}, samples {_digest(samples)}"


def quantise(audio: NDArray[np.floating], sample_format: str) -> NDArray[np.generic]:
    """Samples ``(T,)``, full scale 1, as a file of the format holds them.

    Returns:
        ``(T,)`` float32; or int32 with whole steps of 2^-15 or 2^-23, rounded to the nearest, without dither, so that
        a reader that divides by full scale is off by half a step at most.
    """
    if sample_format == "float":
        return audio.astype(np.float32)
    scale = 2.0 ** (_BITS[sample_format] - 1)
    return np.clip(np.rint(audio.astype(np.float64) * scale), -scale, scale - 1).astype(np.int32)


def sampler_wav_bytes(
    samples: NDArray[np.generic], sample_rate: int, sample_format: str, stamp: Stamp, sampler: SamplerData | None = None
) -> bytes:
    """A mono WAV file of samples from `quantise`; the same bytes for the same arguments."""
    entries = ((b"INAM", stamp.title), (b"ISFT", "synthvae"), (b"ICMT", stamp.comment(samples)))
    information = b"INFO" + b"".join(chunk(key, text.encode() + b"\0") for key, text in entries)
    chunks = [(b"smpl", _sampler_chunk(sampler, sample_rate))] if sampler else []
    return riff_wave(samples, sample_rate, _BITS.get(sample_format, 32), [*chunks, (b"LIST", information)])


def flac_bytes(samples: NDArray[np.generic], sample_rate: int, sample_format: str, stamp: Stamp) -> bytes:
    """A mono FLAC file; arguments as of `sampler_wav_bytes`, whole samples only.

    Raises:
        UserError: if the encoder does not accept the sample rate.
    """
    bits = _BITS[sample_format]
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", sample_rate, 1, f"PCM_{bits}", format="FLAC") as file:
            file.title, file.comment = stamp.title, stamp.comment(samples)
            file.write(samples.astype(np.int32) << (32 - bits))
    except soundfile.LibsndfileError as error:
        reason = error.error_string.removeprefix("Error : ").rstrip(".")
        raise UserError("to", "flac", "use wav", why=f"which cannot have {sample_rate} Hz ({reason})") from None
    return buffer.getvalue()


def check_flac(sample_rate: int, sample_format: str) -> None:
    """Reject arguments that `flac_bytes` would reject, before anything is rendered.

    Raises:
        UserError: as `flac_bytes`.
    """
    flac_bytes(np.zeros(1, dtype=np.int32), sample_rate, sample_format, Stamp("probe", "0" * 16))


def has_stamp(path: Path, source: str) -> bool:
    """Whether a file was made from `source` and its samples are unchanged.

    Args:
        path: path that may be a WAV or FLAC file, or anything else.
        source: 16 hexadecimal digits.
    """
    return read_stamp(path) == source


def read_stamp(path: Path) -> str | None:
    """The origin of a file; None if it has no stamp, or its samples have been changed."""
    try:
        with soundfile.SoundFile(path) as file:
            stamp = _STAMP.search(file.comment)
            if stamp is None:
                return None
            bits = {"PCM_16": 16, "PCM_24": 24}.get(file.subtype)
            samples = file.read(dtype="int32") >> (32 - bits) if bits else file.read(dtype="float32")
    except (OSError, soundfile.LibsndfileError):
        return None
    return stamp[1] if stamp[2] == _digest(samples) else None


def _digest(samples: NDArray[np.generic]) -> str:
    return hashlib.sha256(samples.astype("<f4" if samples.dtype.kind == "f" else "<i4").tobytes()).hexdigest()[:16]


def _sampler_chunk(sampler: SamplerData, sample_rate: int) -> bytes:
    """Manufacturer, product, nanoseconds a sample, key and fraction of a semitone in 1/2^32, SMPTE, loops, extra data.

    The fraction counts upwards only, and many samplers ignore it: a sample a cent below its key would be a semitone
    off there, so a pitch near a key is rounded to the key. A loop is its number, its kind, its first and its *last*
    sample, a fraction of a sample, and 0 for without end.
    """
    pitch = float(round(sampler.pitch)) if abs(sampler.pitch - round(sampler.pitch)) <= _NEAR else sampler.pitch
    key, fraction = int(pitch // 1.0), int(pitch % 1.0 * 2**32)
    loops = [] if sampler.loop is None else [(0, _LOOP_FORWARD, sampler.loop[0], sampler.loop[1] - 1, 0, 0)]
    head = struct.pack("<9I", 0, 0, round(1e9 / sample_rate), min(max(key, 0), 127), fraction, 0, 0, len(loops), 0)
    return head + b"".join(struct.pack("<6I", *loop) for loop in loops)


def check_sample_format(sample_format: str) -> None:
    """Reject an unknown sample format before anything is written.

    Raises:
        UserError: naming the legal ones.
    """
    if sample_format not in SAMPLE_FORMATS:
        raise UserError("sample_format", sample_format, choose_one(sample_format, SAMPLE_FORMATS))


def wav_bytes(audio: NDArray[np.floating], sample_rate: int, sample_format: str = "float") -> bytes:
    """A mono WAV file of ``(T,)`` in [-1, 1], as ``float`` (32 bit) or ``int16``; the same bytes for the same samples.

    Raises:
        UserError: for an unknown sample format.
    """
    check_sample_format(sample_format)
    if sample_format == "float":
        return riff_wave(audio.astype(np.float32), sample_rate, 32)
    return riff_wave(np.rint(np.clip(audio, -1.0, 1.0) * 32767).astype(np.int16), sample_rate, 16)


def write_wav(path: Path, audio: NDArray[np.floating], sample_rate: int, sample_format: str = "float") -> None:
    """Write `wav_bytes` to a file.

    Raises:
        UserError: if `path` cannot be written or the format is unknown.
    """
    atomic_write(path, wav_bytes(audio, sample_rate, sample_format))
