"""``explore`` and its benchmark: rejected input, and the start of the server as users start it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
import torch

pytest.importorskip("fastapi", reason="the studio is an extra: pip install '.[studio]'")

from synthvae.core.errors import UserError
from synthvae.studio.api.specs import Spec
from synthvae.studio.serve import open_session, serve

ROOT = Path(__file__).parents[2]


def start(*options: object) -> subprocess.Popen[str]:
    command = [sys.executable, ROOT / "cli.py", "explore", *options]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_serves_on_this_machine_and_ends_when_told(small_run: Path, tmp_path: Path):
    options = ("--points", 40, "--port", 0, "--bank", tmp_path / "b.sqlite", "--cache", tmp_path / "cache")
    process = start(small_run, *options)
    try:
        line = process.stdout.readline()
        address = re.search(r"http://127.0.0.1:\d+/", line)
        assert address, line + process.stderr.read()
        said = json.load(urlopen(f"{address[0]}api/v1/session"))
        assert said["count"] == 40
        assert "40 sounds" in line
    finally:
        process.terminate()
        process.communicate(timeout=60)


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
