"""Every command that writes files, with what it starts from and the files that it makes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.fuzz_readers import write_answers
from synthvae.bank import Bank

__all__ = ["JOBS", "NOT_JOBS", "Job", "Start", "Started", "Target", "prepare", "start_command"]


class Started(Protocol):
    """A process as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: if it has not ended.
        """


#: Starts ``synthvae ARGUMENTS`` in a directory, as `start_command` does.
Start = Callable[[Sequence[str], Path, Path], Started]


def start_command(
    arguments: Sequence[str],
    place: Path,
    errors: Path,
    prefix: Sequence[str] = (),
    program: Sequence[str] = ("-m", "synthvae"),
    environment: Mapping[str, str | None] | None = None,
) -> Started:
    """Start ``synthvae ARGUMENTS`` in a directory, as the leader of a process group.

    Args:
        arguments: arguments of the command line.
        place: directory to start in.
        errors: file for its error messages.
        prefix: command line that starts it.
        program: arguments of Python that run synthvae.
        environment: changes of environment variables; None removes one.
    """
    changed = {**os.environ, **(environment or {})}
    with errors.open("wb") as stream:
        return subprocess.Popen(
            [*prefix, sys.executable, "-P", *program, *arguments],
            cwd=place,
            env={name: value for name, value in changed.items() if value is not None},
            stdout=subprocess.DEVNULL,
            stderr=stream,
            start_new_session=True,
        )


#: What commands start from, and the commands that make it: 64 short presets, their sounds, a run, a bank, shards,
#: sounds for a listening test, and a run of an experiment.
_PREPARE = {
    "d.json": ("generate-dataset --size 64 --seconds 0.25 --sample-rate 16000 --control-rate 160 --out d.json",),
    "sounds": ("render d.json --index 0-40 --out sounds",),
    "run": ("train --data d.json --epochs 2 --out run",),
    "b.sqlite": ("bank add sounds --bank b.sqlite",),
    "b.json": ("bank export b.json --bank b.sqlite",),
    "joined.json.shards": tuple(
        f"generate-dataset --size 6000 --seed 3 --out joined.json --shard {shard}/4" for shard in (1, 2, 3, 4)
    ),
    "reference": ("decode run --random 4 --seed 1 --all --out reference",),
    "system": ("decode run --random 4 --seed 1 --all --out system",),
    "cases": ("experiment run exp1-scl --scale 0.0005 --seeds 1 --out cases",),
}


@dataclass(frozen=True)
class Job:
    """A command and its output files.

    Attributes:
        name: name of the command.
        command: command line, in which ``{FOLDER}`` is the first WAV file of a folder.
        made: patterns of the files that are the same each time.
        replaced: whether they have other contents during the run, as a run's best weights have.
        before: command line that has made other files of the same names, which the command replaces.
        once: whether a second call is refused because there is nothing left to do.
    """

    name: str
    command: str
    made: tuple[str, ...]
    replaced: bool = False
    before: str = ""
    once: bool = False


_SOUNDS = ("new/*.wav", "new/*.json")
_CASES = ("new/*/dataset.json", "new/*/*/*/weights.safetensors")
_BANK = ("new.sqlite",)

JOBS = (
    Job(
        "generate-dataset",
        "generate-dataset --size 20000 --seed 3 --out new.json --overwrite",
        ("new.json",),
        before="generate-dataset --size 10 --out new.json",
    ),
    Job(
        "generate-dataset, shards",
        "generate-dataset --size 6000 --seed 3 --out new.json --overwrite --launcher local --shards 4",
        ("new.json",),
    ),
    Job(
        "finalize",
        "finalize joined.json.shards --keep --overwrite",
        ("joined.json",),
        before="generate-dataset --size 10 --out joined.json",
    ),
    Job("render", "render d.json --index 0-63 --out new", _SOUNDS),
    Job("metric", "metric d.json --limit 40 --overwrite", ("d.logmel-metric.*",), before="metric d.json --limit 10"),
    Job(
        "train",
        "train --data d.json --loss sclp --synth-layer --epochs 15 --batch-size 8 --patience 0 --out new --resume",
        ("new/weights.safetensors",),
        replaced=True,
    ),
    Job(
        "train-encoder", "train-encoder run --presets 2000 --resume", ("run/audio-encoder.safetensors",), replaced=True
    ),
    Job(
        "import-library",
        "import-library sounds --seconds 0.2 --out new --overwrite",
        ("new/*",),
        before="import-library sounds --seconds 0.1 --out new",
    ),
    Job("make-library", "make-library --size 180 --seconds 0.3 --out new --overwrite", ("new/*",)),
    Job("decode", "decode voice-16 --random 6 --seed 1 --out new", _SOUNDS),
    Job("encode", "encode voice-16 sounds --out new.json --overwrite", ("new.json",)),
    Job("interpolate", "interpolate run --from 1 --to 2 --out new", _SOUNDS),
    Job("morph", "morph 1 2 --run run --steps 5 --out new", _SOUNDS),
    Job("morph, recordings", "morph reference/{reference} sounds/{sounds} --steps 5 --out new", _SOUNDS),
    Job("vary", "vary 3 --run run --count 8 --out new", _SOUNDS),
    Job("blend", "blend --run run --plus 1 --minus 2 --plus 3 --out new", _SOUNDS),
    Job("match", "match sounds/{sounds} --budget 2000 --no-index --top 2 --out new", ("new/*.wav", "new/0*.json")),
    Job("export", "export reference --to sfz --out new", ("new/**/*.sfz", "new/**/*.wav")),
    Job(
        "pack",
        "pack run --presets 100 --out new --overwrite",
        ("new/*",),
        before="pack run --presets 40 --out new",
    ),
    Job(
        "analyze",
        "analyze run --limit 10 --map-presets 60 --map-nulls 1 --out new",
        ("new/*.csv", "new/*.html", "new/figures/*"),
    ),
    Job("listening-test make", "listening-test make --kind mos system --out new --overwrite", ("new/*", "new/*/*")),
    Job("listening-test analyze", "listening-test analyze answers.csv --out new", ("new/*",)),
    Job("experiment run", "experiment run exp1-scl --scale 0.0005 --seeds 1 --out new", _CASES, replaced=True),
    Job(
        "experiment report",
        "experiment report --runs cases --scale 0.0005 --limit 10 --map-presets 60 --map-nulls 1 --out new",
        ("new/*/*/*.csv", "new/*/*/*.md"),
    ),
    Job("bank add", "bank add sounds --bank new.sqlite", _BANK, replaced=True),
    Job("bank import", "bank import b.json --bank new.sqlite", _BANK, replaced=True),
    Job("bank tag", "bank tag 1 --add keeper --bank b.sqlite", ("b.sqlite",)),
    Job("bank rename", "bank rename 1 kept --bank b.sqlite", ("b.sqlite",)),
    Job("bank remove", "bank remove 1 --bank b.sqlite", ("b.sqlite",), once=True),
    Job("bank export", "bank export new.json --bank b.sqlite --overwrite", ("new.json",)),
    Job("doctor", "doctor --bundle new.zip", (), once=True),
)

#: Commands that change no file of the user's, or serve a page until they are stopped.
NOT_JOBS = ("status", "bank list", "bank search", "bank show", "bank tags", "experiment list", "play", "explore")


#: Name of the directory that jobs are run in.
PLACE = "place"


class Target:
    """A job with the directory that it starts from, and the files that it makes.

    Attributes:
        job: the job.
        place: directory that it is run in, a copy of its own for each run.
        before: digests of its files at the start.
        whole: digests of its files at the end.
        names: names of all files at the end.
        seconds: duration; a first call may compile kernels.
    """

    def __init__(self, job: Job, origin: Path, start: Start) -> None:
        """Run a job once.

        Args:
            job: the job.
            origin: directory that it starts from.
            start: starts a command.

        Raises:
            RuntimeError: if the command fails, or changes none of the files that are compared.
        """
        self.job, self._origin = job, origin
        self.place = origin.parent / PLACE
        self._errors = origin.parent / "errors"
        self.before = _state(job, origin)
        with self.copied():
            begun = time.monotonic()
            _call(start, job.command, self.place)
            self.seconds = time.monotonic() - begun
            self.whole, self.names = self.state(), self.files()
        if job.made and self.whole == self.before:
            raise RuntimeError(f"{job.command}: has changed none of the files that are compared")

    @contextmanager
    def copied(self) -> Iterator[None]:
        """With a copy of what the job starts from; a directory that exists, such as a mount, is filled and emptied."""
        shutil.copytree(self._origin, self.place, dirs_exist_ok=True)
        try:
            yield
        finally:
            _empty(self.place)

    def start(self, start: Start) -> Started:
        """Start the command."""
        return start(_words(self.job.command, self.place), self.place, self._errors)

    def call(self, start: Start) -> tuple[int, list[str]]:
        """Run the command; returns its exit code and its error messages, a line each."""
        ((code, said),) = self.call_at_once(start, 1)
        return code, said

    def call_at_once(self, start: Start, count: int) -> list[tuple[int, list[str]]]:
        """Run the command in several processes at once; returns what `call` returns of each."""
        files = [self._errors.with_name(f"errors-{number}") for number in range(count)]
        words = _words(self.job.command, self.place)
        codes = [process.wait() for process in [start(words, self.place, file) for file in files]]
        texts = [file.read_text(errors="replace").strip() for file in files]
        return [(code, text.splitlines()) for code, text in zip(codes, texts, strict=True)]

    def state(self) -> dict[str, str]:
        """Digests of the files that the job makes; of a bank, its presets."""
        return _state(self.job, self.place)

    def files(self) -> set[str]:
        """Names of all files but TensorBoard's, which are named by time and process."""
        return {str(path.relative_to(self.place)) for path in self.place.rglob("*") if "tfevents" not in path.name}


