from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.core.files import alone_in
from synthvae.data import library_writing
from synthvae.data.library import read_library
from synthvae.data.library_writing import Entry, Plan, Sound, build_library, unfinished
from tests.errors import user_error

SAMPLES = 64
ENTRIES = [Entry(f"{number:02d}.wav", "ab"[number % 2], state=(number,)) for number in range(40)]


def plan(**changes: object) -> Plan:
    return Plan(**{
        "source": "sounds", "sample_rate": 8000, "samples": SAMPLES, "split": "80,10,10", "seed": 0, "options": {},
        "entries": ENTRIES, "skipped": [("x.txt", "hidden")],
    } | changes)  # fmt: skip


def noise(number: int) -> np.ndarray:
    return np.random.default_rng(number).uniform(-1, 1, SAMPLES).astype(np.float32)


def read(entry: Entry) -> Iterator[Sound | None]:
    """Three kinds of entries: one sound, two sounds and a silent one, and a reason."""
    number = entry.state[0]
    if number % 10 == 3:
        raise UserError(entry.file, entry.file, "give another", f"broken ({number})")
    yield Sound(noise(number), 0.0, 1, 44100)
    if number % 10 == 4:
        yield None
        yield Sound(noise(1000 + number), 0.25, 1, 44100)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def test_every_entry_is_in_one_of_the_tables(tmp_path: Path):
    done: list[int] = []
    header = build_library(tmp_path / "lib", plan(), read, progress=done.append)
    library = read_library(tmp_path / "lib")
    assert library.header == header
    assert done == list(range(41))
    assert header.files == {"found": 41, "imported": 36, "skipped": 5}
    assert header.left_out == {"silent": 4, "duplicate": 0}
    skipped = library.skipped
    assert skipped["file"].tolist() == ["03.wav", "13.wav", "23.wav", "33.wav", "x.txt"]
    assert skipped["reason"].tolist() == ["broken (3)", "broken (13)", "broken (23)", "broken (33)", "hidden"]
    items = library.items
    assert len(items) == 40
    for number, row in items.iterrows():
        entry = int(row["file"][:2])
        assert row["label"] == "ab"[entry % 2]
        np.testing.assert_array_equal(library.audio[number], noise(entry if row["start"] == 0 else 1000 + entry))
    files = [items["file"][number] for number in library.rows("train")]
    assert files == sorted(files)
    assert sorted(os.listdir(tmp_path)) == ["lib"]


def test_the_sounds_of_an_entry_and_of_a_group_stay_together(tmp_path: Path):
    entries = [entry._replace(group="pair" if entry.state[0] in (5, 17, 28) else "") for entry in ENTRIES]
    build_library(tmp_path / "lib", plan(entries=entries), read)
    items = read_library(tmp_path / "lib").items
    group = dict(zip(items["file"], items["group"], strict=True))
    assert group["05.wav"] == group["17.wav"] == group["28.wav"]
    assert items["group"].nunique() == 34
    assert items.groupby("group")["split"].nunique().max() == 1


def test_near_duplicates_stay_together_and_duplicates_are_left_out(tmp_path: Path):
    def copies(entry: Entry) -> Iterator[Sound]:
        number = entry.state[0]
        source = number - 20 if number >= 35 else number - 10 if 30 <= number < 35 else number
        yield Sound(noise(source) * (0.5 if 30 <= number < 35 else 1.0), 0.0, 1, 8000)

    header = build_library(tmp_path / "lib", plan(), copies)
    library = read_library(tmp_path / "lib")
    assert header.files == {"found": 41, "imported": 35, "skipped": 6}
    reasons = dict(zip(library.skipped["file"], library.skipped["reason"], strict=True))
    assert [reasons[f"{number}.wav"] for number in range(35, 40)] == [
        f"duplicate (of {number}.wav)" for number in range(15, 20)
    ]
    group = dict(zip(library.items["file"], library.items["group"], strict=True))
    for number in range(30, 35):
        assert group[f"{number}.wav"] == group[f"{number - 10}.wav"]
    assert library.items.groupby("group")["split"].nunique().max() == 1


