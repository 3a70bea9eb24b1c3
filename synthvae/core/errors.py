"""The exception that is printed as one line instead of a traceback."""

from __future__ import annotations

__all__ = ["UserError"]


class UserError(ValueError):
    """Bad input, reported in one line that names the file, the field, the value and the remedy.

    The command line prints the message behind ``error:`` and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        """Keep `message`, folded to one line.

        Args:
            message: what is wrong, where, and what to do about it.
        """
        super().__init__(" ".join(message.split()))
