from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.conditions import CONDITIONS, TRIED, Condition, Tried, condition_table, try_conditions
from benchmarks.jobs import JOBS

GENERATE = next(job for job in JOBS if job.name == "generate-dataset")


def test_the_commands_of_conditions_are_jobs():
    assert set(TRIED) <= {job.name for job in JOBS}


@pytest.mark.slow
def test_conditions_are_told_apart_from_faults(tmp_path: Path):
    """A changed result, a file cut where the command is refused, a traceback, and a refusal where none is due."""
    known = {condition.name: condition for condition in CONDITIONS}

    def script(text: str) -> tuple[str, ...]:
        return ("sh", "-c", f'[ "$1" = true ] || {{ {text}; }}', "sh")

    conditions = [
        known["256 open files"],
        known["read-only folder"],
        Condition("changed", script('"$@"; echo >> new.json')),
        Condition("cut", script('echo > new.json; echo "error: no" >&2; exit 2'), refused=True),
        Condition("traceback", script('echo Traceback >&2; echo "error: no" >&2; exit 2'), refused=True),
        Condition("refused", script('echo "error: no" >&2; exit 2')),
        Condition("left", script("\"$@\" && touch '~'")),
        Condition("impossible", ("sh", "-c", "exit 3")),
    ]
    found = {one.condition: one for one in try_conditions(tmp_path, conditions, [GENERATE])}
    few, read_only = found["256 open files"], found["read-only folder"]
    assert (few.completed, few.refused, few.wrong) == (1, 0, [])
    assert read_only.impossible or (read_only.completed, read_only.refused, read_only.wrong) == (0, 1, [])
    assert found["changed"].wrong == ["generate-dataset: other results"]
    assert "half-written or lost" in found["cut"].wrong[0]
    assert found["traceback"].wrong == ["generate-dataset: a traceback: error: no"]
    assert found["refused"].wrong == ["generate-dataset: exit code 2: error: no"]
    assert found["left"].wrong == ["generate-dataset: ~ left"]
    assert found["impossible"].impossible == "sh: 3"


def test_the_table_says_what_could_not_be_tried():
    text = condition_table([Tried("one core", 2, 0, ["render: other results"]), Tried("disk", impossible="no root")])
    assert text.splitlines()[2:] == [
        "| one core | 2 | 0 | 1 |",
        "| disk | not tried here | |  |",
        "disk: no root",
        "one core: render: other results",
    ]
