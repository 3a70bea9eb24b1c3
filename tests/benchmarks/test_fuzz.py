from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import fuzz
from benchmarks.fuzz import mutate
from benchmarks.fuzz_readers import Reader, readers
from synthvae.core.errors import UserError
from tests.benchmarks.conftest import Command


def test_changes_are_the_same_for_the_same_seed_and_many():
    content = b'{"name": "middle", "values": [0.5, 1, -3e-5]}' * 20
    changed = [mutate(content, np.random.default_rng(seed)) for seed in range(200)]
    assert changed == [mutate(content, np.random.default_rng(seed)) for seed in range(200)]
    assert len(set(changed)) > 190
    assert min(map(len, changed)) < len(content) < max(map(len, changed))
    assert mutate(b"", np.random.default_rng(0)) is not None


FAST = ("checkpoint", "bank", "FLAC PCM_16")


def test_readers_handle_damaged_files(run: Command, tmp_path: Path):
    code, out, err = run("fuzz", "--seconds", 1, "--seed", 5, "--formats", ",".join(FAST))
    assert code == 0, out + err
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line.startswith("|")]
    assert {row[0] for row in rows[2:-1]} == set(FAST)
    assert all(row[3] == "0" for row in rows[2:])
    assert int(rows[-1][2].replace(",", "")) > 100
    assert list(tmp_path.iterdir()) == []


def test_unknown_formats_are_refused(run: Command):
    code, _, err = run("fuzz", "--formats", "bank,banks")
    assert (code, err.count("\n")) == (2, 1)
    assert "--formats is 'banks'" in err


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.name)
def test_every_reader_reads_its_undamaged_file(reader: Reader, tmp_path: Path):
    reader.write(tmp_path)
    assert (tmp_path / reader.file).is_file()
    reader.read(tmp_path)


def test_what_is_handled_wrongly_is_kept(run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def read(place: Path) -> None:
        content = (place / "a.txt").read_bytes()
        if len(content) < 4:
            raise UserError("a.txt", content, "give more")
        if content[0] == 0x7F:
            raise KeyError("a")

    def write(own: Path) -> None:
        (own / "a.txt").write_bytes(bytes(5))

    monkeypatch.setattr(fuzz, "readers", lambda: [Reader("text", "a.txt", write, read)])
    code, out, _ = run("fuzz", "--seconds", 1)
    assert code == 1
    assert "text: KeyError in read, line " in out
    (kept,) = (tmp_path / "fuzzed").iterdir()
    assert kept.read_bytes()[0] == 0x7F
