"""The main job through the installed command: generate, train, analyse (twice), decode, explore (twice).

Not collected by default. `make test-lowest` and `make test-newest` run it, each in an environment of its own.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
import soundfile

SYNTHVAE = shutil.which("synthvae", path=str(Path(sys.executable).parent))
#: Presets of a quarter of a second.
PRESETS, RATE, SECONDS = 700, 16_000, 0.25
RUN, SILENT = Path("experiments/runs/tiny"), Path("experiments/runs/silent")
#: Seconds until a view of the map has to be there.
PATIENCE = 300.0


def synthvae(folder: Path, *arguments: object) -> str:
    """What a command prints in a folder; it has to succeed, without a warning of Python's or a library's."""
    done = subprocess.run([SYNTHVAE, *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def written(cache: Path) -> dict[str, int]:
    """When each stored result was written."""
    return {str(file.relative_to(cache)): file.stat().st_mtime_ns for file in cache.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a dataset was made, and two models trained: one through the Voice, one without sound."""
    made = tmp_path_factory.mktemp("work")
    rendered = ("--sample-rate", RATE, "--seconds", SECONDS, "--control-rate", 160)
    assert f"{PRESETS} presets" in synthvae(
        made, "generate-dataset", "--size", PRESETS, "--out", "data.json", *rendered
    )
    options = ("--data", "data.json", "--epochs", 2, "--batch-size", 100)
    synthvae(made, "train", "--loss", "sclp", "--synth-layer", *options, "--out", RUN)
    synthvae(made, "train", "--loss", "none", *options, "--out", SILENT)
    return made


def test_two_epochs_were_trained_through_the_voice(folder: Path):
    rows = (folder / RUN / "metrics.csv").read_text().splitlines()
    assert len(rows) == 3
    losses = dict(zip(rows[0].split(","), rows[2].split(","), strict=True))
    assert float(losses["train/loss"]) > 0


def test_the_second_analysis_computes_nothing(folder: Path):
    def analyse(out: str) -> tuple[dict[str, Any], dict[str, int]]:
        synthvae(folder, "analyze", RUN, SILENT, "--limit", 40, "--map-presets", 500, "--map-nulls", 2, "--out", out)
        return json.loads((folder / out / "metrics.json").read_text()), written(folder / "analysis/.cache")

    first, computed = analyse("analysis/first")
    assert len(computed) >= 14
    second, found = analyse("analysis/second")
    assert found == computed, "a result was written again, so it was computed again"
    assert second == first
    assert (folder / "analysis/second/report.html").stat().st_size > 100_000


def test_decoded_presets_sound(folder: Path):
    synthvae(folder, "decode", RUN, "--random", 3, "--seed", 1, "--all", "--out", "sounds")
    files = sorted((folder / "sounds").glob("*.wav"))
    assert len(files) == 3
    for file in files:
        sound, rate = soundfile.read(file)
        assert (len(sound), rate) == (RATE * json.loads(file.with_suffix(".json").read_text())["seconds"], RATE)
        assert 0 < np.abs(sound).max() <= 1


@contextmanager
def explore(folder: Path) -> Iterator[str]:
    """The address of the API of a map that is being served."""
    options = ("--points", 300, "--port", "0", "--bank", "bank.sqlite", "--cache", "map")
    process = subprocess.Popen(
        [SYNTHVAE, "explore", str(RUN), *map(str, options)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        address = re.search(r"http://127.0.0.1:\d+/", line)
        assert address, line + process.stderr.read()
        yield f"{address[0]}api/v1"
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_the_map_is_made_once_and_plays(folder: Path):
    def sound(api: str) -> tuple[list[int], bytes]:
        """Sizes of the clusters, whose names come later, and places of the points."""
        end = time.monotonic() + PATIENCE
        while (answer := urlopen(f"{api}/maps/sound")).status == 202:
            assert time.monotonic() < end, "the map is not there"
            time.sleep(0.2)
        sizes = [cluster["count"] for cluster in json.load(answer)["clusters"]]
        return sizes, urlopen(f"{api}/maps/sound/points").read()

    with explore(folder) as api:
        first = sound(api)
        body = json.dumps({"spec": {"place": {"view": "sound", "x": 0.0, "y": 0.0}}}).encode()
        wav = urlopen(Request(f"{api}/render", body, {"Content-Type": "application/json"})).read()
    assert np.abs(soundfile.read(io.BytesIO(wav))[0]).max() > 0
    drawn = {name: when for name, when in written(folder / "map").items() if name.startswith(("atlas", "features"))}
    assert drawn
    with explore(folder) as api:
        assert sound(api) == first
    now = written(folder / "map")
    assert {name: now.get(name) for name in drawn} == drawn, "the map was drawn again"
