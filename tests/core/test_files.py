from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from synthvae.core import files
from synthvae.core.errors import UserError
from synthvae.core.files import (
    LOCK,
    alone_in,
    atomic_open,
    atomic_write,
    ensure_directory,
    staging_folder,
    temporary_folder,
)


def test_writes_text_and_bytes_and_makes_the_directory(tmp_path: Path):
    atomic_write(tmp_path / "a/b/c.txt", "ä")
    assert (tmp_path / "a/b/c.txt").read_bytes() == "ä".encode()
    atomic_write(tmp_path / "a/b/c.txt", b"\x00")
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"\x00"
    assert (tmp_path / "a/b/c.txt").stat().st_mode & 0o777 == 0o666 & ~(os.umask(os.umask(0) or 0o22) or 0o22)


@pytest.mark.parametrize("links", [True, False])
def test_of_two_writers_of_a_new_file_the_second_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    path = tmp_path / "a"
    writing = atomic_open(path, overwrite=False)
    writing.__enter__().write(b"second")
    with atomic_open(path, overwrite=False) as other:
        other.write(b"first")
    with pytest.raises(UserError, match="exists already, from another process"):
        writing.__exit__(None, None, None)
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a"]


def test_names_that_are_not_utf8_are_written_as_json_escapes_them(tmp_path: Path):
    atomic_write(tmp_path / "a.json", '"caf\udce9"')
    assert (tmp_path / "a.json").read_bytes() == b'"caf\\udce9"'


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
    with pytest.raises(UserError, match="a device, not a plain file"):
        atomic_write(Path(os.devnull), "x")


