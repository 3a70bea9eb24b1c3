"""The ASGI application: routes by domain, error responses, the page, and access control."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from synthvae.studio import errors
from synthvae.studio.api import (
    bank,
    export,
    imports,
    maps,
    marks,
    matching,
    paths,
    search,
    sessions,
    sounds,
    variations,
)
from synthvae.studio.errors import Problem
from synthvae.studio.security import Access, Guard
from synthvae.studio.session import Session

__all__ = ["API", "create_app"]

API = "/api/v1"
STATIC = Path(str(resources.files("synthvae.studio") / "static"))

_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in (
        (404, "There is no such thing."),
        (409, "Not as things are now: a view is still being made, or the run lacks a part."),
        (413, "The body is too large."),
        (422, "Something in the request is wrong; the message says what to change."),
    )
}
_DESCRIPTION = """
Sounds of a trained run, by their position on a map: render, describe, morph, vary, match, save.

Parameters are in human units and named as the run names them. A **spec** says which sound is meant: a point of the
map, a place on it, a latent, values, or a preset of the bank. Refusals are `{"error": "..."}`.
"""


def create_app(session: Session, access: Access) -> ASGIApp:
    """The studio as an ASGI application; the session is closed when it shuts down."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        session.close()

    app = FastAPI(
        title="synthvae studio",
        version="1",
        summary="A map of sounds",
        description=_DESCRIPTION,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    errors.register(app)
    api = APIRouter(prefix=API, responses={**_REFUSALS})
    tools = {bank: "bank", matching: "match", marks: "originals"}
    every = (sessions, maps, search, sounds, variations, paths, bank, marks, matching, imports, export)
    for domain in (one for one in every if tools.get(one, "") in ("", *session.source.tools)):
        api.include_router(domain.routes(session))
    app.include_router(api)
    app.mount("/", StaticFiles(directory=STATIC, html=True, check_dir=False), name="page")
    return Guard(app, access)
