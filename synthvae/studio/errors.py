"""Every refusal as ``{"error": "one line that says what to change", "argument": "the field at fault"}``."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from synthvae.core.errors import UserError, shown
from synthvae.studio.api.specs import Strict

__all__ = ["ConflictError", "NotFoundError", "Problem", "refusal", "register"]


class Problem(Strict):
    """A refusal, and the field at fault if it is that of one."""

    error: str
    argument: str | None = None


class NotFoundError(UserError):
    """The requested object does not exist."""


class ConflictError(UserError):
    """The requested object is not available at present."""


def refusal(status: int, message: str, argument: str | None = None) -> JSONResponse:
    """The answer to a request that is refused."""
    content = {"error": message, "argument": argument}
    return JSONResponse({key: _printable(" ".join(text.split())) for key, text in content.items() if text}, status)


def register(app: FastAPI) -> None:
    """Have the application answer so."""

    @app.exception_handler(UserError)
    async def told(request: Request, error: UserError) -> JSONResponse:
        status = 404 if isinstance(error, NotFoundError) else 409 if isinstance(error, ConflictError) else 422
        return refusal(status, str(error), error.argument)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        value = first.get("input")
        found = "" if isinstance(value, dict | list) or value is None else f"; got {shown(value)}"
        return refusal(422, f"{place}: {first['msg']}{found}", place)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        answer = refusal(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer


def _printable(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
