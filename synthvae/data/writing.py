"""Presets that were found, written with their sounds and with names that are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthvae.audio.files import check_sample_format, wav_bytes, write_wav
from synthvae.core.checks import is_number
from synthvae.core.errors import UserError, shown
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.data.names import earlier_files, slug
from synthvae.data.preset import Preset, write_preset
from synthvae.synths.rendering import HasVoice, render_all

if TYPE_CHECKING:
    from synthvae.naming import Named

__all__ = ["Written", "parse_indices", "write_presets", "write_sounds"]

#: Sounds ``(N, T)`` and their sample rate to name and descriptors of each; `synthvae.naming.name_sounds` is one.
Naming = Callable[[Tensor, int], Sequence[tuple[str, Mapping[str, float | None]]]]


def parse_indices(text: str, size: int, source: str) -> list[int]:
    """Turn ``3,17,20-25`` into numbers.

    Args:
        text: numbers and ranges, comma-separated.
        size: number of presets there are.
        source: file name for messages.

    Returns:
        The numbers, in the order given, each once.

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


def write_sounds(
    directory: Path,
    names: Sequence[str],
    presets: Sequence[Preset],
    voice: nn.Module,
    sample_format: str = "float",
    progress: Progress = lambda done: None,
    naming: Naming | None = None,
) -> list[Path]:
    """Write each preset as ``NAME.json`` and its sound as ``NAME.wav``.

    With `naming` the presets get what it measures as their names and descriptors, and the files are called
    ``NAME_bright-pluck_A3``; they then replace those that an earlier call left under another measured name.

    Args:
        directory: where to.
        names: file names without ending.
        presets: as many presets.
        voice: renders unit parameters.
        sample_format: ``float`` or ``int16``.
        progress: called with the number of sounds done.
        naming: names sounds; without it presets keep the names and descriptors they have.

    Returns:
        The WAV files.

    Raises:
        UserError: if the directory cannot be written to.
    """
    unit = torch.from_numpy(np.stack([preset.unit for preset in presets]).astype(np.float32))
    earlier = earlier_files(directory, names) if naming else {}
    paths: list[Path] = []
    for audio in render_all(voice, unit, 64):
        first = len(paths)
        measured = naming(audio, presets[first].settings.sample_rate) if naming else ()
        for number, row in enumerate(audio.numpy()):
            preset, stem = presets[first + number], names[first + number]
            if naming:
                name, descriptors = measured[number]
                preset = replace(preset, name=name, descriptors=descriptors)
            path = directory / (f"{stem}_{slug(preset.name)}.wav" if naming else f"{stem}.wav")
            write_preset(path.with_suffix(".json"), preset)
            write_wav(path, row, preset.settings.sample_rate, sample_format)
            for old in earlier.get(stem, ()):
                if old.stem != path.stem:
                    old.with_suffix(".wav").unlink(missing_ok=True)
                    old.unlink(missing_ok=True)
            paths.append(path)
            progress(len(paths))
    return paths


#: Seconds in which a sound that is cut off fades, so that what follows does not click.
FADE = 0.005

Progress = Callable[[int], object]


class HasPath(HasVoice, Protocol):
    """A Voice, and where presets come from; a run is one."""

    @property
    def path(self) -> Path:
        """Its directory."""


class Written(NamedTuple):
    """What was written.

    Attributes:
        paths: the WAV files.
        named: what was measured of each sound.
        audio: the sounds, ``(N, T)`` float32.
    """

    paths: list[Path]
    named: list[Named]
    audio: NDArray[np.float32]


def write_presets(
    directory: Path,
    run: HasPath,
    unit: Tensor,
    names: Sequence[str],
    origins: Sequence[Mapping[str, Any]],
    sources: Sequence[Preset] = (),
    sample_format: str = "float",
    progress: Progress = lambda done: None,
) -> Written:
    """Write presets as ``NAME.json`` and ``NAME.wav``, each with a measured name in its JSON.

    A value that is one of the sources' to the bit is written as that source's file has it, in human units, so that
    what was kept is kept there too.

    Args:
        directory: where to.
        run: the model they are from; its settings are theirs.
        unit: ``(N, P)``.
        names: N file names without ending.
        origins: N times where a preset came from.
        sources: presets that the values may be taken from.
        sample_format: ``float`` or ``int16``.
        progress: called with the number of sounds done.

    Returns:
        What was written.

    Raises:
        UserError: for an unknown format or an unwritable directory.
    """
    from synthvae.naming import name_sounds  # measuring takes libraries that decoding does not need

    check_sample_format(sample_format)
    ensure_directory(directory)
    human = run.parameters.denormalise(unit.double().numpy())
    for source in sources:
        same = unit.numpy() == source.unit.astype(np.float32)
        human = np.where(same, source.human, human)
    presets = [
        Preset(run.parameters, row, run.settings, {"run": run.path.name, **origin})
        for row, origin in zip(human, origins, strict=True)
    ]
    exact = torch.from_numpy(np.stack([preset.unit for preset in presets]).astype(np.float32))
    audio = np.concatenate([part.numpy() for part in render_all(run.voice, exact, 64)])
    named = name_sounds(audio, run.settings.sample_rate, progress)
    paths = []
    for name, preset, sound, label in zip(names, presets, audio, named, strict=True):
        described = Preset(
            preset.parameters, preset.human, preset.settings, preset.origin, label.name, label.descriptors
        )
        write_preset(directory / f"{name}.json", described)
        paths.append(directory / f"{name}.wav")
        atomic_write(paths[-1], wav_bytes(sound, run.settings.sample_rate, sample_format))
    return Written(paths, named, audio)
