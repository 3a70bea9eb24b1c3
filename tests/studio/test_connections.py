"""Limits on connections, with a server on a thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("uvicorn", reason="the studio is an extra: pip install '.[studio]'")

import uvicorn

from synthvae.studio import connections
from synthvae.studio.connections import LimitedProtocol, RepetitionFilter

HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def echo(scope, receive, send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def server() -> Iterator[uvicorn.Server]:
    config = uvicorn.Config(echo, port=0, loop="asyncio", http=LimitedProtocol, ws="none", lifespan="off", backlog=64)
    server = uvicorn.Server(config)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server.address = listening.getsockname()
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield server
    server.should_exit = server.force_exit = True
    thread.join(10)


def connect(server: uvicorn.Server, sent: bytes) -> socket.socket:
    made = socket.create_connection(server.address, timeout=10)
    made.sendall(sent)
    return made


def answered(asking: socket.socket, ending: bytes) -> bool:
    found = b""
    while not found.endswith(ending) and (part := asking.recv(1000)):
        found += part
    return found.startswith(b"HTTP/1.1 200") and found.endswith(ending)


def test_half_sent_requests_give_way_to_whole_ones(server: uvicorn.Server):
    idle = [connect(server, HALF) for _ in range(2 * connections.MOST)]
    with connect(server, HALF + b"Content-Length: 2\r\n\r\nok") as asking:
        assert answered(asking, b"ok")
        assert len(server.server_state.connections) <= connections.MOST
        # It stays open, and is asked again.
        asking.sendall(HALF + b"Content-Length: 3\r\n\r\nyes")
        assert answered(asking, b"yes")
    for one in idle:
        one.close()


@pytest.mark.parametrize("sent", [b"", HALF, HALF + b"Content-Length: 9\r\n\r\nhalf", HALF + b"\r\n" + HALF])
def test_a_request_that_does_not_come_is_not_waited_for(
    server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch, sent: bytes
):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.05)
    with connect(server, sent) as idle, contextlib.suppress(ConnectionResetError):
        while idle.recv(1000):  # ends by itself, where it would raise TimeoutError
            pass


def test_an_answer_may_take_longer(server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch):
    release = threading.Event()

    async def slow(scope, receive, send) -> None:
        await asyncio.to_thread(release.wait, 10)
        await echo(scope, receive, send)

    server.config.loaded_app = slow
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.01)
    with connect(server, HALF + b"\r\n") as asking:
        threading.Timer(0.1, release.set).start()
        assert answered(asking, b"\r\n\r\n")


def test_a_log_does_not_repeat_itself(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    log = logging.getLogger("tests.repetition")
    log.addFilter(RepetitionFilter())
    for number in range(1000):
        log.warning("Too many open files: %d", number)
    log.warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["Too many open files: 0", "something else"]
    monkeypatch.setattr(connections, "LOG_SECONDS", 0.0)
    log.warning("Too many open files: %d", 1000)
    assert "999 more times" in caplog.records[-1].getMessage()
