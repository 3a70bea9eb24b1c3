"""Recordings on the map."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from synthvae.data.preset import check_name
from synthvae.studio.api.matching import AUDIO_BODY
from synthvae.studio.imports import Imported
from synthvae.studio.session import Session

__all__ = ["routes"]


def routes(session: Session) -> APIRouter:
    """POST /import, GET and DELETE /imports."""
    router = APIRouter(tags=["import"])

    @router.post("/import", status_code=201, openapi_extra=AUDIO_BODY, summary="Put a recording on the map")
    async def take(
        request: Request,
        name: Annotated[str, Query(max_length=200, description="Of the file.")] = "recording",
        label: Annotated[str, Query(max_length=200, description="Of its folder.")] = "",
    ) -> dict[str, Any]:
        """The latent that the run's audio encoder hears in it, and its place on the views that are ready."""
        called, labelled = check_name(name, "name") or "recording", check_name(label, "label")
        content = await request.body()
        return _told(session, [await run_in_threadpool(session.imports.add, content, called, labelled)])[0]

    @router.get("/imports", summary="List the recordings on the map")
    def kept() -> list[dict[str, Any]]:
        """All since the studio was started."""
        return _told(session, session.imports.all)

    @router.delete("/imports", summary="Remove all recordings from the map")
    def forget() -> dict[str, int]:
        """All of them; how many there were."""
        return {"removed": session.imports.clear()}

    return router


def _told(session: Session, imported: list[Imported]) -> list[dict[str, Any]]:
    if not imported:
        return []
    places = session.places(np.stack([one.latent for one in imported]))
    return [
        {
            "id": one.id,
            "name": one.name,
            "label": one.label,
            "latent": one.latent.tolist(),
            "place": {view: place[number].tolist() for view, place in places.items()},
        }
        for number, one in enumerate(imported)
    ]
