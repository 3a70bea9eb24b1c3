from __future__ import annotations

import os
from pathlib import Path

import pytest

from synthvae.core.errors import UserError
from synthvae.core.files import atomic_open, atomic_write, ensure_directory


def test_writes_text_and_bytes_and_makes_the_directory(tmp_path: Path):
    atomic_write(tmp_path / "a/b/c.txt", "ä")
    assert (tmp_path / "a/b/c.txt").read_bytes() == "ä".encode()
    atomic_write(tmp_path / "a/b/c.txt", b"\x00")
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"\x00"
    assert (tmp_path / "a/b/c.txt").stat().st_mode & 0o777 == 0o666 & ~(os.umask(os.umask(0) or 0o22) or 0o22)


def test_a_failure_keeps_the_old_file_and_leaves_no_other(tmp_path: Path):
    path = tmp_path / "a.txt"
    atomic_write(path, "old")

    def fail() -> None:
        with atomic_open(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_impossible_places(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot write there.*choose another `out`"):
        ensure_directory(tmp_path / "file" / "x")
    with pytest.raises(UserError, match="is a directory"):
        atomic_write(tmp_path, "x")
