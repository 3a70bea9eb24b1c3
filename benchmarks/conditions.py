"""Commands in unusual environments: the same files as elsewhere, or one line of error and no file half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import synthvae
from benchmarks.jobs import JOBS, Job, Started, Target, prepare, start_command

__all__ = ["CONDITIONS", "Condition", "Tried", "condition_table", "try_conditions"]

#: ``time.time`` jumps by three years, back and forth.
_JUMPING = (
    "import itertools, runpy, sys, time; now, jump = time.time, itertools.cycle([0.0, 9e7, -9e7]); "
    "time.time = lambda: now() + next(jump); sys.argv[0] = 'synthvae'; "
    "runpy.run_module('synthvae', run_name='__main__')"
)
#: Size of a disk, and bytes that are left when it is full.
_DISK, _LEFT = "200m", 8192


def _mounted(script: str, *places: str) -> tuple[str, ...]:
    """A command line in a mount namespace of its own, in which a script has made mounts; it needs root."""
    return ("unshare", "--mount", "sh", "-c", f'{script} && shift {len(places)} && exec "$@"', "sh", *places)


def _read_only(*places: str) -> tuple[str, ...]:
    numbers = range(1, len(places) + 1)
    mounts = (f'mount --bind "${n}" "${n}" && mount -o remount,ro,bind "${n}"' for n in numbers)
    # The working directory is entered again, since it was entered before it was mounted.
    return _mounted(" && ".join([*mounts, 'cd "$PWD"']), *places)


@dataclass(frozen=True)
class Condition:
    """An environment that commands are run in.

    Attributes:
        name: what is unusual.
        prefix: command line that runs the command in it; ``.`` in it is the working directory.
        environment: changes of environment variables; None removes one.
        code: Python code that runs the command in place of ``-m synthvae``.
        full: whether the working directory is on a full disk.
        twice: whether two processes run the same command at once, of which one may be refused.
        refused: whether commands that write are refused.
    """

    name: str
    prefix: tuple[str, ...] = ()
    environment: dict[str, str | None] = field(default_factory=dict)
    code: str = ""
    full: bool = False
    twice: bool = False
    refused: bool = False


_INSTALLED = (sysconfig.get_path("purelib"), str(Path(synthvae.__file__).parent))
_NO_HOME: dict[str, str | None] = {"HOME": None, "XDG_CACHE_HOME": None, "XDG_DATA_HOME": None}
#: matplotlib's settings of somebody who writes with TeX, which is not installed.
_SETTINGS = Path(__file__).with_name("usetex.matplotlibrc")
_POSIX: dict[str, str | None] = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
CONDITIONS = (
    Condition("one core", ("taskset", "--cpu-list", "0")),
    Condition("256 open files", ("sh", "-c", 'ulimit -n 256 && exec "$@"', "sh")),
    Condition("64 MB of shared memory", _mounted("mount -t tmpfs -o size=64m tmpfs /dev/shm")),
    Condition("no home, no user", _mounted("mount --bind /dev/null /etc/passwd"), _NO_HOME),
    Condition("read-only installation", _read_only(*_INSTALLED)),
    Condition("read-only installation and home", _read_only(*_INSTALLED, os.path.expanduser("~"))),
    Condition("read-only installation, no home", _read_only(*_INSTALLED), _NO_HOME),
    Condition("locale of ASCII", environment=_POSIX),
    Condition("clock that jumps", code=_JUMPING),
    Condition("backend of a notebook", environment={"MPLBACKEND": "module://nothing.there"}),
    Condition("settings of matplotlib", environment={"MATPLOTLIBRC": str(_SETTINGS)}),
    Condition("two at once", twice=True),
    Condition("read-only folder", _read_only("."), refused=True),
    Condition("full disk", full=True, refused=True),
)
#: Jobs of `JOBS` that every condition is tried with; a full disk has room for what the others write.
TRIED: tuple[str, ...] = (
    "generate-dataset",
    "finalize",
    "render",
    "metric",
    "train",
    "import-library",
    "make-library",
    "decode",
)
TRIED += ("encode", "morph", "vary", "match", "export", "pack", "analyze", "bank add")


@dataclass
class Tried:
    """Results of a condition.

    Attributes:
        condition: its name.
        completed: number of commands that wrote the same files as elsewhere.
        refused: number of commands refused in one line that left every file as it was.
        wrong: descriptions of the faults.
        impossible: why it could not be tried; empty if it could.
    """

    condition: str
    completed: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    impossible: str = ""


def try_conditions(
    folder: Path,
    conditions: Sequence[Condition] = CONDITIONS,
    jobs: Sequence[Job] | None = None,
    progress: Callable[[int, str], object] = lambda done, what: None,
) -> list[Tried]:
    """Run every job in every condition, and compare exit codes, messages and files.

    Args:
        folder: an empty one.
        conditions: the conditions.
        jobs: the commands; by default those of `TRIED`.
        progress: called with the number of commands that have ended, and the next.
    """
    chosen = [job for job in JOBS if job.name in TRIED] if jobs is None else jobs
    targets = prepare(folder, chosen, lambda name: progress(0, name))
    found = []
    for number, condition in enumerate(conditions):
        tried = Tried(condition.name, impossible=_why_impossible(condition))
        found.append(tried)
        for place, target in enumerate(targets):
            progress(number * len(targets) + place, f"{condition.name}: {target.job.name}")
            if not tried.impossible:
                _try(condition, target, tried)
    return found


def _why_impossible(condition: Condition) -> str:
    if condition.full and os.geteuid():
        return "mounting a file system needs root"
    words = [*condition.prefix, "true"]
    done = subprocess.run(words, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=False)
    return "" if not done.returncode else f"{words[0]}: {done.stderr.strip() or done.returncode}"


def _try(condition: Condition, target: Target, tried: Tried) -> None:
    with _disk(target.place) if condition.full else nullcontext(), target.copied():
        filler = target.place / "filler"
        if condition.full:
            _fill(filler)
        calls = target.call_at_once(partial(_start, condition), 1 + condition.twice)
        filler.unlink(missing_ok=True)
        left, others = target.state(), target.files() - target.names
    code, said = min(calls)
    problem = _problem(condition, target, code, said, left)
    if condition.twice and not problem:
        problem = _problem(replace(condition, refused=True), target, *max(calls), left)
    if not problem and not code and others:
        problem = f"{', '.join(sorted(others))} left"
    if problem:
        tried.wrong.append(f"{target.job.name}: {problem}")
    elif code:
        tried.refused += 1
    else:
        tried.completed += 1


def _problem(condition: Condition, target: Target, code: int, said: list[str], left: dict[str, str]) -> str:
    """What is wrong with exit code, messages and files; nothing if they are correct."""
    last = said[-1] if said else ""
    if any(line.startswith("Traceback") for line in said):
        return f"a traceback: {last}"
    if not code:
        return "" if left == target.whole else "other results"
    if not condition.refused or code != 2 or not last.startswith("error: "):
        return f"exit code {code}: {last}"
    whole = left.items() <= {*target.before.items(), *target.whole.items()} or target.job.replaced
    return "" if whole and target.before.keys() <= left.keys() else f"files are half-written or lost: {sorted(left)}"


def _start(condition: Condition, arguments: Sequence[str], place: Path, errors: Path) -> Started:
    prefix = [str(place) if word == "." else word for word in condition.prefix]
    program = ("-c", condition.code) if condition.code else ("-m", "synthvae")
    return start_command(arguments, place, errors, prefix, program, condition.environment)


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    """A file system of its own at a directory."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        shutil.rmtree(place, ignore_errors=True)


def _fill(file: Path) -> None:
    """Fill the disk but for some bytes."""
    with file.open("wb", buffering=0) as stream:
        with suppress(OSError):
            while True:
                stream.write(bytes(4096))
        stream.truncate(max(0, stream.tell() - _LEFT))


def condition_table(found: Sequence[Tried]) -> str:
    """The results as a table, with what is wrong below."""
    lines = ["| condition | completed | refused | wrong |", "|---|---|---|---|"]
    for one in found:
        counts = f"{one.completed} | {one.refused} | {len(one.wrong)}"
        lines.append(f"| {one.condition} | {'not tried here | | ' if one.impossible else counts} |")
    lines += [f"{one.condition}: {one.impossible}" for one in found if one.impossible]
    return "\n".join([*lines, *(f"{one.condition}: {line}" for one in found for line in one.wrong)])
