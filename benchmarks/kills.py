"""Commands killed at random moments: the files that they leave, and the result of repeating the command.

Correct means: a file that exists under its name is complete, and the same command, repeated, ends with the same bytes
as without a kill.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = ["JOBS", "Job", "Killed", "kill_commands", "kill_table"]

#: What every command starts from: a dataset of 64 short presets, their sounds, and a folder of sounds to import.
_PREPARE = (
    "generate-dataset --size 64 --seconds 0.25 --sample-rate 16000 --control-rate 160 --out d.json",
    "render d.json --index 0-40 --out sounds",
)


@dataclass(frozen=True)
class Job:
    """A command and its output files.

    Attributes:
        name: name of the command.
        command: command line.
        made: patterns of the files that are the same each time.
        replaced: whether they are replaced during the run, as a run's best weights are.
    """

    name: str
    command: str
    made: tuple[str, ...]
    replaced: bool = False


JOBS = (
    Job("generate-dataset", "generate-dataset --size 20000 --seed 3 --out new.json --overwrite", ("new.json",)),
    Job(
        "generate-dataset, shards",
        "generate-dataset --size 6000 --seed 3 --out new.json --overwrite --launcher local --shards 4",
        ("new.json",),
    ),
    Job("render", "render d.json --index 0-63 --out new", ("new/*.wav", "new/*.json")),
    Job("metric", "metric d.json --limit 40 --overwrite", ("d.logmel-metric.*",)),
    Job(
        "train",
        "train --data d.json --loss sclp --synth-layer --epochs 40 --batch-size 8 --patience 0 --out new --resume",
        ("new/weights.safetensors",),
        replaced=True,
    ),
    Job("import-library", "import-library sounds --seconds 0.2 --out new --overwrite", ("new/*",)),
    Job("make-library", "make-library --size 180 --seconds 0.3 --out new --overwrite", ("new/*",)),
    Job("decode", "decode voice-16 --random 6 --seed 1 --out new", ("new/*.wav", "new/*.json")),
    Job("encode", "encode voice-16 sounds --out new.json --overwrite", ("new.json",)),
    Job("export", "export sounds --to sfz --out new", ("new/**/*.sfz", "new/**/*.wav")),
    Job("bank add", "bank add sounds --bank new.sqlite", ()),
)


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
    progress: Callable[[int], object] = lambda done: None,
) -> list[Killed]:
    """Kill each command in turn at a random moment, check the files that it leaves, and repeat it.

    Args:
        kills: total number of kills.
        seed: seed of the moments.
        folder: an empty one.
        jobs: what is killed.
        progress: called with the number of kills.
    """
    draw = np.random.default_rng(seed)
    start = folder / "start"
    start.mkdir(parents=True)
    for command in _PREPARE:
        _call(command, start)
    found: list[Killed] = []
    whole: list[dict[str, str]] = []
    for job in jobs:
        place = folder / f"whole-{len(whole)}"
        shutil.copytree(start, place)
        begun = time.monotonic()
        _call(job.command, place)
        found.append(Killed(job.name, time.monotonic() - begun))
        whole.append(_state(job, place))
    for number in range(kills):
        at = number % len(jobs)
        place = folder / "killed"
        shutil.copytree(start, place)
        _kill(jobs[at], place, found[at].seconds * draw.uniform(0.1, 1.0), whole[at], found[at])
        shutil.rmtree(place)
        progress(number + 1)
    return found


def _kill(job: Job, place: Path, after: float, whole: dict[str, str], found: Killed) -> None:
    process = subprocess.Popen(
        _words(job.command), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    begun = time.monotonic()
    try:
        process.wait(after)
        found.late += 1
        found.seconds = min(found.seconds, time.monotonic() - begun)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        found.kills += 1
    left = _state(job, place, counted=False)
    damaged = [] if job.replaced else [name for name, digest in left.items() if whole.get(name) != digest]
    if damaged:
        found.wrong.append(f"killed after {after:.2f} s: {', '.join(damaged)} differ")
    problem = _call(job.command, place, check=False)
    if problem:
        found.wrong.append(f"killed after {after:.2f} s, and called again: {problem}")
    elif _state(job, place) != whole:
        found.wrong.append(f"killed after {after:.2f} s, and called again: other results")


def _words(command: str) -> list[str]:
    return [sys.executable, "-P", "-m", "synthvae", *command.split()]


def _call(command: str, place: Path, check: bool = True) -> str:
    """Run a command; returns the last line of its error message, or nothing."""
    done = subprocess.run(_words(command), cwd=place, capture_output=True, text=True, check=False)
    problem = "" if not done.returncode else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    if problem and check:
        raise RuntimeError(f"{command}: {problem}")
    return problem


def _state(job: Job, place: Path, counted: bool = True) -> dict[str, str]:
    """A digest of each file that a job makes and, of a bank, of its presets."""
    files = sorted(path for pattern in job.made for path in place.glob(pattern) if path.is_file())
    found = {path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    bank = place / "new.sqlite"
    if counted and bank.exists():
        from synthvae.bank import Bank

        found["presets"] = repr(sorted((entry.name, entry.tags) for entry in Bank(bank).list()))
    return found


def kill_table(found: Sequence[Killed]) -> str:
    """The results as a table, with what is wrong below."""
    lines = ["| command | takes (s) | killed | had ended | wrong |", "|---|---|---|---|---|"]
    lines += [f"| {one.job} | {one.seconds:.1f} | {one.kills} | {one.late} | {len(one.wrong)} |" for one in found]
    return "\n".join([*lines, *(f"{one.job}: {line}" for one in found for line in one.wrong)])