def prepare(
    folder: Path,
    jobs: Sequence[Job],
    progress: Callable[[str], object] = lambda name: None,
    start: Start = start_command,
) -> list[Target]:
    """Run each job once, from what it needs.

    Args:
        folder: an empty directory.
        jobs: the jobs.
        progress: called with what is being run.
        start: starts a command.

    Raises:
        RuntimeError: if a command fails.
    """
    origin, place = folder / "start", folder / PLACE
    # In the directory that jobs are run in: the plan of shards names the one that its paths are relative to.
    place.mkdir(parents=True)
    write_answers(place / "answers.csv")
    for command in _preparation(jobs):
        progress(command)
        _call(start, command, place)
    shutil.copytree(place, origin)
    _empty(place)
    targets: list[Target] = []
    for job in jobs:
        progress(job.name)
        own = folder / f"start-{len(targets)}"
        shutil.copytree(origin, own)
        if job.before:
            _call(start, job.before, own)
        targets.append(Target(job, own, start))
    return targets


def _empty(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)  # a mount stays


def _preparation(jobs: Sequence[Job]) -> list[str]:
    """Commands that make what jobs start from, in their order."""
    text, chosen = " ".join(f"{job.command} {job.before}" for job in jobs), list[str]()
    for name, commands in reversed(_PREPARE.items()):
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w.])", text):
            chosen = [*commands, *chosen]
            text += " ".join(commands)
    return chosen


def _words(command: str, place: Path) -> list[str]:
    """Arguments of a command line, with the sounds that it asks for."""

    def find(match: re.Match[str]) -> str:
        return min((place / match[1]).glob("*.wav")).name

    return re.sub(r"\{(\w+)\}", find, command).split()


def _call(start: Start, command: str, place: Path) -> None:
    errors = place.parent / "errors"
    if start(_words(command, place), place, errors).wait():
        raise RuntimeError(f"{command}: {errors.read_text(errors='replace')}")


def _state(job: Job, place: Path) -> dict[str, str]:
    found = sorted(path.relative_to(place) for pattern in job.made for path in place.glob(pattern) if path.is_file())
    # What is being written has a temporary name, of which it may be a part.
    return {path.as_posix(): _digest(place / path) for path in found if ".part" not in map(_ending, path.parts)}


def _ending(name: str) -> str:
    return Path(name).suffix


def _digest(path: Path) -> str:
    if path.suffix == ".sqlite":
        return repr(sorted((entry.name, entry.tags) for entry in Bank(path).list()))
    return hashlib.sha256(path.read_bytes()).hexdigest()
