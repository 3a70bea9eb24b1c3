from __future__ import annotations

import pytest

from synthvae.cli import progress
from synthvae.cli.progress import progress_bar, spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.84, "0.84 s"),
        (45.2, "45 s"),
        (89.9, "90 s"),
        (120, "2 min"),
        (5399, "90 min"),
        (7000, "1.9 h"),
        (2e5, "2.3 days"),
    ],
)
def test_durations_in_words(seconds: float, words: str):
    assert spoken(seconds) == words


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_lines_have_units_and_the_time_that_is_left(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    with progress_bar("measuring parameter sensitivity", 63, "parameters") as update:
        for clock.now, done in ((105.0, 10), (120.0, 21), (139.0, 39), (175.0, 63)):
            update(done, "")
    with progress_bar("searching", 1000) as update:
        clock.now = 200.0
        update(250, "3.1 dB")
    assert capsys.readouterr().err.splitlines() == [
        "measuring parameter sensitivity: 21/63 parameters, about 57 s left",
        "measuring parameter sensitivity: 39/63 parameters, about 28 s left",
        "measuring parameter sensitivity: 63/63 parameters",
        "searching: 25 %, 3.1 dB",
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_slow_first_step_says_nothing_of_the_rest(terminal: bool, monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with progress_bar("training", 12, "epochs") as update:
        clock.now = 112.0  # compiling
        update(1 / 56, "")
        clock.now = 123.0
        update(1.0, "")
    shown = capsys.readouterr().err
    assert "1/12 epochs, about 2.1 min left" in shown
    assert shown.count("left") == 1


def test_one_step_is_in_the_singular(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    with progress_bar("training", 1, "epochs") as update:
        clock.now = 120.0
        update(0.5, "")
    assert capsys.readouterr().err.startswith("training: 0/1 epoch")


def test_first_epochs_of_several_processes_give_no_estimate(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    with progress_bar("training", 200, "epochs") as update:
        for clock.now, done in ((150.0, 1), (150.5, 2), (190.0, 4), (230.0, 6)):  # 40 s for two epochs, after 50 s
            update(done, "")
    assert [line.partition("epochs")[2] for line in capsys.readouterr().err.splitlines()] == [
        "",
        "",
        "",
        ", about 52 min left",  # 80 s for 5 epochs: the first report is of one of two processes
    ]


def test_small_first_steps_of_an_analysis_give_no_estimate_and_a_long_one_does_not_lengthen_it(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    with progress_bar("analyzing", 320) as update:
        # Two steps of 1 s take 20 s each with the loading of libraries; one of 20 s is as fast as was estimated.
        for clock.now, done in ((120.0, 1), (140.0, 2), (160.0, 22), (190.0, 22), (240.0, 22)):
            update(done, "")
    shown = [line.partition("%")[2] for line in capsys.readouterr().err.splitlines()]
    assert shown == ["", "", ", about 9.5 min left", ", about 9 min left", ", about 8.1 min left"]
