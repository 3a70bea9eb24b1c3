"""``listening-test``."""

from collections.abc import Callable
from pathlib import Path

from tests.analysis.test_listening import simulated
from tests.cli.refusal import refused
from tests.report.test_listening import write_systems

Command = Callable[..., tuple[int, str, str]]


def test_a_test_is_made_and_answers_are_analysed(run: Command, tmp_path: Path):
    write_systems(tmp_path, {"original": 1.0, "a": 1.0})
    code, out, err = run(
        "listening-test", "make", "--kind", "mushra", "original", "a", "--out", "t", "--title", "Drums"
    )
    assert code == 0, err
    assert "test.html: 2 pages, sounds at -18.0 LUFS" in out
    assert "<title>Drums</title>" in (tmp_path / "t/test.html").read_text()
    answers = simulated(20.0, 0)
    answers.loc[(answers["listener"] == "l0") & (answers["stimulus"] == "reference"), "answer"] = "50"
    answers.to_csv(tmp_path / "x.csv", index=False)
    code, out, err = run("listening-test", "analyze", "x.csv", "--out", "r")
    assert code == 0, err
    assert "left out: l0, who rated the hidden reference below 90 in 100 % of the trials" in out
    assert "The 3 systems differ in points below 100" in out
    assert (tmp_path / "r/report.html").exists()
    again = ("listening-test", "make", "--kind", "mushra", "original", "a", "--out", "t", "--title", "Pianos")
    refused(run(*again), "test.html: exists already", "--overwrite")
    assert "<title>Drums</title>" in (tmp_path / "t/test.html").read_text()
    assert run(*again, "--overwrite")[0] == 0
    assert "<title>Pianos</title>" in (tmp_path / "t/test.html").read_text()
    refused(run("listening-test", "make", "--kind", "rank", "a"), "--kind is 'rank'; choose one of mushra")
    refused(run("listening-test", "analyze", "no.csv"), "no.csv: cannot be read")
