"""Resolve dataset, run and preset arguments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from synthvae.core.checks import is_number, shown
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset, read_preset
from synthvae.data.presets import Dataset, is_dataset, read_dataset
from synthvae.training.run import Run, has_ability
from synthvae.training.tasks.base import PARAMETERS

__all__ = ["DATASET", "RUNS", "find_dataset", "find_preset", "find_presets", "find_run", "units"]

#: What ``generate-dataset`` writes by default.
DATASET = Path("datasets/presets.json")
#: Where runs land by default.
RUNS = Path("experiments/runs")
#: How deep: a run, one of several seeds of a case, that at a reduced scale.
BELOW = ("*", "*/*", "*/*/*")


def find_run(
    given: Path | None = None, folder: Path = RUNS, option: str = "--run", needs: str = PARAMETERS
) -> tuple[Path, str]:
    """The run that is meant, where none is named: the one that was trained last.

    Args:
        given: the run's directory, or None.
        folder: where runs are looked for, down to its third level.
        option: that names one, for the messages.
        needs: an ability that its task must have; runs without it are passed over.

    Returns:
        Its directory, and one line that says how it was chosen; empty where it was given.

    Raises:
        UserError: if none was given and there is none.
    """
    if given is not None:
        return given, ""
    # Not rglob, which passes over links to folders.
    found = [path.parent for below in BELOW for path in folder.glob(f"{below}/weights.safetensors")]
    runs = [path for path in found if (path / "run.json").is_file() and has_ability(path, needs)]
    if not runs:
        raise UserError(f"{folder}: no trained run in it; name one ({option}), or train one with 'synthvae train'")
    latest = max(runs, key=lambda path: ((path / "weights.safetensors").stat().st_mtime, str(path)))
    which = "the only run there" if len(runs) == 1 else f"trained last of {len(runs)} runs; {option} chooses another"
    return latest, f"run {latest}: {which}"


def find_dataset(given: Path | None = None, usual: Path = DATASET) -> tuple[Path, str]:
    """The dataset that is meant: where none is named, the default one or the newest beside it.

    Args:
        given: the file, or None.
        usual: the default file; other datasets are looked for in its folder.

    Returns:
        The file, and one line that says how it was chosen; empty where it was given.

    Raises:
        UserError: if none was given and there is none.
    """
    if given is not None:
        return given, ""
    if usual.is_file():
        return usual, f"dataset {usual}: the one that 'generate-dataset' writes by default; --data chooses another"
    found = [path for path in usual.parent.glob("*.json") if is_dataset(path)]
    if not found:
        raise UserError(
            f"{usual.parent}: no dataset in it; make one with 'synthvae generate-dataset', or name one with --data"
        )
    latest = max(found, key=lambda path: (path.stat().st_mtime, str(path)))
    which = "the only one there" if len(found) == 1 else f"the newest of {len(found)}; --data chooses another"
    return latest, f"dataset {latest}: {which}"


def find_presets(
    run: Run, texts: Sequence[str], data: Path | None = None, options: Sequence[str] | str = "PRESET"
) -> list[Preset]:
    """Presets by their numbers in a dataset, or by their files.

    Args:
        run: the model they shall fit.
        texts: numbers, or paths of presets' JSON files.
        data: the dataset; the run's own where None.
        options: that the texts were given to, for the message.

    Returns:
        The presets, in order.

    Raises:
        UserError: if there is no such preset, it has other parameters, or the run's dataset has been replaced.
    """
    dataset: Dataset | None = None
    presets = []
    for number, text in enumerate(texts):
        option = options if isinstance(options, str) else options[number]
        if not is_number(text):
            if not os.path.isfile(text):
                raise UserError(
                    f"{option} is {shown(text)}, neither a preset's number nor its file; "
                    "give a whole number from 0 up or the path of a preset's JSON file"
                )
            presets.append(read_preset(Path(text), run.parameters))
            continue
        if dataset is None:
            dataset = read_dataset(data or Path(run.config.data))
            if data is None:
                run.require_own_dataset(dataset)
            run.require_parameters(dataset.parameters, str(dataset.path))
        if int(text) >= len(dataset):
            raise UserError(f"{dataset.path}: no preset {text}; the numbers run from 0 to {len(dataset) - 1}")
        origin = {"dataset": dataset.path.name, "dataset_hash": dataset.hash, "index": int(text)}
        presets.append(Preset(dataset.parameters, dataset.values[int(text)], dataset.header.settings, origin))
    return presets


def find_preset(run: Run, text: str, data: Path | None = None, option: str = "--from") -> Tensor:
    """Unit parameters ``(P,)`` of one preset; see `find_presets`."""
    return units(find_presets(run, [text], data, option))[0]


def units(presets: Sequence[Preset]) -> Tensor:
    """Unit parameters ``(N, P)`` float32 of presets."""
    return torch.from_numpy(np.stack([preset.unit for preset in presets]).astype(np.float32))
