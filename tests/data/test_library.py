from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from synthvae.core.errors import UserError
from synthvae.data import library as module
from synthvae.data.library import LibraryHeader, content_hash, is_library, read_library, write_library
from tests.errors import user_error

SAMPLES = 50
LABELS = ("NA", 'kick, "loud"', "ünï")


def write(directory: Path, pitches: Sequence[float | None] = ()) -> np.ndarray:
    rows = np.random.default_rng(0).uniform(-1, 1, (12, SAMPLES)).astype(np.float32)
    counts = {"train": 8, "validation": 3, "test": 1}
    splits = [split for split, count in counts.items() for _ in range(count)]
    items = [
        {
            "number": number,
            "split": split,
            "label": LABELS[number % 3],
            "file": f"a\n{number}.wav",
            "start": number / 3,
            "channels": 2,
            "sample_rate": 44100,
            "peak": float(np.abs(row).max()),
            "content_hash": content_hash(row),
            "group": number // 2,
            "pitch": pitches[number] if pitches else None,
        }
        for number, (row, split) in enumerate(zip(rows, splits, strict=True))
    ]
    files = {"found": 13, "imported": 12, "skipped": 1}
    header = LibraryHeader(8000, SAMPLES, counts, tuple(sorted(LABELS)), "sounds", 3, {"seconds": 1.0}, files, {})
    write_library(directory, header, iter(rows), items, [{"file": "x.txt", "reason": "not audio, really"}])
    return rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "lib")
    return tmp_path / "lib"


def test_a_library_is_read_as_it_was_written(tmp_path: Path):
    rows = write(tmp_path / "lib")
    library = read_library(tmp_path / "lib")
    assert isinstance(library.audio, np.memmap)
    assert not library.audio.flags.writeable
    np.testing.assert_array_equal(library.audio, rows)
    assert (len(library), library.sample_rate, library.samples) == (12, 8000, SAMPLES)
    assert library.labels == tuple(sorted(LABELS))
    assert [library.rows(split) for split in ("train", "validation", "test")] == [
        range(8),
        range(8, 11),
        range(11, 12),
    ]
    items = library.items
    assert items["label"].tolist() == [LABELS[number % 3] for number in range(12)]
    assert items["file"].tolist() == [f"a\n{number}.wav" for number in range(12)]
    np.testing.assert_allclose(items["start"], np.arange(12) / 3, rtol=1e-8)
    assert items["peak"].tolist() == pytest.approx(np.abs(rows).max(axis=1).tolist())
    assert items["content_hash"].tolist() == [content_hash(row) for row in rows]
    assert library.skipped.to_dict("records") == [{"file": "x.txt", "reason": "not audio, really"}]
    assert len(library.hash) == 16
    assert (library.header.seed, library.header.source, library.header.options) == (3, "sounds", {"seconds": 1.0})


def test_pitches_are_a_column_where_there_are_any(tmp_path: Path):
    write(tmp_path / "without")
    assert "pitch" not in read_library(tmp_path / "without").items.columns
    pitches = [60.0, None, 61.25, *([None] * 9)]
    write(tmp_path / "with", pitches)
    library = read_library(tmp_path / "with")
    assert library.hash != read_library(tmp_path / "without").hash
    np.testing.assert_array_equal(library.items["pitch"], np.array(pitches, float))
    assert library.items["label"].tolist()[0] == "NA"


