from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from benchmarks.forked import start_forked
from benchmarks.jobs import JOBS, NOT_JOBS, Job, prepare, start_command
from benchmarks.kills import Killed, kill_at_operations, kill_commands, kill_table
from synthvae.cli import app


def commands(group: Any, before: str = "") -> Iterator[str]:
    """Names of all commands of an application."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name


def test_every_command_is_killed_or_named_as_one_that_writes_nothing():
    killed = {job.name.split(",")[0] for job in JOBS}
    assert killed | set(NOT_JOBS) == set(commands(get_command(app)))
    assert not killed & set(NOT_JOBS)


#: Commands that are through in a second once everything is imported.
START = partial(start_forked, imported=("synthvae.cli", "synthvae.bank", "synthvae.data.importing"))
QUICK = ("generate-dataset", "finalize", "import-library", "make-library", "bank add")


def test_twenty_kills_lose_nothing(tmp_path: Path):
    chosen = [job for job in JOBS if job.name in QUICK]
    found = kill_commands(20, 0, tmp_path, chosen, start=START)
    assert [(one.job, one.wrong) for one in found] == [(job.name, []) for job in chosen]
    assert sum(one.kills for one in found) == 20


def test_a_command_is_killed_before_each_of_its_operations_on_files(tmp_path: Path):
    # Without --overwrite, a dataset that is complete but for its temporary name is refused as one that exists.
    refused = Job("refused", "generate-dataset --size 10 --out new.json", ("new.json",))
    (whole,) = (job for job in JOBS if job.name == "finalize")
    found = kill_at_operations(tmp_path, [whole, refused], start=START)
    assert all(one.kills >= 3 and not one.late for one in found), "to create, to write and to rename a file"
    assert not found[0].wrong
    assert found[1].wrong
    assert all(line.startswith("killed before os.remove .new.json.") for line in found[1].wrong), found[1].wrong


def test_a_job_that_changes_nothing_is_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError, match="bank list --bank b.sqlite: has changed none"):
        prepare(tmp_path, [Job("list", "bank list --bank b.sqlite", ("b.sqlite",))], start=START)


@pytest.mark.slow
def test_commands_are_killed_and_called_again(tmp_path: Path):
    chosen = [job for job in JOBS if job.name in ("generate-dataset", "train")]
    done: list[int] = []
    found = kill_commands(4, 0, tmp_path, chosen, lambda count, job: done.append(count), start_command)
    assert [(one.job, one.wrong) for one in found] == [(job.name, []) for job in chosen]
    assert done[-1] == sum(one.kills for one in found) == 4
    # Without --resume the same command refuses the run that it left, killed or not.
    command = chosen[1].command.replace(" --resume", "")
    again = Job("train", command, chosen[1].made, True)
    (other,) = kill_commands(1, 0, tmp_path / "other", [again], start=start_command)
    assert [line for line in other.wrong if "called again: error" in line and "holds a run" in line], other


def test_the_table_names_what_is_wrong():
    text = kill_table([Killed("render", 2.5, 3, 1, ["killed after 1.20 s: new/a.wav differ"])])
    assert text.splitlines()[2:] == [
        "| render | 2.5 | 3 | 1 | 1 |",
        "| all | | 3 | 1 | 1 |",
        "render: killed after 1.20 s: new/a.wav differ",
    ]
