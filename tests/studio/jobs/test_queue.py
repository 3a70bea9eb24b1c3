"""The queue of recordings, with a worker that is a puppet, and once with the real one."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from scipy.io import wavfile
from starlette.testclient import TestClient

from synthvae.matching.target import Target
from synthvae.studio.errors import ConflictError, NotFoundError
from synthvae.studio.jobs import queue as module
from synthvae.studio.jobs.queue import WAITING, Jobs
from synthvae.studio.session import Session
from tests.audio.test_streams import MALFORMED

TARGET = Target("a.wav", torch.zeros(4000), 16000, ())


class Puppet:
    """Replacement of a worker: records its messages, and sends those that a test wants."""

    made: list[Puppet]

    def __init__(self, *arguments: str, on_message: Any, on_end: Any, **rest: object) -> None:
        self.on_message, self.on_end, self.sent, self.running, self.complaint = on_message, on_end, [], True, ""
        self.made.append(self)

    def tell(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def end(self) -> None:
        self.running = False
        self.on_end()


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Puppet]:
    Puppet.made = []
    monkeypatch.setattr(module, "Worker", Puppet)
    return Puppet.made


@pytest.fixture
def queue(workers: list[Puppet], tmp_path: Path) -> Jobs:
    return Jobs(tmp_path, tmp_path, "key")


def found(distance: float) -> dict[str, Any]:
    return {"distance": distance, "unit": [0.5, 0.25]}


def test_one_at_a_time_in_the_order_they_came(queue: Jobs, workers: list[Puppet]):
    one, two = (queue.submit(TARGET, 5.0).id for _ in range(2))
    assert (queue.get(one).state, queue.get(two).state) == ("running", "waiting")
    (worker,) = workers
    assert [message["job"] for message in worker.sent] == [one]
    assert Path(worker.sent[0]["file"]).exists()
    worker.on_message({"job": one, "progress": 0.5, "renders": 100, "seconds": 2.5, "best": found(3.0)})
    first = queue.get(one)
    assert (first.progress, first.renders, first.best.distance) == (0.5, 100, 3.0)
    np.testing.assert_array_equal(first.best.unit, np.array([0.5, 0.25], np.float32))
    worker.on_message({"job": one, "state": "done", "results": [found(1.0), found(2.0)], "confidence": 0.9})
    assert first.state == "running", "a job that was looked at does not change"
    first = queue.get(one)
    assert (first.state, first.best.distance, len(first.results), first.progress) == ("done", 1.0, 2, 1.0)
    assert not Path(worker.sent[0]["file"]).exists()
    assert queue.get(two).state == "running"
    assert len(workers) == 1


def test_every_change_is_a_new_version(queue: Jobs, workers: list[Puppet]):
    job = queue.submit(TARGET, 5.0)
    seen = {job.version}
    for message in ({"progress": 0.1}, {"best": found(1.0)}, {"state": "done"}):
        workers[0].on_message({"job": job.id, **message})
        assert queue.get(job.id).version not in seen
        seen.add(queue.get(job.id).version)


def test_stopping_keeps_the_best(queue: Jobs, workers: list[Puppet]):
    job, waiting = queue.submit(TARGET, 5.0), queue.submit(TARGET, 5.0)
    assert queue.stop(waiting.id).state == "stopped"
    workers[0].on_message({"job": job.id, "best": found(3.0)})
    queue.stop(job.id)
    assert workers[0].sent[-1] == {"stop": job.id}
    workers[0].on_message({"job": job.id, "state": "stopped"})
    job = queue.get(job.id)
    assert job.state == "stopped"
    assert [result.distance for result in job.results] == [3.0]


def test_a_worker_that_does_not_stop_is_ended(queue: Jobs, workers: list[Puppet], monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    job = queue.submit(TARGET, 5.0)
    queue.stop(job.id)
    now += module.PATIENCE
    assert queue.get(job.id).state == "running"
    now += 0.1
    assert queue.get(job.id).state == "stopped"
    assert not workers[0].running
    assert queue.submit(TARGET, 5.0).state == "running"
    assert len(workers) == 2


def test_a_worker_that_dies_fails_its_job_and_the_next_has_another(queue: Jobs, workers: list[Puppet]):
    job, following = queue.submit(TARGET, 5.0), queue.submit(TARGET, 5.0)
    workers[0].complaint = "MemoryError"
    workers[0].end()
    assert queue.get(job.id).state == "failed"
    assert "MemoryError" in queue.get(job.id).error
    assert queue.get(following.id).state == "running"
    assert [message["job"] for message in workers[1].sent] == [following.id]


def test_the_queue_is_bounded(queue: Jobs):
    for _ in range(WAITING + 1):
        queue.submit(TARGET, 5.0)
    with pytest.raises(ConflictError, match="are queued"):
        queue.submit(TARGET, 5.0)
    with pytest.raises(NotFoundError, match="no such job"):
        queue.get("nonsense")


def wav(audio: np.ndarray, rate: int = 16000) -> bytes:
    buffer = io.BytesIO()
    wavfile.write(buffer, rate, audio)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "not audio"),
        (b"\x00" * 1000, "not audio"),
        (wav(np.zeros(4000, np.float32)), "silent"),
        (wav(np.full(4000, np.nan, np.float32)), "not finite"),
        (wav(np.zeros(0, np.float32)), ""),
        (wav(np.ones(4000, np.float32), 1), "sample rate"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/match", "/api/v1/import"])
def test_what_is_no_sound_is_refused(client: TestClient, session: Session, path: str, content: bytes, told: str):
    answer = client.post(f"{path}?name=drum.wav", content=content)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"].startswith("drum.wav: ")
    assert told in answer.json()["error"]


def test_a_recording_lies_among_the_sounds_like_it_without_an_encoder(
    client: TestClient, session: Session, small_voice, small_dataset
):
    recording = wav(0.3 * small_voice(small_dataset.unit[9:10])[0].numpy())
    said = client.post("/api/v1/import?name=nine.wav&label=plucks", content=recording).json()
    assert set(said["place"]) == {"sound", "sound-pca"}
    assert said["latent"] is None
    assert 9 in said["nearest"][:3]
    assert said["distance"] < session.view("sound").null
    assert client.get("/api/v1/imports").json() == [said]
    assert client.delete("/api/v1/imports").json() == {"removed": 1}


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "GSM610"), ("AU", "G721_32"), ("XI", "DPCM_16")])
def test_a_recording_in_a_format_that_cannot_be_sought_is_taken(
    client: TestClient, small_voice, small_dataset, kind: str, subtype: str
):
    file = io.BytesIO()
    sound = 0.3 * small_voice(small_dataset.unit[9:10])[0].numpy()
    soundfile.write(file, sound, 44100 if kind == "XI" else 16000, subtype, format=kind)
    answer = client.post("/api/v1/import?name=nine", content=file.getvalue())
    assert answer.status_code == 201, answer.text


def test_a_malformed_file_is_refused(client: TestClient):
    content = MALFORMED + bytes(4092 - len(MALFORMED))
    answer = client.post("/api/v1/import?name=drum.aiff", content=content)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"].startswith("drum.aiff: ")


def test_a_file_cut_in_its_header_is_refused(client: TestClient):
    pytest.importorskip("cma")
    whole = wav((0.1 * np.sin(np.arange(8000) / 5)).astype(np.float32))
    for length in range(0, 44, 3):
        assert client.post("/api/v1/match", content=whole[:length]).status_code == 422


def test_a_recording_is_matched_by_a_worker_and_another_stopped(client: TestClient, small_voice, small_dataset):
    pytest.importorskip("cma")
    recording = wav(small_voice(small_dataset.unit[9:10])[0].numpy())
    job = client.post("/api/v1/match?seconds=4&name=nine.wav", content=recording).json()["job"]
    other = client.post("/api/v1/match?seconds=500", content=recording).json()["job"]

    def events(job: str) -> list[dict[str, Any]]:
        with client.stream("GET", f"/api/v1/jobs/{job}/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = [line for line in stream.iter_lines() if line.startswith("data: ")]
        return [json.loads(line.removeprefix("data: ")) for line in lines]

    last = events(job)[-1]
    assert last["state"] == "done", last["error"]
    assert last == client.get(f"/api/v1/jobs/{job}").json()
    assert last["best"] == last["results"][0]
    assert last["renders"] > 0
    assert set(last["best"]["place"]) == set(client.get("/api/v1/session").json()["views"])
    heard = client.post("/api/v1/render", json={"spec": {"values": last["best"]["values"]}})
    assert heard.status_code == 200
    client.delete(f"/api/v1/jobs/{other}")
    assert events(other)[-1]["state"] == "stopped"
