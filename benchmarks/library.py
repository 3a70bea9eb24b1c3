"""Import of a large folder of mixed files: whether each is accounted for, peak memory, and resumption after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.memory import PEAK_MEMORY
from benchmarks.mixed_folder import check_import, write_mixed_folder
from synthvae.data.library import read_library
from synthvae.data.library_writing import unfinished

__all__ = ["MOST_MEMORY", "LibraryMeasurement", "library_table", "measure_library"]

#: GiB that an import may take, however many files there are.
MOST_MEMORY = 1.0

_IMPORT = (
    PEAK_MEMORY
    + """
import json, sys, time
from pathlib import Path
from synthvae.data.importing import import_library
started = time.perf_counter()
overlap = None if sys.argv[3] == "None" else float(sys.argv[3])
header = import_library(Path(sys.argv[1]), Path(sys.argv[2]), overlap=overlap)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "memory": peak_memory(), "items": len(header), **header.files}))
"""
)


@dataclass(frozen=True)
class LibraryMeasurement:
    """What was measured of one import.

    Attributes:
        way: how files become items.
        found: files in the folder.
        imported: number of files that were imported.
        skipped: number of files that were skipped.
        items: number of items of the library.
        seconds: seconds of an import without interruption.
        memory: its peak in GiB.
        same_bytes: whether an import that was killed and called again has the same bytes.
        wrong: what is not as it should be, in words.
    """

    way: str
    found: int
    imported: int
    skipped: int
    items: int
    seconds: float
    memory: float
    same_bytes: bool
    wrong: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all is as promised."""
        return self.same_bytes and not self.wrong and self.memory < MOST_MEMORY


def measure_library(files: int, seed: int, directory: Path) -> list[LibraryMeasurement]:
    """Write a mixed folder, import it whole, and import it again with a kill in the middle.

    Args:
        files: number of files in the folder.
        seed: seed of the files.
        directory: empty, for the folder and the libraries.

    Returns:
        Of items from the starts of files, and of windows.
    """
    mixed = write_mixed_folder(directory / "sounds", files, seed)
    results = []
    for way, overlap in (("start of each file", None), ("windows, half overlapping", 0.5)):
        whole, again = directory / f"whole-{overlap}", directory / f"again-{overlap}"
        measured = _import(directory / "sounds", whole, overlap)
        killed = _import_killed(directory / "sounds", again, overlap, files // 4)
        _import(directory / "sounds", again, overlap)
        library = read_library(whole)
        library.verify()
        # Whole recordings that are alike in part are in one group, and share labels out less evenly.
        wrong = [line for line in check_import(library, mixed) if overlap is None or " items of label " not in line]
        if not killed:
            wrong.append("the import ended before it was killed")
        same = _contents(whole) == _contents(again)
        results.append(LibraryMeasurement(way=way, same_bytes=same, wrong=tuple(wrong), **measured))
    return results


def _command(folder: Path, out: Path, overlap: float | None) -> list[str]:
    return [sys.executable, "-P", "-c", _IMPORT, str(folder), str(out), str(overlap)]


def _import(folder: Path, out: Path, overlap: float | None) -> dict[str, Any]:
    done = subprocess.run(_command(folder, out, overlap), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _import_killed(folder: Path, out: Path, overlap: float | None, after: int) -> bool:
    """Start an import and kill it when `after` files are done; returns whether that was before its end."""
    log = unfinished(out) / "log.jsonl"
    with subprocess.Popen(
        _command(folder, out, overlap), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            if log.exists() and log.read_bytes().count(b"\n") >= after:
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.01)
    return not out.exists()


def _contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def library_table(results: list[LibraryMeasurement]) -> str:
    """The results as a table, with what is wrong below."""
    lines = [
        "| items | files | imported | skipped | items | s | peak GiB | killed and resumed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        same = "same bytes" if r.same_bytes else "OTHER BYTES"
        numbers = f"{r.found:,} | {r.imported:,} | {r.skipped:,} | {r.items:,} | {r.seconds:.0f} | {r.memory:.2f}"
        lines.append(f"| {r.way} | {numbers} | {same} |")
    return "\n".join([*lines, *(line for r in results for line in r.wrong)])
