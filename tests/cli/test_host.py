"""The process that a command runs in: its streams, its character set, its home, and Ctrl-C."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from synthvae import cli
from synthvae.bank import Bank
from synthvae.cli.host import expand_home
from synthvae.core.errors import UserError, printable
from synthvae.data.presets import Dataset

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


@pytest.mark.parametrize(
    ("words", "code", "stream", "line"),
    [
        ("1 --add x", 0, "stdout", rb"^#1 bell \\u2713: .*\bx\b"),
        ("'bell \u2713' --add x", 0, "stdout", rb"^#1 bell \\u2713: .*\bx\b"),
        ("\u2713 --add x", 2, "stderr", rb"^error: .*\\u2713.*$"),
    ],
)
def test_a_name_that_the_terminal_cannot_show_is_escaped(
    small_bank: Bank, words: str, code: int, stream: str, line: bytes
):
    small_bank.rename(1, "bell \u2713")
    ended = shell(f"$S bank tag {words}", PYTHONIOENCODING="ascii", SYNTHVAE_BANK=str(small_bank.path))
    assert ended.returncode == code, ended
    assert re.search(line, getattr(ended, stream), re.MULTILINE), ended
    assert b"Traceback" not in ended.stderr
    assert ("x" in small_bank.get(1).tags) == (code == 0)


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


OUT_OF_MEMORY = "error: out of memory; free some, or use less: a smaller --batch-size, --size or --limit\n"


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "error: stopped\n"),
        (UserError("\x1b]0;owned\x07", 3, "give \udcff"), 2, "error: \\x1b]0;owned\\x07 is 3; give \\udcff\n"),
        (OSError(errno.ENOSPC, "No space left on device"), None, ""),
        (MemoryError(), 2, OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), 2, OUT_OF_MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), 2, OUT_OF_MEMORY),
        (RuntimeError("shapes differ"), None, ""),
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


@pytest.mark.parametrize(
    ("folder", "variables"),
    [
        (b"w\xff", {}),
        ("r\u00e9".encode(), {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        (b"debugged", {"NUMBA_DISABLE_JIT": "1"}),
    ],
)
def test_a_run_in_a_folder_of_any_name_and_where_other_programs_are_debugged(
    small_dataset: Dataset, tmp_path: Path, folder: bytes, variables: dict[str, str]
):
    run = os.path.join(os.fsencode(tmp_path), folder)
    options = ["--loss", "sclp", "--synth-layer", "--epochs", "1", "--network", "selective"]
    for words in (
        ["train", "--data", str(small_dataset.path), *options, "--out", run],
        ["decode", run, "--random", "2"],
    ):
        command = [sys.executable, "-P", "-m", "synthvae", *words]
        path = str(Path(cli.__file__).parents[2])
        ended = subprocess.run(
            command, env={**os.environ, **variables, "PYTHONPATH": path}, cwd=tmp_path, capture_output=True
        )
        assert ended.returncode == 0, ended.stderr
    assert os.path.exists(os.path.join(run, b"weights.safetensors"))
