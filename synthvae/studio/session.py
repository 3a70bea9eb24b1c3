"""One studio: a run, its map, its bank, and what a request means by a sound."""

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
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset
from synthvae.maps.clusters import Clusters, name_clusters
from synthvae.maps.nearest import Atlas, Spot
from synthvae.naming import name_sounds
from synthvae.naming.changes import CHANGES
from synthvae.studio.api.specs import Spec
from synthvae.studio.archives import FORMATS
from synthvae.studio.collection import Collection
from synthvae.studio.errors import ConflictError, NotFoundError
from synthvae.studio.imports import Imports
from synthvae.studio.jobs.queue import Jobs
from synthvae.studio.maps import LayoutWorker, Maps
from synthvae.studio.measured import Measured
from synthvae.synths.registry import synth_kind
from synthvae.synths.rendering import Renderer
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
        unit: ``(P,)`` in [0, 1].
        latent: ``(D,)`` where it was given or found on the way; None where it would have to be encoded.
        spot: what the map says of the place, where a place was given.
        origin: where it comes from, for a preset's file.
    """

    unit: Floats
    latent: Floats | None
    spot: Spot | None
    origin: dict[str, Any]


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
        self.renderer = Renderer(run)
        self.maps = Maps(run, collection, self.renderer, cache, ahead)
        self.measured = Measured(run.path, collection, cache)
        self.jobs = Jobs(run.path, cache, collection.key)
        self.imports = Imports(run, self.maps)
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
        middle = np.full((1, len(self.run.parameters)), 0.5, np.float32)
        held = synth_kind(self.run.settings.synth).hold
        self.renderer.played(middle[0], None, 0.5 if held else None)
        self.described(Sound(middle[0], None, None, {}))
        self.decode(self.encode(middle))

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
            unit, latent = self.collection.unit[number], self.collection.latents[number]
            return Sound(unit, latent, None, origin | {"point": number})
        if spec.place is not None:
            among = self.measured.playable() if spec.place.playable else None
            spot = self.view(spec.place.view).at(spec.place.x, spec.place.y, among)
            if not spec.place.between:
                unit, latent = self.collection.unit[spot.point], self.collection.latents[spot.point]
                return Sound(unit, latent, spot, origin | {"point": spot.point})
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
        atlas = self.maps.atlas(name)
        if atlas is None:
            done = round(100 * self.maps.progress(name))
            raise ConflictError(
                "view", name, "use parameters-pca until it is ready", why=f"which is being computed ({done} %)"
            )
        return atlas

    def latent(self, numbers: list[float]) -> Floats:
        """A latent of the run's length.

        Raises:
            UserError: if it has another one.
        """
        if len(numbers) != self.run.latent_size:
            raise UserError("latent", numbers, f"this run's have {self.run.latent_size}", f"{len(numbers)} numbers")
        return np.array(numbers, np.float32)

    # -- from one form to another --------------------------------------------------------------------

    def decode(self, latent: Floats) -> Floats:
        """Unit parameters ``(P,)`` of a latent ``(D,)``; of several, ``(B, P)``."""
        with torch.inference_mode():
            unit = self.run.decode(torch.from_numpy(np.atleast_2d(latent))).numpy()
        return unit if latent.ndim > 1 else unit[0]

    def encode(self, unit: Floats) -> Floats:
        """The latent ``(D,)`` of unit parameters ``(P,)``; of several, ``(B, D)``."""
        with torch.inference_mode():
            latent = self.run.encode(torch.from_numpy(np.atleast_2d(unit))).numpy()
        return latent if unit.ndim > 1 else latent[0]

    def latent_of(self, sound: Sound) -> Floats:
        """The latent of a sound, ``(D,)``."""
        return self.encode(sound.unit) if sound.latent is None else sound.latent

    def places(self, unit: Floats, latents: Floats | None = None) -> list[dict[str, list[float]]]:
        """Places of unit parameters ``(B, P)`` on the views that are ready; `latents` saves encoding them."""
        found = self.maps.places(unit, latents)
        return [{view: place[row].tolist() for view, place in found.items()} for row in range(len(unit))]

    def nearest(self, sound: Sound) -> list[int]:
        """Numbers of the points most like a sound, the most alike first; by latents until sounds are compared."""
        atlas = self.maps.ready().get("sound-pca")
        if atlas is not None:
            return atlas.most_alike(self.maps.features("sound", sound.unit[None]), NEAREST)[0].tolist()
        return self.view("parameters-pca").most_alike(self.latent_of(sound)[None], NEAREST)[0].tolist()

    def values(self, unit: Floats) -> dict[str, float]:
        """Human values by name of unit parameters ``(P,)``, without those that the run holds fixed."""
        human = self.run.parameters.denormalise(unit.astype(np.float64))
        return dict(zip(self.run.parameters.names, human.tolist(), strict=True))

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
        human = self.run.parameters.denormalise(sound.unit.astype(np.float64))
        return Preset(self.run.parameters, human, self.run.settings, sound.origin, name)

    def described(self, sound: Sound) -> tuple[str, dict[str, float | None]]:
        """A sound's measured name and descriptors."""
        named = name_sounds(self.renderer.samples(sound.unit[None]), self.renderer.sample_rate)[0]
        return named.name, named.descriptors

    # -- the state of things -------------------------------------------------------------------------

    def can(self) -> dict[str, Any]:
        """Abilities of this studio besides rendering."""
        return {
            "match": find_spec("synthvae.matching.engine") is not None,
            "encode_audio": self.imports.encodes,
            "export": list(FORMATS),
        }

    def building(self) -> dict[str, float]:
        """Progress of running computations, 0 to 1, by the name of a view, or ``columns``."""
        done = self.measured.progress
        return self.maps.building() | ({} if done == 1.0 else {"columns": round(done, 3)})

    def clusters_on(self, view: str) -> list[dict[str, Any]]:
        """Clusters with their names, and where they lie on a view that is ready."""
        clusters, atlas = self.maps.clusters(), self.maps.atlas(view)
        if clusters is None or atlas is None:
            return []
        found = []
        for number, name in enumerate(self.cluster_names(clusters)):
            members = np.flatnonzero(clusters.labels == number)
            x, y = np.median(atlas.points[members], axis=0).tolist()
            found.append({"id": number, "name": name, "x": x, "y": y, "count": len(members)})
        return found

    def clusters_by(self) -> str:
        """How the clusters were found: ``density`` or ``regions``; empty until they are."""
        clusters = self.maps.clusters()
        return "" if clusters is None else clusters.by

    def clusters_named(self) -> bool:
        """Whether the clusters are found and all sounds measured, so that their names change no more."""
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
