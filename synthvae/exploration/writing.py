"""Presets that were found, written with their sounds and with names that are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.audio.files import check_sample_format, wav_bytes
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.generation import render_all
from synthvae.presets.preset import Preset, write_preset
from synthvae.training.run import Run

if TYPE_CHECKING:
    from synthvae.naming import Named

__all__ = ["Written", "write_presets"]

#: Seconds in which a sound that is cut off fades, so that what follows does not click.
FADE = 0.005

Progress = Callable[[int], object]


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
    run: Run,
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
