"""Building of a library from entries that are read or rendered in parallel, with resumption after interruption."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthvae.core.counts import counted
from synthvae.core.errors import UserError, reason
from synthvae.core.executor import on_threads, stop_on_sigint
from synthvae.core.files import (
    alone_in,
    atomic_write,
    copy_rights,
    ensure_directory,
    is_leftover,
    remove_directory,
    replace_directory,
)
from synthvae.core.json import dump_json
from synthvae.data.library import ITEM_COLUMNS, PITCH, LibraryHeader, content_hash, is_library, write_library
from synthvae.data.presets import SPLITS
from synthvae.data.splitting import Groups, parse_shares, sketch, split_groups, unite_alike

__all__ = ["Entry", "Plan", "Sound", "build_library", "check_library_target", "unfinished"]

Progress = Callable[[int], object]

PLAN, LOG, SOUNDS = "plan.json", "log.jsonl", "sounds.f32"
#: Names inside the folder of unfinished work: the library being written, and the one that it replaces.
NEW, OLD = "library", "replaced"
#: Maximum size in bytes of one entry's sounds in memory; larger ones are stored in a temporary file.
_IN_MEMORY = 2**22


class Entry(NamedTuple):
    """A source of items: a file, or a sound to be synthesized.

    Attributes:
        file: name of the entry in the tables.
        label: label of its items.
        group: group; entries of the same group are kept in one split; empty for none.
        state: value that changes when its sounds do, such as the size and time of a file.
        pitch: MIDI note number of its sounds, if known in advance.
    """

    file: str
    label: str
    group: str = ""
    state: tuple[int, ...] = ()
    pitch: float | None = None


class Sound(NamedTuple):
    """A sound of an entry.

    Attributes:
        audio: samples ``(T,)`` float32.
        start: start of the sound in the entry, in seconds.
        channels: number of channels of the entry.
        sample_rate: sample rate of the entry in Hz.
        pitch: MIDI note number; None if unknown.
    """

    audio: NDArray[np.float32]
    start: float
    channels: int
    sample_rate: int
    pitch: float | None = None


@dataclass(frozen=True)
class Plan:
    """The specification of a library.

    Attributes:
        source: folder, or a description of how the sounds are synthesized.
        sample_rate: sample rate of the items in Hz.
        samples: number of samples of each item, T.
        split: percentages of train, validation and test, see `synthvae.data.splitting.parse_shares`.
        seed: seed of the split.
        options: all other options.
        entries: entries, in the order of the items within a split.
        skipped: files without items, with the reason.
    """

    source: str
    sample_rate: int
    samples: int
    split: str
    seed: int
    options: Mapping[str, Any]
    entries: Sequence[Entry]
    skipped: Sequence[tuple[str, str]] = ()

    @property
    def fingerprint(self) -> str:
        """Hash of everything on which the content of the library depends."""
        head = [self.source, self.sample_rate, self.samples, self.split, self.seed, dict(self.options)]
        digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
        for row in (*self.entries, *self.skipped):
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()


def check_library_target(out: Path, overwrite: bool) -> None:
    """Reject a target that exists, except an empty directory or, if `overwrite`, a library.

    Raises:
        UserError: if `out` exists and must not be replaced.
    """
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise UserError(out, out, "choose another `out`", "is there and not a directory")
    if is_library(out):
        if not overwrite:
            raise UserError(out, out, "add `overwrite` to replace it, or choose another `out`", "exists already")
    elif any(out.iterdir()):
        raise UserError(out, out, "choose another `out`", "not empty and not a library")


def unfinished(out: Path) -> Path:
    """The directory of unfinished work, beside the library."""
    named = out if out.name not in ("", "..") else out.resolve()
    return named.with_name(named.name + ".part")


def build_library(
    out: Path,
    plan: Plan,
    read: Callable[[Entry], Iterable[Sound | None]],
    overwrite: bool = False,
    progress: Progress = lambda done: None,
) -> LibraryHeader:
    """Build a library, and return its header.

    Entries are read on several threads and written in their order, so that the library has the same bytes on any number
    of threads and after any interruption: finished entries are stored in the directory `unfinished`, from which
    a call with the same plan resumes. Sounds with the same samples as an earlier one are dropped; near-duplicates
    and the sounds of one entry are kept in one split. Memory use does not grow with the amount of audio.

    Args:
        out: directory of the library, which is created when the library is complete.
        plan: specification of the library.
        read: function that returns the sounds of an entry, None in place of a silent one; called on other threads. If
            it raises a `UserError`, the entry is skipped for that reason.
        overwrite: whether to replace an existing library.
        progress: called with the number of entries done.

    Raises:
        UserError: if `out` exists or cannot be written, the split is invalid, another process works on this library,
            or there are too few sounds to split.
        KeyboardInterrupt: on SIGINT, after the entries in progress are finished or dropped; at once on a second one.
    """
    shares = parse_shares(plan.split)
    if out.is_symlink():
        out = out.resolve()  # what it points to is replaced, not the link
    check_library_target(out, overwrite)
    folder = unfinished(out)
    if folder.exists() and not (folder / PLAN).exists() and not all(map(is_leftover, folder.iterdir())):
        raise UserError(folder, folder, "move it away or choose another `out`", "in the way, and not unfinished work")
    ensure_directory(folder)
    with alone_in(folder, "making a library"):
        work = _Work(folder, plan)
        try:
            _read_all(work, read, progress)
        finally:
            work.close()
        header = _finish(work, folder / NEW, shares)
        _put_in_place(folder, out)
    _discard(folder)
    return header


def _discard(folder: Path) -> None:
    """Remove unfinished work at once: half of it would not be recognised as such."""
    with contextlib.suppress(OSError):
        remove_directory(folder)


class _Work:
    """The unfinished work: a log with one line per finished entry, and the sounds that it refers to."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Open the unfinished work of this plan in a directory; work of another plan is discarded."""
        self.plan = plan
        self.folder = folder
        self.size = 4 * plan.samples
        self.lines: list[dict[str, Any]] = []
        marker = dump_json({"format": "synthvae-library-plan", "fingerprint": plan.fingerprint}, folder / PLAN) + "\n"
        if not (folder / PLAN).exists() or (folder / PLAN).read_bytes() != marker.encode():
            for name in (LOG, SOUNDS):  # the other plan is removed last: it marks the rest as unfinished work
                (folder / name).unlink(missing_ok=True)
            atomic_write(folder / PLAN, marker)
        self._sounds = (folder / SOUNDS).open("a+b")
        self._log = (folder / LOG).open("a+b")
        self._resume()

    def _resume(self) -> None:
        """Read the lines whose sounds are complete, and truncate what a killed process wrote after them."""
        there = self._sounds.seek(0, os.SEEK_END)
        self._log.seek(0)
        end = rows = 0
        for line in self._log:
            try:
                entry = json.loads(line)
            except ValueError:
                break
            whole = line.endswith(b"\n") and isinstance(entry, dict) and isinstance(entry.get("items"), list)
            if not whole or (rows + len(entry["items"])) * self.size > there:
                break
            rows += len(entry["items"])
            end += len(line)
            self.lines.append(entry)
        for file, size in ((self._log, end), (self._sounds, rows * self.size)):
            file.truncate(size)
            file.seek(0, os.SEEK_END)

    def add(self, line: dict[str, Any], sounds: IO[bytes] | None) -> None:
        """Append an entry: first its sounds, then the log line that marks them as complete."""
        if sounds is not None:
            sounds.seek(0)
            shutil.copyfileobj(sounds, self._sounds, 2**20)
            self._sounds.flush()
        self._log.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._log.flush()
        self.lines.append(line)

    def close(self) -> None:
        """Close the files."""
        self._sounds.close()
        self._log.close()

    def damaged(self) -> UserError:
        """The error of unfinished work that cannot be resumed, which is removed."""
        self.discard()
        problem = "the unfinished work was damaged, and is removed"
        return UserError(self.folder, self.folder, "run the same command again", problem)

    def discard(self) -> None:
        """Remove the directory, from which no library can be built."""
        _discard(self.folder)


