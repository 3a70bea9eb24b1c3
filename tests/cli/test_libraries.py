"""``import-library`` and ``make-library`` as a user types them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.data.library import read_library
from tests.cli.refusal import refused

ROOT = Path(__file__).parents[2]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for number in range(30):
        path = tmp_path / "sounds" / ("kick", "snare")[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, draw.uniform(-0.5, 0.5, 4000), 8000)
    (tmp_path / "sounds" / "readme.txt").write_text("sounds")
    (tmp_path / "sounds" / "kick" / ".DS_Store").write_text("x")
    return tmp_path / "sounds"


def test_import_says_what_became_of_the_files(run: Command, sounds: Path, tmp_path: Path):
    code, out, err = run("import-library", "sounds", "--seconds", 0.5, "--sample-rate", 8000)
    assert code == 0, err
    assert out.splitlines() == [
        "datasets/sounds: 30 sounds of 0.5 s at 8,000 Hz, 2 labels (24 train, 3 validation, 3 test), 0.5 MB",
        "2 of 32 files skipped, listed in datasets/sounds/skipped.csv:",
        "        1 hidden",
        "        1 not audio that can be read",
    ]
    library = read_library(tmp_path / "datasets" / "sounds")
    assert library.labels == ("kick", "snare")
    refused(run("import-library", "sounds"), "datasets/sounds: exists already", "--overwrite")
    code, out, _ = run("import-library", "sounds", "--overwrite", "--windows", "--seconds", 0.25, "--seed", 3)
    assert code == 0
    assert "90 sounds of 0.25 s at 16,000 Hz" in out
    assert read_library(tmp_path / "datasets" / "sounds").header.options["overlap"] == 0.5


def test_import_with_a_table(run: Command, sounds: Path, tmp_path: Path):
    rows = [f"{path.relative_to(sounds)},{'ab'[n % 2]}" for n, path in enumerate(sorted(sounds.rglob("*.wav")))]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows, "gone.wav,c"]))
    code, out, err = run("import-library", "sounds", "--labels", "labels.csv", "--out", "lib", "--split", "60,20,20")
    assert code == 0, err
    assert "2 labels (18 train, 6 validation, 6 test)" in out
    assert out.splitlines()[-1] == "labels.csv: 1 row names a file that does not exist"
    refused(run("import-library", "sounds", "--labels", "none.csv", "--out", "x"), "--labels: cannot read none.csv")


def test_bad_input_is_one_line(run: Command, sounds: Path, tmp_path: Path):
    refused(run("import-library", "nowhere"), "nowhere: cannot read (No such file")
    refused(run("import-library", sounds / "readme.txt"), "readme.txt: cannot read (Not a directory)")
    refused(run("import-library", "sounds", "--overlap", 0.3), "--overlap is 0.3", "add --windows")
    refused(run("import-library", "sounds", "--windows", "--overlap", 1), "--overlap is 1")
    refused(run("import-library", "sounds", "--split", "90,10"), "--split is '90,10'")
    refused(run("import-library", "sounds", "--seconds", 0), "--seconds is 0")
    refused(run("import-library", "sounds", "--out", "sounds"), "sounds: not empty and not a library", "--out")
    refused(run("make-library", "--size", 1), "--size is 1")
    refused(run("make-library", "--sample-rate", 1), "--sample-rate is 1")
    refused(run("make-library", "--synth", "none"), "--synth is 'none'")
    assert sorted(os.listdir(tmp_path)) == ["sounds"]


def test_make(run: Command, tmp_path: Path):
    code, out, err = run("make-library", "--size", 27, "--seconds", 0.5, "--out", "lib")
    assert code == 0, err
    assert out == "lib: 27 sounds of 0.5 s at 16,000 Hz, 9 labels (21 train, 3 validation, 3 test), 0.9 MB\n"
    assert read_library(tmp_path / "lib").header.seed == 0
    refused(run("make-library", "--size", 27, "--out", "lib"), "lib: exists already", "--overwrite")


def test_notes_of_decoders_are_not_printed(sounds: Path, tmp_path: Path):
    (sounds / "broken.mp3").write_bytes(b"\xff\xfb\x90" + b"x" * 3000)
    done = subprocess.run(
        [sys.executable, ROOT / "cli.py", "import-library", "sounds", "--out", "lib"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "MPEG" not in done.stderr
    assert "2 not audio that can be read" in done.stdout


def test_ctrl_c_keeps_what_is_done(sounds: Path, tmp_path: Path):
    draw = np.random.default_rng(1)
    for number in range(400):
        soundfile.write(sounds / f"{number}.wav", draw.uniform(-0.5, 0.5, (48000, 4)), 192000)
    command = [sys.executable, ROOT / "cli.py", "import-library", "sounds", "--out", "lib"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        log = tmp_path / "lib.part" / "log.jsonl"
        while not log.exists() or log.read_bytes().count(b"\n") < 20:
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("stopped with ")
    assert err.splitlines()[-1].endswith(" of 431 files done; run the same command again to continue")
    assert "Traceback" not in err
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "lib: 430 sounds" in done.stdout
