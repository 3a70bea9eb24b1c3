"""Access control: hosts, origins, tokens and body sizes, checked before any route is called.

A page of another site can make a browser send requests to this machine. It cannot read the answers, but it could start
work, and with a name that first resolves to its own server and then to 127.0.0.1 it could read them too (DNS
rebinding). So on loopback the ``Host`` has to be a loopback name, and a request that a browser sends for another
origin is refused. Anywhere else a token is asked for, which no other page knows.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synthvae.studio.errors import refusal

__all__ = ["AUDIO_LIMIT", "JSON_LIMIT", "Access", "Guard", "is_loopback"]

#: Bytes of a body: of JSON, and of audio.
JSON_LIMIT, AUDIO_LIMIT = 1_000_000, 32_000_000
#: Paths that take audio.
AUDIO_PATHS = ("/api/v1/match", "/api/v1/import")
LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: ``[ADDRESS]`` or ``NAME``, and a port.
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::[0-9]{1,5})?")

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address may hold the token
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether a host means this machine alone."""
    return host in LOOPBACK


@dataclass(frozen=True)
class Access:
    """Access control of requests.

    Attributes:
        token: token that every request to the API must contain; None for no token.
        local: whether only names of this machine are hosts.
    """

    token: str | None = None
    local: bool = True


class Guard:
    """ASGI middleware that refuses unauthorised or oversized requests, and adds security headers to responses.

    Args:
        app: the application that it wraps.
        access: access control of requests.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
            await send(message)

        problem = self._problem(scope)
        if problem:
            await refusal(*problem)(scope, receive, marked)
            return
        limit = AUDIO_LIMIT if scope["path"] in AUDIO_PATHS else JSON_LIMIT
        await self._limited(scope, receive, marked, limit)

    def _problem(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.access.local and not is_loopback(_name(host)):
            return 403, f"this server accepts requests to localhost, not to {host[:60]!r}; use the address it printed"
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"].startswith("/api/"):
            return 403, "a page of another site may not access this server; open the server's own page"
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return 403, f"a page of {origin[:60]!r} may not access this server; open the server's own page"
        if self.access.token is not None and scope["path"].startswith("/api/"):
            given = _token(headers, scope)
            if not hmac.compare_digest(given.encode(), self.access.token.encode()):
                return 401, "the token is missing or wrong; send the header Authorization: Bearer TOKEN"
        return None

    async def _limited(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        """Pass a body on as long as it is not too large, whatever its header promised."""
        too_large = f"the body is larger than {limit // 1_000_000} MB; send less"
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:20]) > limit:
            await refusal(413, too_large)(scope, receive, send)
            return
        received, started, cut = 0, False, False

        async def counted() -> Message:
            nonlocal received, cut
            if cut:
                return {"type": "http.disconnect"}
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                cut = True
                return {"type": "http.disconnect"}
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if cut and not started:
                return  # what the application makes of the disconnection
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except Exception:
            if not cut:
                raise
        if cut and not started:
            await refusal(413, too_large)(scope, receive, send)


def _name(host: str) -> str:
    """A host without its port and brackets; empty where it is malformed, so that no reader takes it for another."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def _token(headers: Headers, scope: Scope) -> str:
    """The token of a request: from its header, or from its address, as streams of events have no headers."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return given.strip()
    return parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
