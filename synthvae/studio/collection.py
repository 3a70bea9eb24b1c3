"""The sounds on the map and their latents, cached next to the run under a hash of what they depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.bank import Bank
from synthvae.core.errors import UserError, reason
from synthvae.core.files import load_tensors, save_tensors
from synthvae.data.library import Library, read_library
from synthvae.data.presets import dataset_hash, read_dataset
from synthvae.training.run import Run

__all__ = ["Collection", "from_bank", "from_dataset", "from_library", "read_collection"]

Floats = NDArray[np.float32]

#: Presets encoded at once: as many as an analysis maps, so that its latents and these are equal to the last bit.
_BATCH = 10_000
#: Of how a collection is made; a new one is made where it changes.
VERSION = "collection-1"


@dataclass(frozen=True)
class Collection:
    """The sounds of a map: presets, or recorded sounds.

    Attributes:
        key: 24 hexadecimal digits of the run's weights, of where the presets are from, and of how many they are.
        rows: ``(N, R)``, what each sound is made from: unit parameters ``(N, P)`` of presets; latents and condition
            of recorded sounds.
        latents: ``(N, D)``.
        bank_ids: ``(N,)``, their numbers in the bank they are from; empty where they are not from one.
        library: library of the recordings; None for presets.
        named_by: the labelled library whose labels name regions of the map; None where there is none.
        numbers: ``(N,)``, of its items; empty for presets.
    """

    key: str
    rows: Floats
    latents: Floats
    bank_ids: NDArray[np.int64]
    library: Library | None = None
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    named_by: Library | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def recordings(self, points: NDArray[np.integer]) -> Floats:
        """The recordings ``(B, T)`` of points; there has to be a library."""
        assert self.library is not None
        return np.array(self.library.audio[self.numbers[points]])

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """Names of the recordings' files, with their start where that is not 0; empty for presets."""
        if self.library is None:
            return ()
        files, starts = (self.library.items[name].to_numpy()[self.numbers] for name in ("file", "start"))
        stems = [PurePosixPath(str(file).replace("\\", "/")).stem for file in files]
        return tuple(f"{stem} {start:.2f} s" if start else stem for stem, start in zip(stems, starts, strict=True))

    @cached_property
    def labels(self) -> NDArray[np.intp]:
        """Numbers ``(N,)`` of the points' labels in the library; empty for presets, and where all have one."""
        if self.library is None or len(self.library.labels) < 2:
            return np.zeros(0, np.intp)
        every = {label: number for number, label in enumerate(self.library.labels)}
        return np.array([every[label] for label in self.library.items["label"].to_numpy()[self.numbers]], np.intp)


def from_dataset(run: Run, path: Path, own: bool, most: int, cache: Path) -> Collection:
    """The first presets of a dataset, which, if `own`, has to be the one that the run was trained on.

    In the folder `cache` they are kept: the second time nothing but the file's hash is computed.

    Raises:
        UserError: if the dataset cannot be read, has other parameters, or is not the run's own where it has to be.
    """
    try:
        digest = dataset_hash(path)
    except OSError as error:
        remedy = "name the dataset with `data`" if own else "make one with 'synthvae generate-dataset'"
        raise UserError(path, path, remedy, f"cannot read ({reason(error)})") from None
    key = _key("dataset", digest, run.weights_hash, run.parameters.hash, most)
    if kept := read_collection(cache, key):
        return kept
    dataset = read_dataset(path)
    if own:
        run.require_own_dataset(dataset)
    run.require_parameters(dataset.parameters, str(path))
    unit = dataset.parameters.normalise(dataset.values[:most]).astype(np.float32)  # not all of 140,000 for 10,000
    return _made(run, unit, key, np.zeros(0, np.int64), cache)


