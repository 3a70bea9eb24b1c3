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
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SYNTHVAE_BANK", "~/my.sqlite")
    assert default_path() == Path("/home/me/my.sqlite")
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
    for action in (len, Bank.list, Bank.tags, lambda bank: bank.search("x"), lambda bank: bank.retag(1, add=["x"])):
        with pytest.raises(UserError, match=r"bank\.sqlite: .*(malformed|not an SQLite file).*choose another `bank`"):
            action(small_bank)
    small_bank.path.write_bytes(content[:5000])
    with pytest.raises(UserError, match=r"bank\.sqlite: "):
        small_bank.list()


def test_names_of_tables_that_are_not_text_are_one_line(small_bank: Bank):
    content = small_bank.path.read_bytes()
    small_bank.path.write_bytes(content.replace(b"folded", b"f\xff\xfe\xee\xffd").replace(b"presets", b"p\xeesets\xff"))
    for action in (Bank.list, lambda bank: bank.search("x")):
        with pytest.raises(UserError, match=r"bank\.sqlite: .*choose another `bank`"):
            action(small_bank)


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
        small_bank.retag(1, add=["x"])
    assert small_bank.get(1).tags == ("even",), "who reads does not wait"
    other.execute("COMMIT")
    other.close()
    assert small_bank.retag(1, add=["x"]).tags == ("even", "x")


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


def without_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite as on storage that cannot share memory between processes: its own "unix-dotfile" cannot either."""
    connect = sqlite3.connect
    monkeypatch.setattr(
        database.sqlite3, "connect", lambda address, **options: connect(f"{address}&vfs=unix-dotfile", **options)
    )


def without_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite as in a folder and on storage that cannot be written."""
    connect = sqlite3.connect

    def refuse(address: str, **options: object) -> sqlite3.Connection:
        if "mode=ro&" not in address:
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return connect(address, **options)

    monkeypatch.setattr(database.sqlite3, "connect", refuse)


def test_storage_without_shared_memory_has_a_rollback_journal(
    small_bank: Bank, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    without_shared_memory(monkeypatch)
    assert len(small_bank) == 12
    assert small_bank.rename(1, "renamed").name == "renamed"
    connection = sqlite3.connect(small_bank.path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()
    assert Bank(small_bank.path).get(1).name == "renamed"
    assert len(Bank(tmp_path / "new.sqlite")) == 0


def test_a_bank_that_cannot_be_written_is_read(small_bank: Bank, monkeypatch: pytest.MonkeyPatch):
    without_writing(monkeypatch)
    for bank in (Bank(small_bank.path, create=False), Bank(small_bank.path)):
        assert len(bank.list()) == 12
        with pytest.raises(UserError, match="unable to open database file"):
            bank.rename(1, "x")
    Path(f"{small_bank.path}-wal").write_bytes(b"changes")
    with pytest.raises(UserError, match="its last changes lie in a journal"):
        small_bank.list()


def test_storage_without_locks_is_not_taken_for_another_process(
    small_bank: Bank, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(database.sqlite3, "connect", refuse)
    with pytest.raises(UserError, match="in use by another process for 30 s; try again"):
        len(small_bank)
    monkeypatch.setattr(database, "why_no_locks", lambda folder: "No locks available" if folder == tmp_path else "")
    with pytest.raises(UserError, match="storage has no locks \\(No locks available\\)"):
        len(small_bank)


DAMAGE = {
    "broken JSON": ("descriptors", '{"pitch": ', "preset 3: descriptors: not a whole JSON document"),
    "a list": ("origin", "[1]", r"preset 3: origin is \[1\], not an object"),
    "a number for a text": ("values", 7, "preset 3: values is 7, not an object"),
    "a text for a number": ("values", '{"adsr_1.attack": "much"}', "adsr_1.attack is 'much', not a number"),
    "no values": ("values", "{}", "parameter .* is missing"),
    "not finite": ("descriptors", '{"pitch": NaN}', r"descriptors\['pitch'\] is nan, neither"),
    "impossible settings": ("sample_rate", 0, "sample_rate is 0; give"),
    "text settings": ("seconds", "long", "seconds is 'long', not a number"),
    "bytes for a name": ("name", b"\x00\xff", "preset 3: name is .*, not a text"),
    "no embedding": ("embedding", b"123", "preset 3: embedding: not 64 finite numbers"),
    "a text for a picture": ("thumbnail", "picture", "preset 3: thumbnail is 'picture', not a picture"),
}


@pytest.mark.parametrize("kind", [*DAMAGE, "invalid UTF-8"])
def test_a_damaged_cell_is_named(small_bank: Bank, kind: str):
    column, value, message = DAMAGE.get(kind, ("name", None, "UTF-8"))
    connection = sqlite3.connect(small_bank.path)
    if value is None:
        connection.execute("UPDATE presets SET name = CAST(x'ff41' AS TEXT) WHERE id = 3")
    else:
        connection.execute(f'UPDATE presets SET "{column}" = ? WHERE id = 3', (value,))
    connection.commit()
    connection.close()
    ask = {"embedding": lambda: small_bank.embedding(3), "thumbnail": lambda: small_bank.thumbnail(3)}
    with pytest.raises(UserError, match=message) as caught:
        ask.get(column, small_bank.list)()
    assert str(caught.value).startswith(str(small_bank.path))
    if column not in ("embedding", "thumbnail", "name"):
        assert small_bank.get(4).id == 4, "the others are whole"


def test_no_text_of_a_bank_commands_a_terminal(small_bank: Bank):
    connection = sqlite3.connect(small_bank.path)
    connection.execute("UPDATE presets SET name = ?, added = ? WHERE id = 1", ("a\x1b]0;owned\x07", "\x1b[2J"))
    connection.execute("UPDATE tags SET tag = ? WHERE preset = 1", ("\x1b[31m",))
    connection.execute("""UPDATE presets SET descriptors = '{"\\u001b[2J": 1}' WHERE id = 1""")
    connection.commit()
    connection.close()
    entry = small_bank.get(1)
    assert (entry.name, entry.tags, entry.added) == ("a\\x1b]0;owned\\x07", ("\\x1b[31m",), "\\x1b[2J")
    assert list(entry.descriptors) == ["\\x1b[2J"]
    assert "\\x1b[31m" in small_bank.tags()


def test_a_user_without_a_home_is_asked_for_a_bank(monkeypatch: pytest.MonkeyPatch):
    for name in ("SYNTHVAE_BANK", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(UserError, match="this user has no home; set SYNTHVAE_BANK or HOME, or give a `bank`"):
        default_path()
