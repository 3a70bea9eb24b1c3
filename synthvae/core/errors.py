"""The exception for bad input: argument, value and remedy, in one line."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import PurePath

__all__ = ["UserError", "choose_one", "printable", "reason", "shown", "similar"]

#: Maximum number of characters of an invalid value in a message.
SHOWN = 60


def shown(value: object) -> str:
    """A value formatted for a message: None and booleans as in JSON, long values truncated."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    try:
        text = str(value) if isinstance(value, numbers.Number | PurePath) else repr(value)
    except RecursionError:
        text = f"a deeply nested {type(value).__name__}"
    return text if len(text) <= SHOWN or isinstance(value, PurePath) else f"{text[:SHOWN]}..."


def printable(text: str) -> str:
    """Text that is safe for a terminal: control characters and lone surrogates are escaped.

    Names come from files, and a terminal would execute escape sequences in them.
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def reason(error: Exception) -> str:
    """The message of an exception in one line; for an OSError, without its number and path."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error).strip()
    return text.partition("\n")[0] or type(error).__name__


def similar(value: object, names: Iterable[str]) -> list[str]:
    """The one or two names that are spelled most like a value; none if none is close."""
    return get_close_matches(str(value), names, 2, cutoff=0.7)


def choose_one(value: object, choices: Iterable[str]) -> str:
    """The remedy for an invalid choice: lists the valid ones, and suggests those that are spelled similarly.

    Args:
        value: the given value.
        choices: the valid values.
    """
    names = list(choices)
    close = similar(value, names)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{hint}choose one of {', '.join(names)}"


class UserError(ValueError):
    """Bad input, described in the caller's terms: ``budget is 3; give at least 5 renders``.

    The command line prints it after ``error:``, with its own flags in place of arguments, and exits with code 2; the
    studio returns it with the name of the field.

    Attributes:
        argument: name of the invalid parameter, setting or field; for a file, its path and the field.
        value: the given value.
        remedy: what to do about it.
    """

    def __init__(self, argument: object, value: object, remedy: str, problem: str = "", why: str = "") -> None:
        """Store the parts of the message, in which names of other arguments are in backticks.

        Args:
            argument: name of the invalid parameter, setting or field, such as ``budget`` or ``run.json: seed``, or the
                path of a file that is invalid as a whole.
            value: the given value; for a file that is invalid as a whole, its path.
            remedy: what to do about it, in the imperative.
            problem: description of the problem, if not "is `value`".
            why: what is wrong with the value, if not clear from the remedy, such as "not a number".
        """
        super().__init__(argument, value, remedy, problem, why)  # all of them, since unpickling passes them
        self.argument, self.value, self.remedy = str(argument), value, remedy
        self._problem = f": {problem}" if problem else f" is {shown(value)}" + (f", {why}" if why else "")

    @property
    def problem(self) -> str:
        """Description of the problem, without the argument and the remedy."""
        return " ".join(self._problem.removeprefix(": ").split())

    def __str__(self) -> str:
        """The message in one line."""
        return " ".join(f"{self.argument}{self._problem}; {self.remedy}".split())