def test_a_file_that_is_replaced_hands_on_its_mode_and_links_stay(tmp_path: Path):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "secret.json", tmp_path / "link.json"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(Path("real") / "secret.json")
    atomic_write(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o7777 == 0o600
    missing = tmp_path / "dangling"
    missing.symlink_to(tmp_path / "real" / "made")
    atomic_write(missing, "x")
    assert (tmp_path / "real" / "made").read_text() == "x"


@pytest.mark.parametrize("name", ["a" * 245, "\u00e4" * 120, "\U0001f3b9" * 60, "\udcff.json"])
def test_every_name_that_the_system_allows_can_be_written(tmp_path: Path, name: str):
    atomic_write(tmp_path / name, "x")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(("number", "remedy"), [(errno.ENOSPC, "make room"), (errno.EIO, "; choose another place")])
def test_an_error_has_one_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
    with pytest.raises(UserError, match=f"cannot write \\({os.strerror(number)}\\).*{remedy}"):
        atomic_write(tmp_path / "a", "x")
    assert os.listdir(tmp_path) == []


def test_what_a_file_system_cannot_do_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Modes on a Windows drive, waiting for a disk, locks on Lustre."""
    (tmp_path / "a").write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    for name in ("fsync", "chmod", "chown"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(files.fcntl, "flock", refuse)
    atomic_write(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(UserError, match="Input/output error"):
        atomic_write(tmp_path / "a", "newer")
    assert (tmp_path / "a").read_text() == "new"


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_live_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    code = "import os\nfrom synthvae.core.files import temporary_folder\ntemporary_folder()\nos.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("synthvae-*")
    assert (left / LOCK).is_file()
    (tmp_path / "synthvae-other").mkdir()  # not made by this
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = temporary_folder.__wrapped__(), temporary_folder.__wrapped__()
    assert {path.name for path in tmp_path.iterdir()} == {"synthvae-other", first.name, second.name}


def killed_while_replacing(target: Path) -> Path:
    """Kill a process that has moved a directory away to replace it, and return its own directory."""
    code = f"""
import os
from pathlib import Path
from synthvae.core.files import PREVIOUS, staging_folder
target = Path({str(target)!r})
with staging_folder(target) as stage:
    (stage / "new").mkdir()
    target.rename(stage / PREVIOUS)
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (left,) = (path for path in target.parent.iterdir() if path.name.startswith(".") and path.suffix == ".part")
    return left


def test_a_directory_that_a_killed_process_was_replacing_is_put_back(tmp_path: Path):
    target = tmp_path / "space"
    target.mkdir()
    (target / "a").write_text("earlier")
    left = killed_while_replacing(target)
    assert not target.exists()
    for name in ("another", "spa", "space.v2"):
        with staging_folder(tmp_path / name) as other:
            assert left.exists(), "that of another target is left alone"
    longer = tmp_path / left.name.replace(".space.", ".space.v2.")
    left.rename(longer)
    with staging_folder(target):
        assert longer.exists(), "that of a name that goes on"
        assert not target.exists()
    longer.rename(left)
    with staging_folder(target) as stage, staging_folder(target) as second:
        assert (target / "a").read_text() == "earlier"
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([stage.name, second.name, "space"])
    assert not other.exists()
    assert os.listdir(tmp_path) == ["space"]
    longest = [tmp_path / ("x" * 254 + ending) for ending in "yz"]
    with staging_folder(longest[0]) as one, staging_folder(longest[1]) as two:
        assert one.name[:-13] != two.name[:-13]


def test_files_of_killed_writers_are_removed_and_those_of_others_stay(tmp_path: Path):
    stale, fresh, held, other = (
        tmp_path / name for name in (".a.01234567.part", ".a.11234567.part", ".a.21234567.part", ".a.part")
    )
    for path in (stale, fresh, held, other):
        path.write_text("half")
        if path != fresh:
            os.utime(path, (time.time() - 3600,) * 2)
    with held.open("r+b") as writer:
        files.fcntl.flock(writer, files.fcntl.LOCK_EX)
        atomic_write(tmp_path / "b", "x")
    assert sorted(os.listdir(tmp_path)) == [".a.11234567.part", ".a.21234567.part", ".a.part", "b"]


def test_the_lock_of_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    (tmp_path / LOCK).write_text("kept")
    taken = pytest.raises(UserError, match="another process is training there")
    with alone_in(tmp_path, "training"), taken, alone_in(tmp_path, "training"):
        pass
    assert (tmp_path / LOCK).read_text() == "kept"
    with alone_in(tmp_path, "training"):
        pass
    for number in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):

        def refuse(*_: object, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(files.fcntl, "flock", refuse)
        with alone_in(tmp_path, "training"):
            assert "has no locks" in caplog.records[-1].getMessage()


@pytest.mark.parametrize("kind", ["link", "dangling link", "directory", "pipe"])
def test_a_lock_that_is_no_file_is_refused_and_what_it_leads_to_stays(tmp_path: Path, kind: str):
    precious = tmp_path / "precious"
    if kind == "link":
        precious.write_text("kept")
    folder = tmp_path / "run"
    folder.mkdir()
    if kind == "directory":
        (folder / LOCK).mkdir()
    elif kind == "pipe":
        os.mkfifo(folder / LOCK)
    else:
        (folder / LOCK).symlink_to(precious)
    with pytest.raises(UserError, match="cannot be opened as a lock.*remove it"), alone_in(folder, "training"):
        pass
    assert not precious.exists() or precious.read_text() == "kept"


def test_a_killed_process_removes_all_of_a_directory_or_nothing(tmp_path: Path):
    target = tmp_path / "shards"
    code = f"""
import os, signal, sys
from pathlib import Path
from synthvae.core.files import remove_directory
sys.addaudithook(lambda event, _: event == "os.remove" and os.kill(os.getpid(), signal.SIGKILL))
remove_directory(Path({str(target)!r}))
"""
    target.mkdir()
    for name in "ab":
        (target / name).write_text(name)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert not target.exists()
    target.mkdir()
    (target / "c").write_text("new")
    files.remove_directory(target)
    assert os.listdir(tmp_path) == [], "what the killed process left is gone as well"


@pytest.mark.parametrize("able", [True, False])
def test_a_directory_is_replaced_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool):
    new, target, aside = (tmp_path / name for name in ("new", "target", "aside"))
    for path, text in ((new, "new"), (target, "earlier")):
        path.mkdir()
        (path / "a").write_text(text)
    target.chmod(0o750)
    if not able:
        monkeypatch.setattr(files, "exchange", lambda *_: False)
    elif not files.exchange(new, target):
        pytest.skip("this file system cannot exchange names")
    else:
        assert (target / "a").read_text() == "new"
        assert files.exchange(new, target)
    files.replace_directory(new, target, aside)
    assert (target / "a").read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o750
    assert ((new if able else aside) / "a").read_text() == "earlier"
    assert not files.exchange(tmp_path / "none", target)


def test_an_old_folder_without_a_lock_is_abandoned_and_a_new_one_is_not(tmp_path: Path):
    old, fresh = (tmp_path / f".space.{number}1234567.part" for number in "01")
    for path in (old, fresh):
        path.mkdir()
    os.utime(old, (time.time() - 3600,) * 2)
    with staging_folder(tmp_path / "space"):
        assert not old.exists()
        assert fresh.exists()
