"""Worker processes: their results, their error messages, and that none outlives the server."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from synthvae.analysis.sounds import presets_to_map
from synthvae.core.errors import UserError
from synthvae.core.store import Store
from synthvae.data.presets import Dataset
from synthvae.maps import projection
from synthvae.maps.clusters import Clusters, find_clusters
from synthvae.maps.stability import survey_latents
from synthvae.studio import maps as studio_maps
from synthvae.studio import serve
from synthvae.studio.collection import from_dataset, read_collection
from synthvae.studio.errors import ConflictError
from synthvae.studio.jobs.process import Worker
from synthvae.studio.maps import CLUSTERS_VERSION, LayoutWorker, Maps, make_views, missing
from synthvae.studio.measured import Measured, measure_parts
from synthvae.studio.sources import PresetSource
from synthvae.training.run import load_run

PATIENCE = 300.0


def until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_view_and_the_sounds_are_made_in_the_background_once(small_run: Path, tmp_path: Path):
    run = load_run(small_run)
    collection = from_dataset(run, Path(run.config.data), True, 40, tmp_path)
    assert read_collection(tmp_path, collection.key) is not None
    maps, measured = Maps(PresetSource(run), collection, tmp_path), Measured(run.path, collection, tmp_path)
    found = []

    def measure() -> None:
        found.append(maps.atlas("sound-pca") is not None)
        measured.start(1)

    try:
        maps.start(measure)
        assert maps.atlas("sound") is None
        assert 0 <= maps.progress("sound") < 1
        assert measured.column("brightness") == (None, 0.0)
        until(lambda: maps.atlas("sound") is not None)
        until(lambda: found)
        assert found == [True], "sounds are measured once the first view is there"
        until(lambda: measured.progress == 1.0)
    finally:
        maps.close()
        measured.close()
    column, _ = measured.column("brightness")
    assert np.isfinite(column).any()
    assert None not in measured.names
    again = Maps(PresetSource(run), collection, tmp_path)
    np.testing.assert_array_equal(again.ready()["sound"].points, maps.ready()["sound"].points)
    assert Measured(run.path, collection, tmp_path).progress == 1.0


def test_a_worker_started_before_the_presets_are_known_makes_the_views(small_run: Path, tmp_path: Path):
    run = load_run(small_run)
    assert missing(tmp_path)
    ahead = LayoutWorker(run.path, tmp_path)
    collection = from_dataset(run, Path(run.config.data), True, 40, tmp_path)
    maps = Maps(PresetSource(run), collection, tmp_path, ahead)
    try:
        assert ahead.process.running
        until(lambda: maps.atlas("sound") is not None)
        assert {"sound", "sound-pca"} <= set(maps.ready()), "also the one that nobody has asked for"
        assert not missing(tmp_path)
        until(lambda: not ahead.process.running)
        assert ahead.process.complaint == ""
    finally:
        maps.close()


def test_a_worker_started_ahead_ends_where_the_presets_cannot_be_read(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    started: list[LayoutWorker] = []
    monkeypatch.setattr(serve, "LayoutWorker", lambda *given: started.append(LayoutWorker(*given)) or started[0])
    with pytest.raises(UserError, match="cannot read"):
        serve.open_session(small_run, tmp_path / "none.json", tmp_path / "b.sqlite", cache=tmp_path / "cache")
    until(lambda: not started[0].process.running)


def test_damaged_files_of_the_map_are_made_again(small_run: Path, studio_cache: Path, tmp_path: Path):
    run = load_run(small_run)
    cache = Path(shutil.copytree(studio_cache, tmp_path / "cache"))
    collection = from_dataset(run, Path(run.config.data), True, 64, cache)
    source, measured = PresetSource(run), Measured(run.path, collection, cache)
    assert measured.progress == 1.0
    for file in cache.iterdir():
        file.write_bytes(file.read_bytes()[:-7])
    again = from_dataset(run, Path(run.config.data), True, 64, cache)
    np.testing.assert_array_equal(again.latents, collection.latents)
    maps = Maps(source, again, cache)
    assert set(maps.ready()) == {"parameters-pca"}
    assert Measured(run.path, again, cache).progress == 0.0
    measure_parts(source, again, cache, (0, 1))
    assert Measured(run.path, again, cache).names == measured.names
    make_views(source, again, "sound", Store(cache))
    assert maps.atlas("sound") is not None


@pytest.mark.parametrize("kept", [None, 0, 40, -7])
def test_clusters_are_found_again_where_their_file_is_gone_or_cut(
    small_run: Path, studio_cache: Path, tmp_path: Path, kept: int | None
):
    run = load_run(small_run)
    cache = Path(shutil.copytree(studio_cache, tmp_path / "cache"))
    collection = from_dataset(run, Path(run.config.data), True, 64, cache)
    maps = Maps(PresetSource(run), collection, cache)
    (file,) = cache.glob(f"{CLUSTERS_VERSION}-*")
    made = maps.clusters()
    if kept is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:kept])
    maps = Maps(PresetSource(run), collection, cache)
    found, atlas = maps.clusters(), maps.atlas("sound")
    expected = find_clusters(atlas.points)
    assert not np.array_equal(made.labels, expected.labels), "the fixture's are made up"
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(Store(cache).find(Clusters, CLUSTERS_VERSION, (collection.key,)).labels, found.labels)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_map_of_few_points_has_both_views_and_clusters(
    small_run: Path, tmp_path: Path, count: int, recwarn: pytest.WarningsRecorder
):
    run, store = load_run(small_run), Store(tmp_path)
    collection = from_dataset(run, Path(run.config.data), True, count, tmp_path)
    assert len(collection) == count
    make_views(PresetSource(run), collection, "sound", store)
    maps = Maps(PresetSource(run), collection, tmp_path)
    ready = maps.ready()
    assert {"sound", "sound-pca"} <= set(ready)
    for atlas in ready.values():
        assert atlas.points.shape == (count, 2)
        assert np.isfinite(atlas.points).all()
        places = [atlas.at(*point) for point in atlas.points.tolist()]
        assert all(place.inside and np.isfinite(place.latent).all() for place in places)
        assert len(np.unique(atlas.points, axis=0)) == count
        assert [place.point for place in places] == list(range(count))
    assert maps.clusters().labels.shape == (count,)
    assert list(tmp_path.glob(f"{CLUSTERS_VERSION}-*"))
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


def test_the_view_is_the_map_of_an_analysis_of_the_same_presets(
    small_run: Path, small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run, store = load_run(small_run), Store(tmp_path)
    islands = 30.0 * np.eye(4)[np.arange(40) % 4, :2]
    islands[3::4] = 90.0
    monkeypatch.setattr(projection, "_draw", lambda rows, seed, *_: projection._Drawn(islands + seed + rows[:, :2]))
    analysed = survey_latents(run.encode(presets_to_map(small_dataset, 40)).double().numpy(), store=store)
    monkeypatch.setattr(projection, "_draw", None)
    monkeypatch.setattr(studio_maps, "map_store", lambda *places: store)
    collection = from_dataset(run, Path(run.config.data), True, 40, tmp_path)
    make_views(PresetSource(run), collection, "parameters", store)
    maps = Maps(PresetSource(run), collection, tmp_path)
    np.testing.assert_allclose(maps.atlas("parameters").points, analysed.maps[0], rtol=1e-6)


def test_a_worker_that_fails_says_why(small_run: Path, tmp_path: Path):
    ended = []
    worker = Worker(
        "layout", "--run", str(small_run), "--cache", str(tmp_path), "--key", "none", on_end=lambda: ended.append(1)
    )
    assert worker.wait(PATIENCE)
    assert "the presets of the map are gone" in worker.complaint
    assert ended == [1]
    run = load_run(small_run)
    collection = from_dataset(run, Path(run.config.data), True, 40, tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    maps = Maps(PresetSource(run), collection, tmp_path)
    called: list[int] = []
    maps.start(lambda: called.append(1))
    with pytest.raises(ConflictError, match="could not be computed.*the presets of the map are gone"):
        until(lambda: maps.atlas("sound") is not None)
    until(lambda: called)


def test_a_worker_ends_with_the_server(small_run: Path, tmp_path: Path):
    command = [sys.executable, "-m", "synthvae.studio.jobs.worker", "match", "--run", small_run, "--cache", tmp_path]
    with subprocess.Popen([*command, "--key", "none"], stdin=subprocess.PIPE) as worker:
        assert worker.poll() is None
        worker.stdin.close()  # as it is closed when the server ends, in whatever way
        assert worker.wait(PATIENCE) == 3


def test_a_worker_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "argparse.py").write_text("open('executed', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    worker = Worker("nothing that exists")
    assert worker.wait(PATIENCE)
    assert "invalid choice" in worker.complaint
    assert not (tmp_path / "executed").exists()
