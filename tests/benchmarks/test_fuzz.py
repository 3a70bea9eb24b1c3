from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import fuzz
from benchmarks.fuzz import Reader, mutate
from synthvae.core.errors import UserError
from tests.benchmarks.conftest import Command


def test_changes_are_the_same_for_the_same_seed_and_many():
    content = b'{"name": "middle", "values": [0.5, 1, -3e-5]}' * 20
    changed = [mutate(content, np.random.default_rng(seed)) for seed in range(200)]
    assert changed == [mutate(content, np.random.default_rng(seed)) for seed in range(200)]
    assert len(set(changed)) > 190
    assert min(map(len, changed)) < len(content) < max(map(len, changed))
    assert mutate(b"", np.random.default_rng(0)) is not None


def test_every_reader_takes_its_whole_file_and_answers_damaged_ones(run: Command, tmp_path: Path):
    code, out, err = run("fuzz", "--seconds", 1, "--seed", 5)
    assert code == 0, out + err
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line.startswith("|")]
    assert {"dataset", "run.json", "weights.safetensors", "bank", "FLAC PCM_16"} <= {row[0] for row in rows}
    assert all(row[3] == "0" for row in rows[2:])
    assert list(tmp_path.iterdir()) == []


def test_what_is_answered_wrongly_is_kept(run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def read(place: Path) -> None:
        content = (place / "a.txt").read_bytes()
        if len(content) < 4:
            raise UserError("a.txt", content, "give more")
        if content[0] == 0x7F:
            raise KeyError("a")

    def readers(folder: Path) -> list[Reader]:
        folder.mkdir()
        (folder / "a.txt").write_bytes(bytes(5))
        return [Reader("text", folder, "a.txt", read)]

    monkeypatch.setattr(fuzz, "readers", readers)
    code, out, _ = run("fuzz", "--seconds", 1)
    assert code == 1
    assert "text: KeyError in read, line " in out
    (kept,) = (tmp_path / "fuzzed").iterdir()
    assert kept.read_bytes()[0] == 0x7F
