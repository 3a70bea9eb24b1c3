"""The views of the map: what is ready, what is being made, and what became of it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.core.store import Store
from synthvae.maps.clusters import Clusters, find_clusters
from synthvae.maps.nearest import Atlas, Render, build_atlas
from synthvae.maps.projection import map_store, pca_map, tsne_map, umap_map
from synthvae.studio.collection import Collection
from synthvae.studio.errors import ConflictError
from synthvae.studio.jobs.process import Worker
from synthvae.synths.rendering import Renderer
from synthvae.training.run import Run

__all__ = ["VIEWS", "Maps", "latent_renderer", "make_layout"]

Floats = NDArray[np.float32]

VIEWS = ("umap", "pca", "tsne")
#: Of how each is made; made anew where it changes.
VERSIONS = {"umap": "atlas-umap-3", "pca": "atlas-pca-1", "tsne": "atlas-tsne-1"}
CLUSTERS_VERSION = "clusters-3"
#: Latents that UMAP and t-SNE lay out; more are put between them.
LAID_OUT = 20_000
#: Seconds a latent that a layout takes on one core, for a guess how far it is.
GUESSED = {"umap": 0.004, "tsne": 0.006}
#: What a worker takes to start, in seconds.
STARTING = 12.0


class Maps:
    """The views of one collection.

    Args:
        run: the model.
        collection: the presets.
        renderer: of the run.
        cache: the folder that keeps what is made.
    """

    def __init__(self, run: Run, collection: Collection, renderer: Renderer, cache: Path) -> None:
        self._run, self._collection, self._cache = run, collection, cache
        self._store = Store(cache)
        self._atlases: dict[str, Atlas] = {}
        self._workers: dict[str, Worker] = {}
        self._clusters: Clusters | None = None
        self._lock = threading.Lock()
        self._atlases["pca"] = self._store.get(
            Atlas, VERSIONS["pca"], (collection.key,), lambda: make_pca(run, collection, renderer)
        )
        for view in VIEWS:
            self._take(view)

    def _take(self, view: str) -> bool:
        """Take a view from the cache; whether it was there."""
        found = self._store.find(Atlas, VERSIONS[view], (self._collection.key,))
        if found is not None:
            self._atlases[view] = found
        return view in self._atlases

    def atlas(self, view: str) -> Atlas | None:
        """A view, or None while it is being made; asking starts that.

        Raises:
            ConflictError: if it could not be made.
        """
        if view not in self._atlases:
            with self._lock:
                if view not in self._atlases:
                    self._look(view)
        return self._atlases.get(view)

    def ready(self) -> dict[str, Atlas]:
        """The views that there are, without starting any."""
        return dict(self._atlases)

    def clusters(self) -> Clusters | None:
        """Which points belong together, once UMAP has laid them out."""
        if self._clusters is None and (atlas := self.atlas("umap")) is not None:
            self._clusters = map_clusters(self._store, self._collection, atlas)
        return self._clusters

    def building(self) -> dict[str, float]:
        """Progress of the views that are being computed, 0 to 1."""
        return {view: self.progress(view) for view, worker in self._workers.items() if worker.running}

    def progress(self, view: str) -> float:
        """A guess how far a view is, from the time it has taken."""
        worker = self._workers.get(view)
        expected = STARTING + GUESSED.get(view, 0.0) * min(len(self._collection), LAID_OUT)
        return 1.0 if worker is None else min(0.97, worker.seconds / expected)

    def close(self) -> None:
        """End what is being made."""
        for worker in self._workers.values():
            worker.end()

    def _look(self, view: str) -> None:
        """Take a view from the cache, start making it, or learn that that failed."""
        if self._take(view):
            return
        worker = self._workers.get(view)
        if worker is None:
            arguments = ("--run", str(self._run.path), "--cache", str(self._cache), "--key", self._collection.key)
            self._workers[view] = Worker("layout", "--view", view, *arguments)
        elif worker.complaint:
            raise ConflictError(
                "view", view, "use another one", why=f"which could not be computed ({worker.complaint})"
            )


def make_pca(run: Run, collection: Collection, renderer: Renderer) -> Atlas:
    """The linear view, in a second."""
    points = _few(collection.latents) if len(collection) < 4 else pca_map(collection.latents).points
    return build_atlas(points, collection.latents, latent_renderer(run, renderer), linear=True)


def make_layout(run: Run, collection: Collection, renderer: Renderer, view: str, store: Store) -> None:
    """Make a view that takes a while, and keep it; with UMAP's, which points belong together.

    UMAP's is the map of seed 0 of an analysis of the same latents, which is read where there was one. On 3,000 presets
    its median round trip is 13.8 dB, t-SNE's 12.5 and PCA's 14.7, where a random point is 16.5 dB away.
    """
    latents, maps = collection.latents, map_store(Path(run.config.data), store.directory)

    def make() -> Atlas:
        if len(latents) < 4:
            return build_atlas(_few(latents), latents, latent_renderer(run, renderer))
        part = latents[:LAID_OUT]
        points = umap_map(part, store=maps) if view == "umap" else tsne_map(part)
        if len(latents) > LAID_OUT:
            points = np.concatenate([points, _between(part, points.astype(np.float32), latents[LAID_OUT:])])
        atlas = build_atlas(points, latents, latent_renderer(run, renderer))
        if view == "umap":
            map_clusters(store, collection, atlas)
        return atlas

    store.get(Atlas, VERSIONS[view], (collection.key,), make)


def map_clusters(store: Store, collection: Collection, atlas: Atlas) -> Clusters:
    """Which points of UMAP's view belong together, from the cache or else found in seconds."""
    return store.get(Clusters, CLUSTERS_VERSION, (collection.key,), lambda: find_clusters(atlas.points))


def latent_renderer(run: Run, renderer: Renderer) -> Render:
    """Spectrograms of latents, the `render` of `build_atlas`."""

    def hear(latents: Floats) -> Floats:
        with torch.inference_mode():
            unit = run.decode(torch.from_numpy(np.ascontiguousarray(latents, np.float32))).numpy()
        return renderer.heard(unit)

    return hear


def _between(latents: Floats, points: Floats, new: Floats) -> Floats:
    """Places of latents that were not laid out."""
    from sklearn.neighbors import NearestNeighbors

    distances, numbers = NearestNeighbors(n_neighbors=3).fit(latents).kneighbors(new)
    weights = 1.0 / (np.square(distances) + 1e-9)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("bk,bkd->bd", weights, points[numbers]).astype(np.float32)


def _few(latents: Floats) -> Floats:
    """Three points or less lie as their first two coordinates say."""
    points = np.zeros((len(latents), 2), np.float32)
    shown = (latents - latents.mean(axis=0))[:, :2]
    points[:, : shown.shape[1]] = shown
    return points
