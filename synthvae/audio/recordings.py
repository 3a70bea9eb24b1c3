"""Reading of recordings: any rate, number of channels and format that libsndfile supports."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from synthvae.audio.resampling import resample
from synthvae.audio.streams import SoundStream, seekable
from synthvae.core.errors import UserError, reason
from synthvae.synths.settings import SAMPLE_RATES

__all__ = ["READ_AT_MOST", "Recording", "Window", "is_silent", "mix_down", "read_recording", "read_windows"]
__all__ += ["resting_level"]

READ_AT_MOST = 600.0
"""Seconds of a recording unless told otherwise: what is longer holds more than one sound."""

MOST_SAMPLES = 2**27
"""Maximum number of samples of all channels together, 1 GB: ten minutes of four channels at 48 kHz."""

UNKNOWN = 2**62
"""Frames of a FLAC file whose header does not say them and that has no whole frame: libsndfile cannot read it."""

SILENT = 1e-5
"""Half the way from the lowest to the highest sample of silence, -100 dB of full scale: less than a step of 16 bits."""

LOUDEST = 1000.0
"""Highest peak of a window; louder data may be, for example, integers in a file of floats."""

CANCELLED = 0.1
"""Where the mean of the channels has less than this share of the loudest one's power, they cancel each other."""

CONTEXT = 512
"""Samples of the lower rate that are read before and after a window: the low-pass filter reaches less far."""

EDGE = 0.01
"""Seconds at the start and at the end in which a sound may rest."""

RESTING = 0.01
"""Share of the whole range of a sound in which it lies where it rests; the noise of 16 bits is less than `NOISE`."""

NOISE = 2.0**-12

_BLOCK = 2**16

FORMATS = "WAV, FLAC, OGG, MP3 or AIFF"


class Recording(NamedTuple):
    """A recording, checked to be finite and not silent.

    Attributes:
        audio: ``(T,)``, full scale is 1.
        sample_rate: sample rate in Hz.
        channels: number of channels it was mixed from.
        loudest: whether the loudest channel was used instead of their mean.
    """

    audio: NDArray[np.floating]
    sample_rate: int
    channels: int = 1
    loudest: bool = False


def read_recording(
    file: Path | BinaryIO, longest: float = READ_AT_MOST, name: str | None = None, most: int | None = None
) -> Recording:
    """Read one channel (`mix_down`) of a recording from a path, or an open file that can be sought.

    A recording of more than `longest` seconds, or of more than `most` samples of all channels together, is rejected;
    messages call it `name`, by default its path. It is read in blocks to its end, regardless of its header.

    Raises:
        UserError: if the file is missing or no audio, lasts longer than `longest`, has more samples than fit a gigabyte
            or a rate outside 1 to 384 kHz, is empty or silent, or holds samples that are not finite.
    """
    source = name or (str(file) if isinstance(file, Path) else "recording")
    with _opened(file, source) as stream:
        with _decoded(stream, source) as sound:
            _check_size(sound, longest, source, most)
            mixed, rate, channels = _Mixed(), sound.samplerate, sound.channels
            mono = mixed.add_all(_blocks(sound, longest, source, most), source)
        loudest = mixed.loudest
        if loudest is not None:  # read again, so that no more than one channel is ever in memory
            with _decoded(stream, source) as sound:
                mono = np.concatenate([part[:, loudest].copy() for part in _blocks(sound, longest, source, most)])
    return _checked(mono, channels, loudest is not None, rate, source)


def resting_level(audio: NDArray[np.floating], sample_rate: int) -> float:
    """The constant offset of a sound ``(T,)``: where it rests at its start or its end, whichever is nearer to 0.

    An end at which it does not rest is ignored; 0 where it rests at neither.
    """
    edge = max(1, round(EDGE * sample_rate))
    quiet = max(NOISE, RESTING * float(np.ptp(audio))) if len(audio) else 0.0
    levels = [float(np.median(end)) for end in (audio[:edge], audio[-edge:]) if len(end) and np.ptp(end) <= quiet]
    return min(levels, key=abs, default=0.0)


class Window(NamedTuple):
    """A part of a recording, cut out and resampled.

    Attributes:
        audio: ``(T,)`` float32, full scale is 1, padded with zeros at its end; None where it is silent.
        start: seconds from the start of the recording.
        channels: number of channels of the recording.
        sample_rate: sample rate of the recording, in Hz.
    """

    audio: NDArray[np.float32] | None
    start: float
    channels: int
    sample_rate: int


