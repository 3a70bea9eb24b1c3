"""Limits on connections: how many there are, and how long each may take to send a request."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["MOST", "REQUEST_SECONDS", "LimitedProtocol", "RepetitionFilter"]

#: Connections at most: a browser opens six to a host, and a process may have 256 open files on some systems.
MOST = 128
#: Seconds for the head of a request, and again for each part of its body.
REQUEST_SECONDS = 10.0
#: Seconds between two records of one text in the log.
LOG_SECONDS = 60.0


class LimitedProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, in which connections that send no request are closed.

    One is closed `REQUEST_SECONDS` after its start, or after its last request, where the head of a request has not
    arrived, and that time after the last part of a body that is not whole. Where there are `MOST` connections, a new
    one takes the place of the one that has waited longest for its request; it is closed where all are being answered.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self._waiting_since: float | None = None
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, in place of one that waits where there are too many."""
        if len(self.connections) >= MOST:
            waiting = [
                (one._waiting_since, number, one)
                for number, one in enumerate(self.connections)
                if isinstance(one, LimitedProtocol) and one._waiting_since is not None
            ]
            if waiting:
                min(waiting)[2]._close()
        super().connection_made(transport)
        if len(self.connections) > MOST:
            self._close()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read; the time for a head goes on, that for a body begins anew."""
        super().data_received(data)
        if self._asked:
            self._stop_waiting()
        elif self._waiting_since is None or self._answering:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _asked(self) -> bool:
        """Whether a whole request is being answered."""
        return self._answering and not self.cycle.more_body

    def on_response_complete(self) -> None:
        """Wait for the next request, which the keep-alive limit is for until its first byte has come."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self._asked:
            self._wait()

    def _wait(self) -> None:
        self._stop_waiting()
        self._waiting_since = time.monotonic()
        self._limit = self.loop.call_later(REQUEST_SECONDS, self._close)

    def _stop_waiting(self) -> None:
        self._waiting_since = None
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _close(self) -> None:
        self._stop_waiting()
        self.connections.discard(self)  # now, and not when the loop gets to it: the next connection may come before
        self.transport.abort()


class RepetitionFilter(logging.Filter):
    """Lets a record through once a minute for each text, with the number of those that were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        now, text = time.monotonic(), str(record.msg)[:200]
        last, left_out = self._last.get(text, (-LOG_SECONDS, 0))
        if now - last < LOG_SECONDS:
            self._last[text] = last, left_out + 1
            return False
        if len(self._last) > 1000:
            self._last.clear()
        self._last[text] = now, 0
        if left_out:
            record.msg = f"{record.msg} ({left_out} more times in the {now - last:.0f} s before)"
        return True