def test_where_it_lies_does_not_change_its_hash_or_bytes(path: Path, tmp_path: Path):
    write(tmp_path / "other")
    for name in ("library.json", "audio.npy", "items.csv", "skipped.csv"):
        assert (path / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    assert read_library(path).hash == read_library(tmp_path / "other").hash


def test_a_library_is_known_by_its_header(path: Path, tmp_path: Path):
    assert is_library(path)
    assert not is_library(tmp_path)
    assert not is_library(path / "items.csv")
    (path / "library.json").write_text('{"format": "synthvae-dataset"}')
    assert not is_library(path)


def header(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        document = json.loads((path / "library.json").read_text())
        change(document)
        (path / "library.json").write_text(json.dumps(document))

    return edit


def audio(array: np.ndarray, **options: object) -> Callable[[Path], None]:
    return lambda path: np.save(path / "audio.npy", array, **options)


def replace(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        content = (path / name).read_bytes()
        assert old in content
        (path / name).write_bytes(content.replace(old, new, 1))

    return edit


def flip(path: Path) -> None:
    content = bytearray((path / "audio.npy").read_bytes())
    content[-4 * SAMPLES - 3] ^= 1
    (path / "audio.npy").write_bytes(content)


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda path: (path / name).write_bytes((path / name).read_bytes()[:size])


BAD = {
    "no folder": (shutil.rmtree, "library.json: cannot read (No such file"),
    "no header": (lambda path: (path / "library.json").unlink(), "library.json: cannot read (No such file"),
    "another file": (
        lambda path: (path / "library.json").write_text("[]"),
        "library.json: not a JSON object; give a file of format 'synthvae-",
    ),
    "brackets": (replace("library.json", b'"seed": 3', b'"seed": ' + 1000 * b"[" + 1000 * b"]"), "100 levels deep"),
    "more brackets": (lambda path: (path / "library.json").write_bytes(100_000 * b"["), "not a whole JSON document"),
    "cut header": (cut("library.json", 300), "library.json: not a whole JSON document"),
    "other version": (
        header(lambda d: d.update(version=2)),
        "library.json: version is 2, this synthvae reads version 1",
    ),
    "no rate": (header(lambda d: d.pop("sample_rate")), "library.json: sample_rate is missing; "),
    "null rate": (header(lambda d: d.update(sample_rate=None)), "library.json: sample_rate is null"),
    "bad samples": (header(lambda d: d.update(samples=True)), "library.json: samples is true"),
    "bad counts": (header(lambda d: d["counts"].update(train=0)), "library.json: counts is"),
    "no split": (header(lambda d: d["counts"].pop("test")), "not a number for each of train, validation, test"),
    "bad labels": (header(lambda d: d["labels"].reverse()), "library.json: labels is"),
    "labels that move the cursor": (header(lambda d: d.update(labels=["\x1b[2J"])), "not all printable"),
    "bad options": (header(lambda d: d.update(options=3)), "library.json: options is 3"),
    "bad seed": (header(lambda d: d.update(seed=-1)), "library.json: seed is -1"),
    "bad source": (header(lambda d: d.update(source=None)), "library.json: source is null"),
    "other rate": (header(lambda d: d.update(sample_rate=16000)), "library.json: hash is"),
    "a label changed": (replace("items.csv", "ünï".encode(), "üni".encode()), "library.json: hash is"),
    "no items": (lambda path: (path / "items.csv").unlink(), "items.csv: cannot read"),
    "no audio": (
        lambda path: (path / "audio.npy").unlink(),
        "audio.npy: not whole, or no array of numbers (No such file",
    ),
    "cut audio": (cut("audio.npy", 1500), "audio.npy: not whole"),
    "no audio header": (cut("audio.npy", 20), "audio.npy: not whole"),
    "empty audio": (cut("audio.npy", 0), "audio.npy: not whole"),
    "pickled": (audio(np.array([{}] * 12), allow_pickle=True), "audio.npy: not whole, or no array of numbers"),
    "float64": (audio(np.zeros((12, SAMPLES))), "audio.npy: holds float64 (12, 50), not float32 (12, 50)"),
    "fewer": (audio(np.zeros((11, SAMPLES), np.float32)), "audio.npy: holds float32 (11, 50)"),
    "transposed": (audio(np.asfortranarray(np.zeros((12, SAMPLES), np.float32))), "audio.npy: holds"),
    "a sample changed": (flip, "audio.npy: item 10 (a 10.wav) was changed after the library was made"),
    "more": (lambda path: (path / "audio.npy").open("ab").write(b"x"), "audio.npy: has 2,529 bytes, not 2,528"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_library_is_refused_in_one_line(name: str, path: Path):
    spoil, message = BAD[name]
    spoil(path)
    with pytest.raises(UserError) as caught:
        read_library(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_of_a_large_library_some_items_are_compared_and_all_on_demand(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CHECKED_WHOLE", 100)
    monkeypatch.setattr(module, "CHECKED_ITEMS", 4)
    flip(path)
    library = read_library(path)  # items 0, 3, 6 and 9
    with user_error(path / "audio.npy", match=r"item 10"):
        library.verify()


def test_tables_that_contradict_the_header_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_library_hash", lambda header, items: "0" * 16)
    header(lambda d: d.update(hash="0" * 16))(path)
    for old, new, message in (
        (b"\n3,train", b"\n4,train", "not numbered from 0"),
        (b"\n3,train", b"\n3,test", "ordered by split"),
        (b"number,split", b"nummer,split", "columns"),
        (b",44100,", b",fast,", "not a table of this format"),
        ("ünï".encode(), b"uni", "its labels are not those of the header, such as 'uni'"),
    ):
        before = (path / "items.csv").read_bytes()
        replace("items.csv", old, new)(path)
        with user_error(path / "items.csv", match=message):
            read_library(path)
        (path / "items.csv").write_bytes(before)
    header(lambda d: d["counts"].update(test=2))(path)
    with user_error(path / "items.csv", match="holds 12 items, the header says 13"):
        read_library(path)
