"""Messages about bad input: to a caller, and on the command line."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import typer

import synthvae
from synthvae.cli import in_flags
from synthvae.core.errors import UserError, choose_one, shown


def test_it_has_the_argument_the_value_and_the_remedy() -> None:
    error = UserError("budget", 3, "give at least 5 renders")
    assert (error.argument, error.value, error.remedy) == ("budget", 3, "give at least 5 renders")
    assert str(error) == "budget is 3; give at least 5 renders"


@pytest.mark.parametrize(
    ("value", "remedy"),
    [("scpl", "did you mean scl or sclp? choose one of scl, sclp, mse"), ("loud", "choose one of scl, sclp, mse")],
)
def test_a_typing_error_is_answered_with_the_nearest_choice(value: str, remedy: str) -> None:
    assert choose_one(value, ("scl", "sclp", "mse")) == remedy


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


#: A long flag, unless it is part of a command in quotation marks, which is something to type in any interface.
FLAG = re.compile(r"(?<![\w-])--[a-z]")
COMMAND = re.compile(r"'synthvae [^']*'|`synthvae [^`]*`|^synthvae .*")
LIBRARY = [path for path in Path(synthvae.__file__).parent.rglob("*.py") if "cli" not in path.parts]


def texts(source: str) -> Iterator[str]:
    """The literal texts of a module, what is put in as ``{}``: no docstrings, no help of a setting, no single word."""
    tree = ast.parse(source)
    left_out = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) or (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setting")
        for inner in ast.walk(node)
        if isinstance(node, ast.Call) or inner is getattr(node, "value", None)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(piece) for piece in node.values}
            text = "".join(str(piece.value) if isinstance(piece, ast.Constant) else "{}" for piece in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if id(node) not in left_out and " " in text:
            yield text


def with_flags(source: str) -> list[str]:
    """Texts that name a flag outside of a command."""
    return [text for text in texts(source) if FLAG.search(COMMAND.sub("", text))]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: "/".join(path.parts[-2:]))
def test_no_text_of_the_library_names_a_flag(path: Path) -> None:
    assert not with_flags(path.read_text("utf-8"))


def test_flags_in_texts_are_found() -> None:
    source = """
def f():
    'Give --out.'
    remedy = f"choose another --out than {c}"
    run([f"--key={key}", "--run"], "make it with 'synthvae metric DATASET --overwrite'")
    lr: float = setting(1.0, "Rate; see --config.")
    raise UserError("out", c, "leave out --out", f"{a} {'with --out'}")
"""
    assert with_flags(source) == ["choose another --out than {}", "leave out --out", "with --out"]
