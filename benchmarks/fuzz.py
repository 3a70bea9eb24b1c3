"""Damaged files: whether every reader handles each of them with at most one line of error.

Each reader gets files of its own format in which some bytes, numbers or words were changed. Correct results are an
object or a `UserError`; any other exception is a fault, and so is a call that takes longer than `PATIENCE`.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import shutil
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.fuzz_readers import Reader, readers
from synthvae.cli.libraries import quiet_decoders
from synthvae.core.errors import UserError
from synthvae.core.executor import compute_all
from synthvae.core.files import temporary_folder

__all__ = ["PATIENCE", "Reading", "fuzz", "fuzz_table", "mutate"]

#: Seconds that a reader may take for one file.
PATIENCE = 10.0
#: Replacements of a number or a word: limits of types, and invalid values.
_ODD = [b"0", b"-1", b"1e999", b"NaN", b"9223372036854775808", b"0.5", b'""', b"null", b"true", b"[]", b"{}", b"\xff"]
_WORD = re.compile(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?|\"[^\"\n]{0,40}\"|[A-Za-z_]{2,}")


@dataclass
class Reading:
    """Results of a reader.

    Attributes:
        reader: name of the reader.
        read: number of files that were read.
        refused: number of files rejected with a `UserError`.
        wrong: number of files with another result, or none within `PATIENCE`.
        slowest: longest time of a call, in seconds.
        faults: last line of each exception, with the bytes of the first file that caused it.
    """

    reader: str
    read: int = 0
    refused: int = 0
    wrong: int = 0
    slowest: float = 0.0
    faults: dict[str, bytes] = field(default_factory=dict)

    def note(self, fault: str, content: bytes) -> None:
        """Count an answer that is wrong, and keep the first file with each fault."""
        self.wrong += 1
        self.faults.setdefault(fault, content)


def mutate(content: bytes, draw: np.random.Generator) -> bytes:
    """A file of which one to four things were changed: bytes, a part, a number or a word."""
    data = bytearray(content)
    for _ in range(draw.integers(1, 5)):
        kind = draw.integers(0, 7)
        at, length = int(draw.integers(0, len(data) + 1)), int(2 ** draw.uniform(0, 10))
        if kind == 0:
            for place in draw.integers(0, max(1, len(data)), draw.integers(1, 9)):
                data[place : place + 1] = bytes([draw.integers(0, 256)])
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length]
        elif kind == 4:
            data[at : at + length] = draw.bytes(min(length, len(data) - at))
        elif kind == 5:
            number = int(draw.choice([0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
            data[at : at + 4] = number.to_bytes(4, str(draw.choice(["big", "little"])))  # type: ignore[arg-type]
        else:
            words = list(_WORD.finditer(data, max(0, at - 2000), at + 2000))
            if words:
                word = words[draw.integers(0, len(words))]
                data[word.start() : word.end()] = _ODD[draw.integers(0, len(_ODD))]
    return bytes(data)


def fuzz(
    seconds: float,
    seed: int,
    formats: Sequence[str] = (),
    jobs: int = 1,
    progress: Callable[[int, str], object] = lambda done, name: None,
) -> list[Reading]:
    """Give every reader damaged files, each for a number of seconds.

    Args:
        seconds: seconds for each format.
        seed: seed of the changes.
        formats: names of the formats; by default all.
        jobs: number of concurrent processes.
        progress: called with the number of finished formats and the name of the last.

    Raises:
        UserError: for an unknown format.
    """
    known = {reader.name for reader in readers()}
    for name in formats:
        if name not in known:
            raise UserError("formats", name, f"choose some of {', '.join(sorted(known))}")
    done: list[str] = []

    def finished(task: tuple[str, float, int]) -> None:
        done.append(task[0])
        progress(len(done), task[0])

    tasks = [(reader.name, seconds, seed) for reader in readers() if not formats or reader.name in formats]
    return compute_all(_fuzz_format, tasks, jobs, finished)


def _fuzz_format(task: tuple[str, float, int]) -> Reading:
    name, seconds, seed = task
    (target,) = (reader for reader in readers() if reader.name == name)
    reading = Reading(name)
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder, quiet_decoders():
        whole = Path(folder) / "whole"
        whole.mkdir()
        target.write(whole)
        content = (whole / target.file).read_bytes()
        _read(target, whole, Path(folder) / "damaged", content, Reading(name), strict=True)
        started = time.monotonic()
        for number in itertools.count():
            if time.monotonic() - started > seconds:
                break
            changed = mutate(content, np.random.default_rng([seed, number]))
            _read(target, whole, Path(folder) / "damaged", changed, reading)
    return reading


def _read(target: Reader, whole: Path, place: Path, content: bytes, reading: Reading, strict: bool = False) -> None:
    """Read a copy of the files in which one has this content; whatever is raised is raised if `strict`."""
    if place.exists():
        shutil.rmtree(place)
    shutil.copytree(whole, place)
    (place / target.file).write_bytes(content)
    begun = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(place)
        reading.read += 1
    except Exception as error:
        if strict:
            raise
        if isinstance(error, UserError):
            reading.refused += 1
        else:
            last = traceback.extract_tb(error.__traceback__)[-1]
            reading.note(f"{type(error).__name__} in {last.name}, line {last.lineno} of {last.filename}", content)
    taken = time.monotonic() - begun
    reading.slowest = max(reading.slowest, taken)
    if taken > PATIENCE:
        reading.note(f"no answer for {PATIENCE:g} s", content)


def fuzz_table(readings: list[Reading], kept: Path | None) -> str:
    """The results as a table, with the faults below; files that caused them are written to `kept`."""
    lines = ["| format | read | refused | wrong | slowest (s) |", "|---|---|---|---|---|"]
    lines += [f"| {r.reader} | {r.read:,} | {r.refused:,} | {r.wrong} | {r.slowest:.2f} |" for r in readings]
    read, refused, wrong = (sum(getattr(r, name) for r in readings) for name in ("read", "refused", "wrong"))
    lines.append(f"| all | {read:,} | {refused:,} | {wrong} | {max(r.slowest for r in readings):.2f} |")
    for reading in readings:
        for what, content in reading.faults.items():
            name = f"{reading.reader.replace(' ', '-')}-{hashlib.sha256(content).hexdigest()[:8]}"
            if kept:
                kept.mkdir(parents=True, exist_ok=True)
                (kept / name).write_bytes(content)
            lines.append(f"{reading.reader}: {what} ({name})")
    return "\n".join(lines)