def _read_all(work: _Work, read: Callable[[Entry], Iterable[Sound | None]], progress: Progress) -> None:
    def take(entry: Entry) -> tuple[dict[str, Any], IO[bytes] | None]:
        return _take(entry, read, work.folder)

    done = len(work.lines)
    progress(done)
    try:
        with stop_on_sigint() as stopped, contextlib.closing(on_threads(take, work.plan.entries[done:])) as results:
            for line, sounds in results:
                with sounds or contextlib.nullcontext():
                    work.add(line, sounds)
                done += 1
                progress(done)
                if stopped():
                    raise KeyboardInterrupt
    except OSError as error:
        folder, problem = work.folder, f"cannot write ({reason(error)})"
        raise UserError(folder, folder, "make room and run the same command again", problem) from None


def _take(
    entry: Entry, read: Callable[[Entry], Iterable[Sound | None]], folder: Path
) -> tuple[dict[str, Any], IO[bytes] | None]:
    """The log line of an entry, and its sounds concatenated."""
    items, silent = [], 0
    sounds = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder))  # noqa: SIM115 - closed by the caller
    try:
        for sound in read(entry):
            if sound is None:
                silent += 1
                continue
            row = np.ascontiguousarray(sound.audio, "<f4")
            sounds.write(row.data)
            items.append(
                {
                    "start": sound.start,
                    "channels": sound.channels,
                    "sample_rate": sound.sample_rate,
                    "peak": float(np.abs(row).max()),
                    "content_hash": content_hash(row),
                    "sketch": sketch(row),
                    PITCH: sound.pitch,
                }
            )
    except UserError as error:
        sounds.close()
        return {"items": [], "reason": error.problem}, None
    except BaseException:
        sounds.close()
        raise
    if not items:
        sounds.close()
        return {"items": [], "reason": "silent"}, None
    return {"items": items, "silent": silent}, sounds


