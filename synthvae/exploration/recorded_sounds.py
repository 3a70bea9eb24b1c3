"""Input sounds of a run on recorded sounds, and writing of its output sounds to files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.audio.files import AUDIO_ENDINGS, check_sample_format, write_wav
from synthvae.audio.loudness import LOUDNESS, check_loudness, levelled
from synthvae.audio.recordings import read_recording, read_windows
from synthvae.audio.resampling import resample
from synthvae.core.checks import is_number
from synthvae.core.errors import UserError
from synthvae.core.files import ensure_directory
from synthvae.data.library import Library, read_library
from synthvae.data.preset import read_preset
from synthvae.exploration.latent_files import named_file, write_points
from synthvae.training.sounds import SoundRun, own_library

__all__ = [
    "SourceSound",
    "decode_all",
    "encode_files",
    "expand_folders",
    "find_sounds",
    "fitting_library",
]
__all__ += ["read_sounds", "write_decoded", "write_levelled", "write_sound_latents"]

#: Number of sounds decoded at a time.
BATCH = 16
LATENTS = "latents.json"
#: Maximum duration of a recording in seconds, where no run determines the length.
LONGEST = 30.0


class SourceSound(NamedTuple):
    """An input sound.

    Attributes:
        name: name of its file without extension, or its number.
        audio: audio ``(1, T)`` at the run's rate, of the run's length where the network accepts one length only.
    """

    name: str
    audio: Tensor


def expand_folders(paths: Sequence[Path]) -> list[Path]:
    """Files, with directories replaced by the recordings in them, selected by extension, in order of their names.

    Raises:
        UserError: for a directory without recordings.
    """
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in AUDIO_ENDINGS and file.name[0] != ".")
        if not inside:
            raise UserError(path, path, f"give one with {', '.join(AUDIO_ENDINGS)} files", "no recordings in it")
        found += inside
    return found


def find_sounds(
    model: SoundRun, texts: Sequence[str], data: Path | None = None, arguments: Sequence[str] | str = "sounds"
) -> list[SourceSound]:
    """Find sounds by their numbers in a library, or by their files, in order.

    Args:
        model: the run that will encode them.
        texts: numbers, or paths of recordings.
        data: path of the library of the numbers; the run's own where None.
        arguments: names of the arguments that gave the texts.

    Raises:
        UserError: if there is no such sound, a file cannot be read, or the run's library has been replaced.
    """
    return _found(texts, arguments, lambda file: _read(model, file), lambda: fitting_library(model, data))


def encode_files(
    model: SoundRun, files: Sequence[Path], condition: Tensor | None, progress: Callable[[int], object]
) -> tuple[list[str], Tensor]:
    """Encode recordings with a run on recorded sounds.

    Args:
        model: the run.
        files: the recordings.
        condition: label or pitch of all of them, ``(1, ...)``; None for a network without.
        progress: called with the number of files done.

    Returns:
        Names and latents ``(N, D)``: of each file one, under the file's name, or one for each of its frames, numbered.

    Raises:
        UserError: if a file cannot be read.
    """
    names, latents = list[str](), []
    for number, file in enumerate(files):
        (source,) = find_sounds(model, [str(file)])
        found = model.encode(source.audio, condition)
        names += [source.name] if len(found) == 1 else [f"{source.name}_{row}" for row in range(len(found))]
        latents.append(found)
        progress(number + 1)
    return names, torch.cat(latents)


def read_sounds(
    texts: Sequence[str], data: Path | None = None, arguments: Sequence[str] | str = "sounds"
) -> tuple[list[SourceSound], int]:
    """Sounds at one rate without a run, and the rate in Hz: that of the library, or the highest of the files.

    Args:
        texts: numbers, or paths of recordings of at most `LONGEST` seconds.
        data: path of the library of the numbers.
        arguments: names of the arguments that gave the texts.

    Raises:
        UserError: if there is no such sound, a file cannot be read or is too long, or a number is given without a
            library.
    """
    library = None if data is None else read_library(data)

    def opened() -> Library:
        if library is None:
            raise UserError("data", None, "give the library of the numbers, or a run", "missing")
        return library

    # Files are checked before any is resampled: the rate is that of all of them.
    files = [named_file(text, _argument(arguments, n), "sound") for n, text in enumerate(texts) if not is_number(text)]
    recordings = {file: read_recording(file, LONGEST) for file in files}
    rate = library.sample_rate if library else max((sound.sample_rate for sound in recordings.values()), default=0)

    def read(file: Path) -> Tensor:
        recording = recordings[file]
        audio = resample(recording.audio, recording.sample_rate, rate)
        return torch.from_numpy(np.ascontiguousarray(audio, np.float32))[None]

    return _found(texts, arguments, read, opened), rate


def _argument(arguments: Sequence[str] | str, number: int) -> str:
    return arguments if isinstance(arguments, str) else arguments[number]


def _found(
    texts: Sequence[str],
    arguments: Sequence[str] | str,
    read: Callable[[Path], Tensor],
    opened: Callable[[], Library],
) -> list[SourceSound]:
    library: Library | None = None
    found = []
    for number, text in enumerate(texts):
        if not is_number(text):
            file = named_file(text, _argument(arguments, number), "sound")
            found.append(SourceSound(file.stem, read(file)))
            continue
        if library is None:
            library = opened()
        if int(text) >= len(library):
            raise UserError(
                library.path, int(text), f"the numbers run from 0 to {len(library) - 1}", f"no sound {text}"
            )
        found.append(SourceSound(text, torch.from_numpy(np.array(library.audio[int(text)]))[None]))
    return found


def fitting_library(model: SoundRun, data: Path | None) -> Library:
    """A library with the run's sample rate and length; its own where `data` is None.

    Raises:
        UserError: if it differs in either, or is missing.
    """
    if data is None:
        return own_library(model.run)
    library = read_library(data)
    if (library.sample_rate, library.samples) != (model.sample_rate, model.samples):
        raise UserError(
            "data",
            data,
            f"give a library of {model.samples} samples at {model.sample_rate} Hz",
            f"its sounds have {library.samples} at {library.sample_rate} Hz",
        )
    return library


def _read(model: SoundRun, path: Path) -> Tensor:
    if model.model.fixed_length:
        window = next(read_windows(path, model.samples, model.sample_rate))
        if window.audio is None:
            raise UserError(path, path, "give a recording of a sound", f"its first {model.seconds:g} s are silent")
        audio = window.audio
    else:
        recording = read_recording(path)
        audio = resample(recording.audio, recording.sample_rate, model.sample_rate)
    return torch.from_numpy(np.ascontiguousarray(audio, np.float32))[None]


def decode_all(
    model: SoundRun, latents: Tensor, condition: Tensor, samples: int | None = None, phase: str = "default"
) -> Iterator[NDArray[np.float32]]:
    """Decode latents ``(N, D)`` to sounds ``(T,)``, in batches, so that progress can be shown.

    Args:
        model: the run.
        latents: one per sound; for a network that encodes frames, those of one sound in their order.
        condition: conditions ``(B, K)``, one per sound.
        samples: length T in samples; that of the library by default.
        phase: method of phase recovery (`SoundRun.decode`).
    """
    each = len(latents) // len(condition)
    for first in range(0, len(condition), BATCH):
        rows, part = latents[first * each : (first + BATCH) * each], condition[first : first + BATCH]
        yield from model.decode(rows, part, samples, phase).numpy()


def write_decoded(
    directory: Path,
    model: SoundRun,
    names: Sequence[str],
    latents: Tensor,
    sounds: Iterator[NDArray[np.float32]],
    sample_format: str = "float",
    loudness: float | None = LOUDNESS,
    progress: Callable[[int], object] = lambda done: None,
) -> list[NDArray[np.float32]]:
    """Write sounds as ``NAME.wav`` and their latents as ``latents.json``; returns the sounds as written, ``(T,)`` each.

    Args:
        directory: output directory.
        model: run that produced them.
        names: names of the files, without extension.
        latents: latents ``(N, D)`` of the sounds.
        sounds: one sound per name.
        sample_format: ``float`` or ``int16``.
        loudness: loudness in LUFS; None for the level of the model's output.
        progress: called with the number of sounds done.

    Raises:
        UserError: for an unknown format, an impossible loudness, or an unwritable directory.
    """
    written = write_levelled(directory, model.sample_rate, names, sounds, sample_format, loudness, progress)
    write_sound_latents(directory, model, names, latents)
    return written


def write_sound_latents(directory: Path, model: SoundRun, names: Sequence[str], latents: Tensor) -> None:
    """Write the latents ``(N, D)`` of named sounds as ``latents.json``.

    Raises:
        UserError: if it cannot be written.
    """
    labels = list(names) if len(names) == len(latents) else [f"{names[0]}_{row}" for row in range(len(latents))]
    write_points(directory / LATENTS, model.run, labels, latents)


def write_levelled(
    directory: Path,
    sample_rate: int,
    names: Sequence[str],
    sounds: Iterable[NDArray[np.float32]],
    sample_format: str = "float",
    loudness: float | None = LOUDNESS,
    progress: Callable[[int], object] = lambda done: None,
) -> list[NDArray[np.float32]]:
    """Write sounds as ``NAME.wav`` at one loudness; arguments and errors as for `write_decoded`."""
    check_sample_format(sample_format)
    check_loudness(loudness)
    ensure_directory(directory)
    written = []
    for name, sound in zip(names, sounds, strict=True):
        written.append(levelled(sound, sample_rate, loudness))
        write_wav(directory / f"{name}.wav", written[-1], sample_rate, sample_format)
        # An existing preset of that name belonged to the sound that has just been replaced.
        with contextlib.suppress(UserError):
            read_preset(directory / f"{name}.json")
            (directory / f"{name}.json").unlink()
        progress(len(written))
    return written
