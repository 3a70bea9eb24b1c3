"""What bad input says: to a caller, and on the command line."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import typer

from synthvae.cli import in_flags
from synthvae.core.errors import UserError, shown


def test_it_has_the_argument_the_value_and_the_remedy() -> None:
    error = UserError("budget", 3, "give at least 5 renders")
    assert (error.argument, error.value, error.remedy) == ("budget", 3, "give at least 5 renders")
    assert str(error) == "budget is 3; give at least 5 renders"


def test_a_problem_replaces_the_value_and_a_reason_follows_it() -> None:
    path = Path("data/x.json")
    assert str(UserError(path, path, "restore it", "not JSON")) == "data/x.json: not JSON; restore it"
    assert (
        str(UserError(f"{path}: size", "a", "give 3", why="no\nnumber"))
        == "data/x.json: size is 'a', no number; give 3"
    )


def test_it_survives_the_way_from_a_process() -> None:
    error = UserError("out", Path("x"), "choose another", "taken", "too long")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.argument, again.value, again.remedy) == (str(error), "out", Path("x"), "choose another")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (2.5, "2.5"),
        (np.float64(2.5), "2.5"),
        ("a", "'a'"),
        (Path("a" * 90), "a" * 90),
        ("a" * 90, f"'{'a' * 59}..."),
    ],
)
def test_values_are_short_and_in_the_words_of_json(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.fixture
def command() -> object:
    app = typer.Typer()

    @app.command()
    def draw(
        paths: Annotated[list[str], typer.Argument(metavar="PATH...")],
        source: str,
        sample_format: Annotated[str, typer.Option("-f", "--format")] = "",
        overwrite: bool = False,
    ) -> None:
        raise AssertionError(paths, source, sample_format, overwrite)

    return typer.main.get_command(app)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("sample_format", 3, "give 4"), "--format is 3; give 4"),
        (UserError("paths", 3, "give 4"), "PATH... is 3; give 4"),
        (UserError("source", 3, "give 4"), "SOURCE is 3; give 4"),
        (UserError("x.json", 3, "add `overwrite` or `paths`", "there"), "x.json: there; add --overwrite or PATH..."),
        (UserError("budget", "source", "give `budget` or source"), "budget is 'source'; give `budget` or source"),
    ],
)
def test_the_command_line_names_its_own_flags(command: object, error: UserError, message: str) -> None:
    assert in_flags(error, command) == message
