"""The views of the map: what is ready, what is being computed, and where a sound lies on each."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.core.store import Store
from synthvae.maps.clusters import Clusters, find_clusters
from synthvae.maps.nearest import Atlas, build_atlas
from synthvae.maps.projection import map_store, pca_map, umap_map
from synthvae.maps.spectra import SpectralFeatures, sound_layout, spectral_features
from synthvae.studio.collection import Collection
from synthvae.studio.errors import ConflictError
from synthvae.studio.jobs.process import Worker
from synthvae.studio.sources import Source

if TYPE_CHECKING:
    from synthvae.studio.libraries import Guesses

__all__ = ["LayoutWorker", "Maps", "make_views", "missing"]

Floats = NDArray[np.float32]


#: Changed when views are made in another way.
VERSION = "atlas-4"
FEATURES_VERSION = "features-1"
CLUSTERS_VERSION = "clusters-4"
GUESSES_VERSION = "guesses-1"
ASPECTS_VERSION = "aspects-1"
#: Points that are laid out; more are placed between them.
LAID_OUT = 20_000
#: What a view takes on one core, in seconds a point and at least, for a guess how far it is.
STARTING, PCA_SECONDS, LAYOUT_SECONDS = 6.0, 0.001, 0.004


class LayoutWorker:
    """A process that computes both views of a layout.

    It can be started before the presets are known, and loads its libraries until it is told which they are.

    Args:
        run_path: path of the run.
        cache: the folder that keeps what is computed.
        layout: one of the layouts of `synthvae.studio.sources`.

    Attributes:
        process: its process.
    """

    def __init__(self, run_path: Path, cache: Path, layout: str = "sound") -> None:
        self._waiting: list[Callable[[], object]] = []
        arguments = ("--layout", layout, "--run", str(run_path), "--cache", str(cache))
        self.process = Worker("layout", *arguments, on_message=lambda message: self._proceed(), on_end=self._proceed)

    def lay_out(self, key: str) -> None:
        """Compute the views of the collection that is kept under a key."""
        self.process.tell({"key": key})

    def after_first(self, action: Callable[[], object]) -> None:
        """Call `action` once the first view is there, or cannot be computed."""
        self._waiting.append(action)
        if not self.process.running:
            self._proceed()

    def _proceed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for action in waiting:
            action()

    def end(self) -> None:
        """Stop, and call nothing."""
        self._waiting.clear()
        self.process.end()


def missing(cache: Path) -> bool:
    """Whether a folder has no views at all, so that a `LayoutWorker` will be needed."""
    return not any(cache.glob(f"{VERSION}-*"))


class Maps:
    """The views of one collection.

    Args:
        source: source of the sounds.
        collection: the points.
        cache: the folder that keeps what is computed.
        ahead: a worker for the layout by sound, where one was started already; it ends with the maps.
    """

    def __init__(self, source: Source, collection: Collection, cache: Path, ahead: LayoutWorker | None = None) -> None:
        self._source, self._collection, self._cache = source, collection, cache
        self._store = Store(cache)
        self._atlases: dict[str, Atlas] = {}
        self._features: dict[str, SpectralFeatures] = {}
        self._workers: dict[str, LayoutWorker] = {}
        self._clusters: Clusters | None = None
        self._guesses: Guesses | None = None
        self._aspects: Mapping[str, Floats] | None = None
        self._lock = threading.Lock()
        self._ahead = ahead
        for view in source.views:
            if view != source.at_once:
                self._find(view)

    def _find(self, view: str) -> bool:
        """Take a view from the cache, or make it where that takes a second; whether it is there."""
        if view not in self._atlases:
            found = self._store.find(Atlas, VERSION, (view, self._collection.key))
            if found is None and view == self._source.at_once:
                found = _view(self._source, self._collection, view, self._store)
            if found is not None:
                self._atlases[view] = found
        return view in self._atlases

    def atlas(self, view: str) -> Atlas | None:
        """A view, or None while it is being computed; asking starts that.

        Raises:
            ConflictError: if it could not be computed.
        """
        with self._lock:
            if not self._find(view):
                self._compute(view)
        return self._atlases.get(view)

    def start(self, then: Callable[[], object]) -> None:
        """Start computing the views by sound, where they are not there yet.

        Args:
            then: called once the first of them is there, so that what can wait does not slow it down, or cannot be
                computed.
        """
        if self.atlas("sound") is not None or self._find("sound-pca"):
            then()
        else:
            self._workers["sound"].after_first(then)
        self._find(self._source.at_once)  # while the worker loads its libraries

    def ready(self) -> dict[str, Atlas]:
        """The views that there are, without starting any."""
        for view in self._source.views:
            if view == self._source.at_once or _layout(view) in self._workers:  # which may have made it since
                self._find(view)
        return dict(self._atlases)

    def clusters(self) -> Clusters | None:
        """Which points belong together, once the sounds are laid out."""
        if self._clusters is None and (atlas := self.atlas("sound")) is not None:
            self._clusters = map_clusters(self._store, self._collection, atlas)
        return self._clusters

    def aspects(self) -> Mapping[str, Floats] | None:
        """Rows of the points by aspect, once the sounds are laid out; None without recordings."""
        if self._aspects is None and "originals" in self._source.tools and self.atlas("sound") is not None:
            from synthvae.studio.libraries import Aspects

            found = self._store.find(Aspects, ASPECTS_VERSION, (self._collection.key,))
            if found is not None:
                self._aspects = {**found.rows, "overall": self._atlases["sound"].features}
        return self._aspects

    def guesses(self) -> NDArray[np.int64] | None:
        """Labels of the points by a classifier ``(N,)``, once the sounds are laid out; None without such labels."""
        if self._guesses is None and self._collection.named_by is not None and self.atlas("sound") is not None:
            from synthvae.studio.libraries import Guesses

            self._guesses = self._store.find(Guesses, GUESSES_VERSION, (self._collection.key,))
        return None if self._guesses is None else self._guesses.labels

    def places(self, rows: Floats, latents: Floats | None = None) -> dict[str, Floats]:
        """Places ``(B, 2)`` of rows ``(B, R)`` on each view that is ready; `latents` saves encoding them."""
        self._find(self._source.at_once)
        found: dict[str, Floats] = {}
        for layout in self._source.layouts:
            views = [view for view in (layout, f"{layout}-pca") if view in self._atlases]
            if views:
                known = latents if layout == self._source.latent_layout else None
                features = self.features(layout, rows) if known is None else self._source.placed(known)
                found |= {view: self._atlases[view].place(features) for view in views}
        return found

    def features(self, layout: str, rows: Floats) -> Floats:
        """Features ``(B, K)`` of rows ``(B, R)`` on a layout that is ready."""
        if layout == self._source.latent_layout:
            return self._source.placed(self._source.encode(rows))
        return self.spectral(layout).project(self._source.spectrograms(layout, rows))

    def spectral(self, layout: str) -> SpectralFeatures:
        """The principal components that a layout by sound rests on; it has to be ready."""
        if layout not in self._features:
            self._features[layout] = _features(self._source, self._collection, layout, self._store)
        return self._features[layout]

    def building(self) -> dict[str, float]:
        """Progress of the views that are being computed, 0 to 1."""
        return {
            view: self.progress(view)
            for view in self._source.views
            if view not in self._atlases and (worker := self._workers.get(_layout(view))) and worker.process.running
        }

    def progress(self, view: str) -> float:
        """A guess how far a view is, from the time it has taken."""
        worker = self._workers.get(_layout(view))
        each = PCA_SECONDS if view.endswith("-pca") else PCA_SECONDS + LAYOUT_SECONDS
        expected = STARTING + each * min(len(self._collection), LAID_OUT)
        return 1.0 if worker is None else min(0.97, worker.process.seconds / expected)

    def close(self) -> None:
        """End what is being computed."""
        for worker in (self._ahead, *self._workers.values()):
            if worker is not None:
                worker.end()

    def _compute(self, view: str) -> None:
        """Start computing both views of a layout, or learn that that failed."""
        layout = _layout(view)
        worker = self._workers.get(layout)
        if worker is None:
            ahead = self._ahead if layout == "sound" else None
            worker = self._workers[layout] = ahead or LayoutWorker(self._source.run.path, self._cache, layout)
            worker.lay_out(self._collection.key)
        elif complaint := worker.process.complaint:
            raise ConflictError("view", view, "use another one", why=f"which could not be computed ({complaint})")


def make_views(
    source: Source,
    collection: Collection,
    layout: str,
    store: Store,
    made: Callable[[str], object] = lambda view: None,
) -> None:
    """Compute both views of a layout, principal components first, and the clusters of the sound layout.

    Args:
        source: source of the sounds.
        collection: the points.
        layout: one of the source's.
        store: keeps what is computed.
        made: called with the name of the first view when it is there.
    """
    torch.set_num_threads(os.cpu_count() or 1)  # until the layout, which with a seed takes one core
    _view(source, collection, f"{layout}-pca", store)
    made(f"{layout}-pca")
    torch.set_num_threads(1)
    atlas = _view(source, collection, layout, store)
    if layout == "sound":
        map_clusters(store, collection, atlas)
        if "originals" in source.tools:
            from synthvae.studio.libraries import Aspects, measure_aspects

            store.get(Aspects, ASPECTS_VERSION, (collection.key,), lambda: measure_aspects(source, collection))
        if collection.named_by is not None:
            from synthvae.studio.libraries import Guesses, guess_all

            features = _features(source, collection, layout, store)
            store.get(Guesses, GUESSES_VERSION, (collection.key,), lambda: guess_all(source, collection, features))


def map_clusters(store: Store, collection: Collection, atlas: Atlas) -> Clusters:
    """Which points of the sound layout belong together, from the cache or else found in seconds."""
    return store.get(Clusters, CLUSTERS_VERSION, (collection.key,), lambda: find_clusters(atlas.points))


def _layout(view: str) -> str:
    return view.removesuffix("-pca")


def _view(source: Source, collection: Collection, view: str, store: Store) -> Atlas:
    """A view from the cache, or else computed.

    Latents are laid out by UMAP: the map of seed 0 of an analysis of the same latents, read where there was one.
    """

    def compute() -> Atlas:
        points: NDArray[np.floating]
        layout, linear = _layout(view), view.endswith("-pca")
        latents = collection.latents
        by_latents = layout == source.latent_layout
        rows = source.placed(latents) if by_latents else _features(source, collection, layout, store).rows
        if len(rows) < 4:
            points = _few(rows)
        elif linear:
            points = pca_map(rows).points
        else:
            part = rows[:LAID_OUT]
            if by_latents:
                points = umap_map(part, store=map_store(source.run.dataset_path, store.directory))
            else:
                points = sound_layout(part)
            if len(rows) > LAID_OUT:
                points = np.concatenate([points, _between(part, points.astype(np.float32), rows[LAID_OUT:])])
        return build_atlas(
            points,
            rows,
            latents,
            _rendered(source, collection, layout),
            lambda found: source.decoded(layout, found),
            linear and len(rows) >= 4,
        )

    return store.get(Atlas, VERSION, (view, collection.key), compute)


def _features(source: Source, collection: Collection, layout: str, store: Store) -> SpectralFeatures:
    def compute() -> SpectralFeatures:
        return spectral_features(len(collection), _rendered(source, collection, layout))

    return store.get(SpectralFeatures, FEATURES_VERSION, (layout, collection.key), compute)


def _rendered(source: Source, collection: Collection, layout: str) -> Callable[[NDArray[np.intp]], Floats]:
    return lambda numbers: source.point_spectrograms(layout, collection, numbers)


def _between(rows: Floats, points: Floats, new: Floats) -> Floats:
    """Places of points that were not laid out."""
    from sklearn.neighbors import NearestNeighbors

    distances, numbers = NearestNeighbors(n_neighbors=3).fit(rows).kneighbors(new)
    weights = 1.0 / (np.square(distances) + 1e-9)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("bk,bkd->bd", weights, points[numbers]).astype(np.float32)


def _few(rows: Floats) -> Floats:
    """Three points or fewer lie as their first two coordinates say."""
    points = np.zeros((len(rows), 2), np.float32)
    shown = (rows - rows.mean(axis=0))[:, :2]
    points[:, : shown.shape[1]] = shown
    return points
