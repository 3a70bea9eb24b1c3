"""Log output of commands on standard error: plain text, or lines of JSON with ``--log-json``."""

from __future__ import annotations

import contextlib
import logging
import sys

from synthvae.core.events import JsonLines

__all__ = ["LOG_OPTIONS", "options_first", "set_up_logs", "tell", "writes_json"]

#: Options that are accepted before and after a command's name.
LOG_OPTIONS = ("-v", "-vv", "--verbose", "--log-json")

_log = logging.getLogger("synthvae")


class _ToStandardError(logging.Handler):
    """Writes records to the current standard error: those at or above a level, and those marked for the user."""

    as_json = False
    least = logging.WARNING

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self.least or getattr(record, "shown", False)

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            print(self.format(record), file=sys.stderr, flush=True)


_handler = _ToStandardError()
_handler.setFormatter(logging.Formatter("%(message)s"))
_log.addHandler(_handler)
_log.setLevel(logging.INFO)


def set_up_logs(verbose: int, as_json: bool) -> None:
    """Set the log level and format.

    Args:
        verbose: 0 for warnings and progress, 1 for events as well, 2 for everything.
        as_json: write a line of JSON for each record.
    """
    _handler.least = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    _handler.as_json = as_json
    _handler.setFormatter(JsonLines() if as_json else logging.Formatter("%(message)s"))
    _log.setLevel(min(_handler.least, logging.INFO))


def tell(name: str, message: str, level: int = logging.INFO, **fields: object) -> None:
    """Write a line for the user, whatever the log level.

    Args:
        name: kind of the event.
        message: the line; with ``--log-json`` a field of it.
        level: level of the record.
        fields: fields for ``--log-json``.
    """
    _log.log(level, message, extra={"event": name, "fields": fields, "shown": True})


def writes_json() -> bool:
    """Whether the log is written as lines of JSON."""
    return _handler.as_json


def options_first(arguments: list[str]) -> list[str]:
    """Move `LOG_OPTIONS` before the command, since they may be given after it."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = [argument for argument in arguments[:end] if argument in LOG_OPTIONS]
    return [*found, *(argument for argument in arguments[:end] if argument not in LOG_OPTIONS), *arguments[end:]]
