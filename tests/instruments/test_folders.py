"""Folders that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synthvae.core.errors import UserError
from synthvae.instruments.folders import write_folder

OLD = {"samples/a.wav": b"old a", "samples/b.wav": b"old b", "x.sfz": b"old"}
NEW = {"samples/a.wav": b"new a", "samples/c.wav": b"new c", "x.sfz": b"new"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_wav(path: Path) -> bool:
    return path.suffix == ".wav"


def test_a_folder_appears_with_everything_in_it(tmp_path: Path):
    write_folder(tmp_path / "deep/x", OLD, is_wav)
    assert content(tmp_path / "deep") == {f"x/{name}": data for name, data in OLD.items()}
    assert (tmp_path / "deep/x").stat().st_mode == (tmp_path / "deep").stat().st_mode


def test_replacing_removes_what_is_ours_and_leaves_what_is_not(tmp_path: Path):
    write_folder(tmp_path / "x", OLD, is_wav)
    (tmp_path / "x/samples/a.asd").write_bytes(b"of a sequencer")
    (tmp_path / "x/mine").mkdir()
    (tmp_path / "x/mine/d.wav").write_bytes(b"mine")
    write_folder(tmp_path / "x", NEW, is_wav)
    assert content(tmp_path) == {
        "x/samples/a.asd": b"of a sequencer",
        "x/mine/d.wav": b"mine",
        **{f"x/{name}": data for name, data in NEW.items()},
    }


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("there", [False, True])
def test_a_stop_while_writing_leaves_everything_as_it_was(tmp_path: Path, monkeypatch, stop, there: bool):
    if there:
        write_folder(tmp_path / "x", OLD, is_wav)
    replace, calls = os.replace, []

    def failing(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise stop
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(KeyboardInterrupt if stop is KeyboardInterrupt else UserError):
        write_folder(tmp_path / "x", NEW, is_wav)
    assert content(tmp_path) == ({f"x/{name}": data for name, data in OLD.items()} if there else {})
    assert not list(tmp_path.glob(".*"))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write there"):
        write_folder(tmp_path / "file/x", OLD, is_wav)
