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

#: Sounds ``(N, T)`` and their sample rate to name and descriptors of each; `synthvae.naming.name_sounds` is one.
Naming = Callable[[Tensor, int], Sequence[tuple[str, Mapping[str, float | None]]]]
Progress = Callable[[int], object]
Floats = NDArray[np.float32]


def parse_indices(text: str, size: int, source: str) -> list[int]:
    """Turn ``3,17,20-25`` into numbers, in the order given, each once.

    Args:
        text: numbers and ranges, comma-separated.
        size: number of presets there are.
        source: file name for messages.

    Raises:
        UserError: if a part is no number or range, a range is backwards, or there is no such preset.
    """
    numbers: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not is_number(first) or (dash and not is_number(last)):
            raise UserError(
                "index",
                text,
                "write e.g. 3,17 or 3-7",
                why=f"and {shown(part.strip())} is no number or range of numbers from 0 to {size - 1}",
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
    """Presets of a dataset, each with its origin, and names of files for them.

    Args:
        dataset: that they are in.
        numbers: of the presets.
        largest: number that a name has room for, with zeros before smaller ones.
    """
    width, settings = max(6, len(str(largest))), dataset.header.settings
    origin = {"dataset": dataset.path.name, "dataset_hash": dataset.hash}
    presets = [Preset(dataset.parameters, dataset.values[i], settings, {**origin, "index": i}) for i in numbers]
    return [f"preset_{i:0{width}d}" for i in numbers], presets


class Rendered(NamedTuple):
    """A preset and its sound.

    Attributes:
        preset: with name and descriptors where the sound was measured.
        audio: ``(T,)``, as long as the preset's settings say, at the synth's own level.
    """

    preset: Preset
    audio: Floats


def render_whole(presets: Iterable[Preset], naming: Naming | None = None) -> Iterator[Rendered]:
    """Render presets for listening: each with its release, its end faded out.

    Args:
        presets: whose settings get the length of the sound.
        naming: names and describes sounds, of presets that have no name or no descriptors; None for none.
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

    With `naming` the presets get what it measures as their names and descriptors, and the files are called
    ``NAME_bright-pluck_A3``; they then replace those that an earlier call left under another measured
    name, and a warning says how many.

    Args:
        directory: where to.
        names: file names without ending.
        presets: as many presets.
        voice: renders unit parameters to sounds of one length, which are written at their own level: the sounds that
            figures are measured on. None for sounds for listening: each has its release and ends faded out, and its
            length is the ``seconds`` in its preset's file.
        sample_format: ``float`` or ``int16``.
        progress: called with the number of sounds done.
        naming: names sounds; without it presets keep the names and descriptors they have.
        loudness: of sounds for listening, in LUFS; None for their own level. Descriptors are measured before.

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
    """A Voice, and where presets come from; a run is one."""

    @property
    def path(self) -> Path:
        """Its directory."""


class Written(NamedTuple):
    """What was written.

    Attributes:
        paths: the WAV files.
        names: what was measured of each sound, in words.
        audio: the sounds as they were written, ``(T,)`` each.
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

    Sounds are as `write_sounds` writes them for listening. A value that is bitwise equal to that of a source preset is
    written exactly as in the source's file, in human units, so that unchanged parameters stay unchanged there too.

    Args:
        directory: where to.
        run: the model they are from; its settings are theirs, but for the length.
        unit: ``(N, P)``.
        names: N file names without ending.
        origins: N times where a preset came from.
        sources: presets that the values may be taken from.
        sample_format: ``float`` or ``int16``.
        progress: called with the number of sounds done.
        loudness: in LUFS; None for their own level.

    Raises:
        UserError: for an unknown format, an impossible loudness, or an unwritable directory.
    """
    from synthvae.naming import name_sounds  # measuring takes libraries that decoding does not need

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
