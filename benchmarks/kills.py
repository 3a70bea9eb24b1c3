"""Killed commands: the files that they leave, and the result of repeating the command.

Correct means: each file under its name is complete, the new one or the one that it replaces, no earlier file is lost,
and the same command, repeated, ends with the same bytes as without a kill.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.forked import start_forked
from benchmarks.jobs import JOBS, Job, Start, Started, Target, prepare
from benchmarks.operations import record_operations

__all__ = ["Killed", "kill_at_operations", "kill_commands", "kill_table"]


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
    start: Start = start_forked,
) -> list[Killed]:
    """Kill each command in turn at a random moment, check the files that it leaves, and repeat it.

    Ctrl-C ends it with the results so far.

    Args:
        kills: number of kills. Commands that had ended before do not count; at most twice as many are started.
        seed: seed of the moments.
        folder: an empty one.
        jobs: what is killed.
        progress: called with the number of kills and the name of the job.
        start: starts a command.
    """
    draw = np.random.default_rng(seed)
    targets = prepare(folder, jobs, lambda name: progress(0, name), start)
    found = [Killed(target.job.name, target.seconds) for target in targets]
    with suppress(KeyboardInterrupt):
        for number in range(2 * kills):
            target, killed = targets[number % len(targets)], found[number % len(targets)]
            with target.copied():
                _kill(target, killed, draw.uniform(0.2, 1.0), start)
            done = sum(one.kills for one in found)
            progress(done, killed.job)
            if done == kills:
                break
    return found


def kill_at_operations(
    folder: Path,
    jobs: Sequence[Job] = JOBS,
    most: int = 60,
    progress: Callable[[float, str], object] = lambda done, job: None,
    start: Callable[..., Started] = start_forked,
) -> list[Killed]:
    """Kill each command right before each of its operations on files, check the files that it leaves, and repeat it.

    Where processes of a command write files, only the operations of the first one count. Ctrl-C ends it with the
    results so far.

    Args:
        folder: an empty directory.
        jobs: the commands.
        most: number of operations of a command at most; of more, as many, evenly spread, from the first to the last.
        progress: called with the number of commands done, the fraction of the current one included, and its name.
        start: starts a command, as `start_forked` does.
    """
    targets = prepare(folder, jobs, lambda name: progress(0, name), start)
    found = [Killed(target.job.name, target.seconds) for target in targets]
    log = folder / "operations"
    with suppress(KeyboardInterrupt):
        for done, (target, killed) in enumerate(zip(targets, found, strict=True)):
            with target.copied():
                target.start(partial(start, before=partial(record_operations, log))).wait()
            count = len(log.read_bytes().splitlines())
            numbers = np.linspace(1, count, min(count, most)).round().astype(int).tolist()
            for number in numbers:
                with target.copied():
                    process = target.start(partial(start, before=partial(record_operations, log, number)))
                    early = process.wait() < 0  # a command whose threads race may have fewer operations
                    killed.kills, killed.late = killed.kills + early, killed.late + (not early)
                    operation = os.fsdecode(log.read_bytes().splitlines()[-1])
                    _check(target, killed, f"killed before {operation}", start, target.state() == target.whole)
                progress(done + number / count, killed.job)
    return found


def _kill(target: Target, found: Killed, share: float, start: Start) -> None:
    """Kill a command after this share of its duration, and repeat it."""
    after = share * found.seconds
    ended = _interrupt(target, found, after, start)
    _check(target, found, f"killed after {after:.2f} s", start, ended)


def _check(target: Target, found: Killed, when: str, start: Start, ended: bool) -> None:
    """Check the files of a killed command, and repeat it; `ended` if it had nothing left to do."""
    if not target.job.replaced:
        found.wrong += [f"{when}: {problem}" for problem in _damage(target)]
    for part in target.place.rglob("*.part"):
        os.utime(part, (time.time() - 120,) * 2)  # within a minute they could be those of another writer
    code, said = target.call(start)
    if code and not (target.job.once and ended):
        found.wrong.append(f"{when}, and called again: {(said or [f'exit code {code}'])[-1]}")
    elif other := target.state().items() ^ target.whole.items():
        found.wrong.append(f"{when}, and called again: {', '.join(sorted({name for name, _ in other}))} differ")
    elif left := target.files() - target.names:
        found.wrong.append(f"{when}, and called again: {', '.join(sorted(left))} left")


def _interrupt(target: Target, found: Killed, after: float, start: Start) -> bool:
    """Start a command and kill it; returns whether it had nothing left to do."""
    begun = time.monotonic()
    process = target.start(start)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        found.kills += 1
        return target.state() == target.whole
    found.late += 1
    found.seconds = min(found.seconds, time.monotonic() - begun)
    return True


def _damage(target: Target) -> list[str]:
    """Files that are neither the earlier nor the complete ones, and those that are missing."""
    left = target.state()
    damaged = [
        f"{name} differs" for name, d in left.items() if d not in (target.before.get(name), target.whole.get(name))
    ]
    return damaged + [f"{name} is lost" for name in target.before.keys() - left.keys()]


def kill_table(found: Sequence[Killed]) -> str:
    """The results as a table, with what is wrong below."""
    lines = ["| command | takes (s) | killed | had ended | wrong |", "|---|---|---|---|---|"]
    lines += [f"| {one.job} | {one.seconds:.1f} | {one.kills} | {one.late} | {len(one.wrong)} |" for one in found]
    total = [sum(getattr(one, name) for one in found) for name in ("kills", "late")]
    lines.append(f"| all | | {total[0]} | {total[1]} | {sum(len(one.wrong) for one in found)} |")
    return "\n".join([*lines, *(f"{one.job}: {line}" for one in found for line in one.wrong)])
