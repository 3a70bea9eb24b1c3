"""The studio on runs on recorded sounds: recordings, what is decoded from latents, and what such a map offers."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

pytest.importorskip("fastapi", reason="the studio is an extra: pip install '.[studio]'")

from starlette.testclient import TestClient

from synthvae.audio.files import wav_bytes
from synthvae.bank import Bank
from synthvae.core.errors import UserError
from synthvae.data.library import read_library, write_library
from synthvae.studio.app import create_app
from synthvae.studio.collection import from_library, read_collection
from synthvae.studio.libraries import LibrarySource
from synthvae.studio.marks import Marks
from synthvae.studio.security import Access
from synthvae.studio.serve import open_session
from synthvae.studio.session import Session
from synthvae.training.run import load_run
from synthvae.training.sounds import SoundRun
from tests.studio.conftest import LIBRARY_RUNS, encoding, make_all
from tests.training.sounds import LABELS, RATE, SAMPLES, made

COUNT = 40


@pytest.fixture(params=LIBRARY_RUNS)
def session(request: pytest.FixtureRequest, trained: Path, library_caches: Path, tmp_path: Path) -> Iterator[Session]:
    run = load_run(trained / request.param)
    source, library = LibrarySource(run), read_library(trained / "lib")
    collection = from_library(run, library, COUNT, library_caches / request.param, encoding(source), library)
    made = Session(run, collection, Bank(tmp_path / "bank.sqlite"), library_caches / request.param)
    yield made
    made.close()


@pytest.fixture
def client(session: Session) -> Iterator[TestClient]:
    with TestClient(create_app(session, Access()), base_url="http://localhost:8321") as made:
        yield made


def heard(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
    assert rate == RATE
    return samples


def test_the_session_says_what_such_a_map_offers(client: TestClient, session: Session):
    said = client.get("/api/v1/session").json()
    assert said["views"] == ["sound", "sound-pca", "latent", "latent-pca"]
    assert [said["can"][tool] for tool in ("parameters", "keys", "bank", "match", "plane", "playable")] == [False] * 6
    assert said["can"]["originals"]
    assert said["can"]["encode_audio"]
    assert said["can"]["export"] == ["wav", "flac"]
    assert said["parameters"] == said["routes"] == []
    assert said["settings"] == {"sample_rate": RATE, "seconds": SAMPLES / RATE}
    assert said["columns"][0] == {"name": "label", "label": "label", "unit": "", "kind": "label", "names": list(LABELS)}
    labels = np.frombuffer(client.get("/api/v1/columns/label").content, "<f4")
    assert labels.tolist() == [number % 2 for number in range(COUNT)]
    assert said["columns"][1]["label"] == "class guess"
    guesses = np.frombuffer(client.get("/api/v1/columns/guess").content, "<f4")
    assert (guesses == labels).mean() > 0.8, "tones and noises are told apart"
    assert not any(column["kind"] == "cluster" for column in said["columns"])
    assert np.isfinite(np.frombuffer(client.get("/api/v1/columns/brightness").content, "<f4")).all()
    for view in said["views"]:
        assert len(client.get(f"/api/v1/maps/{view}/points").content) == 8 * COUNT
    assert client.get("/api/v1/maps/parameters").status_code == 404
    for path in ("bank", "jobs/x"):
        assert client.get(f"/api/v1/{path}").status_code == 404


def test_labels_name_regions_where_they_are_true(client: TestClient, session: Session):
    for view in session.source.views:
        said = client.get(f"/api/v1/maps/{view}").json()
        assert said["clusters_by"] == "labels"
        assert said["clusters_named"]
        assert [(one["id"], one["count"]) for one in said["clusters"]] == [(0, COUNT // 2), (1, COUNT // 2)]
        for one in said["clusters"]:
            near = np.square(session.view(view).points - [one["x"], one["y"]]).sum(axis=1).argsort()[:15]
            share = (session.collection.labels[near] == one["id"]).mean()
            assert one["name"] == (LABELS[one["id"]] if share >= 0.6 else "")


def test_a_grid_of_decoded_spectrograms(client: TestClient, session: Session):
    x0, y0, x1, y1 = session.view("sound").bounds.tolist()
    where = {"left": x0, "bottom": y0, "right": x1, "top": y1, "size": 5}
    said = client.get("/api/v1/maps/sound/grid", params=where).json()
    assert len(said["cells"]) == 25
    cells = [cell for cell in said["cells"] if cell]
    assert 3 < len(cells) < 25, "corners lie outside"
    pictures = {cell["picture"] for cell in cells}
    assert len(pictures) > 1
    assert {len(base64.b64decode(picture)) for picture in pictures} == {said["width"] * said["height"]}
    alone = client.get("/api/v1/maps/sound/grid", params={**where, "left": x0 - 1e4, "right": x0 - 9e3}).json()
    assert alone["cells"] == [None] * 25
    assert client.get("/api/v1/maps/sound/grid", params={**where, "size": 99}).status_code == 422


def test_a_library_without_labels_is_named_by_a_labelled_one(trained: Path, tmp_path: Path):
    labelled = read_library(trained / "lib")
    rows = [np.array(labelled.audio[number]) for number in range(COUNT)]
    items = [{**row, "label": "all"} for row in labelled.items.to_dict("records")]
    bare = tmp_path / "bare"
    bare.mkdir()
    write_library(bare, replace(labelled.header, labels=("all",)), iter(rows), items, [])
    for given in (None, trained / "lib"):  # by default that of the run
        made = open_session(trained / "plain", bare, tmp_path / "b.sqlite", names_from=given, cache=tmp_path / "cache")
        try:
            assert made.label_names == LABELS
            assert not len(made.collection.labels)
            if given is None:  # the second time it is there
                assert made.labels() is None
                assert made.clusters_by() == ""
            make_all(made.source, made.collection, tmp_path / "cache")
            assert (made.labels() == np.arange(COUNT) % 2).mean() > 0.9, "the same sounds, which it learnt from"
            assert made.clusters_on("sound")
        finally:
            made.close()
    with pytest.raises(UserError, match="all its sounds have one label"):
        open_session(trained / "plain", names_from=bare, cache=tmp_path / "cache")


def test_a_point_is_its_recording_and_decodes_to_the_models_answer(client: TestClient, session: Session):
    fade = round(0.02 * RATE)
    recording, _ = made(COUNT)
    samples = heard(client.post("/api/v1/render", json={"spec": {"point": 7}}))
    np.testing.assert_array_equal(samples[:-fade], recording[7, :-fade])
    assert abs(samples[-1]) < 1e-6
    model = SoundRun(session.run)
    kind = model.config.condition
    label = LABELS[1] if kind == "label" else None
    condition = model.condition(1, label)
    expected = model.decode(model.encode(torch.from_numpy(recording[7:8]), condition), condition)[0].numpy()
    samples = heard(client.post("/api/v1/render", json={"spec": {"decoded": 7}}))
    np.testing.assert_allclose(samples[:-fade], expected[:-fade], atol=1e-5)
    said = client.post("/api/v1/sounds", json={"spec": {"point": 7}}).json()
    assert said["name"] == "7"
    assert said["values"] is None
    assert said["nearest"][0] == 7
    again = heard(client.post("/api/v1/render", json={"spec": {"latent": said["latent"]}}))
    np.testing.assert_allclose(again, samples, atol=1e-6)
    assert client.post("/api/v1/render", json={"spec": {"point": 7}, "note": 60}).status_code == 422


def test_a_place_between_the_points_is_decoded_with_its_confidence(client: TestClient, session: Session):
    x, y = session.view("sound").points[:2].mean(axis=0).tolist()
    place = {"view": "sound", "x": x, "y": y, "between": True}
    answer = client.post("/api/v1/render", json={"spec": {"place": place}})
    assert len(heard(answer)) == SAMPLES
    assert 0.0 <= float(answer.headers["X-Confidence"]) <= 1.0
    assert float(answer.headers["X-Gain"]) > 0.0
    far = {**place, "x": x + 1e3}
    answer = client.post("/api/v1/render", json={"spec": {"place": far}})
    assert answer.headers["X-Inside"] == "0"
    assert np.abs(heard(answer)).max() > 0.0
    snapped = client.post("/api/v1/render", json={"spec": {"place": {**place, "between": False}}})
    recording, _ = made(COUNT)
    np.testing.assert_array_equal(heard(snapped)[:-400], recording[int(snapped.headers["X-Point"]), :-400])


def test_means_and_arithmetic_of_latents(client: TestClient, session: Session):
    rows = session.collection.rows

    def blend(body: dict) -> np.ndarray:
        answer = client.post("/api/v1/blend", json=body)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()["place"]) == set(session.source.views)
        return np.array(answer.json()["latent"], np.float32)

    specs = [{"point": 3}, {"point": 9}]
    np.testing.assert_allclose(blend({"specs": specs, "weights": [3, 1]}), (3 * rows[3] + rows[9]) / 4, atol=1e-5)
    width = session.source.placed(rows).shape[1]
    moved = blend({"specs": specs, "weights": [1, -1], "base": {"point": 5}})
    np.testing.assert_allclose(moved[:width], (rows[5] + rows[3] - rows[9])[:width], atol=1e-5)
    np.testing.assert_array_equal(moved[width:], rows[3, width:])
    assert client.post("/api/v1/blend", json={"specs": specs, "weights": [0, 0]}).status_code == 422


def test_variations_by_noise_and_paths(client: TestClient, session: Session):
    body = {"spec": {"point": 3}, "amount": 0.5, "count": 6, "far": True}
    found = client.post("/api/v1/vary", json=body).json()["sounds"]
    distances = [one["distance"] for one in found]
    assert distances == sorted(distances)
    assert distances[0] > 0.0
    assert client.post("/api/v1/vary", json=body).json()["sounds"] == found
    assert client.post("/api/v1/vary", json={**body, "keep": ["adsr_1"]}).status_code == 422
    for even in (None, True):
        path = {"specs": [{"point": 3}, {"point": 9}], "steps": 5, "even": even}
        said = client.post("/api/v1/paths", json=path).json()
        np.testing.assert_allclose(said["latents"][0], session.collection.rows[3], atol=1e-5)
        np.testing.assert_allclose(said["latents"][-1], session.collection.rows[9], atol=1e-5)
        assert len(said["distances"]) == 4
    assert len(heard(client.post("/api/v1/paths/audio", json={**path, "gap": 0.0}))) == 5 * SAMPLES
    assert client.post("/api/v1/paths", json={**path, "way": "smooth"}).status_code == 422


def test_a_recording_is_placed_and_estimated(client: TestClient, session: Session):
    recording, _ = made(COUNT)
    content = wav_bytes(0.3 * recording[5], RATE)
    found = client.post("/api/v1/import?name=five.wav", content=content).json()
    assert found["nearest"][0] == 5, "at another level it is the same sound"
    assert set(found["place"]) == set(session.source.views)
    assert len(found["latent"]) == session.source.latent_size


def test_sounds_are_found_by_file_label_and_words(client: TestClient):
    assert client.get("/api/v1/search?text=tone").json()["points"] == list(range(1, COUNT, 2))
    assert 12 in client.get("/api/v1/search?text=12.wav").json()["points"]
    ranked = client.post("/api/v1/rank", json={"spec": {"point": 4}, "count": 3}).json()["sounds"]
    assert ranked[0]["point"] == 4
    assert ranked[0]["distance"] == pytest.approx(0.0, abs=1e-4)
    assert ranked[0]["name"] == "4"


def test_sounds_are_downloaded_at_one_loudness(client: TestClient):
    answer = client.post("/api/v1/export", json={"spec": {"point": 3}, "to": "flac"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="3.flac"'
    assert np.abs(heard(answer)).max() > 0.0
    items = [{"spec": {"point": 3}}, {"spec": {"decoded": 3}, "name": "decoded"}]
    with zipfile.ZipFile(io.BytesIO(client.post("/api/v1/library", json={"sounds": items}).content)) as archive:
        assert archive.namelist() == ["3.wav", "decoded.wav"]
    for body in ({"spec": {"point": 3}, "to": "json"}, {"spec": {"point": 3}, "to": "sfz"}):
        assert client.post("/api/v1/export", json=body).status_code == 422


def test_a_library_that_was_changed_is_read_anew(trained: Path, tmp_path: Path):
    source = LibrarySource(load_run(trained / "plain"))
    library = read_library(trained / "lib")
    kept = from_library(source.run, library, 8, tmp_path, encoding(source))
    assert kept.numbers.tolist() == [0, 5, 10, 15, 20, 25, 30, 35]
    again = read_collection(tmp_path, kept.key)
    assert again is not None
    np.testing.assert_array_equal(again.rows, kept.rows)
    assert read_collection(tmp_path, "0" * 24) is None


def test_a_library_of_another_length_is_refused(trained: Path, tmp_path: Path):
    run = load_run(trained / "plain")
    run.description["samples"] = 2 * SAMPLES
    source = LibrarySource(run)
    with pytest.raises(UserError, match="give a library of 8000 samples"):
        from_library(run, _fitting(source, trained / "lib"), 8, tmp_path, encoding(source))
    with pytest.raises(UserError, match="of_bank"):
        open_session(trained / "plain", of_bank=True, cache=tmp_path)


def _fitting(source: LibrarySource, path: Path):
    from synthvae.exploration.recorded_sounds import fitting_library

    return fitting_library(source.model, path)


def test_sounds_are_alike_in_aspects_of_which_each_can_be_left_out(client: TestClient, session: Session):
    said = client.get("/api/v1/session").json()["aspects"]
    names = [aspect["name"] for aspect in said]
    assert names == ["overall", "spectrum", "timbre", "pitch", "amplitude"]

    def rank(**body: object) -> list[dict]:
        answer = client.post("/api/v1/rank", json={"spec": {"point": 5}, "count": COUNT, **body})
        assert answer.status_code == 200, answer.text
        return answer.json()["sounds"]

    found = rank(aspects=names)
    assert found[0]["point"] == 5
    assert found[0]["aspects"] == pytest.approx(dict.fromkeys(names, 0.0), abs=1e-3)
    pitches = session.measured.values("pitch")
    for one in rank(aspects=["pitch"])[:10]:
        assert one["aspects"]["pitch"] == pytest.approx(12 * abs(np.log2(pitches[one["point"]] / pitches[5])), abs=1e-3)
    orders = {name: [one["point"] for one in rank(aspects=[name])] for name in names}
    for name in ("overall", "spectrum", "timbre", "amplitude"):
        distances = [one["aspects"][name] for one in rank(aspects=[name])]
        assert distances == sorted(distances)
    assert len({tuple(order) for order in orders.values()}) > 2
    assert "aspects" not in rank()[0]
    place = {"view": "sound", "x": 0.0, "y": 0.0, "between": True}
    assert rank(spec={"place": place}, aspects=["overall", "pitch"])[0]["distance"] > 0.0


def test_a_recording_is_heard_and_compared_as_it_is(client: TestClient, session: Session):
    recording, _ = made(COUNT)
    content = wav_bytes(0.3 * recording[5], RATE)
    number = client.post("/api/v1/import?name=five.wav", content=content).json()["id"]
    sound = heard(client.post("/api/v1/render", json={"spec": {"imported": number}}))
    own = recording[5, : len(sound) - 320]
    assert np.corrcoef(sound[: len(own)], own)[0, 1] > 0.99
    body = {"spec": {"imported": number}, "aspects": ["overall", "timbre"], "count": 3}
    first = client.post("/api/v1/rank", json=body).json()["sounds"][0]
    assert first["point"] == 5
    assert first["aspects"]["overall"] < 1.0
    assert client.post("/api/v1/render", json={"spec": {"imported": 99}}).status_code == 404


def test_groups_of_near_duplicates(client: TestClient, session: Session):
    assert client.get("/api/v1/duplicates?distance=0.001").json()["groups"] == []
    groups = client.get("/api/v1/duplicates?distance=20").json()["groups"]
    assert sum(len(group) for group in groups) > COUNT // 2
    features = session.view("sound-pca").features
    for group in client.get("/api/v1/duplicates?distance=3").json()["groups"]:
        apart = np.linalg.norm(features[group][:, None] - features[group], axis=-1)
        assert (np.sort(apart, axis=1)[:, 1] <= 3.0 + 1e-5).all()
    assert client.get("/api/v1/duplicates?distance=0").status_code == 422


def test_favourites_and_hidden_files_stay(client: TestClient, session: Session, tmp_path: Path):
    assert client.get("/api/v1/marks").json() == {"favourites": [], "hidden": []}

    def mark(points: list[int], kind: str, on: bool = True) -> dict:
        answer = client.post("/api/v1/marks", json={"points": points, "kind": kind, "on": on})
        assert answer.status_code == 200, answer.text
        return answer.json()

    mark([3, 7], "favourites")
    assert mark([7], "favourites", False)["favourites"] == [{"point": 3, "name": "3"}]
    assert [one["point"] for one in mark([5], "hidden")["hidden"]] == [5]
    again = Marks(session.collection, tmp_path)
    assert again.numbers() == {"favourites": [3], "hidden": [5]}
    ranked = client.post("/api/v1/rank", json={"spec": {"point": 5}, "count": COUNT}).json()["sounds"]
    assert 5 not in [one["point"] for one in ranked]
    x, y = session.view("sound").points[5].tolist()
    answer = client.post("/api/v1/render", json={"spec": {"place": {"view": "sound", "x": x, "y": y}}})
    assert answer.headers["X-Point"] != "5"
    assert client.post("/api/v1/marks", json={"points": [COUNT], "kind": "hidden"}).status_code == 404
    for damage in ("{", '{"format": "other"}', '{"format": "synthvae-marks", "version": 1, "favourites": 3}'):
        again.path.write_text(damage)
        with pytest.raises(UserError, match="remove it to begin anew"):
            Marks(session.collection, tmp_path)
