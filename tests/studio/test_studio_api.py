"""The API as a script meets it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile
from starlette.testclient import TestClient

from synthvae.bank import Bank
from synthvae.data.preset import Preset, read_preset
from synthvae.data.writing import render_whole
from synthvae.studio.app import create_app
from synthvae.studio.collection import from_dataset
from synthvae.studio.measured import measure_parts, part_path
from synthvae.studio.security import Access
from synthvae.studio.session import Session
from synthvae.synths.voice.parameters import VOICE_78
from synthvae.training.run import Run


def samples(answer) -> tuple[int, np.ndarray]:
    return wavfile.read(io.BytesIO(answer.content))


def test_session_says_what_a_page_needs(client: TestClient, session: Session):
    said = client.get("/api/v1/session").json()
    assert said["run"] == {
        "name": "small",
        "hash": session.run.weights_hash[:16],
        "latent_size": session.run.latent_size,
    }
    assert [p["name"] for p in said["parameters"]] == list(session.run.parameters.names)
    assert {column["kind"] for column in said["columns"]} == {"cluster", "descriptor", "parameter"}
    assert len(said["routes"]) == 20
    assert sum(route["parameter"] is None for route in said["routes"]) == 15
    assert said["count"] == 64
    assert said["building"] == {}


def test_a_view_has_as_many_points_as_sounds(client: TestClient, session: Session):
    for view in session.source.views:
        said = client.get(f"/api/v1/maps/{view}").json()
        points = np.frombuffer(client.get(f"/api/v1/maps/{view}/points").content, "<f4").reshape(-1, 2)
        assert said["count"] == len(points) == 64
        x0, y0, x1, y1 = said["bounds"]
        assert (points > [x0, y0]).all()
        assert (points < [x1, y1]).all()
        assert {cluster["count"] for cluster in said["clusters"]} == {16}
        assert said["distances"]["random"] > said["distances"]["neighbour"] > 0


def test_names_of_clusters_are_final_once_all_sounds_are_measured(studio_run: Run, studio_cache: Path, tmp_path: Path):
    cache = Path(shutil.copytree(studio_cache, tmp_path / "cache"))
    collection = from_dataset(studio_run, Path(studio_run.config.data), True, 64, cache)
    part_path(cache, collection.key, 0).unlink()
    made = Session(studio_run, collection, Bank(tmp_path / "bank.sqlite"), cache)

    def said() -> tuple[bool, set[str]]:
        answer = (
            TestClient(create_app(made, Access()), base_url="http://localhost:8321")
            .get("/api/v1/maps/sound-pca")
            .json()
        )
        return answer["clusters_named"], {cluster["name"] for cluster in answer["clusters"]}

    assert said() == (False, {""})
    measure_parts(made.source, collection, cache, (0, 1))
    final, names = said()
    assert final
    assert len(names) <= 3


def test_columns_are_a_number_a_point(client: TestClient, session: Session, small_dataset):
    def column(name: str) -> np.ndarray:
        answer = client.get(f"/api/v1/columns/{name}")
        assert answer.status_code == 200
        return np.frombuffer(answer.content, "<f4")

    place = session.run.parameters.index("keyboard.midi_f0")
    np.testing.assert_allclose(column("keyboard.midi_f0"), small_dataset.values[:, place], atol=1e-3)
    assert set(column("cluster")) == {-1, 0, 1, 2}
    brightness = column("brightness")
    assert np.isfinite(brightness).sum() > 32
    assert np.nanmin(brightness) > 0
    assert client.get("/api/v1/columns/nonsense").status_code == 404


def test_a_point_sounds_as_its_preset(client: TestClient, post, session: Session, small_dataset):
    rate, heard = samples(post("/render", {"spec": {"point": 5}}))
    assert rate == 16000
    (whole,) = render_whole([Preset(small_dataset.parameters, small_dataset.values[5], session.run.settings)])
    np.testing.assert_allclose(heard, whole.audio, atol=1e-5)
    assert np.abs(heard[-160:]).max() < 1e-2 * np.abs(heard).max(), "it ends with its release"
    assert post("/render", {"spec": {"point": 5}, "format": "int16"}).headers["content-type"] == "audio/wav"


def test_values_and_bank_mean_the_same_sound(client: TestClient, post):
    values = client.get("/api/v1/points/5").json()["values"]
    entry = post("/bank", {"spec": {"values": values}, "name": "five"}, 201).json()
    heard = [
        samples(post("/render", {"spec": spec}))[1]
        for spec in ({"point": 5}, {"values": values}, {"bank": entry["id"]})
    ]
    np.testing.assert_allclose(heard[1], heard[0], atol=1e-3)
    np.testing.assert_allclose(heard[2], heard[0], atol=1e-3)


def test_anywhere_is_a_sound_and_outside_it_is_said(client: TestClient, post):
    said = client.get("/api/v1/maps/sound").json()
    far = {"view": "sound", "x": said["bounds"][2] + 1e5, "y": 0.0}
    answer = post("/render", {"spec": {"place": far}})
    assert answer.headers["x-inside"] == "0"
    x, y = map(float, answer.headers["x-place"].split(","))
    assert said["bounds"][0] <= x <= said["bounds"][2]
    described = post("/sounds", {"spec": {"place": far}}).json()
    assert described["inside"] is False
    np.testing.assert_allclose(described["moved_to"], [x, y], atol=1e-4)
    near = dict(zip("xy", described["moved_to"], strict=True)) | {"view": "sound"}
    again = post("/sounds", {"spec": {"place": near}}).json()
    assert again["inside"] is True
    assert again["moved_to"] is None
    np.testing.assert_allclose(again["latent"], described["latent"], atol=1e-3)


def test_a_place_snaps_to_a_point_unless_asked_not_to(client: TestClient, post, session: Session):
    x, y = session.view("sound").points[5].tolist()
    place = {"view": "sound", "x": x + 1e-3, "y": y}
    answer = post("/render", {"spec": {"place": place}})
    point = int(answer.headers["x-point"])
    assert answer.content == post("/render", {"spec": {"point": point}}).content
    described = post("/sounds", {"spec": {"place": place}}).json()
    assert described["point"] == point
    np.testing.assert_allclose(described["places"]["sound"], session.view("sound").points[point], atol=1e-4)
    np.testing.assert_allclose(
        list(map(float, answer.headers["x-place"].split(","))), described["places"]["sound"], atol=1e-4
    )
    between = post("/sounds", {"spec": {"place": place | {"between": True}}}).json()
    assert between["point"] is None
    assert between["values"] != described["values"]


def test_the_local_plane_is_exact_at_its_centre(client: TestClient, post):
    plane = post("/plane", {"spec": {"point": 5}}).json()
    assert set(plane["edges"]) == {"left", "right", "bottom", "top"}
    values = client.get("/api/v1/points/5").json()["values"]

    def near(x: float, y: float) -> dict[str, object]:
        return {"spec": {"near": {"values": plane["values"], "x": x, "y": y}}}

    assert post("/render", near(0.0, 0.0)).content == post("/render", {"spec": {"values": values}}).content
    assert post("/render", near(0.9, 0.0)).content != post("/render", near(0.0, 0.0)).content
    assert post("/sounds", near(-1.0, 1.0)).json()["values"].keys() == values.keys()
    assert "less than or equal to 1" in post("/render", near(1.5, 0.0), 422).json()["error"]


def test_a_note_and_a_held_key(client: TestClient, post):
    values = client.get("/api/v1/points/5").json()["values"]
    plain = samples(post("/render", {"spec": {"values": values | {"keyboard.midi_f0": 60.0}}}))[1]
    np.testing.assert_array_equal(samples(post("/render", {"spec": {"values": values}, "note": 60}))[1], plain)
    held = samples(post("/render", {"spec": {"values": values}, "hold": 1.0}))[1]
    assert len(held) >= 16000
    assert np.abs(held[-160:]).max() < 1e-2 * np.abs(held).max() or len(held) == 160000


def test_a_sound_is_named_and_placed(client: TestClient, post, session: Session):
    said = client.get("/api/v1/points/7").json()
    assert said["nearest"][0] == 7
    assert len(said["latent"]) == session.run.latent_size
    assert said["name"]
    for view in session.source.views:
        np.testing.assert_allclose(said["places"][view], session.view(view).points[7], rtol=1e-5)
    assert post("/sounds", {"spec": {"latent": said["latent"]}}).json()["places"]["parameters"] == pytest.approx(
        said["places"]["parameters"], abs=1e-3
    )


def test_the_bank_keeps_finds_changes_and_forgets(client: TestClient, post, session: Session):
    entry = post("/bank", {"spec": {"point": 3}, "tags": ["Warm", "pad"]}, 201).json()
    assert entry["tags"] == ["pad", "warm"]
    assert set(entry["places"]) == set(session.source.views)
    assert Bank(session.bank.path).get(entry["id"]).name == entry["name"]  # on disk, whatever becomes of the server
    assert post("/bank", {"spec": {"point": 3}}, 201).json()["new"] is False
    changed = client.patch(f"/api/v1/bank/{entry['id']}", json={"name": "mine", "remove": ["pad"], "add": ["dark"]})
    assert (changed.json()["name"], changed.json()["tags"]) == ("mine", ["dark", "warm"])
    assert client.get("/api/v1/bank/tags").json() == {"dark": 1, "warm": 1}
    assert [e["id"] for e in client.get("/api/v1/bank?text=min&tag=dark").json()["entries"]] == [entry["id"]]
    assert client.get("/api/v1/search?tag=dark").json()["bank"] == [entry["id"]]
    thumbnail = client.get(f"/api/v1/bank/{entry['id']}/thumbnail")
    assert thumbnail.content.startswith(b"\x89PNG")
    assert client.delete(f"/api/v1/bank/{entry['id']}").json()["name"] == "mine"
    assert client.get("/api/v1/bank").json() == {"entries": [], "count": 0}


def test_search_goes_by_measured_names(client: TestClient, session: Session):
    name = session.measured.names[11]
    word = name.split()[-1].rstrip(",")
    said = client.get(f"/api/v1/search?text={word.upper()}").json()
    assert 11 in said["points"]
    assert said["complete"] is True
    assert client.get("/api/v1/search?text=surely-no-such-word").json()["points"] == []
    assert client.get("/api/v1/search").json()["points"] == []


def test_a_preset_of_other_routes_is_placed_nowhere_and_refused(client: TestClient, post, session: Session):
    human = VOICE_78.denormalise(np.full(78, 0.5))
    from synthvae.data.preset import Preset

    added = session.bank.add(Preset(VOICE_78, human, session.run.settings))
    assert client.get(f"/api/v1/bank/{added.id}").json()["places"] == {}
    assert "holds it at 0" in post("/render", {"spec": {"bank": added.id}}, 422).json()["error"]


@pytest.mark.parametrize("to", ["json", "wav", "flac", "sfz", "torchsynth"])
def test_exports(post, session: Session, tmp_path: Path, to: str):
    answer = post("/export", {"spec": {"point": 3}, "name": "../My <sound>\u00e9", "to": to})
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert "/" not in disposition
    assert "<" not in disposition
    if to == "json":
        (tmp_path / "p.json").write_bytes(answer.content)
        preset = read_preset(tmp_path / "p.json", session.run.parameters)
        np.testing.assert_allclose(preset.unit, session.collection.rows[3], atol=1e-5)
    if to == "wav":
        rate, sound = samples(answer)
        played = samples(post("/render", {"spec": {"point": 3}}))[1]
        assert (rate, len(sound)) == (16000, len(played))  # with its release
        assert np.corrcoef(sound, played)[0, 1] > 0.99
    if to == "sfz":
        names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
        assert any(name.endswith(".sfz") for name in names)
        assert sum(name.endswith((".wav", ".flac")) for name in names) > 1
    if to == "torchsynth":
        assert json.loads(answer.content)


@pytest.mark.parametrize(
    ("path", "body", "code", "told"),
    [
        ("/render", {"spec": {"point": 64}}, 404, "0 to 63"),
        ("/render", {"spec": {"point": -1}}, 422, "greater than or equal to 0"),
        ("/render", {"spec": {"point": "3"}}, 422, "valid integer"),
        ("/render", {"spec": {"point": True}}, 422, "valid integer"),
        ("/render", {"spec": {"point": 3, "bank": 1}}, 422, "exactly one"),
        ("/render", {"spec": {}}, 422, "exactly one"),
        ("/render", {"spec": {"bank": 10**15}}, 404, "GET /api/v1/bank lists"),
        ("/render", {"spec": {"latent": [0.0] * 3}}, 422, "latent: 3 numbers"),
        ("/render", {"spec": {"latent": [0.0] * 5000}}, 422, "at most 4096"),
        ("/render", {"spec": {"latent": [1e300]}}, 422, "less than or equal to"),
        ("/render", {"spec": {"values": {"keyboard.midi_f0": 60}}}, 422, "missing"),
        ("/render", {"spec": {"values": {"keyboard.midi": 60}}}, 422, "did you mean keyboard.midi_f0"),
        ("/render", {"spec": {"place": {"view": "moon", "x": 0, "y": 0}}}, 422, "'sound', 'sound-pca'"),
        ("/render", {"spec": {"point": 3}, "note": 128}, 422, "less than or equal to 127"),
        ("/render", {"spec": {"point": 3}, "hold": 0}, 422, "greater than 0"),
        ("/render", {"spec": {"point": 3}, "volume": 1}, 422, "volume"),
        ("/bank", {"spec": {"point": 3}, "name": "two\nlines"}, 422, "one line"),
        ("/bank", {"spec": {"point": 3}, "tags": ["two words"]}, 422, "one word"),
        ("/bank", {"spec": {"point": 3}, "name": "\ud800"}, 422, ""),
        ("/paths", {"specs": [{"point": 1}]}, 422, "at least 2"),
        ("/paths", {"places": [[0, 0], [1, 1]]}, 422, "view"),
        ("/paths", {"specs": [{"point": 1}, {"point": 2}], "way": "scenic"}, 422, "smooth"),
        ("/paths", {"specs": [{"point": 1}, {"point": 2}], "steps": 65}, 422, "64"),
        ("/blend", {"specs": [{"point": 1}], "weights": [1, 2]}, 422, "as many weights"),
        ("/vary", {"spec": {"point": 1}, "amount": 2}, 422, "less than or equal to 1"),
        ("/export", {"spec": {"point": 1}, "to": "mp3"}, 422, "'json', 'wav'"),
    ],
)
def test_what_is_wrong_is_said(client: TestClient, path: str, body: dict, code: int, told: str):
    answer = client.post(f"/api/v1{path}", content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == code, answer.text
    assert list(answer.json()) == ["error", "argument"]
    assert told in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(client: TestClient, number: str):
    for spec in (f'{{"place": {{"view": "sound-pca", "x": {number}, "y": 0}}}}', f'{{"latent": [{number}]}}'):
        answer = client.post(
            "/api/v1/render", content=f'{{"spec": {spec}}}', headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422
        assert "error" in answer.json()


def test_nonsense_as_a_body_is_refused(client: TestClient):
    for content in (b"", b"{", b"\xff\xfe", b"[]", b"null", b'"' + b"x" * 1000, b"[" * 100_000):
        answer = client.post("/api/v1/render", content=content, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422), content[:10]
        assert "error" in answer.json()


def test_unknown_paths_and_methods_are_told_in_the_same_way(client: TestClient):
    assert client.get("/api/v1/nothing").json() == {"error": "Not Found"}
    assert client.put("/api/v1/session").status_code == 405
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/app.py", "/..%2fapp.py", "/js/..%2f..%2fapp.py", "/%00"):
        assert client.get(path).status_code in (400, 404)


def test_walks(post, session: Session):
    said = post("/paths", {"specs": [{"point": 1}, {"point": 2}], "steps": 5}).json()
    assert len(said["latents"]) == len(said["places"]) == 5
    assert len(said["distances"]) == 4
    assert post("/paths", {"specs": [{"point": 1}, {"point": 2}], "steps": 5, "way": "smooth"}).json() == said
    plain = post("/paths", {"specs": [{"point": 1}, {"point": 2}], "steps": 5, "way": "parameters", "even": False})
    assert plain.json()["latents"][1] != said["latents"][1]
    x0, y0, x1, y1 = session.view("sound").bounds.tolist()
    line = [[x0 + (x1 - x0) * share, y0 + (y1 - y0) * share] for share in np.linspace(0.3, 0.7, 200)]
    drawn = {"places": line, "view": "sound", "steps": 6}
    assert len(post("/paths", drawn).json()["latents"]) == 6
    assert post("/paths", drawn | {"way": "latent", "even": True}).json() == post("/paths", drawn).json()
    last = post("/paths", drawn).json()["values"][-1]
    whole = len(samples(post("/render", {"spec": {"values": last}}))[1])  # the last one rings out
    rate, heard = samples(post("/paths/audio", drawn))
    assert (rate, len(heard)) == (16000, 5 * 4000 + whole)
    assert len(samples(post("/paths/audio", drawn | {"gap": -0.125}))[1]) == 5 * 2000 + whole
    names = zipfile.ZipFile(io.BytesIO(post("/paths/presets", drawn).content)).namelist()
    assert sorted(name.rsplit(".")[-1] for name in names) == ["json"] * 6 + ["wav"] * 6
    still = {"places": [[x0, y0]] * 3, "view": "sound-pca", "steps": 4}
    assert len(post("/paths", still).json()["latents"]) == 4


def test_a_path_is_computed_once_for_its_points_its_sound_and_its_presets(post, monkeypatch: pytest.MonkeyPatch):
    module = import_module("synthvae.exploration.morph")  # the package has its function under the same name
    computed = []

    def counted(run, unit, steps, way, even):
        computed.append(way)
        if steps == 3:
            raise RuntimeError("no walk")
        return walk(run, unit, steps, way, even)

    walk = module.morph
    monkeypatch.setattr(module, "morph", counted)
    past = {"specs": [{"point": 1}, {"point": 2}], "steps": 5}
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: post("/paths", past).json(), range(2))
    assert first == second
    post("/paths/audio", past | {"gap": -0.1})
    post("/paths/audio", past | {"gap": 0.1, "level": False})
    post("/paths/presets", past)
    assert computed == ["smooth"]
    post("/paths", past | {"way": "latent"})
    assert computed == ["smooth", "latent"]
    for _ in range(2):  # what failed is tried again
        with pytest.raises(RuntimeError, match="no walk"):
            post("/paths", past | {"steps": 3})
    assert len(computed) == 4


def test_neighbours_and_mixtures(client: TestClient, post, session: Session):
    asked = {"spec": {"point": 1}, "amount": 0.3, "count": 6, "keep": ["keyboard.midi_f0"]}
    sounds = post("/vary", asked).json()["sounds"]
    distances = [sound["distance"] for sound in sounds]
    assert distances == sorted(distances)
    values = client.get("/api/v1/points/1").json()["values"]
    for sound in sounds:
        assert sound["values"]["keyboard.midi_f0"] == pytest.approx(values["keyboard.midi_f0"], abs=1e-3)
    assert "did you mean" in post("/vary", {"spec": {"point": 1}, "keep": ["keyboard.midi"]}, 422).json()["error"]
    alone = post("/blend", {"specs": [{"point": 1}, {"point": 2}], "weights": [1, 0]}).json()
    assert alone["values"] == pytest.approx(values, abs=1e-3)
    assert set(alone["place"]) == set(session.source.views)


def test_the_document_describes_every_request(client: TestClient):
    document = client.get("/api/v1/openapi.json").json()
    assert document["info"]["version"] == "1"
    for path, methods in document["paths"].items():
        assert path.startswith("/api/v1/")
        for method, operation in methods.items():
            assert operation["summary"], path
            assert operation["description"], path
            if method == "post":
                assert "requestBody" in operation, path
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    for path in document["paths"]:
        assert path.removeprefix("/api/v1").replace("{identity}", "{id}") in text, path


def test_sounds_are_ranked_by_their_likeness(client: TestClient, post, session: Session):
    first = post("/rank", {"spec": {"point": 5}, "count": 10}).json()
    assert first["complete"]
    assert first["sounds"][0]["point"] == 5
    distances = [one["distance"] for one in first["sounds"]]
    assert distances == sorted(distances)
    assert len(distances) == 10
    assert first["sounds"][0]["name"] == session.measured.names[5]
    chosen = post("/rank", {"spec": {"point": 5}, "points": [9, 3, 9]}).json()["sounds"]
    assert {one["point"] for one in chosen} == {3, 9}
    assert post("/rank", {"spec": {"point": 5}, "points": [64]}, 404).json()["argument"] == "point"


def test_a_ranking_moves_a_descriptor(post, session: Session):
    brightness = session.measured.values("brightness")
    own = brightness[5]

    def middle(steps: float) -> float:
        found = post("/rank", {"spec": {"point": 5}, "shifts": {"brightness": steps}, "count": 8}).json()["sounds"]
        return float(np.nanmedian([brightness[one["point"]] for one in found]))

    assert middle(4) > middle(-4)
    assert abs(np.log2(middle(0.5) / own)) < 2
    refused = post("/rank", {"spec": {"point": 5}, "shifts": {"beauty": 1}}, 422).json()
    assert refused["argument"] == "shifts"


def test_what_is_not_playable_is_counted_and_left_out(client: TestClient, post, session: Session):
    said = client.get("/api/v1/playable").json()
    assert said["complete"]
    assert sum(said["reasons"].values()) == len(said["left_out"])
    assert 0 < len(said["left_out"]) < 64
    ranked = post("/rank", {"spec": {"point": 5}, "count": 64, "playable": True}).json()["sounds"]
    assert {one["point"] for one in ranked} == set(range(64)) - set(said["left_out"])
    x, y = session.view("sound").points[said["left_out"][0]].tolist()
    place = {"view": "sound", "x": x, "y": y}
    assert post("/sounds", {"spec": {"place": place}}).json()["point"] == said["left_out"][0]
    assert post("/sounds", {"spec": {"place": place | {"playable": True}}}).json()["point"] not in said["left_out"]


def test_the_gain_brings_a_sound_to_the_loudness_of_exports(post):
    from synthvae.audio.loudness import CEILING, LOUDNESS, integrated_loudness

    for point in range(8):
        answer = post("/render", {"spec": {"point": point}})
        rate, sound = samples(answer)
        levelled = float(answer.headers["x-gain"]) * sound
        loudness = integrated_loudness(levelled, rate)
        assert loudness == pytest.approx(LOUDNESS, abs=0.5) or np.abs(levelled).max() == pytest.approx(
            CEILING, rel=1e-3
        )


def test_a_kit_has_a_sound_on_each_key_and_a_library_its_presets(post, tmp_path: Path):
    sounds = [{"spec": {"point": point}, "name": f"pad {point}"} for point in (3, 8, 21)]
    answer = post("/library", {"sounds": sounds, "name": "my kit", "kit": True})
    assert 'filename="my-kit.zip"' in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    stems = ["sound_00", "sound_01", "sound_02"]
    assert sorted(archive.namelist()) == sorted(
        [f"{stem}.{kind}" for stem in stems for kind in ("json", "wav")] + ["my-kit.sfz"]
    )
    text = archive.read("my-kit.sfz").decode()
    for number, stem in enumerate(stems):
        assert f"<region> sample={stem}.wav key={36 + number} pitch_keytrack=0 loop_mode=one_shot" in text
    (tmp_path / "a.json").write_bytes(archive.read("sound_01.json"))
    assert read_preset(tmp_path / "a.json").name == "pad 8"
    assert ".sfz" not in str(zipfile.ZipFile(io.BytesIO(post("/library", {"sounds": sounds}).content)).namelist())
    many = [{"spec": {"point": 1}}] * 93
    assert post("/library", {"sounds": many, "kit": True}, 422).json()["argument"] == "sounds"


def test_half_of_the_variations_are_far_and_each_says_what_changed(post):
    asked = {"spec": {"point": 1}, "amount": 0.2, "count": 8}
    near = post("/vary", asked).json()["sounds"]
    far = post("/vary", asked | {"far": True}).json()["sounds"]
    assert len(far) == 8
    assert [one["distance"] for one in far] == sorted(one["distance"] for one in far)
    assert far[-1]["distance"] > 1.5 * near[-1]["distance"]
    assert far[2]["distance"] <= 1.05 * near[-1]["distance"]
    assert all(one["name"] for one in far)
    assert any(one["changed"] for one in far)


def test_a_blend_is_a_direction_from_its_base(client: TestClient, post):
    values = client.get("/api/v1/points/1").json()["values"]
    none = post("/blend", {"specs": [{"point": 2}], "weights": [0.0], "base": {"point": 1}}).json()
    assert none["values"] == pytest.approx(values, abs=1e-3)
    other = client.get("/api/v1/points/2").json()["values"]
    whole = post("/blend", {"specs": [{"point": 2}], "weights": [1.0], "base": {"point": 1}}).json()
    assert whole["values"] == pytest.approx(other, abs=1e-3)
    for weight in (-1.5, 0.5, 1.5):
        found = post("/blend", {"specs": [{"point": 2}], "weights": [weight], "base": {"point": 1}}).json()
        assert 0 < found["share"] <= 1
        assert np.abs(samples(post("/render", {"spec": {"values": found["values"]}}))[1]).max() > 1e-3
