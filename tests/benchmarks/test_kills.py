from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kills import JOBS, Job, Killed, kill_commands, kill_table


@pytest.mark.slow
def test_commands_are_killed_and_called_again(tmp_path: Path):
    chosen = [job for job in JOBS if job.name in ("generate-dataset", "train")]
    done: list[int] = []
    found = kill_commands(4, 0, tmp_path, chosen, done.append)
    assert done == [1, 2, 3, 4]
    assert [(one.job, one.wrong) for one in found] == [(job.name, []) for job in chosen]
    # How many moments come after the end of a command is a matter of the machine's load.
    assert sum(one.kills for one in found) >= 1
    assert [one.kills + one.late for one in found] == [2, 2]
    # Without --resume the same command refuses the run that it left, killed or not.
    command = chosen[1].command.replace(" --resume", "")
    (other,) = kill_commands(1, 0, tmp_path / "other", [Job("train", command, chosen[1].made, True)], done.append)
    assert [line for line in other.wrong if "called again: error" in line and "holds a run" in line], other


def test_the_table_names_what_is_wrong():
    text = kill_table([Killed("render", 2.5, 3, 1, ["killed after 1.20 s: new/a.wav differ"])])
    assert text.splitlines()[2:] == ["| render | 2.5 | 3 | 1 | 1 |", "render: killed after 1.20 s: new/a.wav differ"]
