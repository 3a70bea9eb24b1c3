"""The file: what is no bank, who else is at work on it, and what remains of a process that dies."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from synthvae.bank import Bank, database, default_path
from synthvae.bank import bank as module
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset
from tests.bank.bank_workers import add_and_tag, be_killed_while_writing

SPAWN = multiprocessing.get_context("spawn")


def test_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SYNTHVAE_BANK", "my.sqlite")
    assert default_path() == Path("my.sqlite")
    monkeypatch.delenv("SYNTHVAE_BANK")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "synthvae/bank.sqlite"
    monkeypatch.setenv("HOME", "/home/me")
    for nowhere in ("", "relative/path"):
        monkeypatch.setenv("XDG_DATA_HOME", nowhere)
        assert default_path() == Path("/home/me/.local/share/synthvae/bank.sqlite")


def test_only_adding_makes_a_bank(tmp_path: Path):
    with pytest.raises(UserError, match="no preset bank there; add presets to make one"):
        Bank(tmp_path / "b.sqlite", create=False)
    assert list(tmp_path.iterdir()) == []
    assert len(Bank(tmp_path / "a" / "ü b%20?#.sqlite")) == 0
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["ü b%20?#.sqlite"]
    assert len(Bank(tmp_path / "a" / "ü b%20?#.sqlite", create=False)) == 0


def write_other_database(path: Path, application: int = 0, version: int = 0, table: str = "presets") -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table} (id INTEGER)")
    connection.execute(f"PRAGMA application_id = {application}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.commit()
    connection.close()


FOREIGN = {
    "text": (lambda path: path.write_text("a song " * 999), "not an SQLite file"),
    "json": (lambda path: path.write_text("{}"), "not an SQLite file"),
    "directory": (lambda path: path.mkdir(), "unable to open database file"),
    "other database": (write_other_database, "an SQLite file, but no preset bank"),
    "other application": (lambda path: write_other_database(path, 12345), "an SQLite file, but no preset bank"),
    "newer": (
        lambda path: write_other_database(path, database.APPLICATION, database.VERSION + 1),
        f"version is {database.VERSION + 1}, this synthvae reads version {database.VERSION}",
    ),
}


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused_and_left_alone(kind: str, create: bool, tmp_path: Path):
    make, message = FOREIGN[kind]
    path = tmp_path / "b.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UserError, match=message) as caught:
        Bank(path, create)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    if before is not None:
        assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["b.sqlite"]


def test_a_damaged_bank_is_one_line(small_bank: Bank):
    content = bytearray(small_bank.path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    small_bank.path.write_bytes(content)
    for action in (len, Bank.list, Bank.tags, lambda bank: bank.search("x"), lambda bank: bank.tag(1, "x")):
        with pytest.raises(UserError, match=r"bank\.sqlite: .*(malformed|not an SQLite file).*choose another `bank`"):
            action(small_bank)
    small_bank.path.write_bytes(content[:5000])
    with pytest.raises(UserError, match=r"bank\.sqlite: "):
        small_bank.list()


def test_a_bank_that_vanishes_is_not_made_anew(small_bank: Bank):
    small_bank.path.unlink()
    with pytest.raises(UserError, match="unable to open database file"):
        small_bank.list()
    assert not small_bank.path.exists()


def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file/b.sqlite", Path("/proc/b/c.sqlite")):
        with pytest.raises(UserError, match="cannot open|unable to open"):
            Bank(path)


def test_who_waits_too_long_is_told_so(small_bank: Bank, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    other = sqlite3.connect(small_bank.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match=r"in use by another process for 0\.2 s; try again"):
        small_bank.tag(1, "x")
    assert small_bank.get(1).tags == ("even",), "who reads does not wait"
    other.execute("COMMIT")
    other.close()
    assert small_bank.tag(1, "x").tags == ("even", "x")


def test_a_writer_waits_for_another(small_bank: Bank):
    other = sqlite3.connect(small_bank.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE presets SET name = 'theirs' WHERE id = 2")

    def finish() -> None:
        other.execute("COMMIT")
        other.close()

    timer = threading.Timer(0.3, finish)
    timer.start()
    assert small_bank.rename("theirs", "ours").id == 2, "it reads what the other has written meanwhile"
    timer.join()


def test_a_change_that_fails_changes_nothing(small_bank: Bank, monkeypatch: pytest.MonkeyPatch):
    before = small_bank.list()
    monkeypatch.setattr(module, "read_entries", lambda *arguments: 1 / 0)
    for action in (lambda: small_bank.retag(1, ["x"], ["even"]), lambda: small_bank.rename(1, "x")):
        with pytest.raises(ZeroDivisionError):
            action()
    monkeypatch.undo()
    assert small_bank.list() == before


def test_two_processes_add_and_tag_at_once(small_presets: list[Preset], tmp_path: Path):
    """Two thirds of the presets are the other's too; there is no bank yet when both begin."""
    path, start = tmp_path / "b.sqlite", SPAWN.Barrier(2)
    parts = (small_presets[:9], small_presets[3:12][::-1])
    processes = [
        SPAWN.Process(target=add_and_tag, args=(path, part, own, start)) for part, own in zip(parts, "ab", strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0]
    bank = Bank(path, create=False)
    entries = bank.list()
    assert sorted(entry.origin["index"] for entry in entries) == list(range(12)), "each is there, and once"
    assert [entry.id for entry in entries] == list(range(1, 13))
    for entry in entries:
        assert {tag for tag in entry.tags if len(tag) == 1} in ({"a"}, {"b"})
    assert set(bank.get(1).tags) - {"a", "b"} == {f"{own}{number}" for own in "ab" for number in range(20)}
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_process_that_is_killed_loses_its_batch_and_nothing_else(small_presets: list[Preset], tmp_path: Path):
    path = tmp_path / "b.sqlite"
    process = SPAWN.Process(target=be_killed_while_writing, args=(path, small_presets, module.BATCH + 3))
    process.start()
    process.join(240)
    assert process.exitcode == -9
    bank = Bank(path, create=False)
    assert [entry.origin["index"] for entry in bank.list()] == list(range(module.BATCH))
    assert [one.new for one in bank.add_all(small_presets, [()] * 24)] == [False] * 16 + [True] * 8
    assert [entry.origin["index"] for entry in bank.list()] == list(range(24))
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("place", ["analyse", "insert"])
def test_who_stops_keeps_what_is_done(
    place: str, small_presets: list[Preset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Ctrl-C while the second batch is rendered, and while it is written."""
    bank, work, calls = Bank(tmp_path / "b.sqlite"), getattr(module, place), 0
    allowed = {"analyse": 1, "insert": module.BATCH + 3}[place]

    def interrupted(*arguments):
        nonlocal calls
        calls += 1
        if calls > allowed:
            raise KeyboardInterrupt
        return work(*arguments)

    monkeypatch.setattr(module, place, interrupted)
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        bank.add_all(small_presets, [("x",)] * 24, done.append)
    monkeypatch.undo()
    assert done == [module.BATCH]
    assert len(bank) == module.BATCH
    assert bank.tags() == {"x": module.BATCH}
    assert sum(one.new for one in bank.add_all(small_presets, [()] * 24)) == 8
