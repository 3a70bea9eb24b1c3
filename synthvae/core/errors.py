"""The exception for bad input: which argument, what value, and what to do about it, in one line."""

from __future__ import annotations

import numbers
from pathlib import PurePath

__all__ = ["UserError", "printable", "reason", "shown"]

#: Characters of a wrong value that a message repeats.
SHOWN = 60


def shown(value: object) -> str:
    """A value as a message names it: JSON's words for nothing and truth, and never a whole page."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    text = str(value) if isinstance(value, numbers.Number | PurePath) else repr(value)
    return text if len(text) <= SHOWN or isinstance(value, PurePath) else f"{text[:SHOWN]}..."


def printable(text: str) -> str:
    """A line of text for a terminal: control characters, and halves of surrogate pairs, are shown by their codes.

    Names come from files, and a terminal takes escape sequences in them for commands.
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def reason(error: Exception) -> str:
    """What an exception says, in one line; of an error of the operating system without its number and the path."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error).strip()
    return text.partition("\n")[0] or type(error).__name__


class UserError(ValueError):
    """Bad input, in the terms of whoever called: ``budget is 3; give at least 5 renders``.

    The command line prints it behind ``error:``, with its own flags in place of arguments, and exits with code 2; the
    studio answers with it and with the name of the field.

    Attributes:
        argument: name of the parameter, setting or field at fault; of a file, its path and the field.
        value: what was given.
        remedy: what to do about it.
    """

    def __init__(self, argument: object, value: object, remedy: str, problem: str = "", why: str = "") -> None:
        """Keep the parts; other arguments that they name stand in backticks.

        Args:
            argument: name of the parameter, setting or field at fault, such as ``budget`` or ``run.json: seed``, or the
                path of a file that is wrong as a whole.
            value: what was given; of a file that is wrong as a whole, its path.
            remedy: what to do about it, in the imperative.
            problem: what is wrong, where "is `value`" does not say it.
            why: what is wrong with the value, where the remedy does not say it: "not a number".
        """
        super().__init__(argument, value, remedy, problem, why)  # all of them, which is what pickle hands back
        self.argument, self.value, self.remedy = str(argument), value, remedy
        self._problem = f": {problem}" if problem else f" is {shown(value)}" + (f", {why}" if why else "")

    @property
    def problem(self) -> str:
        """What is wrong, without the argument and the remedy."""
        return " ".join(self._problem.removeprefix(": ").split())

    def __str__(self) -> str:
        """The one line."""
        return " ".join(f"{self.argument}{self._problem}; {self.remedy}".split())
