"""Writing of presets and their sounds to files, with names derived from measurements."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthvae.audio.files import check_sample_format, write_wav
from synthvae.audio.loudness import LOUDNESS, check_loudness, levelled
from synthvae.core.checks import is_number
from synthvae.core.errors import UserError, shown
from synthvae.core.files import ensure_directory
from synthvae.data.names import earlier_files, slug
from synthvae.data.preset import Preset, render_preset, units, with_release, write_preset
from synthvae.data.presets import Dataset
from synthvae.synths.rendering import HasVoice, fade_out, render_all

__all__ = ["Rendered", "Written", "numbered_presets", "parse_indices", "render_whole", "write_presets", "write_sounds"]

_log = logging.getLogger(__name__)

#: Function from sounds ``(N, T)`` and their sample rate to names and descriptors, as `synthvae.naming.name_sounds`.
Naming = Callable[[Tensor, int], Sequence[tuple[str, Mapping[str, float | None]]]]
Progress = Callable[[int], object]
Floats = NDArray[np.float32]


def parse_indices(text: str, size: int, source: str) -> list[int]:
    """Parse a text such as ``3,17,20-25`` into numbers, in the given order and without repetitions.

    Args:
        text: numbers and ranges, comma-separated.
        size: total number of presets.
        source: file name for messages.

    Raises:
        UserError: if a part is not a number or range, a range is reversed, or a preset does not exist.
    """
    numbers: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not is_number(first) or (dash and not is_number(last)):
            raise UserError(
                "index",
                text,
                "write e.g. 3,17 or 3-7",
                why=f"and {shown(part.strip())} is neither a number nor a range of numbers from 0 to {size - 1}",
            )
        wanted = range(int(first), int(last or first) + 1)
        if not wanted:
            raise UserError("index", text, f"write {last}-{first}", why=f"where the range {part.strip()} is backwards")
        if wanted[-1] >= size:
            raise UserError(
                "index", text, f"the numbers run from 0 to {size - 1}", f"no preset {part.strip()} in {source}"
            )
        numbers.update(dict.fromkeys(wanted))
    return list(numbers)


def numbered_presets(dataset: Dataset, numbers: Sequence[int], largest: int) -> tuple[list[str], list[Preset]]:
    """Presets of a dataset, each with its origin, and file names for them.

    Args:
        dataset: dataset of the presets.
        numbers: numbers of the presets.
        largest: largest number for which the names have enough digits; smaller ones are zero-padded.
    """
    width, settings = max(6, len(str(largest))), dataset.header.settings
    origin = {"dataset": dataset.path.name, "dataset_hash": dataset.hash}
    presets = [Preset(dataset.parameters, dataset.values[i], settings, {**origin, "index": i}) for i in numbers]
    return [f"preset_{i:0{width}d}" for i in numbers], presets


class Rendered(NamedTuple):
    """A preset and its sound.

    Attributes:
        preset: preset, with name and descriptors if the sound was measured.
        audio: sound ``(T,)``, of the length in the preset's settings, at the level of the synth.
    """

    preset: Preset
    audio: Floats


def render_whole(presets: Iterable[Preset], naming: Naming | None = None) -> Iterator[Rendered]:
    """Render presets for listening, with their release and a fade-out at the end.

    Args:
        presets: presets, whose settings are returned with the length of the sound.
        naming: function that names and describes the sounds of presets without name or descriptors; None for no naming.
    """
    for preset in presets:
        whole = with_release(preset)
        rate = whole.settings.sample_rate
        sound = fade_out(render_preset(whole), rate)
        if naming and not (whole.name and whole.descriptors):
            ((name, descriptors),) = naming(torch.from_numpy(sound[None]), rate)
            whole = replace(whole, name=name, descriptors=descriptors)
        yield Rendered(whole, sound)


def _render_fixed(presets: Sequence[Preset], voice: nn.Module, naming: Naming | None) -> Iterator[Rendered]:
    """Render presets with a synth of fixed length; `naming` replaces their names and descriptors."""
    rest = iter(presets)
    for audio in render_all(voice, units(presets), 64):
        part = list(islice(rest, len(audio)))
        if naming:
            measured = naming(audio, part[0].settings.sample_rate)
            part = [
                replace(preset, name=name, descriptors=descriptors)
                for preset, (name, descriptors) in zip(part, measured, strict=True)
            ]
        yield from map(Rendered, part, audio.numpy())


def write_sounds(
    directory: Path,
    names: Sequence[str],
    presets: Sequence[Preset],
    voice: nn.Module | None = None,
    sample_format: str = "float",
    progress: Progress = lambda done: None,
    naming: Naming | None = None,
    loudness: float | None = LOUDNESS,
) -> list[Path]:
    """Write each preset as ``NAME.json`` and its sound as ``NAME.wav``; returns the latter.

    With `naming` the presets get measured names and descriptors, and the files are named ``NAME_bright-pluck_A3``; they
    then replace those that an earlier call wrote with another measured name, and a warning gives their number.

    Args:
        directory: output directory.
        names: file names without extension.
        presets: presets, one per name.
        voice: synth that renders unit parameters to sounds of a fixed length, which are written without changing their
            level: the sounds on which metrics are computed. None for sounds for listening: each has its release and a
            fade-out, and its length is the ``seconds`` in its preset's file.
        sample_format: ``float`` or ``int16``.
        progress: called with the number of sounds done.
        naming: function that names sounds; without it presets keep their names and descriptors.
        loudness: loudness of sounds for listening in LUFS; None for no change. Descriptors are measured before.

    Raises:
        UserError: if the directory cannot be written to.
    """
    earlier, replaced = earlier_files(directory, names) if naming else {}, 0
    paths: list[Path] = []
    rendered = render_whole(presets, naming) if voice is None else _render_fixed(presets, voice, naming)
    for stem, (preset, audio) in zip(names, rendered, strict=True):
        rate = preset.settings.sample_rate
        path = directory / (f"{stem}_{slug(preset.name)}.wav" if naming else f"{stem}.wav")
        write_preset(path.with_suffix(".json"), preset)
        write_wav(path, levelled(audio, rate, loudness) if voice is None else audio, rate, sample_format)
        for old in earlier.get(stem, ()):
            if old.stem != path.stem:
                old.with_suffix(".wav").unlink(missing_ok=True)
                old.unlink(missing_ok=True)
                replaced += 1
        paths.append(path)
        progress(len(paths))
    if replaced:
        _log.warning("%s: %d of the sounds replace others that had the same numbers", directory, replaced)
    return paths


class HasPath(HasVoice, Protocol):
    """Object with a synth and a path for the origin of presets, such as a run."""

    @property
    def path(self) -> Path:
        """Directory of the run."""


class Written(NamedTuple):
    """The written files and sounds.

    Attributes:
        paths: paths of the WAV files.
        names: measured name of each sound.
        audio: sounds as written, each ``(T,)``.
    """

    paths: list[Path]
    names: list[str]
    audio: list[Floats]


def write_presets(
    directory: Path,
    run: HasPath,
    unit: Tensor,
    names: Sequence[str],
    origins: Sequence[Mapping[str, Any]],
    sources: Sequence[Preset] = (),
    sample_format: str = "float",
    progress: Progress = lambda done: None,
    loudness: float | None = LOUDNESS,
) -> Written:
    """Write presets for listening as ``NAME.json`` and ``NAME.wav``, each with a measured name in its JSON.

    Sounds are rendered as in `write_sounds` for listening. A value whose unit value equals that of a source preset
    bitwise is written exactly as in the source's file, in human units, so that unchanged parameters stay unchanged.

    Args:
        directory: output directory.
        run: run whose model decoded the presets; its render settings are used, except for the length.
        unit: unit parameters ``(N, P)``.
        names: N file names without extension.
        origins: origins of the N presets.
        sources: presets from which equal values are copied.
        sample_format: ``float`` or ``int16``.
        progress: called with the number of sounds done.
        loudness: loudness in LUFS; None for no change.

    Raises:
        UserError: for an unknown format, an impossible loudness, or an unwritable directory.
    """
    from synthvae.naming import name_sounds  # measuring requires libraries that decoding does not need

    check_sample_format(sample_format)
    check_loudness(loudness)
    ensure_directory(directory)
    human = run.parameters.denormalise(unit.double().numpy())
    for source in sources:
        same = unit.numpy() == source.unit.astype(np.float32)
        human = np.where(same, source.human, human)
    presets = [
        Preset(run.parameters, row, run.settings, {"run": run.path.name, **origin})
        for row, origin in zip(human, origins, strict=True)
    ]
    paths, measured, sounds = list[Path](), list[str](), list[Floats]()
    for name, (preset, audio) in zip(names, render_whole(presets, name_sounds), strict=True):
        rate = preset.settings.sample_rate
        sound = levelled(audio, rate, loudness)
        write_preset(directory / f"{name}.json", preset)
        write_wav(directory / f"{name}.wav", sound, rate, sample_format)
        paths.append(directory / f"{name}.wav")
        measured.append(preset.name)
        sounds.append(sound)
        progress(len(paths))
    return Written(paths, measured, sounds)