def read_windows(
    file: Path | BinaryIO,
    samples: int,
    sample_rate: int,
    hop: int | None = None,
    shortest: float = 0.0,
    name: str | None = None,
) -> Iterator[Window]:
    """Read a recording in windows of one length, one channel each (`mix_down`), at another sample rate.

    No more than a window is in memory, so the recording may have any length, and nothing is read after the last window.
    The samples are those of the whole recording resampled and then cut. A recording shorter than a window gives one,
    padded with zeros; so does the end of a longer one, if at least `shortest` seconds would be left out otherwise.

    Args:
        file: a path, or an open file that can be sought.
        samples: T, length of a window.
        sample_rate: sample rate of the windows, in Hz.
        hop: samples from the start of a window to the next one's; None for the first window alone.
        shortest: length in seconds below which a recording is rejected.
        name: name of the recording in messages, by default its path.

    Raises:
        UserError: for what `read_recording` rejects, length and silence aside, for less than `shortest` seconds, and
            for a peak above 1000.
    """
    source = name or (str(file) if isinstance(file, Path) else "recording")
    with _sound(file, source) as sound:
        rate, channels = sound.samplerate, sound.channels
        _check_size(sound, math.inf, source, parts=True)
        forward = _Forward(sound, source)
        # So many frames take as long as a whole number of new samples: a part resampled from there on has the samples
        # that the whole recording would have.
        aligned = rate // math.gcd(rate, sample_rate)
        context = math.ceil(CONTEXT * max(1.0, rate / sample_rate))
        start = 0
        while True:
            first = max(0, (start * rate // sample_rate - context) // aligned * aligned)
            part = forward.read(first, -(-(start + samples) * rate // sample_rate) + context)
            length = -(-forward.frames * sample_rate // rate)
            least = max(1, math.ceil(shortest * sample_rate))
            if start and start + samples > length and length - (start - (hop or 0) + samples) < least:
                return
            if not start and 0 < forward.frames < shortest * rate:
                found, wanted = _length(forward.frames / rate), _length(shortest)
                raise UserError(source, source, "give a longer recording", f"too short ({found}, less than {wanted})")
            offset = start - first * sample_rate // rate
            mono = _one_channel(part, source)[0]
            cut = resample(mono, rate, sample_rate)[offset : min(offset + samples, offset + length - start)]
            audio = np.zeros(samples, np.float32)
            audio[: len(cut)] = cut
            inside = mono[start * rate // sample_rate - first : -(-(start + samples) * rate // sample_rate) - first]
            if len(inside) and (peak := float(np.abs(inside).max())) > LOUDEST:
                problem = f"peak out of range ({peak:.3g}, where full scale is 1)"
                raise UserError(source, source, "export the recording again", problem)
            silent = is_silent(inside) or is_silent(cut)  # the filter rings before a sound, and where a constant begins
            yield Window(None if silent else audio, start / sample_rate, channels, rate)
            if hop is None or start + samples >= length:
                return
            start += hop


class _Forward:
    """Forward-only reader of an open recording's frames with a limited buffer."""

    def __init__(self, sound: soundfile.SoundFile, source: str) -> None:
        self._sound, self._source = sound, source
        self._first = 0
        self._held = np.zeros((0, sound.channels))
        self.frames = sound.frames  # by the header, until the end was found elsewhere

    def read(self, first: int, end: int) -> NDArray[np.float64]:
        """Frames ``first`` to ``end - 1``, or fewer at the end of the recording; earlier frames are discarded."""
        self._held = self._held[max(0, first - self._first) :]
        self._first = max(self._first, first)
        _check_amount(end - first, self._sound, self._source)
        missing = end - self._first - len(self._held)
        if missing > 0:
            new = self._sound.read(missing, dtype="float64", always_2d=True)
            self._held = np.concatenate([self._held, new])
            if len(new) < missing:
                self.frames = self._first + len(self._held)
        return self._held[: end - first]


def _blocks(sound: soundfile.SoundFile, longest: float, source: str, most: int | None) -> Iterator[NDArray[np.float64]]:
    """All frames ``(T, channels)``, a block at a time, to their end, whatever the header says of it."""
    frames, whole = 0, False
    while not whole:
        part = sound.read(_BLOCK, dtype="float64", always_2d=True)
        frames, whole = frames + len(part), len(part) < _BLOCK
        _check_length(frames, sound, longest, source)
        _check_amount(frames, sound, source, most)
        yield part


class _Mixed:
    """Mean of channels that are read in blocks, and whether they cancel each other in it."""

    def __init__(self) -> None:
        self._count = 0
        self._mean, self._squares = np.zeros(1), np.zeros(1)  # of the mixed channel and of each, and deviations from it

    def add_all(self, blocks: Iterable[NDArray[np.float64]], source: str) -> NDArray[np.float64]:
        """The mean of the channels of all blocks ``(T, channels)``."""
        return np.concatenate([self._add(block.T, source) for block in blocks])

    def _add(self, channels: NDArray[np.float64], source: str) -> NDArray[np.float64]:
        if not channels.size:
            return np.zeros(0)
        wrong = ~np.isfinite(channels).all(axis=0)
        if wrong.any():
            at = self._count + int(wrong.argmax())
            raise UserError(source, source, "export the recording again", f"sample {at} is not finite")
        mono: NDArray[np.float64] = channels.mean(axis=0)
        if len(channels) > 1:
            tracks = np.vstack([mono, channels])
            # Chan, Golub and LeVeque 1983, The American Statistician 37:242: variances of parts, put together.
            mean, new = tracks.mean(axis=1), tracks.shape[1]
            apart, total = mean - self._mean, self._count + new
            self._squares = self._squares + new * tracks.var(axis=1) + apart**2 * (self._count * new / total)
            self._mean = self._mean + apart * (new / total)
        self._count += channels.shape[1]
        return mono

    @property
    def loudest(self) -> int | None:
        """Number of the loudest channel, where they cancel each other; None where their mean is a sound of its own."""
        mixed, each = self._squares[0], self._squares[1:]
        return int(each.argmax()) if len(each) and mixed < CANCELLED * each.max() else None


def _check_size(
    sound: soundfile.SoundFile, longest: float, source: str, most: int | None = None, parts: bool = False
) -> None:
    """Reject by its header a recording that is too long, too large to be read at once, or of an impossible rate."""
    rate, frames = sound.samplerate, sound.frames
    low, high = SAMPLE_RATES
    if not low <= rate <= high:
        raise UserError(source, source, f"give a recording of {low} to {high} Hz", f"its sample rate is {rate} Hz")
    if frames >= UNKNOWN:
        raise UserError(source, source, "export the recording again", "its header does not say how long it is")
    _check_length(frames, sound, longest, source)
    if not parts:
        _check_amount(frames, sound, source, most)


def _check_length(frames: int, sound: soundfile.SoundFile, longest: float, source: str) -> None:
    if frames > longest * sound.samplerate:
        raise UserError(
            source,
            source,
            "cut out the sound that is meant",
            f"{_length(frames / sound.samplerate)} long, at most {_length(longest)} are read",
        )


def _check_amount(frames: int, sound: soundfile.SoundFile, source: str, most: int | None = None) -> None:
    rate, channels = sound.samplerate, sound.channels
    if frames * channels > (most or MOST_SAMPLES):
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
        sample_rate: sample rate in Hz.
        source: name of the source, for messages.

    Raises:
        UserError: if there is no sample, one is not finite, or all are silent.
    """
    return _checked(*_one_channel(samples, source), sample_rate, source)


def _checked(mono: NDArray[np.float64], channels: int, cancelled: bool, sample_rate: int, source: str) -> Recording:
    if not len(mono):
        raise _empty(source)
    if is_silent(mono):
        level = 20.0 * math.log10(max(_swing(mono), 1e-12))
        raise UserError(
            source, source, "give a recording of a sound", f"silent (it reaches {level:.0f} dB of full scale)"
        )
    return Recording(mono, sample_rate, channels, cancelled)


def _empty(source: str) -> UserError:
    return UserError(source, source, "give a recording of a sound", "holds no samples")


def is_silent(audio: NDArray[np.floating]) -> bool:
    """Whether a sound ``(T,)`` stays below -100 dB of full scale, a constant offset aside; so does no sample at all."""
    return _swing(audio) < SILENT


def _swing(audio: NDArray[np.floating]) -> float:
    return float(np.ptp(audio)) / 2.0 if len(audio) else 0.0


def _one_channel(samples: NDArray[np.floating], source: str) -> tuple[NDArray[np.float64], int, bool]:
    """The result of `mix_down`, the number of channels, and whether they cancel; silence is accepted."""
    channels = np.atleast_2d(np.asarray(samples, np.float64).T)
    if not channels.size:
        raise _empty(source)
    mixed = _Mixed()
    mono = mixed.add_all([channels.T], source)
    if mixed.loudest is not None:
        mono = channels[mixed.loudest]
    return mono, len(channels), mixed.loudest is not None


@contextlib.contextmanager
def _sound(file: Path | BinaryIO, source: str) -> Iterator[soundfile.SoundFile]:
    """A recording opened by libsndfile."""
    with _opened(file, source) as stream, _decoded(stream, source) as sound:
        yield sound


@contextlib.contextmanager
def _decoded(stream: BinaryIO, source: str) -> Iterator[soundfile.SoundFile]:
    """An open recording read by libsndfile, whose errors name it."""
    try:
        try:
            sound = soundfile.SoundFile(SoundStream(stream, source))
        except TypeError:  # soundfile's word for samples without a header
            raise UserError(
                source, source, f"give {FORMATS}", "samples without a header that says their rate"
            ) from None
        with sound:
            yield sound
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        raise UserError(source, source, f"give {FORMATS}", f"not audio that can be read ({reason})") from None


@contextlib.contextmanager
def _opened(file: Path | BinaryIO, source: str) -> Iterator[BinaryIO]:
    if not isinstance(file, Path):
        yield file
        return
    if file.is_dir():
        raise UserError(source, source, f"give a recording ({FORMATS})", "is a directory")
    try:
        stream = seekable(file.open("rb"), source)
    except OSError as error:
        raise UserError(source, source, f"give a recording ({FORMATS})", f"cannot read ({reason(error)})") from None
    with stream:
        yield stream


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} minutes" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"
