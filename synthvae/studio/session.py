"""Studio session: a run, its map, its bank, and the resolution of sound specs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.bank import Bank, Entry, UnknownPresetError
from synthvae.core.errors import UserError, choose_one
from synthvae.data.preset import Preset
from synthvae.maps.aspects import aspect_rows
from synthvae.maps.clusters import Clusters, name_clusters
from synthvae.maps.labels import label_places
from synthvae.maps.nearest import Atlas, Spot
from synthvae.naming import name_sounds
from synthvae.naming.changes import CHANGES
from synthvae.studio.api.specs import Spec
from synthvae.studio.archives import AUDIO_FORMATS, FORMATS
from synthvae.studio.collection import Collection
from synthvae.studio.errors import ConflictError, NotFoundError
from synthvae.studio.imports import Imports
from synthvae.studio.jobs.queue import Jobs
from synthvae.studio.kinds import open_source
from synthvae.studio.maps import LayoutWorker, Maps
from synthvae.studio.marks import Marks
from synthvae.studio.measured import Measured
from synthvae.studio.sources import TOOLS
from synthvae.synths.rendering import fade_out
from synthvae.training.run import Run

if TYPE_CHECKING:
    from synthvae.exploration.plane import LocalPlane

__all__ = ["Session", "Sound"]

Floats = NDArray[np.float32]

#: Points that are said to be nearest to a sound.
NEAREST = 8
#: Local planes that stay in memory.
PLANES = 16


@dataclass(frozen=True)
class Sound:
    """A resolved spec.

    Attributes:
        row: ``(R,)``, what it is made from: unit parameters of a preset.
        latent: ``(D,)`` where it was given or found on the way; None where it would have to be encoded.
        spot: the map's data at the place, where a place was given.
        origin: where it comes from, for a preset's file.
        original: number of the point whose recording it is, not what its row decodes to.
        recording: ``(T,)``, the samples of a recording that was put on the map.
    """

    row: Floats
    latent: Floats | None
    spot: Spot | None
    origin: dict[str, Any]
    original: int | None = None
    recording: Floats | None = None


class Session:
    """State shared by all requests.

    Args:
        run: the model.
        collection: the presets on the map.
        bank: where sounds are kept.
        cache: the folder that keeps what is made of the map.
        ahead: a worker for the map, where one was started already.
    """

    def __init__(
        self, run: Run, collection: Collection, bank: Bank, cache: Path, ahead: LayoutWorker | None = None
    ) -> None:
        self.run, self.collection, self.bank, self.cache = run, collection, bank, cache
        self.source = open_source(run)
        self.maps = Maps(self.source, collection, cache, ahead)
        self.measured = Measured(run.path, collection, cache)
        self.jobs = Jobs(run.path, cache, collection.key)
        self.imports = Imports(self.source, self.maps)
        self.marks = Marks(collection, bank.path.parent)
        self._cluster_names: list[str] | None = None
        self._planes: OrderedDict[bytes, LocalPlane] = OrderedDict()
        self._lock = threading.Lock()
        self._entry_units: dict[str, Floats | None] = {}
        self._entry_places: dict[tuple[str, tuple[str, ...]], dict[str, list[float]]] = {}

    def start(self, workers: int = 2) -> None:
        """Start what is made in the background, as far as it is not there yet.

        Args:
            workers: processes that measure sounds at once.
        """
        self.maps.start(lambda: self.measured.start(workers))

    def warm(self) -> None:
        """Render once, so that the first click does not wait for the kernels to load."""
        self.source.warm()
        self.described(Sound(self.collection.rows[0], None, None, {}))

    # -- which sound is meant ------------------------------------------------------------------------

    def sound(self, spec: Spec) -> Sound:
        """The sound that a spec means.

        Raises:
            NotFoundError: if there is no such point, or no such preset in the bank.
            ConflictError: if the view of a place is still being made.
            UserError: if a latent has another length, or values are not those of the run's parameters.
        """
        origin: dict[str, Any] = {"run": self.run.name}
        if spec.point is not None:
            number = self.point(spec.point)
            row, latent = self.collection.rows[number], self.collection.latents[number]
            return Sound(row, latent, None, origin | {"point": number}, self._original(number))
        if spec.decoded is not None:
            number = self.point(spec.decoded)
            return Sound(
                self.collection.rows[number], self.collection.latents[number], None, origin | {"decoded": number}
            )
        if spec.imported is not None:
            return self._imported(spec.imported, origin)
        if spec.place is not None:
            among = self.measured.playable() if spec.place.playable else None
            if self.collection.library is not None:
                among = ~self.marks.marked("hidden")
            spot = self.view(spec.place.view).at(spec.place.x, spec.place.y, among)
            if not spec.place.between:
                row, latent = self.collection.rows[spot.point], self.collection.latents[spot.point]
                return Sound(row, latent, spot, origin | {"point": spot.point}, self._original(spot.point))
            place = {"view": spec.place.view, "x": spot.x, "y": spot.y}
            return Sound(self.decode(spot.latent), spot.latent, spot, origin | place | {"latent": spot.latent.tolist()})
        if spec.latent is not None:
            latent = self.latent(spec.latent)
            return Sound(self.decode(latent), latent, None, origin | {"latent": spec.latent})
        space = self.run.parameters
        if spec.bank is not None:
            entry = self.entry(spec.bank)
            human = space.from_dict(entry.values, f"preset {entry.id} of the bank")
            return Sound(space.normalise(human).astype(np.float32), None, None, dict(entry.origin))
        if spec.near is not None:
            unit = self.plane(spec.near.values).at(spec.near.x, spec.near.y).numpy()
            return Sound(unit, None, None, origin)
        human = space.from_dict(spec.values or {}, "values")
        return Sound(np.clip(space.normalise(human), 0.0, 1.0).astype(np.float32), None, None, origin)

    def _original(self, number: int) -> int | None:
        return None if self.collection.library is None else number

    def _imported(self, number: int, origin: dict[str, Any]) -> Sound:
        found = next((one for one in self.imports.all if one.id == number), None)
        if found is None:
            raise NotFoundError("imported", number, "POST it to /api/v1/import", "no such recording on the map")
        if found.latent is None or found.audio is None:
            raise UserError("imported", number, "give another spec", "is a recording, and the map one of presets")
        row = self.decode(found.latent[0])
        return Sound(row, found.latent[0], None, origin | {"imported": number}, None, found.audio)

    def samples(self, sound: Sound) -> Floats:
        """Samples ``(T,)`` of a sound, as it is measured."""
        if sound.recording is not None:
            return sound.recording
        if sound.original is None:
            return self.source.samples(sound.row[None])[0]
        return self.source.point_samples(self.collection, np.array([sound.original]))[0]

    def played(self, sound: Sound, note: float | None = None, hold: float | None = None) -> Floats:
        """A sound ``(T,)`` for listening, at a note and held where that is asked for.

        Raises:
            UserError: if it cannot be played so.
        """
        if (sound.original is None and sound.recording is None) or note is not None or hold is not None:
            return self.source.played(sound.row, note, hold)
        return fade_out(self.samples(sound), self.source.sample_rate)

    def features(self, layout: str, sound: Sound) -> Floats:
        """Features ``(K,)`` of a sound on a layout that is ready."""
        if sound.original is not None and layout != self.source.latent_layout:
            return self.maps.ready()[f"{layout}-pca"].features[sound.original]
        if sound.recording is not None and layout != self.source.latent_layout:
            return self.maps.spectral(layout).project(self.source.recorded(torch.from_numpy(sound.recording)))[0]
        return self.maps.features(layout, sound.row[None])[0]

    def aspects(self, sound: Sound) -> dict[str, Floats]:
        """Rows ``(K,)`` of a sound by aspect.

        Raises:
            ConflictError: if the sounds of the map are not compared yet.
            UserError: if the map is one of presets.
        """
        every = self.maps.aspects()
        if "originals" not in self.source.tools:
            raise UserError("aspects", "aspects", "leave them out", why="but the map is one of presets")
        if every is None:
            raise ConflictError("aspects", "aspects", "try again in a few seconds", why="which are being measured")
        if sound.original is not None:
            return {name: rows[sound.original] for name, rows in every.items()}
        spectrogram = (
            self.source.spectrograms("sound", sound.row[None])
            if sound.recording is None
            else self.source.recorded(torch.from_numpy(sound.recording))
        )
        found = {name: row[0] for name, row in aspect_rows(spectrogram).items()}
        return found | {"overall": self.features("sound", sound)}

    def plane(self, values: Mapping[str, float]) -> LocalPlane:
        """The local plane around a preset in human units; the last ones stay in memory.

        Raises:
            UserError: if the values are not those of the run's parameters.
        """
        from synthvae.exploration.plane import local_plane  # a third of a second that the first map need not wait for

        human = self.run.parameters.from_dict(values, "values")
        key = human.tobytes()
        with self._lock:
            if (found := self._planes.get(key)) is None:
                unit = np.clip(self.run.parameters.normalise(human), 0.0, 1.0).astype(np.float32)
                found = self._planes[key] = local_plane(self.run, torch.from_numpy(unit))
                while len(self._planes) > PLANES:
                    self._planes.popitem(last=False)
            else:
                self._planes.move_to_end(key)
            return found

    def point(self, number: int) -> int:
        """The number of a point, known to be there.

        Raises:
            NotFoundError: if it is not.
        """
        if not 0 <= number < len(self.collection):
            raise NotFoundError("point", number, f"the numbers run from 0 to {len(self.collection) - 1}")
        return number

    def entry(self, number: int) -> Entry:
        """A preset of the bank.

        Raises:
            NotFoundError: if it is not there.
        """
        try:
            return self.bank.get(number)
        except UnknownPresetError:
            raise NotFoundError("bank", number, "GET /api/v1/bank lists what there is", f"no preset {number}") from None

    def view(self, name: str) -> Atlas:
        """A view that is ready.

        Raises:
            ConflictError: if it is not yet.
        """
        atlas = self.maps.atlas(self.known_view(name))
        if atlas is None:
            done = round(100 * self.maps.progress(name))
            raise ConflictError(
                "view", name, f"use {self.source.at_once} until it is ready", why=f"which is being computed ({done} %)"
            )
        return atlas

    def known_view(self, name: str) -> str:
        """The name of a view that this map has.

        Raises:
            NotFoundError: if it does not.
        """
        if name not in self.source.views:
            raise NotFoundError("view", name, choose_one(name, self.source.views))
        return name

    def latent(self, numbers: list[float]) -> Floats:
        """A latent of the run's length.

        Raises:
            UserError: if it has another one.
        """
        if len(numbers) != self.source.latent_size:
            raise UserError("latent", numbers, f"this run's have {self.source.latent_size}", f"{len(numbers)} numbers")
        return np.array(numbers, np.float32)

    # -- from one form to another --------------------------------------------------------------------

    def decode(self, latent: Floats) -> Floats:
        """The row ``(R,)`` of a latent ``(D,)``; of several, ``(B, R)``."""
        rows = self.source.decode(np.atleast_2d(latent))
        return rows if latent.ndim > 1 else rows[0]

    def encode(self, row: Floats) -> Floats:
        """The latent ``(D,)`` of a row ``(R,)``; of several, ``(B, D)``."""
        latent = self.source.encode(np.atleast_2d(row))
        return latent if row.ndim > 1 else latent[0]

    def latent_of(self, sound: Sound) -> Floats:
        """The latent of a sound, ``(D,)``."""
        return self.encode(sound.row) if sound.latent is None else sound.latent

    def places(self, rows: Floats, latents: Floats | None = None) -> list[dict[str, list[float]]]:
        """Places of rows ``(B, R)`` on the views that are ready; `latents` saves encoding them."""
        found = self.maps.places(rows, latents)
        return [{view: place[number].tolist() for view, place in found.items()} for number in range(len(rows))]

    def nearest(self, sound: Sound) -> list[int]:
        """Numbers of the points most like a sound, the most alike first; by latents until sounds are compared."""
        atlas = self.maps.ready().get("sound-pca")
        if atlas is not None:
            return atlas.most_alike(self.features("sound", sound)[None], NEAREST)[0].tolist()
        return (
            self.view(self.source.at_once)
            .most_alike(self.source.placed(self.latent_of(sound)[None]), NEAREST)[0]
            .tolist()
        )

    def entry_places(self, entries: Sequence[Entry]) -> list[dict[str, list[float]]]:
        """Places of presets of the bank on the views that are ready; none of one that the run cannot express."""
        for entry in entries:
            if entry.hash not in self._entry_units:
                try:
                    human = self.run.parameters.from_dict(entry.values)
                    self._entry_units[entry.hash] = self.run.parameters.normalise(human).astype(np.float32)
                except UserError:  # another route is open than those of the run
                    self._entry_units[entry.hash] = None
        ready = tuple(self.maps.ready())
        units = {entry.hash: self._entry_units[entry.hash] for entry in entries}
        new = {key: unit for key, unit in units.items() if unit is not None and (key, ready) not in self._entry_places}
        if new:
            for key, place in zip(new, self.places(np.stack(list(new.values()))), strict=True):
                self._entry_places[key, ready] = place
        return [self._entry_places.get((entry.hash, ready), {}) for entry in entries]

    def preset(self, sound: Sound, name: str = "") -> Preset:
        """A sound as a preset."""
        human = self.run.parameters.denormalise(sound.row.astype(np.float64))
        return Preset(self.run.parameters, human, self.run.settings, sound.origin, name)

    def described(self, sound: Sound) -> tuple[str, dict[str, float | None]]:
        """A sound's measured name and descriptors."""
        named = name_sounds(self.samples(sound)[None], self.source.sample_rate)[0]
        return named.name if sound.original is None else self.collection.titles[sound.original], named.descriptors

    # -- the state of things -------------------------------------------------------------------------

    def can(self) -> dict[str, Any]:
        """Abilities of this studio besides rendering."""
        return {
            **{tool: tool in self.source.tools for tool in TOOLS},
            "match": "match" in self.source.tools and find_spec("synthvae.matching.engine") is not None,
            "encode_audio": self.source.estimates,
            "export": [to for to in FORMATS if "parameters" in self.source.tools or to in AUDIO_FORMATS],
        }

    def building(self) -> dict[str, float]:
        """Progress of running computations, 0 to 1, by the name of a view, or ``columns``."""
        done = self.measured.progress
        return self.maps.building() | ({} if done == 1.0 else {"columns": round(done, 3)})

    def clusters_on(self, view: str) -> list[dict[str, Any]]:
        """Clusters with their names, and where they lie on a view that is ready; labels where there are such."""
        if self.label_names:
            return self._labels_on(view)
        clusters, atlas = self.maps.clusters(), self.maps.atlas(view)
        if clusters is None or atlas is None:
            return []
        found = []
        for number, name in enumerate(self.cluster_names(clusters)):
            members = np.flatnonzero(clusters.labels == number)
            x, y = np.median(atlas.points[members], axis=0).tolist()
            found.append({"id": number, "name": name, "x": x, "y": y, "count": len(members)})
        return found

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels that name regions of the map; empty where clusters are."""
        library = self.collection.library if len(self.collection.labels) else self.collection.named_by
        return () if library is None else library.labels

    def labels(self) -> NDArray[np.integer] | None:
        """Numbers of the points' labels among `label_names` ``(N,)``, guessed where they have none; None until then."""
        return self.collection.labels if len(self.collection.labels) else self.maps.guesses()

    def _labels_on(self, view: str) -> list[dict[str, Any]]:
        labels, atlas = self.labels(), self.maps.atlas(view)
        if labels is None or atlas is None:
            return []
        places = label_places(atlas.points, labels, len(self.label_names))
        return [
            {"id": number, "name": name if place.true else "", "x": place.x, "y": place.y, "count": place.count}
            for number, (name, place) in enumerate(zip(self.label_names, places, strict=True))
            if place.count
        ]

    @property
    def names(self) -> Sequence[str | None]:
        """Names of the points: of recordings those of their files, else measured; None where not measured yet."""
        return self.collection.titles or self.measured.names

    def named(self, words: Sequence[str]) -> list[int]:
        """Numbers of the points with all of some words, in small letters, in a name, a label or what was measured."""
        if self.collection.library is None:
            return self.measured.named(words)
        self.measured.progress  # noqa: B018 - reads what was measured since
        items = self.collection.library.items
        files, labels = (items[name].to_numpy()[self.collection.numbers] for name in ("file", "label"))
        every = zip(files, labels, self.measured.names, strict=True)
        texts = [f"{file} {label} {name or ''}".casefold() for file, label, name in every]
        return [number for number, text in enumerate(texts) if all(word in text for word in words)]

    def clusters_by(self) -> str:
        """How the clusters were found: ``density``, ``regions`` or ``labels``; empty until they are."""
        if self.label_names:
            return "" if self.labels() is None else "labels"
        clusters = self.maps.clusters()
        return "" if clusters is None else clusters.by

    def clusters_named(self) -> bool:
        """Whether the clusters are found and all sounds measured, so that their names change no more."""
        if self.label_names:
            return self.labels() is not None
        return self.maps.clusters() is not None and self.measured.progress == 1.0

    def cluster_names(self, clusters: Clusters) -> list[str]:
        """Names of the clusters, empty until all sounds are measured."""
        if self.measured.progress < 1.0:
            return [""] * (int(clusters.labels.max(initial=-1)) + 1)
        if self._cluster_names is None:
            values = {name: self.measured.values(name) for name in CHANGES}
            self._cluster_names = name_clusters(clusters.labels, self.measured.names, values["pitch"], values)
        return self._cluster_names

    def close(self) -> None:
        """End what works in the background."""
        self.maps.close()
        self.measured.close()
        self.jobs.close()
