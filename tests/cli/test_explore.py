"""``explore`` and its benchmark: rejected input, and the start of the server as users start it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import torch

pytest.importorskip("fastapi", reason="the studio is an extra: pip install '.[studio]'")

from synthvae.core.errors import UserError
from synthvae.core.files import LOCK
from synthvae.studio.api.specs import Spec
from synthvae.studio.serve import open_session, serve

ROOT = Path(__file__).parents[2]


def start(*options: object, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, ROOT / "cli.py", "explore", *options]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def address_of(process: subprocess.Popen[str]) -> str:
    """The page's address, once it answers."""
    line = process.stdout.readline()
    assert "40 sounds" in line, line + process.stderr.read()
    return re.search(r"http://127.0.0.1:\d+/", line)[0]


def session_beside_half_sent_requests(address: str) -> dict[str, object]:
    """The answer for the session while 300 connections have sent half a request."""
    with contextlib.ExitStack() as held:
        for _ in range(300):
            idle = held.enter_context(socket.create_connection(("127.0.0.1", urlsplit(address).port), timeout=30))
            idle.sendall(b"GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\n")
        return json.load(held.enter_context(urlopen(f"{address}api/v1/session", timeout=30)))


def test_it_serves_on_this_machine_and_ends_when_told_also_after_one_that_was_killed(small_run: Path, tmp_path: Path):
    options = ("--points", 40, "--port", 0, "--bank", tmp_path / "b.sqlite", "--cache", tmp_path / "cache")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (temporary / "synthvae-of-another").mkdir()  # without a lock
    killed: set[Path] = set()
    for end in (subprocess.Popen.kill, subprocess.Popen.terminate):
        process = start(small_run, *options, TMPDIR=str(temporary))
        try:
            assert session_beside_half_sent_requests(address_of(process))["count"] == 40
            own = {path for path in temporary.iterdir() if (path / LOCK).is_file()}
            assert own
            assert not own & killed, "the next start removes them"
            killed = own
        finally:
            end(process)
            out, complaints = process.communicate(timeout=60)
        assert len(complaints) < 1000, complaints[:2000]
        assert "Traceback" not in complaints
    assert (process.returncode, out) == (0, "stopped\n")
    assert [path.name for path in temporary.iterdir()] == ["synthvae-of-another"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--of-bank", "--data", "x.json"), "--data is x.json, and --of-bank is given"),
        (("--token", "short"), "8 to 200"),
        (("--points", "0"), "--points is 0"),
        (("--of-bank",), "it has no presets"),
        (("--data", "nowhere.json"), "nowhere.json: cannot read"),
        (("--port", "70000"), "--port is 70000"),
        (("--host", "203.0.113.1", "--port", "0"), "cannot listen there"),
    ],
)
def test_what_is_wrong_is_one_line(small_run: Path, tmp_path: Path, monkeypatch, capsys, options, told: str):
    from synthvae import cli

    common = ["--bank", str(tmp_path / "b.sqlite"), "--cache", str(tmp_path / "cache")]
    monkeypatch.setattr(sys, "argv", ["synthvae", "explore", str(small_run), *common, *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_taken(small_run: Path, tmp_path: Path):
    torch.set_num_threads(2)
    session = open_session(small_run, bank=tmp_path / "b.sqlite", cache=tmp_path, most=40)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="cannot listen there"):
            serve(session, port=taken.getsockname()[1])
    assert torch.get_num_threads() == 2, "those of the program that called it"


def test_the_bank_as_a_map(small_run: Path, tmp_path: Path):
    made = open_session(small_run, bank=tmp_path / "b.sqlite", cache=tmp_path / "cache", most=40)
    preset = made.preset(made.sound(Spec(point=3)))
    made.bank.add(preset, tags=["one"])
    made.close()
    of_bank = open_session(small_run, bank=tmp_path / "b.sqlite", of_bank=True, cache=tmp_path / "cache")
    assert len(of_bank.collection) == 1
    assert of_bank.collection.bank_ids.tolist() == [1]
    assert of_bank.maps.ready()["parameters-pca"].at(0.0, 0.0).inside
    of_bank.close()
