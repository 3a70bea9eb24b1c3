"""``experiment`` as a user types it, on 70 presets."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]
SCALE = ("--scale", 0.0005)


def test_list_names_every_case(run: Command):
    code, out, _ = run("experiment", "list")
    assert code == 0
    assert out.startswith("exp1 to exp3 are those of Ipek Korkmaz, ")
    cases = [line.split() for line in out.splitlines() if line.startswith("  ")]
    assert {"exp1-lmsl", "exp2-logslp", "exp3-cqt", "best-16", "pnp-16"} <= {words[0] for words in cases}
    assert all(len(words) > 3 for words in cases)


@pytest.mark.slow
def test_run_skips_what_is_done_and_report_writes_tables(run: Command, tmp_path: Path):
    names = ("exp1-scl", "exp2-scl", "exp3-phase1")
    code, out, err = run("experiment", "run", *names, *SCALE, "--seeds", 2, "--out", "runs", "--jobs", 2)
    assert code == 0, err
    assert "runs: 6 runs done" in out
    weights = tmp_path / "runs/scale-0.0005/exp2-scl/seed-1/weights.safetensors"
    before = weights.stat().st_mtime_ns
    code, out, err = run("experiment", "run", *names, *SCALE, "--seeds", 2, "--out", "runs")
    assert code == 0, err
    assert "all 6 runs are done" in out
    assert weights.stat().st_mtime_ns == before

    code, out, err = run("experiment", "report", *SCALE, "--runs", "runs", "--out", "analysis", "--jobs", 1)
    assert code == 0, err
    folder = tmp_path / "analysis/study/scale-0.0005"
    page = (folder / "report.md").read_text()
    assert "# The study's experiments at scale 0.0005" in page
    assert "Does the gradient of the spectral term through the synthesizer help?" in page
    for line in page.splitlines():
        if line.startswith("!["):
            assert (folder / line.partition("(")[2].rstrip(")")).stat().st_size > 5000
    tables = sorted(path.name for path in (folder / "tables").iterdir())
    assert tables == ["heard.csv", *(f"table-5.{n:02d}.csv" for n in range(1, 13))]
    rows = list(csv.DictReader((folder / "tables/heard.csv").open()))
    assert [row["case"] for row in rows] == ["exp1-scl", "exp2-scl", "exp3-phase1"]
    verdicts = list(csv.DictReader((folder / "conclusions.csv").open()))
    assert {row["verdict"] for row in verdicts} <= {"lower", "higher", "undecided"}
    assert {row["seeds"] for row in verdicts} == {"2"}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("run", "exp4"), "'exp4'; the experiments are"),
        (("run", "mine.toml"), "mine.toml: cannot read"),
        (("run", "exp1", "--scale", 2), "--scale is 2"),
        (("run", "exp1", "--scale", 0.0001), "leaves 14 presets"),
        (("run", "exp1", "--seeds", 0), "--seeds is 0"),
        (("run", "exp1", "--jobs", 0), "--jobs is 0"),
        (("run", "exp1", "--device", "tpu"), "'tpu'"),
        (("report", "--runs", "empty"), "empty/scale-1: no finished run"),
        (("report", "--limit", 1), "--limit is 1"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(run: Command, tmp_path: Path, arguments: tuple[object, ...], part: str):
    code, out, err = run("experiment", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert part in err
    assert list(tmp_path.iterdir()) == []
