"""Commands killed at random moments: the files that they leave, and the result of repeating the command.

Correct means: each file under its name is complete, the new one or the one that it replaces, no earlier file is lost,
and the same command, repeated, ends with the same bytes as without a kill.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.fuzz_readers import write_answers
from synthvae.bank import Bank

__all__ = ["JOBS", "NOT_KILLED", "Job", "Killed", "Started", "kill_commands", "kill_table", "start_command"]


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


def start_command(arguments: Sequence[str], place: Path, errors: Path) -> Started:
    """Start ``synthvae ARGUMENTS`` in a directory, as the leader of a process group.

    Args:
        arguments: arguments of the command line.
        place: directory to start in.
        errors: file for its error messages.
    """
    with errors.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "synthvae", *arguments],
            cwd=place,
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

#: Commands that change no file of the user's, and those that serve a page until they are stopped, which
#: ``tests/studio/test_kills.py`` kills.
NOT_KILLED = ("status", "bank list", "bank search", "bank show", "bank tags", "experiment list", "play", "explore")


@dataclass
class Killed:
    """Results of a command that was killed.

    Attributes:
        job: name of the job.
        seconds: duration of the command without a kill, the shortest that was seen: a first call may compile kernels.
        kills: number of kills.
        late: number of times that it had ended before.
        wrong: descriptions of the faults.
    """

    job: str
    seconds: float = 0.0
    kills: int = 0
    late: int = 0
    wrong: list[str] = field(default_factory=list)


def kill_commands(
    kills: int,
    seed: int,
    folder: Path,
    jobs: Sequence[Job] = JOBS,
    progress: Callable[[int, str], object] = lambda done, job: None,
    start: Callable[[Sequence[str], Path, Path], Started] = start_command,
) -> list[Killed]:
    """Kill each command in turn at a random moment, check the files that it leaves, and repeat it.

    Args:
        kills: number of kills. Commands that had ended before do not count; at most twice as many are started.
        seed: seed of the moments.
        folder: an empty one.
        jobs: what is killed.
        progress: called with the number of kills and the name of the job.
        start: starts a command in a directory, as the leader of a process group; its errors go to a file.
    """
    draw = np.random.default_rng(seed)
    origin = folder / "start"
    origin.mkdir(parents=True)
    write_answers(origin / "answers.csv")
    for command in _preparation(jobs):
        progress(0, command)
        _call(start, command, origin)
    targets: list[_Target] = []
    for job in jobs:
        progress(0, job.name)
        own = folder / f"start-{len(targets)}"
        shutil.copytree(origin, own)
        if job.before:
            _call(start, job.before, own)
        targets.append(_Target(job, own, start))
    for target in itertools.islice(itertools.cycle(targets), 2 * kills):
        target.kill(draw.uniform(0.2, 1.0))
        done = sum(one.found.kills for one in targets)
        progress(done, target.job.name)
        if done == kills:
            break
    return [target.found for target in targets]


def _preparation(jobs: Sequence[Job]) -> list[str]:
    """Commands that make what jobs start from, in their order."""
    text, chosen = " ".join(f"{job.command} {job.before}" for job in jobs), list[str]()
    for name, commands in reversed(_PREPARE.items()):
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w.])", text):
            chosen = [*commands, *chosen]
            text += " ".join(commands)
    return chosen


class _Target:
    """A job with the directory that it starts from, and the files that it makes without a kill."""

    def __init__(self, job: Job, origin: Path, start: Callable[[Sequence[str], Path, Path], Started]) -> None:
        self.job, self.origin, self.start = job, origin, start
        self.place = origin.parent / "killed"
        self.before = _state(job, origin)
        with self._copy():
            begun = time.monotonic()
            _call(start, job.command, self.place)
            self.found = Killed(job.name, time.monotonic() - begun)
            self.whole = _state(job, self.place)
            self.names = _names(self.place)

    @contextmanager
    def _copy(self) -> Iterator[None]:
        shutil.copytree(self.origin, self.place)
        yield
        shutil.rmtree(self.place)

    def kill(self, share: float) -> None:
        """Kill the command after this share of its duration, and repeat it."""
        after = share * self.found.seconds
        with self._copy():
            ended = self._interrupt(after)
            self._examine(f"killed after {after:.2f} s", _state(self.job, self.place))
            for part in self.place.rglob("*.part"):
                os.utime(part, (time.time() - 120,) * 2)  # within a minute they could be those of another writer
            problem = _call(self.start, self.job.command, self.place, check=False)
            if problem and not (self.job.once and ended):
                self.found.wrong.append(f"killed after {after:.2f} s, and called again: {problem}")
            elif _state(self.job, self.place) != self.whole:
                self.found.wrong.append(f"killed after {after:.2f} s, and called again: other results")
            elif left := _names(self.place) - self.names:
                self.found.wrong.append(f"killed after {after:.2f} s, and called again: {', '.join(sorted(left))} left")

    def _interrupt(self, after: float) -> bool:
        """Start the command and kill it; returns whether it had nothing left to do."""
        begun = time.monotonic()
        process = self.start(_words(self.job.command, self.place), self.place, self.origin.parent / "errors")
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self.found.kills += 1
            return _state(self.job, self.place) == self.whole
        self.found.late += 1
        self.found.seconds = min(self.found.seconds, time.monotonic() - begun)
        return True

    def _examine(self, when: str, left: dict[str, str]) -> None:
        """Each file is the earlier or the complete one, and none that was there is missing."""
        if self.job.replaced:
            return
        for name, digest in left.items():
            if digest not in (self.before.get(name), self.whole.get(name)):
                self.found.wrong.append(f"{when}: {name} differs")
        for name in self.before.keys() - left.keys():
            self.found.wrong.append(f"{when}: {name} is lost")


def _words(command: str, place: Path) -> list[str]:
    """Arguments of a command line, with the sounds that it asks for."""

    def find(match: re.Match[str]) -> str:
        return min((place / match[1]).glob("*.wav")).name

    return re.sub(r"\{(\w+)\}", find, command).split()


def _call(start: Callable[[Sequence[str], Path, Path], Started], command: str, place: Path, check: bool = True) -> str:
    """Run a command; returns the last line of its error message, or nothing."""
    errors = place.parent / "errors"
    code = start(_words(command, place), place, errors).wait()
    said = errors.read_text(errors="replace").strip().splitlines()
    problem = "" if not code else (said or [f"exit code {code}"])[-1]
    if problem and check:
        raise RuntimeError(f"{command}: {problem}")
    return problem


def _state(job: Job, place: Path) -> dict[str, str]:
    """A digest of each file that a job makes; of a bank, its presets."""
    files = sorted(path for pattern in job.made for path in place.glob(pattern) if path.is_file())
    return {path.relative_to(place).as_posix(): _digest(path) for path in files}


def _names(place: Path) -> set[str]:
    """All files but TensorBoard's, which are named by time and process."""
    return {str(path.relative_to(place)) for path in place.rglob("*") if "tfevents" not in path.name}


def _digest(path: Path) -> str:
    if path.suffix == ".sqlite":
        return repr(sorted((entry.name, entry.tags) for entry in Bank(path).list()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def kill_table(found: Sequence[Killed]) -> str:
    """The results as a table, with what is wrong below."""
    lines = ["| command | takes (s) | killed | had ended | wrong |", "|---|---|---|---|---|"]
    lines += [f"| {one.job} | {one.seconds:.1f} | {one.kills} | {one.late} | {len(one.wrong)} |" for one in found]
    total = [sum(getattr(one, name) for one in found) for name in ("kills", "late")]
    lines.append(f"| all | | {total[0]} | {total[1]} | {sum(len(one.wrong) for one in found)} |")
    return "\n".join([*lines, *(f"{one.job}: {line}" for one in found for line in one.wrong)])
