"""Reading of recordings: any rate, number of channels and format that libsndfile supports."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from synthvae.core.errors import UserError
from synthvae.synths.settings import SAMPLE_RATES

__all__ = ["READ_AT_MOST", "Recording", "mix_down", "read_recording"]

READ_AT_MOST = 600.0
"""Seconds of a recording unless told otherwise: what is longer holds more than one sound."""

MOST_SAMPLES = 2**27
"""Of all channels together, 1 GB: ten minutes of four channels at 48 kHz."""

UNKNOWN = 2**62
"""Frames of a FLAC file that was written to a pipe, which libsndfile cannot read either."""

SILENT = 1e-5
"""Half the way from the lowest to the highest sample of silence, -100 dB of full scale: less than a step of 16 bits."""

CANCELLED = 0.1
"""Where the mean of the channels has less than this share of the loudest one's power, they cancel each other."""

FORMATS = "WAV, FLAC, OGG, MP3 or AIFF"


class Recording(NamedTuple):
    """A recording, checked to be finite and not silent.

    Attributes:
        audio: ``(T,)``, full scale is 1.
        sample_rate: in Hz.
        channels: that it was mixed from.
        loudest: whether the loudest channel was taken instead of their mean.
    """

    audio: NDArray[np.floating]
    sample_rate: int
    channels: int = 1
    loudest: bool = False


def read_recording(file: Path | BinaryIO, longest: float = READ_AT_MOST, name: str | None = None) -> Recording:
    """Read a recording.

    Args:
        file: a path, or an open file that can be sought.
        longest: seconds; a longer recording is refused before it is read.
        name: what to call the file in a message; by default its path.

    Returns:
        One channel of it, see `mix_down`.

    Raises:
        UserError: if the file is missing or no audio, lasts longer than `longest`, has more samples than fit a gigabyte
            or a rate outside 1 to 384 kHz, is empty or silent, or holds samples that are not finite.
    """
    source = name or (str(file) if isinstance(file, Path) else "recording")
    with _opened(file, source) as stream:
        try:
            with soundfile.SoundFile(stream) as sound:
                _check_size(sound, longest, source)
                samples = sound.read(dtype="float64", always_2d=True)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(".")
            raise UserError(source, source, f"give {FORMATS}", f"not audio that can be read ({reason})") from None
        except TypeError:  # soundfile's word for samples without a header
            raise UserError(
                source, source, f"give {FORMATS}", "samples without a header that says their rate"
            ) from None
    return mix_down(samples, sound.samplerate, source)


def _check_size(sound: soundfile.SoundFile, longest: float, source: str) -> None:
    """Refuse by the header what is too long, too much, or of an impossible rate."""
    rate, frames, channels = sound.samplerate, sound.frames, sound.channels
    low, high = SAMPLE_RATES
    if not low <= rate <= high:
        raise UserError(source, source, f"give a recording of {low} to {high} Hz", f"its sample rate is {rate} Hz")
    if frames >= UNKNOWN:
        raise UserError(source, source, "export the recording again", "its header does not say how long it is")
    if frames > longest * rate:
        raise UserError(
            source,
            source,
            "cut out the sound that is meant",
            f"{_length(frames / rate)} long, at most {_length(longest)} are read",
        )
    if frames * channels > MOST_SAMPLES:
        raise UserError(
            source,
            source,
            "mix it to one channel, or cut out the sound that is meant",
            f"{_length(frames / rate)} of {channels} channels at {rate} Hz are more than fit into memory",
        )


def mix_down(samples: NDArray[np.floating], sample_rate: int, source: str) -> Recording:
    """One channel of several: their mean, or the loudest one where they cancel each other.

    Args:
        samples: ``(T,)`` or ``(T, channels)``, full scale is 1.
        sample_rate: in Hz.
        source: for messages.

    Raises:
        UserError: if there is no sample, one is not finite, or all are silent.
    """
    channels = np.atleast_2d(np.asarray(samples, np.float64).T)
    if not channels.size:
        raise UserError(source, source, "give a recording of a sound", "holds no samples")
    wrong = ~np.isfinite(channels).all(axis=0)
    if wrong.any():
        raise UserError(source, source, "export the recording again", f"sample {int(wrong.argmax())} is not finite")
    mono = channels.mean(axis=0)
    power = channels.var(axis=1)
    cancelled = len(channels) > 1 and bool(mono.var() < CANCELLED * power.max())
    if cancelled:
        mono = channels[power.argmax()]
    swing = float(np.ptp(mono)) / 2.0
    if swing < SILENT:
        level = 20.0 * math.log10(max(swing, 1e-12))
        raise UserError(
            source, source, "give a recording of a sound", f"silent (it reaches {level:.0f} dB of full scale)"
        )
    return Recording(mono, sample_rate, len(channels), cancelled)


@contextlib.contextmanager
def _opened(file: Path | BinaryIO, source: str) -> Iterator[BinaryIO]:
    if not isinstance(file, Path):
        yield file
        return
    if file.is_dir():
        raise UserError(source, source, f"give a recording ({FORMATS})", "is a directory")
    try:
        stream = file.open("rb")
    except OSError as error:
        raise UserError(source, source, f"give a recording ({FORMATS})", f"cannot read ({error.strerror})") from None
    with stream:
        yield stream


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} minutes" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"
