"""A studio on the small run, with its maps made in advance, so that no test waits for a layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the studio is an extra: pip install '.[studio]'")

from starlette.testclient import TestClient

from synthvae.bank import Bank
from synthvae.core.store import Store
from synthvae.data.library import read_library
from synthvae.maps.clusters import Clusters
from synthvae.maps.projection import pca_map
from synthvae.studio import maps as studio_maps
from synthvae.studio.app import create_app
from synthvae.studio.collection import Collection, from_dataset, from_library
from synthvae.studio.libraries import LibrarySource, encode_library
from synthvae.studio.maps import make_views
from synthvae.studio.measured import measure_parts
from synthvae.studio.security import Access
from synthvae.studio.session import Session
from synthvae.studio.sources import PresetSource, Source
from synthvae.training.run import Run, load_run


@pytest.fixture(scope="session")
def studio_cache(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything of the map is there."""
    cache = tmp_path_factory.mktemp("studio")
    run = load_run(small_run)
    collection = from_dataset(run, Path(run.config.data), True, 64, cache)
    make_all(PresetSource(run), collection, cache)
    return cache


def make_all(source: Source, collection: Collection, cache: Path) -> None:
    """Make all that a map has, with layouts that take milliseconds."""
    monkey = pytest.MonkeyPatch()

    def layout(rows: np.ndarray, **_: object) -> np.ndarray:
        points = pca_map(rows).points
        return np.tanh(points / points.std())  # seconds less than t-SNE or UMAP

    count = len(collection)
    monkey.setattr(studio_maps, "sound_layout", layout)
    monkey.setattr(studio_maps, "umap_map", layout)
    monkey.setattr(studio_maps, "find_clusters", lambda points: Clusters(np.arange(count) % 4 - 1, "density"))
    monkey.setattr(studio_maps.torch, "set_num_threads", lambda count: None)
    for name in source.layouts:
        make_views(source, collection, name, Store(cache))
    monkey.undo()
    measure_parts(source, collection, cache, (0, 1))


#: Runs of the fixture `trained`.
LIBRARY_RUNS = ("plain", "labels", "frames")


def encoding(source: LibrarySource) -> Callable[[np.ndarray], np.ndarray]:
    """Latents of items of the run's own library."""
    library = read_library(Path(source.run.config.data))
    return lambda numbers: encode_library(source, library, numbers)


@pytest.fixture(scope="session")
def library_caches(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders in which everything of the maps of these runs is there."""
    folder = tmp_path_factory.mktemp("libraries")
    library = read_library(trained / "lib")
    for name in LIBRARY_RUNS:
        source, cache = LibrarySource(load_run(trained / name)), folder / name
        cache.mkdir()
        collection = from_library(source.run, library, len(library), cache, encoding(source), library)
        make_all(source, collection, cache)
    return folder


@pytest.fixture(scope="session")
def studio_run(small_run: Path) -> Run:
    return load_run(small_run)


@pytest.fixture
def session(studio_run: Run, studio_cache: Path, tmp_path: Path) -> Iterator[Session]:
    collection = from_dataset(studio_run, Path(studio_run.config.data), True, 64, studio_cache)
    made = Session(studio_run, collection, Bank(tmp_path / "bank.sqlite"), studio_cache)
    yield made
    made.close()


@pytest.fixture
def client(session: Session) -> Iterator[TestClient]:
    with TestClient(create_app(session, Access()), base_url="http://localhost:8321") as made:
        yield made


@pytest.fixture
def post(client: TestClient) -> Callable[..., object]:
    """POST of JSON below the API, refusing every answer but one of the codes given."""

    def send(path: str, body: object, code: int = 200) -> object:
        answer = client.post(f"/api/v1{path}", json=body)
        assert answer.status_code == code, answer.text
        return answer

    return send
