"""Latent points to presets that play."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from synthvae.audio.files import check_sample_format
from synthvae.core.files import ensure_directory
from synthvae.data.preset import Preset
from synthvae.data.writing import write_sounds
from synthvae.naming import name_sounds
from synthvae.training.run import Run

__all__ = ["decode_to_files"]


def decode_to_files(
    run: Run,
    latents: Tensor,
    names: Sequence[str],
    directory: Path,
    origins: Sequence[Mapping[str, Any]],
    sample_format: str = "float",
    progress: Callable[[int], object] = lambda done: None,
) -> list[Path]:
    """Decode latents and write preset and sound of each, named after what is heard (`synthvae.naming`).

    Args:
        run: the model.
        latents: ``(N, D)``.
        names: N beginnings of file names.
        directory: where to.
        origins: N times where a latent came from, kept in its preset.
        sample_format: ``float`` or ``int16``.
        progress: called with the number of sounds done.

    Returns:
        The WAV files.

    Raises:
        UserError: for an unknown format or an unwritable directory.
    """
    check_sample_format(sample_format)
    ensure_directory(directory)
    human = run.parameters.denormalise(run.decode(latents).double().numpy())
    presets = [
        Preset(run.parameters, row, run.settings, {"run": run.path.name, **origin, "latent": z})
        for row, z, origin in zip(human, latents.tolist(), origins, strict=True)
    ]
    return write_sounds(directory, names, presets, run.voice, sample_format, progress, name_sounds)