def from_bank(run: Run, bank: Bank, most: int, cache: Path) -> tuple[Collection, int]:
    """At most so many presets of a bank that the run's parameters can express, kept in the folder `cache`.

    Returns:
        The presets, and how many were left out because the run holds a parameter of theirs at another value.

    Raises:
        UserError: if none is left.
    """
    rows: list[NDArray[np.float64]] = []
    numbers: list[int] = []
    skipped = 0
    for entry in bank.list():
        if len(rows) == most:
            break
        try:
            rows.append(run.parameters.normalise(run.parameters.from_dict(entry.values)))
            numbers.append(entry.id)
        except UserError:
            skipped += 1
    if not rows:
        reason = f"none of its {skipped} presets fits the parameters of {run.path}" if skipped else "it has no presets"
        raise UserError(bank.path, bank.path, "add presets with synthvae bank add, or show a dataset", reason)
    unit, ids = np.stack(rows).astype(np.float32), np.array(numbers, np.int64)
    digest = hashlib.sha256(unit.tobytes() + ids.tobytes()).hexdigest()
    key = _key("bank", digest, run.weights_hash, run.parameters.hash)
    return read_collection(cache, key) or _made(run, unit, key, ids, cache), skipped


def from_library(
    run: Run,
    library: Library,
    most: int,
    cache: Path,
    encode: Callable[[NDArray[np.int64]], Floats],
    named_by: Library | None = None,
) -> Collection:
    """At most so many sounds of a library, evenly spread over it, kept in the folder `cache`.

    Args:
        run: the model.
        library: library of the same sample rate and length.
        most: sounds.
        cache: see above.
        encode: latents with conditions ``(N, R)`` of items ``(N,)``.
        named_by: the labelled library whose labels name regions of the map.
    """
    key = _key("library", library.hash, run.weights_hash, most, named_by and named_by.hash)
    if (kept := read_collection(cache, key)) and kept.library and kept.library.path == library.path.resolve():
        return kept
    count = min(most, len(library))
    numbers = np.arange(count) * len(library) // count
    rows = torch.from_numpy(encode(numbers))
    none = torch.zeros(0, dtype=torch.int64)
    tensors = {"unit": rows, "latents": rows.clone(), "bank_ids": none, "numbers": torch.from_numpy(numbers)}
    paths = {name: one and str(one.path.resolve()) for name, one in (("library", library), ("named_by", named_by))}
    save_tensors(_file(cache, key), tensors, paths)
    found = read_collection(cache, key)
    assert found is not None
    return found


def read_collection(cache: Path, key: str) -> Collection | None:
    """The collection stored under a key, if it exists and is complete."""
    try:
        kept, state = load_tensors(_file(cache, key))
        rows, latents, bank_ids = (kept[name].numpy() for name in ("unit", "latents", "bank_ids"))
        if "library" not in state:
            return Collection(key, rows, latents, bank_ids)
        library = read_library(Path(state["library"]))
        named_by = state["named_by"] and (library if state["named_by"] == state["library"] else Path(state["named_by"]))
        named_by = read_library(named_by) if isinstance(named_by, Path) else named_by
        return Collection(key, rows, latents, bank_ids, library, kept["numbers"].numpy(), named_by)
    except (UserError, KeyError):
        return None


def _made(run: Run, unit: Floats, key: str, ids: NDArray[np.int64], cache: Path) -> Collection:
    with torch.inference_mode():
        parts = [run.encode(part) for part in torch.from_numpy(unit).split(_BATCH)]
    latents = torch.cat(parts).float()
    save_tensors(
        _file(cache, key), {"unit": torch.from_numpy(unit), "latents": latents, "bank_ids": torch.from_numpy(ids)}
    )
    return Collection(key, unit, latents.numpy(), ids)


def _file(cache: Path, key: str) -> Path:
    return cache / f"presets-{key}.safetensors"


def _key(*inputs: object) -> str:
    return hashlib.sha256("\0".join(map(str, (VERSION, *inputs))).encode()).hexdigest()[:24]
