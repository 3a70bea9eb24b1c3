"""Favourites and hidden files of a map of recorded sounds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from synthvae.studio.api.specs import Strict, Whole
from synthvae.studio.session import Session

__all__ = ["routes"]


class MarkRequest(Strict):
    """Points to be marked, or to lose a mark."""

    points: Annotated[list[Whole], Field(min_length=1, max_length=1_000_000)]
    kind: Literal["favourites", "hidden"]
    on: Annotated[bool, Field(description="False takes the mark away.")] = True


def routes(session: Session) -> APIRouter:
    """GET, POST /marks."""
    router = APIRouter(prefix="/marks", tags=["marks"])

    @router.get("", summary="Favourites and hidden files")
    def marks() -> dict[str, Any]:
        """Numbers of the points that are favourites, and of those that are hidden, with their names."""
        return _told(session)

    @router.post("", summary="Mark points")
    def mark(request: MarkRequest) -> dict[str, Any]:
        """All marks as they are then; they are kept for the library, whatever run shows it."""
        session.marks.change([session.point(number) for number in request.points], request.kind, request.on)
        return _told(session)

    return router


def _told(session: Session) -> dict[str, Any]:
    names = session.names
    return {
        kind: [{"point": number, "name": names[number]} for number in numbers]
        for kind, numbers in session.marks.numbers().items()
    }
