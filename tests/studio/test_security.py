"""Access control: hosts, origins, tokens and sizes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from synthvae.studio.app import create_app
from synthvae.studio.security import AUDIO_LIMIT, JSON_LIMIT, Access, is_loopback
from synthvae.studio.session import Session

SPEC = {"spec": {"point": 1}}


def answers(session: Session, access: Access, **options) -> TestClient:
    return TestClient(create_app(session, access), **{"base_url": "http://127.0.0.1:8321"} | options)


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:8321", 200),
        ("localhost:8321", 200),
        ("[::1]:8321", 200),
        ("localhost", 200),
        ("evil.example", 403),
        ("evil.example:8321", 403),
        ("127.0.0.1.evil.example", 403),
        ("LOCALHOST:8321", 200),
        ("localhost:evil.example", 403),
        ("[localhost]evil.com", 403),
        ("[localhost]", 403),
        ("[::1]evil.com", 403),
        ("[::1", 403),
        ("::1", 403),
        ("user@localhost", 403),
        ("localhost:8321, evil.example", 403),
        ("", 403),
        ("192.168.1.7:8321", 403),
    ],
)
def test_only_names_of_this_machine_are_hosts(client: TestClient, host: str, code: int):
    answer = client.get("/api/v1/session", headers={"host": host})
    assert answer.status_code == code
    if code == 403:
        assert "localhost" in answer.json()["error"]


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://localhost:9999",
        "https://127.0.0.1",
        "http://[",
        "http://[localhost:8321",
        "file://localhost:8321",
        "http://user@localhost:8321",
    ],
)
def test_pages_of_others_may_not_ask(client: TestClient, origin: str):
    answer = client.post("/api/v1/bank", json=SPEC, headers={"origin": origin})
    assert answer.status_code == 403
    assert client.get("/api/v1/bank").json()["count"] == 0


def test_its_own_page_may_ask(client: TestClient):
    assert client.post("/api/v1/render", json=SPEC, headers={"origin": "http://localhost:8321"}).status_code == 200
    cross = {"sec-fetch-site": "cross-site"}
    assert client.get("/api/v1/session", headers=cross).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_form_of_another_page_is_no_json(client: TestClient, kind: str | None):
    """What a page can send elsewhere without asking first is never taken for JSON."""
    headers = {} if kind is None else {"content-type": kind}
    assert client.post("/api/v1/bank", content='{"spec": {"point": 1}}', headers=headers).status_code == 422
    assert client.get("/api/v1/bank").json()["count"] == 0


def test_a_token_is_asked_for(session: Session):
    with answers(session, Access("secret-token", local=False), base_url="http://192.168.1.7") as client:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Bearer \u00e9".encode("latin-1")}):
            refused = client.get("/api/v1/session", headers=headers)
            assert refused.status_code == 401
            assert "token" in refused.json()["error"]
        assert client.get("/api/v1/session?token=").status_code == 401
        assert client.get("/api/v1/session", headers={"authorization": "Bearer secret-token"}).status_code == 200
        assert client.get("/api/v1/session?token=secret-token").status_code == 200
        assert client.post("/api/v1/render", json=SPEC).status_code == 401
        assert client.get("/api/v1/openapi.json").status_code == 401


def test_bodies_are_limited_by_what_they_promise(client: TestClient):
    answer = client.post(
        "/api/v1/render", content=b"x" * (JSON_LIMIT + 1), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert "1 MB" in answer.json()["error"]


@pytest.mark.parametrize(("path", "limit"), [("/api/v1/render", JSON_LIMIT), ("/api/v1/match", AUDIO_LIMIT)])
def test_bodies_are_limited_by_what_arrives(client: TestClient, path: str, limit: int):
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(2 * limit // 500_000):
            sent += 500_000
            yield b" " * 500_000

    answer = client.post(path, content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "error" in answer.json()


def test_a_length_that_is_no_number_is_refused(client: TestClient):
    for length in ("-1", "1e3", "9" * 5000, "\u0661".encode()):
        headers = {"content-type": "application/json", "content-length": length}
        assert client.post("/api/v1/render", content=b"", headers=headers).status_code == 413


def test_the_page_may_load_nothing_from_elsewhere(client: TestClient):
    for path in ("/api/v1/session", "/", "/api/v1/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


def test_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "", "127.0.0.1.evil.example", "192.168.0.1")))
