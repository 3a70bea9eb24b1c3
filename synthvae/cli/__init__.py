"""The command line: parse, call one function, print. Heavy imports are inside the commands."""

from __future__ import annotations

import itertools
import logging
import math
import re
import sys
from typing import Annotated, Any

import typer

from synthvae import __version__
from synthvae.cli import (
    analyze,
    bank,
    datasets,
    doctor,
    experiment,
    exploration,
    explore,
    export,
    latents,
    libraries,
    listening,
    match,
    pack,
    play,
    sharding,
    train,
)
from synthvae.cli.common import INTERRUPTED
from synthvae.cli.host import expand_home, lose_output, prepare_process
from synthvae.cli.loading import announce_loading
from synthvae.cli.logs import options_first, set_up_logs, tell
from synthvae.core.errors import UserError, printable, reason
from synthvae.core.memory import keep_freed_memory

__all__ = ["app", "in_flags", "main"]

app = typer.Typer(
    name="synthvae",
    help="Explore the sounds of a synthesizer: presets, a VAE trained on them, statistics with null models.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


#: How PyTorch says, in a RuntimeError, that memory is exhausted, for CPU and for CUDA.
_NO_MEMORY = re.compile("can't allocate memory|out of memory")
#: Typer's messages, by version, about a value that is not a whole number, or no number at all.
_NO_NUMBER = re.compile(r"Input should be a valid (integer|number)|is not a valid (integer|float)\.")
_THOUSANDS = {"k": 10**3, "K": 10**3, "M": 10**6}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"synthvae {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, help="Log events, such as the end of an epoch; -vv: everything."),
    ] = 0,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Write messages and progress as lines of JSON to standard error.")
    ] = False,
) -> None:
    set_up_logs(verbose, log_json)


for _module in (
    datasets,
    libraries,
    train,
    analyze,
    listening,
    latents,
    exploration,
    explore,
    match,
    export,
    play,
    bank,
    pack,
    experiment,
    sharding,
    doctor,
):
    _module.register(app)


def main(application: typer.Typer = app) -> None:
    """Run a command line; bad input is one line on standard error and exit code 2."""
    prepare_process()
    sys.argv[1:] = options_first(expand_home(sys.argv[1:]))
    set_up_logs(0, "--log-json" in sys.argv)
    keep_freed_memory()
    announce_loading("torch")
    try:
        code = application(standalone_mode=False)
        if code == INTERRUPTED:  # Typer's exit code for a KeyboardInterrupt
            code = _complain("stopped", INTERRUPTED)
    except UserError as error:
        code = _complain(in_flags(error, _running_command(application)), 2)
    except KeyboardInterrupt:
        code = _complain("stopped", INTERRUPTED)
    except typer.Abort as error:
        if isinstance(error.__cause__, EOFError):  # nothing is read from a terminal: a fault, not Ctrl-D
            raise error.__cause__ from None
        code = _complain("stopped", INTERRUPTED)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _NO_MEMORY.search(str(error)):
            raise
        code = _complain("out of memory; free some, or use less: a smaller --batch-size, --size or --limit", 2)
    except OSError as error:
        lost = lose_output("\n")  # what has failed may have been printing: then this fails as well
        if lost is None and not isinstance(error, BrokenPipeError):
            raise
        code = _output_lost(lost or error)
    except typer.TyperException as error:
        message = _in_words(error)
        # Without a message it was the help of a command that was called without arguments.
        code = _complain(f"{message} (see {_help_command(error, application)})", 2) if message else 2
    if lost := lose_output():
        code = _output_lost(lost)
    sys.exit(code if isinstance(code, int) else 0)


def _output_lost(error: OSError) -> int:
    """Report that standard output cannot be written, unless its reader has closed it, as ``head`` does."""
    if isinstance(error, BrokenPipeError):
        return 141
    return _complain(f"standard output: cannot write ({reason(error)}); make room or send it elsewhere", 2)


def in_flags(error: UserError, command: Any) -> str:  # noqa: ANN401 - Typer brings its own click
    """An error's message with the command's flags in place of the arguments that it names.

    Args:
        error: its argument, and names in backticks, are looked up; those that the command does not have stay.
        command: Typer's command.
    """
    flags: dict[str, str] = {}
    for parameter in command.params:
        long = [option for option in parameter.opts if option.startswith("--")]
        flags[parameter.name] = long[0] if long else parameter.metavar or parameter.name.upper()
    start = len(error.argument) if error.argument in flags else 0
    rest = re.sub(r"`(\w+)`", lambda found: flags.get(found[1], found[0]), str(error)[start:])
    return flags.get(error.argument, "") + rest


def _running_command(application: typer.Typer) -> Any:  # noqa: ANN401
    """The subcommand that the command line names."""
    command: Any = typer.main.get_command(application)
    for word in sys.argv[1:]:
        command = getattr(command, "commands", {}).get(word, command)
    return command


def _in_words(error: typer.TyperException) -> str:
    """A plain message for an error in the command line."""
    message, given = error.format_message(), _offending_value(error)
    if given is not None and (found := _NO_NUMBER.search(message)):
        return _no_number(given, error.param, "integer" in found.groups())  # type: ignore[attr-defined]
    message += "" if given is None else f"; got {given!r}"
    command: Any = getattr(getattr(error, "ctx", None), "command", None)
    if getattr(error, "option_name", "") == "--run" and any(parameter.name == "run" for parameter in command.params):
        message = f"No such option: --run; give the run as the first argument: {command.name} RUN"
    return message


def _help_command(error: typer.TyperException, application: typer.Typer) -> str:
    """The command line that prints the help of the command at fault."""
    names, context = list[str](), getattr(error, "ctx", None)
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name)
        context = context.parent
    return " ".join([str(application.info.name), *names, "--help"])


def _no_number(given: str, parameter: Any, whole: bool) -> str:  # noqa: ANN401
    """The message about text for an option that takes a number, with an example: what is meant, or the default."""
    digits, unit = re.sub(r",(?=\d{3}\b)", "", given).replace(",", ".").strip(), 1
    if digits[-1:] in _THOUSANDS:
        digits, unit = digits[:-1], _THOUSANDS[digits[-1]]
    try:
        example = float(digits) * unit
    except ValueError:
        example = math.nan
    if not math.isfinite(example) or (whole and not example.is_integer()):
        example = parameter.default if isinstance(parameter.default, int | float) else 8 if whole else 0.5
    kind, shown = ("whole number", f"{int(example)}") if whole else ("number", f"{example:.12g}")
    return str(UserError(max(parameter.opts, key=len), given, f"give one such as {shown}", why=f"not a {kind}"))


def _offending_value(error: Exception) -> str | None:
    """The rejected value of an option, which Typer's messages leave out."""
    for option in getattr(getattr(error, "param", None), "opts", ()):
        for word, following in itertools.pairwise([*sys.argv, ""]):
            if word == option and following:
                return following
            if word.startswith(f"{option}="):
                return word.removeprefix(f"{option}=")
    return None


def _complain(message: str, code: int) -> int:
    tell("error", f"error: {printable(message)}", logging.ERROR, code=code)
    return code
