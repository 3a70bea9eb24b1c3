"""Sharding of work on numbered items: each shard is a file that can be computed independently and idempotently.

A directory holds a description of the work and, per finished shard, a file and its SHA-256, as ``sha256sum`` writes it.
It is the only state: work resumes from the contents of the directory.
"""

from __future__ import annotations

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NoReturn

from synthvae.core.checks import is_number
from synthvae.core.errors import UserError, reason
from synthvae.core.files import atomic_open, atomic_write, remove_directory
from synthvae.core.json import check_target, dump_json, load_json

__all__ = ["MOST_SHARDS", "Progress", "ShardFolder", "Work", "parse_shard", "shards_of"]

FORMAT, VERSION, PLAN = "synthvae-shards", 1, "plan.json"
MOST_SHARDS = 100_000
Progress = Callable[[int], object]


class Work(ABC):
    """Work on items 0 to N - 1, of which any range can be computed independently.

    A subclass is a frozen dataclass of strings, numbers, booleans and None, so that another machine can reconstruct it
    from the plan; it is registered by name where plans are read.

    Attributes:
        name: name of the command.
        out: path of the final output.
    """

    name: ClassVar[str]
    out: str

    @property
    @abstractmethod
    def items(self) -> int:
        """Number of items, N."""

    @abstractmethod
    def make(self, items: range, file: BinaryIO, progress: Progress) -> None:
        """Write the output of the items, which depends only on the work and the items.

        Args:
            items: numbers of the items.
            file: output file.
            progress: called with the number of items done.
        """

    @abstractmethod
    def join(self, shards: Sequence[Path], overwrite: bool, progress: Progress) -> str:
        """Join all shards in order into `out`, and return a one-line description of it."""

    def check_out(self, overwrite: bool) -> None:
        """Reject an existing `out` unless it may be overwritten.

        Raises:
            UserError: naming `out`.
        """
        check_target(Path(self.out), overwrite)

    def describe(self) -> dict[str, Any]:
        """The fields by name."""
        return {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}  # type: ignore[arg-type]


def parse_shard(text: str) -> tuple[int, int]:
    """Parse a text such as ``3/16`` into a shard number, counted from 1, and the number of shards.

    Raises:
        UserError: if the text has another form.
    """
    number, _, count = text.partition("/")
    if not (is_number(number) and is_number(count) and 1 <= int(number) <= int(count) <= MOST_SHARDS):
        raise UserError("shard", text, f"write e.g. 3/16; the numbers run from 1, and there are {MOST_SHARDS} at most")
    return int(number), int(count)


def shards_of(out: Path) -> Path:
    """The directory of the shards of `out`, beside it."""
    return out.with_name(f"{out.name}.shards")