def test_the_bytes_do_not_depend_on_threads(tmp_path: Path):
    before = torch.get_num_threads()
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            build_library(tmp_path / str(threads), plan(), read)
    finally:
        torch.set_num_threads(before)
    assert contents(tmp_path / "1") == contents(tmp_path / "4")


SCRIPT = """
import sys, time
from pathlib import Path
from synthvae.data.library_writing import build_library
from tests.data import test_library_writing as test

def slowly(entry):
    time.sleep(0.02)
    return test.read(entry)

build_library(Path(sys.argv[1]), test.plan(), slowly)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_after_a_signal_a_second_call_gives_the_same_bytes(number: int, tmp_path: Path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, tmp_path / "lib"], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        log = tmp_path / "lib.part" / "log.jsonl"
        while not log.exists() or log.read_bytes().count(b"\n") < 10:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
    assert not (tmp_path / "lib").exists()
    calls: list[str] = []

    def count(entry: Entry) -> Iterator[Sound | None]:
        calls.append(entry.file)
        return read(entry)

    build_library(tmp_path / "lib", plan(), count)
    assert 0 < len(calls) <= 30
    build_library(tmp_path / "whole", plan(), read)
    assert contents(tmp_path / "lib") == contents(tmp_path / "whole")
    assert sorted(os.listdir(tmp_path)) == ["lib", "whole"]


def interrupted(out: Path, after: int = 20, **changes: object) -> Path:
    """Leave unfinished work of `after` entries."""

    def stop(done: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_library(out, plan(**changes), read, progress=stop)
    return unfinished(out)


@pytest.mark.parametrize("keep", [0, 1, 7, 200, 2000, 3900])
def test_halves_that_a_crash_leaves_are_cut_off(keep: int, tmp_path: Path):
    part = interrupted(tmp_path / "lib")
    for name in ("log.jsonl", "sounds.f32"):
        with (part / name).open("r+b") as file:
            file.truncate(min(keep, (part / name).stat().st_size))
    build_library(tmp_path / "lib", plan(), read)
    build_library(tmp_path / "whole", plan(), read)
    assert contents(tmp_path / "lib") == contents(tmp_path / "whole")


def test_work_of_another_plan_is_begun_anew(tmp_path: Path):
    interrupted(tmp_path / "lib", seed=1)
    build_library(tmp_path / "lib", plan(), read)
    build_library(tmp_path / "whole", plan(), read)
    assert contents(tmp_path / "lib") == contents(tmp_path / "whole")


def test_a_kill_while_a_plan_is_written_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = unfinished(tmp_path / "first")
    folder.mkdir()
    (folder / ".plan.json.0123abcd.part").write_text("{")
    build_library(tmp_path / "first", plan(), read)
    interrupted(tmp_path / "second")

    def die(path: Path, content: bytes | str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(library_writing, "atomic_write", die)
        with pytest.raises(KeyboardInterrupt):
            build_library(tmp_path / "second", plan(seed=1), read)
    build_library(tmp_path / "second", plan(), read)
    assert contents(tmp_path / "second") == contents(tmp_path / "first")


def test_damaged_work_is_removed(tmp_path: Path):
    part = interrupted(tmp_path / "lib")
    content = bytearray((part / "sounds.f32").read_bytes())
    content[100] ^= 255
    (part / "sounds.f32").write_bytes(content)
    with user_error(part, match="was damaged, and is removed; run the same command again"):
        build_library(tmp_path / "lib", plan(), read)
    build_library(tmp_path / "lib", plan(), read)
    read_library(tmp_path / "lib")


def test_what_is_there_stays_unless_it_is_a_library_to_be_replaced(tmp_path: Path):
    out = tmp_path / "lib"
    out.mkdir()
    build_library(out, plan(), read)  # an empty folder does not matter
    before = contents(out)
    with user_error(out, match="exists already"):
        build_library(out, plan(seed=1), read)
    assert contents(out) == before
    out.chmod(0o700)
    build_library(out, plan(seed=1), read, overwrite=True)
    assert read_library(out).header.seed == 1
    assert out.stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(out)
    build_library(tmp_path / "link", plan(seed=2), read, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert read_library(out).header.seed == 2
    (tmp_path / "link").unlink()
    assert sorted(os.listdir(tmp_path)) == ["lib"]
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    for name, message in (("file", "not a directory"), ("full", "not empty and not a library")):
        with user_error(tmp_path / name, match=message):
            build_library(tmp_path / name, plan(), read, overwrite=True)
    (tmp_path / "full").rename(tmp_path / "new.part")
    with user_error(tmp_path / "new.part", match="not unfinished work"):
        build_library(tmp_path / "new", plan(), read)
    assert (tmp_path / "new.part" / "x").read_text() == "x"


def test_a_crash_while_a_library_is_replaced_loses_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    build_library(tmp_path / "lib", plan(), read)
    put = library_writing._put_in_place

    def crash(folder: Path, out: Path) -> None:
        out.rename(folder / "replaced")
        raise KeyboardInterrupt

    monkeypatch.setattr(library_writing, "_put_in_place", crash)
    with pytest.raises(KeyboardInterrupt):
        build_library(tmp_path / "lib", plan(seed=1), read, overwrite=True)
    monkeypatch.setattr(library_writing, "_put_in_place", put)
    build_library(tmp_path / "lib", plan(seed=1), read, overwrite=True)
    assert read_library(tmp_path / "lib").header.seed == 1
    assert sorted(os.listdir(tmp_path)) == ["lib"]


def test_two_processes_do_not_make_one_library(tmp_path: Path):
    part = interrupted(tmp_path / "lib")
    with alone_in(part, "making a library"), user_error(part, match="another process is making a library there"):
        build_library(tmp_path / "lib", plan(), read)


def test_too_few_sounds_leave_nothing_behind(tmp_path: Path):
    with user_error("sounds", match="2 sounds that are not nearly alike"):
        build_library(tmp_path / "lib", plan(entries=ENTRIES[:2]), read)
    with user_error("sounds", match=r"nothing in it can be used \(1 file: "):
        build_library(tmp_path / "lib", plan(entries=[ENTRIES[3]], skipped=[]), read)
    with user_error("sounds", match="no files in it"):
        build_library(tmp_path / "lib", plan(entries=[], skipped=[]), read)
    assert os.listdir(tmp_path) == []


def test_sounds_that_do_not_fit_into_memory_go_through_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    build_library(tmp_path / "memory", plan(), read)
    monkeypatch.setattr(library_writing, "_IN_MEMORY", 1)
    build_library(tmp_path / "disk", plan(), read)
    assert contents(tmp_path / "memory") == contents(tmp_path / "disk")


def test_an_error_of_the_program_is_no_reason(tmp_path: Path):
    def fail(entry: Entry) -> Iterator[Sound]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_library(tmp_path / "lib", plan(), fail)


def test_a_full_disk_is_one_line_and_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    add = library_writing._Work.add

    def full(work: library_writing._Work, line: dict, sounds: object) -> None:
        if len(work.lines) == 9:
            raise OSError(28, "No space left on device")
        add(work, line, sounds)

    with monkeypatch.context() as patch:
        patch.setattr(library_writing._Work, "add", full)
        with user_error(tmp_path / "lib.part", match="cannot write \\(No space left.*run the same command again"):
            build_library(tmp_path / "lib", plan(), read)
    assert (tmp_path / "lib.part" / "log.jsonl").read_bytes().count(b"\n") == 9
    build_library(tmp_path / "lib", plan(), read)
