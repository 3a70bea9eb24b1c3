"""Making datasets and sounds: the work behind ``generate-dataset`` and ``render``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthvae.audio.files import write_wav
from synthvae.core.checks import check_seed, is_number, shown
from synthvae.core.errors import UserError
from synthvae.parameters.space import ParameterSpace
from synthvae.presets.dataset import SPLITS, DatasetHeader, write_dataset
from synthvae.presets.names import earlier_files, slug
from synthvae.presets.preset import Preset, write_preset
from synthvae.presets.rounding import round_significant
from synthvae.presets.sampling import SYNTH1B1_WIDTH, synth1b1_unit, uniform_unit
from synthvae.presets.settings import RenderSettings

__all__ = ["SOURCES", "draw_presets", "generate_dataset", "parse_indices", "parse_splits", "render_all", "write_sounds"]

#: Distributions of presets: uniform in torchsynth's unit cube, uniform in human units (seconds, hertz, ...), or the
#: parameter sets of synth1B1.
SOURCES = ("uniform", "uniform-human", "synth1b1")
#: The thesis's 100,000 / 20,000 / 20,000.
SHARES = (5, 1, 1)
CHUNK = 8192

Progress = Callable[[int], object]
#: Sounds ``(N, T)`` and their sample rate to name and descriptors of each; `synthvae.naming.name_sounds` is one.
Naming = Callable[[Tensor, int], Sequence[tuple[str, Mapping[str, float | None]]]]


def parse_splits(text: str | None, size: int) -> dict[str, tuple[int, int]]:
    """Turn ``--splits`` into ranges.

    Args:
        text: three counts that add up to `size`, comma-separated, or None for 5 : 1 : 1 as in the thesis.
        size: number of presets.

    Returns:
        First and one-past-last preset by split, in the order train, validation, test.

    Raises:
        UserError: if there are not three positive counts that add up.
    """
    if text is None:
        rest = [max(1, size * share // sum(SHARES)) for share in SHARES[1:]]
        counts = [size - sum(rest), *rest]
    else:
        try:
            counts = [int(part) for part in text.replace("/", ",").split(",")]
        except ValueError:
            raise UserError(f"--splits {text!r}: not three whole numbers; write e.g. --splits 100,20,20") from None
    if len(counts) != len(SPLITS) or sum(counts) != size or min(counts) < 1:
        raise UserError(
            f"--splits {text or counts!r}: need train, validation and test counts, each at least 1, that add up to "
            f"--size {size}; write e.g. --splits {size - 2 * (size // 7)},{size // 7},{size // 7}"
        )
    ends = np.cumsum(counts).tolist()
    return {name: (end - count, end) for name, end, count in zip(SPLITS, ends, counts, strict=True)}


def generate_dataset(
    path: Path,
    parameters: ParameterSpace,
    size: int,
    seed: int = 0,
    source: str = "uniform",
    splits: str | None = None,
    settings: RenderSettings | None = None,
    progress: Progress = lambda done: None,
) -> DatasetHeader:
    """Draw presets and write them as a dataset.

    Args:
        path: the file.
        parameters: the columns.
        size: number of presets.
        seed: of the draw; synth1B1 has none.
        source: one of `SOURCES`.
        splits: see `parse_splits`.
        settings: how the presets are meant to be rendered.
        progress: called with the number of presets done.

    Returns:
        The header that was written.

    Raises:
        UserError: for a size below 3, a seed outside its range, an unknown source, splits that do not fit, settings
            that cannot be rendered, or an unwritable path.
    """
    if size < len(SPLITS):
        raise UserError(f"--size is {size}; give at least {len(SPLITS)}, one preset for each split")
    check_seed(seed)
    settings = settings or RenderSettings()
    settings.check()
    if source not in SOURCES:
        raise UserError(f"--source is {source!r}; choose one of {', '.join(SOURCES)}")
    if source == "synth1b1" and len(parameters) != SYNTH1B1_WIDTH:
        raise UserError(f"--parameters is {len(parameters)}; synth1b1 draws all {SYNTH1B1_WIDTH}: use --parameters 78")
    header = DatasetHeader(parameters, settings, source, seed, size, parse_splits(splits, size))

    def draw() -> Iterator[NDArray[np.float64]]:
        for first in range(0, size, CHUNK):
            count = min(CHUNK, size - first)
            yield draw_presets(parameters, source, seed, first, count)
            progress(first + count)

    write_dataset(path, header, draw())
    return header


def draw_presets(parameters: ParameterSpace, source: str, seed: int, first: int, count: int) -> NDArray[np.float64]:
    """Draw presets ``first`` to ``first + count - 1`` of a source, as a dataset holds them.

    Args:
        parameters: the columns.
        source: one of `SOURCES`.
        seed: of the draw; synth1B1 has none.
        first: number of the first preset.
        count: how many.

    Returns:
        ``(count, P)`` in human units.
    """
    low, high = (np.array([getattr(p, bound) for p in parameters]) for bound in ("minimum", "maximum"))
    if source == "synth1b1":
        human = parameters.denormalise(synth1b1_unit(first, count, parameters.names))
    else:
        unit = uniform_unit(seed, first, count, len(parameters))
        human = parameters.denormalise(unit) if source == "uniform" else low + unit * (high - low)
    return np.clip(round_significant(human), low, high)


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
                f"--index {shown(text)}: {shown(part.strip())} is no number or range of numbers from 0 to {size - 1}; "
                "write e.g. --index 3,17 or 3-7"
            )
        wanted = range(int(first), int(last or first) + 1)
        if not wanted:
            raise UserError(f"--index {shown(text)}: the range {part.strip()} is backwards; write {last}-{first}")
        if wanted[-1] >= size:
            raise UserError(f"{source}: no preset {part.strip()} (--index); the numbers run from 0 to {size - 1}")
        numbers.update(dict.fromkeys(wanted))
    return list(numbers)


def render_all(
    voice: nn.Module, unit: Tensor, batch_size: int = 128, progress: Progress = lambda done: None
) -> Iterator[Tensor]:
    """Render presets batch by batch without gradients.

    Args:
        voice: a module from ``(B, P)`` to ``(B, T)``.
        unit: ``(N, P)``.
        batch_size: rows at a time.
        progress: called with the number of sounds done.

    Yields:
        Audio ``(B, T)``.
    """
    for first in range(0, len(unit), batch_size):
        with torch.inference_mode():
            audio = voice(unit[first : first + batch_size])
        yield audio
        progress(min(first + batch_size, len(unit)))


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