@dataclass(frozen=True)
class ShardFolder:
    """A directory of shards.

    Attributes:
        path: the directory.
        command: name of the command that does the work.
        fields: fields of the work.
        items: number of items, N.
        count: number of shards.
        origin: base directory of relative paths among the fields.
    """

    path: Path
    command: str
    fields: dict[str, Any]
    items: int
    count: int
    origin: Path = field(compare=False)

    @classmethod
    def begin(cls, path: Path, work: Work, count: int) -> ShardFolder:
        """Create the directory of some work, or open it if it exists.

        Raises:
            UserError: if it holds the shards of other work or another number of them, there are more shards than
                items, or it cannot be written.
        """
        if count > work.items:
            raise UserError("shard", count, f"cut it into at most {work.items}", why=f"more than {work.items} items")
        wanted = cls(path, work.name, work.describe(), work.items, count, Path.cwd())
        document = {"format": FORMAT, "version": VERSION, "command": work.name, "work": wanted.fields}
        document |= {"items": work.items, "shards": count, "folder": str(wanted.origin)}
        file = path / PLAN
        if not file.exists():
            atomic_write(file, dump_json(document, file) + "\n")
        found = cls.open(path)
        if found != wanted:
            differing = next((n for n, v in wanted.fields.items() if found.fields.get(n) != v), "shards")
            before = found.fields.get(differing, found.count)
            remedy = "go on as it was begun, choose another `out`, or remove the folder"
            raise UserError(path, path, remedy, f"holds shards of other work ({differing} {before!r})")
        return found

    @classmethod
    def open(cls, path: Path) -> ShardFolder:
        """Open a directory created by `begin`.

        Raises:
            UserError: if it is not a directory of shards.
        """
        file = path / PLAN
        remedy = "name a folder OUT.shards that a command with `shard` made"
        try:
            document = load_json(file.read_bytes(), str(file), "remove the folder and begin again")
        except OSError as error:
            raise UserError(path, path, remedy, f"no folder of shards ({reason(error)})") from None
        if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (FORMAT, VERSION):
            raise UserError(file, file, remedy, "no plan of shards of this version")
        command, fields, items, count = (document.get(name, 0) for name in ("command", "work", "items", "shards"))
        numbers = isinstance(items, int) and isinstance(count, int) and 0 < count <= min(items, MOST_SHARDS)
        if not (isinstance(command, str) and isinstance(fields, dict) and numbers):
            raise UserError(file, file, "remove the folder and begin again", "no plan of shards")
        return cls(path, command, fields, int(items), int(count), Path(str(document.get("folder", ""))))

    def file(self, number: int) -> Path:
        """Path of a shard's file; shards are counted from 1."""
        return self.path / f"{number:05d}-of-{self.count:05d}.shard"

    def part(self, number: int) -> range:
        """Items of a shard."""
        return range(self.items * (number - 1) // self.count, self.items * number // self.count)

    def _checksum(self, number: int) -> Path:
        return self.file(number).with_suffix(".sha256")

    @property
    def missing(self) -> list[int]:
        """Numbers of the shards that are not done; a shard is done once its checksum is written."""
        there = {path.name for path in self.path.glob("*.sha256")}
        return [number for number in range(1, self.count + 1) if self._checksum(number).name not in there]

    def make(self, work: Work, number: int, progress: Progress = lambda done: None) -> str:
        """Compute a shard unless it is done, and return the SHA-256 of its file.

        Raises:
            UserError: if there is no such shard, or it cannot be computed.
        """
        if not 1 <= number <= self.count:
            raise UserError("shard", number, f"the numbers run from 1 to {self.count}")
        if not (self.file(number).exists() and self._checksum(number).exists()):
            self._require_same(work)
            with atomic_open(self.file(number)) as file:
                work.make(self.part(number), file, progress)
            atomic_write(self._checksum(number), f"{_sha256(self.file(number))}  {self.file(number).name}\n")
        return self._recorded(number)

    def _recorded(self, number: int) -> str:
        """The SHA-256 that a shard's file had when it was written."""
        try:
            return self._checksum(number).read_text(encoding="ascii").split(" ")[0]
        except (OSError, UnicodeDecodeError) as error:
            self._refuse(number, reason(error) if isinstance(error, OSError) else "its checksum is no text")

    def _refuse(self, number: int, why: str) -> NoReturn:
        file = self.file(number)
        raise UserError(file, file, "remove it and its .sha256, and make the shard again", f"a damaged shard ({why})")

    def _require_same(self, work: Work) -> None:
        if work.items != self.items:
            remedy = "restore what it works on, or remove the folder and begin again"
            raise UserError(self.path, work.items, remedy, f"begun with {self.items} items, now there are {work.items}")

    def finalize(
        self,
        work: Work,
        keep: bool = False,
        overwrite: bool = False,
        progress: Progress = lambda done: None,
    ) -> str:
        """Join the shards, remove them unless they are to be kept, and return a one-line description of the result.

        Raises:
            UserError: if shards are missing or damaged, or the result exists or cannot be written.
        """
        if missing := self.missing:
            raise UserError(self.path, self.path, "make them and try again", f"{self.named(missing)} missing")
        self._require_same(work)
        work.check_out(overwrite)
        for number in range(1, self.count + 1):
            try:
                found = _sha256(self.file(number))
            except OSError as error:
                self._refuse(number, reason(error))
            if found != self._recorded(number):
                self._refuse(number, "not the bytes that were written")
        line = work.join([self.file(number) for number in range(1, self.count + 1)], overwrite, progress)
        if not keep:
            remove_directory(self.path)
        return line

    def named(self, numbers: Sequence[int]) -> str:
        """Shards as a phrase: ``shards 3, 7-9 of 16 are``; consecutive numbers become ranges."""
        runs: list[list[int]] = []
        for number in numbers:
            if runs and number == runs[-1][1] + 1:
                runs[-1][1] = number
            else:
                runs.append([number, number])
        words = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
        shown = ", ".join(words[:10]) + (f" and {len(words) - 10} more runs" if len(words) > 10 else "")
        return f"shard{'s' if len(numbers) > 1 else ''} {shown} of {self.count} {'are' if len(numbers) > 1 else 'is'}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
