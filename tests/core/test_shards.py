"""Shards of any work: made alone and twice, found on the disk, joined when none is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

import pytest

from synthvae.core.shards import Progress, ShardFolder, Work, parse_shard, shards_of
from tests.errors import user_error


@dataclass(frozen=True)
class Lines(Work):
    """A line for each number."""

    name: ClassVar[str] = "lines"
    out: str
    count: int
    text: str = "line"

    @property
    def items(self) -> int:
        return self.count

    def make(self, items: range, file: BinaryIO, progress: Progress) -> None:
        for item in items:
            if self.text == "crash" and item == 4:
                raise RuntimeError("crash")
            file.write(f"{self.text} {item}\n".encode())

    def join(self, shards: Sequence[Path], overwrite: bool, progress: Progress) -> str:
        Path(self.out).write_bytes(b"".join(shard.read_bytes() for shard in shards))
        return f"{self.out}: {self.count} lines"


@pytest.fixture
def work(tmp_path: Path) -> Lines:
    return Lines(str(tmp_path / "out.txt"), 10)


def test_shards_made_in_any_order_are_joined(work: Lines, tmp_path: Path):
    place = shards_of(Path(work.out))
    folder = ShardFolder.begin(place, work, 4)
    assert [len(folder.part(number)) for number in range(1, 5)] == [2, 3, 2, 3]
    digest = folder.make(work, 3)
    again = ShardFolder.begin(place, work, 4)  # as another process does
    assert again.make(work, 3) == digest
    again.make(work, 1)
    assert ShardFolder.open(place).missing == [2, 4]
    with user_error(place, match="shards 2, 4 of 4 are missing; make them and try again"):
        folder.finalize(work)
    for number in (2, 4):
        folder.make(work, number)
    assert folder.finalize(work, keep=True).endswith("10 lines")
    assert Path(work.out).read_text() == "".join(f"line {item}\n" for item in range(10))
    with user_error(work.out, match="exists already"):
        folder.finalize(work)
    folder.finalize(work, overwrite=True)
    assert not place.exists()


def test_a_shard_is_whole_or_not_there(tmp_path: Path):
    work = Lines(str(tmp_path / "out.txt"), 10, "crash")
    folder = ShardFolder.begin(shards_of(Path(work.out)), work, 2)
    with pytest.raises(RuntimeError):
        folder.make(work, 1)
    assert folder.missing == [1, 2]
    assert [path.name for path in folder.path.iterdir()] == ["plan.json"]


def test_other_work_and_other_cuts_are_refused(work: Lines, tmp_path: Path):
    place = shards_of(Path(work.out))
    folder = ShardFolder.begin(place, work, 4)
    for other, count, message in (
        (work, 5, "shards of other work \\(shards 4\\)"),
        (Lines(work.out, 10, "row"), 4, "shards of other work \\(text 'line'\\)"),
    ):
        with user_error(place, match=message):
            ShardFolder.begin(place, other, count)
    with user_error("shard", 11, "more than 10 items; cut it into at most 10"):
        ShardFolder.begin(tmp_path / "other", work, 11)
    with user_error("shard", 5, "from 1 to 4"):
        folder.make(work, 5)
    with user_error(place, match="begun with 10 items, now there are 12"):
        folder.make(Lines(work.out, 12), 1)
    with user_error(tmp_path, match="no folder of shards"):
        ShardFolder.open(tmp_path)
    (place / "plan.json").write_text('{"format": "synthvae-shards", "version": 1, "shards": true}')
    with user_error(place / "plan.json", match="no plan of shards"):
        ShardFolder.open(place)


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/100001", "-1/4", "1/2/3"])
def test_texts_that_name_no_shard(text: str):
    with user_error("shard", text, "write e.g. 3/16"):
        parse_shard(text)


def test_numbers_in_words(work: Lines):
    folder = ShardFolder.begin(shards_of(Path(work.out)), work, 9)
    assert folder.named([2]) == "shard 2 of 9 is"
    assert folder.named([1, 2, 3, 5, 8, 9]) == "shards 1-3, 5, 8-9 of 9 are"


@pytest.mark.parametrize("damage", ["cut", "changed", "lost", "unrecorded"])
def test_a_damaged_shard_is_refused_and_can_be_made_again(work: Lines, damage: str):
    folder = ShardFolder.begin(shards_of(Path(work.out)), work, 2)
    for number in (1, 2):
        folder.make(work, number)
    shard = folder.path / "00002-of-00002.shard"
    checksum = shard.with_suffix(".sha256")
    whole = shard.read_bytes()
    assert checksum.read_text() == f"{hashlib.sha256(whole).hexdigest()}  {shard.name}\n"
    if damage == "cut":
        shard.write_bytes(whole[:-3])
    elif damage == "changed":
        shard.write_bytes(whole.replace(b"line 7", b"line 8"))
    elif damage == "lost":
        shard.unlink()
    else:
        checksum.write_bytes(b"\xff")
    with user_error(shard, match="remove it and its .sha256, and make the shard again"):
        folder.finalize(work)
    assert not Path(work.out).exists()
    shard.unlink(missing_ok=True)
    checksum.unlink()
    assert ShardFolder.open(folder.path).missing == [2]
    folder.make(work, 2)
    folder.finalize(work)
    assert Path(work.out).read_text() == "".join(f"line {item}\n" for item in range(10))


def test_a_shard_whose_checksum_was_not_written_is_made_again(work: Lines):
    folder = ShardFolder.begin(shards_of(Path(work.out)), work, 2)
    digest = folder.make(work, 1)
    (folder.path / "00001-of-00002.sha256").unlink()  # the process was killed before
    (folder.path / "00001-of-00002.shard").write_bytes(b"")
    assert folder.missing == [1, 2]
    assert folder.make(work, 1) == digest
