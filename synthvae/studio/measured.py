"""Names and descriptors of all sounds on the map, measured in the background and kept part by part."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.audio.descriptors import PRESET_DESCRIPTORS
from synthvae.audio.playable import unplayable_reason
from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors
from synthvae.naming import name_sounds
from synthvae.studio.collection import Collection
from synthvae.studio.errors import ConflictError
from synthvae.studio.jobs.process import Worker
from synthvae.studio.sources import Source

__all__ = ["Measured", "measure_parts"]

Floats = NDArray[np.float32]

#: Sounds in a part.
PART = 256
#: Of how sounds are measured; they are measured anew where it changes.
VERSION = "sounds-2"
#: Nice value of the workers: lower priority than the layout of the map.
NICENESS = 15


class Measured:
    """Measurements of a collection's sounds so far.

    Args:
        run_path: path of the run.
        collection: the sounds.
        cache: the folder that keeps the parts.
    """

    def __init__(self, run_path: Path, collection: Collection, cache: Path) -> None:
        self._run_path, self._collection, self._cache = run_path, collection, cache
        self.names: list[str | None] = [None] * len(collection)
        self._values = np.full((len(collection), len(PRESET_DESCRIPTORS)), np.nan, np.float32)
        self._missing = set(range(-(-len(collection) // PART)))
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        self._unplayable: NDArray[np.str_] | None = None
        self._look()

    def start(self, workers: int) -> None:
        """Start measuring what is not measured yet.

        Args:
            workers: processes that do it at once.
        """
        if self._missing:
            common = ("--run", str(self._run_path), "--cache", str(self._cache), "--key", self._collection.key)
            for number in range(workers):
                share = ("--share", f"{number}/{workers}")
                self._workers.append(Worker("measure", *share, *common, niceness=NICENESS))

    @property
    def progress(self) -> float:
        """Share of the sounds that are measured."""
        self._look()
        parts = -(-len(self._collection) // PART)
        return 1.0 - len(self._missing) / parts

    def column(self, name: str) -> tuple[Floats | None, float]:
        """A descriptor of all sounds ``(N,)``, NaN where a sound has no such thing; None until all are measured.

        Raises:
            ConflictError: if measuring failed.
        """
        progress = self.progress
        if progress == 1.0:
            return self.values(name), 1.0
        for worker in self._workers:
            if worker.complaint:
                raise ConflictError(
                    "sounds", worker.complaint, "restart the studio", f"they could not be measured ({worker.complaint})"
                )
        return None, progress

    def values(self, name: str) -> Floats:
        """A descriptor of all sounds ``(N,)``, NaN also where it is not measured yet."""
        return self._values[:, list(PRESET_DESCRIPTORS).index(name)]

    def unplayable(self) -> NDArray[np.str_]:
        """Why each sound is not playable ``(N,)``, empty where it is, and where it is not measured yet."""
        if self._unplayable is None:
            reasons = unplayable_reason({name: self.values(name) for name in PRESET_DESCRIPTORS})
            reasons = np.where(np.array([name is None for name in self.names]), "", reasons)
            if self._missing:
                return reasons
            self._unplayable = reasons  # every click asks
        return self._unplayable

    def playable(self) -> NDArray[np.bool_]:
        """Whether each sound is playable ``(N,)``, as far as it is measured."""
        found: NDArray[np.bool_] = self.unplayable() == ""
        return found

    def named(self, words: Sequence[str]) -> list[int]:
        """Numbers of the sounds whose names have all of some words, in small letters."""
        self._look()
        return [
            number
            for number, name in enumerate(self.names)
            if name is not None and all(word in name.casefold() for word in words)
        ]

    def close(self) -> None:
        """End what is measuring."""
        for worker in self._workers:
            worker.end()

    def _look(self) -> None:
        """Read the parts that are there now."""
        with self._lock:
            for part in sorted(self._missing):
                found = _read_part(part_path(self._cache, self._collection.key, part))
                if found is None:
                    continue
                first, (rows, names) = PART * part, found
                self._values[first : first + len(rows)] = rows
                self.names[first : first + len(rows)] = names
                self._missing.discard(part)


def part_path(cache: Path, key: str, part: int) -> Path:
    """The file of a part."""
    return cache / f"{VERSION}-{key}-{part:04d}.safetensors"


def measure_parts(source: Source, collection: Collection, cache: Path, share: tuple[int, int]) -> None:
    """Measure every n-th missing part, and store each in `cache`; `share` is which of how many workers this is."""
    number, workers = share
    for part in range(number, -(-len(collection) // PART), workers):
        path = part_path(cache, collection.key, part)
        if _read_part(path) is not None:
            continue
        numbers = np.arange(PART * part, min(PART * (part + 1), len(collection)))
        named = name_sounds(source.point_samples(collection, numbers), source.sample_rate)
        values = np.array([[sound.descriptors[name] for name in PRESET_DESCRIPTORS] for sound in named], np.float32)
        save_tensors(path, {"values": torch.from_numpy(values)}, {"names": [sound.name for sound in named]})


def _read_part(path: Path) -> tuple[Floats, list[str]] | None:
    """Descriptors and names of a part; None if the file is not there or is damaged."""
    if not path.exists():
        return None
    try:
        tensors, state = load_tensors(path)
        return tensors["values"].numpy(), state["names"]
    except (UserError, KeyError):
        return None
