"""Recordings on the map."""

from __future__ import annotations

from typing import Annotated, Any

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
        """Its place on the views that are ready, the points most like it, and how far the nearest is in dB.

        ``latent`` is the estimate of the run's audio encoder, null without one.
        """
        called, labelled = check_name(name, "name") or "recording", check_name(label, "label")
        content = await request.body()
        return _described(session, await run_in_threadpool(session.imports.add, content, called, labelled))

    @router.get("/imports", summary="List the recordings on the map")
    def kept() -> list[dict[str, Any]]:
        """All recordings imported since the studio was started."""
        return [_described(session, one) for one in session.imports.all]

    @router.delete("/imports", summary="Remove all recordings from the map")
    def forget() -> dict[str, int]:
        """All of them; how many there were."""
        return {"removed": session.imports.clear()}

    return router


def _described(session: Session, one: Imported) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "label": one.label,
        "latent": None if one.latent is None else one.latent[0].tolist(),
        "nearest": list(one.nearest),
        "distance": one.distance,
        "place": session.imports.places(one),
    }
