"""Latent points in files, and resolution of run and preset arguments."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synthvae.audio.files import AUDIO_ENDINGS, check_sample_format
from synthvae.audio.loudness import LOUDNESS, check_loudness
from synthvae.core.checks import is_number
from synthvae.core.counts import counted
from synthvae.core.errors import UserError, reason, shown
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.json import dump_json, load_json, require_fields
from synthvae.data.preset import LATENTS_FORMAT, Preset, read_preset, units
from synthvae.data.presets import Dataset, is_dataset, read_dataset
from synthvae.data.writing import write_sounds
from synthvae.naming import name_sounds
from synthvae.synths.settings import check_format
from synthvae.training.run import RUNS, Run, has_ability, is_unfinished
from synthvae.training.spaces import DEFAULT_SPACE, find_space
from synthvae.training.tasks.base import PARAMETERS

__all__ = [
    "DATASET",
    "Latents",
    "decoded_presets",
    "find_dataset",
    "find_preset",
    "find_presets",
    "find_run",
    "named_file",
    "read_latents",
    "write_latents",
    "write_listening",
    "write_points",
]

VERSION = 1
#: Far beyond the output of any encoder, and well within the range of float32 and the decoder.
LARGEST = 1e6


#: Default output of ``generate-dataset``.
DATASET = Path("datasets/presets.json")
#: Search patterns by depth: a run, one of several seeds of a case, one at a reduced scale.
BELOW = ("*", "*/*", "*/*/*")


class Latents(NamedTuple):
    """Latent points from a file.

    Attributes:
        points: points ``(N, D)``, float32.
        names: names in the file; None where it contains only numbers.
    """

    points: Tensor
    names: list[str] | None


def write_latents(
    path: Path, run: Run, names: Sequence[str], presets: Sequence[Preset], overwrite: bool = True
) -> None:
    """Encode presets that have the run's parameters, and write their latents with their names as JSON.

    Raises:
        UserError: if `path` cannot be written, or exists and `overwrite` is False, or a latent is not finite.
    """
    write_points(path, run, names, run.encode(units(presets)), overwrite)


def write_points(path: Path, run: Run, names: Sequence[str], points: Tensor, overwrite: bool = True) -> None:
    """Write latents ``(N, D)`` of a run with N names as JSON.

    Raises:
        UserError: if `path` cannot be written, or exists and `overwrite` is False, or a latent is not finite.
    """
    document = {
        "format": LATENTS_FORMAT,
        "version": VERSION,
        "run": run.path.name,
        **_made_for(run),
        "names": list(names),
        "latents": points.tolist(),
    }
    atomic_write(path, dump_json(document, path) + "\n", overwrite)


def _made_for(run: Run) -> dict[str, str]:
    """Hashes that a file of latents and a run must share: of the weights, and of preset parameters if it has any."""
    parameters = {"parameter_hash": run.parameters.hash} if PARAMETERS in run.task.abilities else {}
    return {**parameters, "weights_hash": run.weights_hash}


def read_latents(path: Path, run: Run) -> Latents:
    """Read latents: the format of `write_latents`, a plain JSON array of rows, or CSV (by extension) without a header.

    Raises:
        UserError: if the file cannot be read, belongs to another run, or a row does not hold D
            finite numbers of ordinary size.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets begin a file with a byte order mark
    except OSError as error:
        raise UserError(path, path, "give `z` a JSON or CSV file", f"cannot read ({reason(error)})") from None
    except UnicodeDecodeError:
        raise UserError(path, path, f"write rows of {run.latent_size} numbers", "not text in UTF-8") from None
    if path.suffix.lower() == ".csv":
        return Latents(_points(_csv_rows(text, path), run.latent_size, path), None)
    document = load_json(text, str(path), f"write rows of {run.latent_size} numbers, or end the name of a CSV in .csv")
    if not isinstance(document, dict):
        flat = isinstance(document, list) and document and not isinstance(document[0], list)
        return Latents(_points([document] if flat else document, run.latent_size, path), None)
    header = check_format(document, LATENTS_FORMAT, VERSION, str(path), synth=False)
    wanted = _made_for(run)
    if "parameter_hash" in wanted and "weights_hash" not in header:
        del wanted["weights_hash"]  # latents of presets did not have it in earlier versions
    require_fields(header, (*wanted, "latents", "names"), str(path), "encode again")
    for key, value in wanted.items():
        if header[key] != value:
            raise UserError(
                f"{path}: {key}",
                header[key],
                "decode with the run that encoded them, or encode again",
                why=f"that of {run.path} is {value!r}",
            )
    points, names = _points(header["latents"], run.latent_size, path), header["names"]
    if not isinstance(names, list) or len(names) != len(points) or not all(isinstance(name, str) for name in names):
        raise UserError(path, path, "encode again", f"names must be {len(points)} texts, one for each latent")
    return Latents(points, names)


