"""Recordings on the map, placed by their sound and kept while the studio runs."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthvae.core.errors import UserError
from synthvae.matching.target import Target, read_target
from synthvae.studio.errors import ConflictError
from synthvae.studio.maps import Maps
from synthvae.studio.sources import Source

Floats = NDArray[np.float32]

__all__ = ["Imported", "Imports", "prepare"]

#: Samples of all channels: what is short as a file can be long as a sound, and takes 8 bytes each.
MOST_SAMPLES = 16_000_000


def prepare(content: bytes, name: str, sample_rate: int) -> Target:
    """A recording, of any format that libsndfile reads, as the matching engine wants it.

    Raises:
        UserError: if it is empty, no audio, too long, silent, or not finite.
    """
    if not content:
        raise UserError(name, content, "send the recording's bytes", "the body is empty")
    return read_target(io.BytesIO(content), sample_rate, name, MOST_SAMPLES)


#: Recordings that are kept; after them the studio says that it is full.
MOST = 10_000
#: Points that are said to be most like a recording.
NEAREST = 8


@dataclass(frozen=True)
class Imported:
    """A recording on the map.

    Attributes:
        id: its number, from 0.
        name: name of its file.
        label: label of its folder.
        features: ``(1, K)``, on the sound layout.
        latent: ``(1, D)``, as it is estimated; None where it cannot be.
        nearest: numbers of the points most like it.
        audio: ``(T,)``, where the map is of recordings; None otherwise.
        distance: root mean square difference of its log-mel spectrogram and the nearest point's, in dB.
    """

    id: int
    name: str
    label: str
    features: Floats
    latent: Floats | None
    nearest: tuple[int, ...]
    distance: float
    audio: Floats | None = None


class Imports:
    """Recordings on the map, placed by their spectrograms, and by their latents where they can be encoded.

    Args:
        source: source of the sounds of the map.
        maps: the views.
    """

    def __init__(self, source: Source, maps: Maps) -> None:
        self._source, self._maps = source, maps
        self._lock = threading.Lock()
        self.all: list[Imported] = []

    def add(self, content: bytes, name: str, label: str) -> Imported:
        """Put a recording on the map, under the names of its file and its folder.

        Raises:
            ConflictError: if the sounds of the map are not compared yet, the encoder does not fit, or the studio is
                full.
            UserError: if it is no sound.
        """
        atlas = self._maps.ready().get("sound-pca")
        if atlas is None:
            raise ConflictError("view", "sound", "try again in a few seconds", why="which is being computed")
        rate = self._source.sample_rate
        target = prepare(content, name, rate)
        features = self._maps.spectral("sound").project(self._source.recorded(target.audio))
        # A recording's level is that of its production, so the level most like a point's is taken.
        nearest = atlas.most_alike(features, NEAREST)
        distances = np.linalg.norm(features - atlas.features[nearest[:, 0]], axis=1)
        best = int(distances.argmin())
        latent = self._source.estimate(target.audio, rate, name) if self._source.estimates else None
        with self._lock:
            if len(self.all) >= MOST:
                raise ConflictError("recordings", MOST, "restart synthvae explore", f"{MOST:,} are on the map already")
            found = tuple(nearest[best].tolist())
            audio = target.audio.numpy() if "originals" in self._source.tools else None
            feature, distance = features[best : best + 1], float(distances[best])
            self.all.append(Imported(len(self.all), name, label, feature, latent, found, distance, audio))
            return self.all[-1]

    def places(self, one: Imported) -> dict[str, list[float]]:
        """Places of a recording on the views that are ready and can place it."""
        placed = None if one.latent is None else self._source.placed(one.latent)
        rows = {"sound": one.features, self._source.latent_layout: placed}
        found = {}
        for view, atlas in self._maps.ready().items():
            row = rows.get(view.removesuffix("-pca"))
            if row is not None:
                found[view] = atlas.place(row)[0].tolist()
        return found

    def clear(self) -> int:
        """Forget them all; how many there were."""
        with self._lock:
            count = len(self.all)
            self.all = []
            return count
