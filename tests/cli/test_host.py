"""The process that a command runs in: its streams, its character set, its home, and Ctrl-C."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from synthvae import cli
from synthvae.cli.host import expand_home
from synthvae.core.errors import UserError, printable

Command = Callable[..., tuple[int, str, str]]
START = [sys.executable, "-m", "synthvae"]


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """``sh -c`` with ``$S`` as the command."""
    command = " ".join(START)
    return subprocess.run(
        ["sh", "-c", line], env={**os.environ, "S": command, **environment}, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    ("line", "code", "out", "err"),
    [
        ("$S --version 2>&-", 0, b"synthvae", b""),
        ("$S nothing 2>&- ; exit $?", 2, b"", b""),
        ("$S --version >&- 2>&- <&-", 0, b"", b""),
        ("$S --version > /dev/full", 2, b"", b"error: standard output: cannot write (No space left on device)"),
        ("$S nothing 2> /dev/full", 2, b"", b""),
        ("PYTHONIOENCODING=latin-1 $S train --help 2>&1", 0, b"Usage", b""),
        ("PYTHONIOENCODING=ascii $S train --help 2>&1", 0, b"Usage", b""),
    ],
)
def test_streams_that_cannot_be_written(line: str, code: int, out: bytes, err: bytes):
    ended = shell(line)
    assert ended.returncode == code, ended
    assert out in ended.stdout if out else ended.stdout == b""
    assert ended.stderr.startswith(err) if err else ended.stderr == b""


def test_home_is_expanded_where_shells_do_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert expand_home(["--out=~/x", "--out=~", "--name=~loud~", "~/x", "-o=~/x", "a=~/x"]) == [
        "--out=/home/me/x",
        "--out=/home/me",
        "--name=~loud~",
        "~/x",
        "-o=~/x",
        "a=~/x",
    ]


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "error: stopped\n"),
        (UserError("\x1b]0;owned\x07", 3, "give \udcff"), 2, "error: \\x1b]0;owned\\x07 is 3; give \\udcff\n"),
        (OSError(errno.ENOSPC, "No space left on device"), None, ""),
        (EOFError("Ran out of input"), None, ""),
    ],
)
def test_what_a_command_raises(
    run: Command, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int | None, line: str
):
    """An interrupt prints a message; an internal fault, such as the end of a damaged file, is not mistaken for one."""

    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("synthvae.cli.bank._open", fail)
    if code is None:
        monkeypatch.setattr(sys, "argv", ["synthvae", "bank", "list"])
        with pytest.raises(type(raised)):
            cli.main()
    else:
        assert run("bank", "list") == (code, "", line)


def test_an_interrupt_while_modules_are_imported_is_one_line(tmp_path: Path):
    """The first import of the command line is interrupted, as by Ctrl-C right after the start."""
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    command = [sys.executable, "-P", "-m", "synthvae", "--version"]
    path = os.pathsep.join([str(tmp_path), str(Path(cli.__file__).parents[2])])
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "error: stopped\n")


def test_control_characters_are_shown_by_their_codes():
    assert printable("a\x1b[31mb\n\x9b\u202e\u00e9\u2713") == "a\\x1b[31mb\\n\\x9b\\u202e\u00e9\u2713"