def _csv_rows(text: str, path: Path) -> list[list[object]]:
    # Spreadsheets in many locales write decimal commas, and semicolons between the numbers.
    separator = next((mark for mark in (";", "\t") if mark in text), ",")
    if separator != ",":
        text = text.replace(",", ".")
    try:
        return [[_cell(cell) for cell in row] for row in csv.reader(text.splitlines(), delimiter=separator) if row]
    except csv.Error as error:
        raise UserError(path, path, "write rows of numbers separated by commas", f"not CSV ({error})") from None


def _cell(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text  # rejected by `_points`, which reports the row


def _points(rows: Any, size: int, path: Path) -> Tensor:  # noqa: ANN401
    if not isinstance(rows, list) or not rows:
        raise UserError(path, path, f"write rows of {size} numbers, one per latent dimension", "holds no latents")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != size:
            found = counted(len(row), "value") if isinstance(row, list) else shown(row)
            raise UserError(
                path, row, "correct it", f"row {number} is {found}, need {size} numbers, one per latent dimension"
            )
        for value in row:
            if type(value) not in (int, float):
                raise UserError(path, value, "correct or remove it", f"row {number} holds {shown(value)}, not a number")
            if not np.isfinite(value):
                raise UserError(path, value, "correct or remove it", f"row {number} holds {value}, which is not finite")
            if abs(value) > LARGEST:
                raise UserError(
                    path,
                    value,
                    "the prior's spread is 1: correct it",
                    f"row {number} holds {value:g}, beyond {LARGEST:g}",
                )
    return torch.tensor(rows, dtype=torch.float32)


def decoded_presets(run: Run, latents: Tensor, origins: Sequence[Mapping[str, Any]]) -> list[Preset]:
    """Presets of latents ``(N, D)``; `origins` describe the source of each latent and are stored in its preset."""
    human = run.parameters.denormalise(run.decode(latents).double().numpy())
    return [
        Preset(run.parameters, row, run.settings, {"run": run.path.name, **origin, "latent": z})
        for row, z, origin in zip(human, latents.tolist(), origins, strict=True)
    ]


def write_listening(
    directory: Path,
    names: Sequence[str],
    presets: Sequence[Preset],
    sample_format: str = "float",
    loudness: float | None = LOUDNESS,
    progress: Callable[[int], object] = lambda done: None,
) -> list[Path]:
    """Write presets and their sounds for listening, named after descriptors, and return the WAV files.

    Args:
        directory: output directory.
        names: prefixes of the file names.
        presets: one preset per name.
        sample_format: ``float`` or ``int16``.
        loudness: loudness in LUFS; None for the synth's own level.
        progress: called with the number of sounds done.

    Raises:
        UserError: for an unknown format, an impossible loudness, or an unwritable directory.
    """
    check_sample_format(sample_format)
    check_loudness(loudness)
    ensure_directory(directory)
    return write_sounds(directory, names, presets, None, sample_format, progress, name_sounds, loudness)


def find_run(
    given: Path | None = None, folder: Path = RUNS, argument: str = "run", needs: str | Collection[str] = PARAMETERS
) -> tuple[Path, str]:
    """Resolve a run argument; by default the most recently trained run, or else the space shipped with synthvae.

    Args:
        given: the run's directory, or None.
        folder: directory searched for runs, down to its third level.
        argument: name of the run argument, for messages.
        needs: ability that its task must have, or several of which it must have one; other runs are ignored.

    Returns:
        Its directory, and one line that explains the choice; empty where it was given.

    Raises:
        UserError: if none was given and none was found.
    """
    if given is not None:
        return given, ""
    # Not rglob, which skips links to directories.
    found = [path.parent for below in BELOW for path in folder.glob(f"{below}/weights.safetensors")]
    runs = [path for path in found if (path / "run.json").is_file() and _has_one(path, needs)]
    shipped = find_space(DEFAULT_SPACE)
    if not runs and shipped is not None and _has_one(shipped, needs):
        return shipped, f"run {DEFAULT_SPACE}: comes with synthvae; used since {folder} has none"
    if not runs:
        raise UserError(
            folder, folder, f"name one (`{argument}`), or train one with 'synthvae train'", "no trained run in it"
        )
    latest = max(runs, key=lambda path: ((path / "weights.safetensors").stat().st_mtime, str(path)))
    which = "the only run there" if len(runs) == 1 else f"trained last of {len(runs)} runs; name one to use another"
    if is_unfinished(latest):
        which += "; its training has not ended"
    return latest, f"run {latest}: {which}"


def _has_one(path: Path, needs: str | Collection[str]) -> bool:
    return any(has_ability(path, ability) for ability in ((needs,) if isinstance(needs, str) else needs))


def find_dataset(given: Path | None = None, usual: Path = DATASET) -> tuple[Path, str]:
    """Resolve a dataset argument; by default the default dataset or the newest in its directory.

    Args:
        given: path of the file, or None.
        usual: default file; other datasets are searched for in its directory.

    Returns:
        The file, and one line that explains the choice; empty where it was given.

    Raises:
        UserError: if none was given and none was found.
    """
    if given is not None:
        return given, ""
    if usual.is_file():
        return usual, f"dataset {usual}: the one that 'generate-dataset' writes by default; name one to use another"
    found = [p for ending in ("json", "parquet") for p in usual.parent.glob(f"*.{ending}") if is_dataset(p)]
    if not found:
        raise UserError(
            usual.parent,
            usual.parent,
            "make one with 'synthvae generate-dataset', or name one with `data`",
            "no dataset in it",
        )
    latest = max(found, key=lambda path: (path.stat().st_mtime, str(path)))
    which = "the only one there" if len(found) == 1 else f"the newest of {len(found)}; name one to use another"
    return latest, f"dataset {latest}: {which}"


def find_presets(
    run: Run, texts: Sequence[str], data: Path | None = None, arguments: Sequence[str] | str = "presets"
) -> list[Preset]:
    """Find presets by their numbers in a dataset, or by their files, in order.

    Args:
        run: model that the presets must fit.
        texts: numbers, or paths of JSON files of presets.
        data: path of the dataset; the run's own where None.
        arguments: names of the arguments that gave the texts.

    Raises:
        UserError: if there is no such preset, it has other parameters, or the run's dataset has been replaced.
    """
    dataset: Dataset | None = None
    presets = []
    names = [arguments] * len(texts) if isinstance(arguments, str) else arguments
    # Before a dataset is opened: numbers may have been meant for a library of sounds.
    files = {t: named_file(t, name, "preset") for t, name in zip(texts, names, strict=True) if not is_number(t)}
    for text in texts:
        if text in files:
            presets.append(read_preset(files[text], run.parameters))
            continue
        if dataset is None:
            dataset = read_dataset(data or run.dataset_path)
            if data is None:
                run.require_own_dataset(dataset)
            run.require_parameters(dataset.parameters, str(dataset.path))
        if int(text) >= len(dataset):
            raise UserError(
                dataset.path, int(text), f"the numbers run from 0 to {len(dataset) - 1}", f"no preset {text}"
            )
        origin = {"dataset": dataset.path.name, "dataset_hash": dataset.hash, "index": int(text)}
        presets.append(Preset(dataset.parameters, dataset.values[int(text)], dataset.header.settings, origin))
    return presets


def named_file(text: str, argument: str, what: str) -> Path:
    """Path of the file of a preset or a sound, given in place of a number.

    Raises:
        UserError: if it does not exist, or is a recording in place of a preset or the reverse.
    """
    kind = "a preset's JSON file" if what == "preset" else "a recording"
    remedy = f"give a whole number from 0 up or the path of {kind}"
    ending = os.path.splitext(text)[1].lower()
    if ending in (AUDIO_ENDINGS if what == "preset" else (".json",)):
        mix = "presets go with presets, recordings with recordings or sounds of a library"
        raise UserError(argument, text, f"{remedy}: {mix}", why="a recording" if what == "preset" else "a JSON file")
    if not os.path.isfile(text):
        why = "a pattern that no file matches" if {"*", "?"} & set(text) else f"neither a {what}'s number nor its file"
        raise UserError(argument, text, remedy, why=why)
    return Path(text)


def find_preset(run: Run, text: str, data: Path | None = None, argument: str = "preset") -> Tensor:
    """Unit parameters ``(P,)`` of one preset; see `find_presets`."""
    return units(find_presets(run, [text], data, argument))[0]