@dataclass
class _Chosen:
    """The entries and sounds selected as items."""

    items: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    imported: int = 0


def _choose(work: _Work) -> _Chosen:
    """Select the sounds that differ from all earlier ones, and list the entries without any."""
    chosen = _Chosen(skipped=[{"file": file, "reason": reason} for file, reason in work.plan.skipped])
    seen: dict[str, str] = {}
    place = 0
    for number, (entry, line) in enumerate(zip(work.plan.entries, work.lines, strict=True)):
        new: list[dict[str, Any]] = []
        for item in line["items"]:
            if item["content_hash"] in seen:
                first = seen[item["content_hash"]]
            else:
                seen[item["content_hash"]] = entry.file
                new.append({**item, "label": entry.label, "file": entry.file, "entry": number, "place": place})
            place += 1
        if new:
            chosen.imported += 1
            chosen.items.extend(new)
            chosen.left_out["silent"] += line["silent"]
            chosen.left_out["duplicate"] += len(line["items"]) - len(new)
        else:
            reason = f"duplicate (of {first})" if line["items"] else line["reason"]
            chosen.skipped.append({"file": entry.file, "reason": reason})
    chosen.skipped.sort(key=lambda row: row["file"])
    return chosen


def _finish(work: _Work, directory: Path, shares: Sequence[float]) -> LibraryHeader:
    """Group, split and order the selected sounds, and write them as a library."""
    plan = work.plan
    try:
        chosen = _choose(work)
    except (KeyError, TypeError):
        raise work.damaged() from None
    items = chosen.items
    if not items:
        common = Counter(row["reason"].split(" (")[0] for row in chosen.skipped).most_common(1)
        problem = (
            f"nothing in it can be used ({counted(common[0][1], 'file')}: {common[0][0]})"
            if common
            else "no files in it"
        )
        work.discard()
        raise UserError(plan.source, plan.source, "give a folder with recordings", problem)
    with (work.folder / SOUNDS).open("rb") as file:

        def sound(number: int) -> NDArray[np.float32]:
            file.seek(items[number]["place"] * work.size)
            row = np.frombuffer(file.read(work.size), "<f4")
            if content_hash(row) != items[number]["content_hash"]:
                raise work.damaged()
            return row

        groups = Groups(len(items))
        groups.unite_equal([f"entry {item['entry']}" for item in items])
        groups.unite_equal([plan.entries[item["entry"]].group for item in items])
        try:
            sketches = np.array([item["sketch"] for item in items], np.float32)
        except (KeyError, TypeError, ValueError):
            raise work.damaged() from None
        unite_alike(sketches, sound, groups)
        numbers = groups.numbers()
        try:
            splits = split_groups(numbers, [item["label"] for item in items], shares, plan.seed, plan.source)
        except UserError:
            work.discard()
            raise
        order = sorted(range(len(items)), key=lambda number: SPLITS.index(splits[number]))
        table = [
            {name: value for name, value in items[old].items() if name in (*ITEM_COLUMNS, PITCH)}
            | {"number": new, "split": splits[old], "group": numbers[old]}
            for new, old in enumerate(order)
        ]
        header = LibraryHeader(
            plan.sample_rate,
            plan.samples,
            {split: splits.count(split) for split in SPLITS},
            tuple(sorted({item["label"] for item in items})),
            plan.source,
            plan.seed,
            {**plan.options, "split": plan.split},
            {
                "found": len(plan.entries) + len(plan.skipped),
                "imported": chosen.imported,
                "skipped": len(chosen.skipped),
            },
            {name: chosen.left_out[name] for name in ("silent", "duplicate")},
        )
        shutil.rmtree(directory, ignore_errors=True)
        write_library(directory, header, map(sound, order), table, chosen.skipped)
    return header


def _put_in_place(folder: Path, out: Path) -> None:
    """Rename the finished library into place; what it replaces is removed with the unfinished work."""
    shutil.rmtree(folder / OLD, ignore_errors=True)
    if is_library(out):
        replace_directory(folder / NEW, out, folder / OLD)
        return
    if out.is_dir():
        copy_rights(out, folder / NEW)
        out.rmdir()
    (folder / NEW).rename(out)
