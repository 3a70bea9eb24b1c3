"""Favourites among the recordings of a library, and files hidden on its map, kept by the hash of their samples."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthvae.core.errors import UserError, reason
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.json import dump_json, load_json
from synthvae.studio.collection import Collection

__all__ = ["KINDS", "Marks"]

FORMAT, VERSION = "synthvae-marks", 1
#: What a recording can be marked as.
KINDS = ("favourites", "hidden")
REMEDY = "remove it to begin anew"


class Marks:
    """Marks of the points of a map; every change is on disk before it is answered.

    Args:
        collection: collection of the map, whose points are recordings or else have no marks.
        folder: folder of the file; one for each library.

    Raises:
        UserError: if the file is none of this version.
    """

    def __init__(self, collection: Collection, folder: Path) -> None:
        library = collection.library
        self._hashes: NDArray[np.str_] = np.zeros(0, np.str_)
        self._lock = threading.Lock()
        self._marked: dict[str, set[str]] = {kind: set() for kind in KINDS}
        if library is None:
            return
        self._hashes = library.items["content_hash"].to_numpy(str)[collection.numbers]
        self.path = folder / f"marks-{library.hash}.json"
        if not self.path.exists():
            return
        try:
            document = load_json(self.path.read_bytes(), str(self.path), REMEDY)
        except OSError as error:
            raise UserError(self.path, self.path, REMEDY, f"cannot read ({reason(error)})") from None
        if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (FORMAT, VERSION):
            raise UserError(self.path, self.path, REMEDY, f"not a file of {FORMAT} {VERSION}")
        for kind in KINDS:
            found = document.get(kind)
            if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
                raise UserError(f"{self.path}: {kind}", found, REMEDY, why="not a list of hashes")
            self._marked[kind] = set(found)

    def marked(self, kind: str) -> NDArray[np.bool_]:
        """Whether each point has a mark of `KINDS` ``(N,)``."""
        return np.isin(self._hashes, list(self._marked[kind]))

    def numbers(self) -> dict[str, list[int]]:
        """Numbers of the points with each mark."""
        return {kind: np.flatnonzero(self.marked(kind)).tolist() for kind in KINDS}

    def change(self, points: Sequence[int], kind: str, on: bool) -> None:
        """Mark points, or take a mark from them.

        Raises:
            UserError: if the file cannot be written; nothing has changed then.
        """
        with self._lock:
            hashes = set(self._hashes[list(points)].tolist())
            new = self._marked[kind] | hashes if on else self._marked[kind] - hashes
            marked = {**self._marked, kind: new}
            document = {"format": FORMAT, "version": VERSION, **{name: sorted(marked[name]) for name in KINDS}}
            ensure_directory(self.path.parent, "bank")
            atomic_write(self.path, dump_json(document, self.path) + "\n")
            self._marked = marked
