"""Structured logging: events as records of the package's logger, formatted as text or as lines of JSON."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["EVENTS", "JsonLines", "event", "keep_events"]

#: Name of the file in a run's directory with one line per training event.
EVENTS = "events.jsonl"

_log = logging.getLogger(__name__)


def event(log: logging.Logger, name: str, message: str, **fields: object) -> None:
    """Log an event at the level INFO.

    Args:
        log: logger of the module in which it happened.
        name: type of the event, the same for all events of that type.
        message: human-readable text.
        fields: machine-readable values; those that JSON cannot represent are written as text.
    """
    log.info(message, extra={"event": name, "fields": fields})


class JsonLines(logging.Formatter):
    """Formats a record as a line of JSON: time, level, logger, event, message, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a newline."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", "message"),
            "message": record.getMessage(),
        }
        for name, value in getattr(record, "fields", {}).items():
            line.setdefault(name, None if isinstance(value, float) and not math.isfinite(value) else value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class _Lines(logging.FileHandler):
    """Appends lines to a file until a write fails, for instance on a full disk; the failure is logged once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, mode="a", encoding="utf-8", errors="backslashreplace", delay=True)
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record; a warning without another handler is printed, as it would be without this handler."""
        try:
            super().emit(record)
        except OSError:  # of the first record, before which the file is opened
            self.handleError(record)
        others = [*logging.getLogger("synthvae").handlers, *logging.root.handlers]
        if record.levelno >= logging.WARNING and others == [self] and logging.lastResort is not None:
            logging.lastResort.handle(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        logging.getLogger("synthvae").removeHandler(self)
        _log.warning("%s: no more events are written", self.baseFilename)


@contextmanager
def keep_events(path: Path) -> Iterator[None]:
    """Append the package's records from INFO up to a file, a line of JSON for each, while the block runs."""
    package = logging.getLogger("synthvae")
    level, handler = package.level, _Lines(path)
    handler.setLevel(logging.INFO)
    if package.getEffectiveLevel() > logging.INFO:
        package.setLevel(logging.INFO)
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        with suppress(OSError):
            handler.close()
