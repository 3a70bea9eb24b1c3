"""Routes of the bank; every change is written to disk before the response."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from synthvae.bank import Entry
from synthvae.studio.api.specs import Spec, Strict
from synthvae.studio.session import Session

__all__ = ["routes"]

Number = Annotated[int, Path(ge=0, le=2**53, description="Number of a preset in the bank.")]
Tag = Annotated[str, Field(max_length=40)]
Tags = Annotated[list[Tag], Field(max_length=64, description="Single words.")]
Name = Annotated[str, Field(max_length=200)]
_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}, "description": "96 by 64 pixels."}}


class KeepRequest(Strict):
    """A sound to be kept."""

    spec: Spec
    name: Annotated[Name, Field(description="One line; measured by default.")] | None = None
    tags: Tags = Field([])


class ChangeRequest(Strict):
    """Changes to a preset in the bank."""

    name: Name | None = None
    add: Tags = Field([])
    remove: Tags = Field([])


def routes(session: Session) -> APIRouter:
    """GET, POST /bank, PATCH, DELETE /bank/{id}, GET /bank/{id}, /bank/{id}/thumbnail and /bank/tags."""
    router = APIRouter(prefix="/bank", tags=["bank"])

    @router.get("", summary="List presets")
    def kept(
        text: Annotated[str, Query(max_length=200)] = "",
        tag: Annotated[str, Query(max_length=40)] = "",
        limit: Annotated[int, Query(ge=1, le=100_000)] = 1000,
    ) -> dict[str, Any]:
        """Presets with their values, descriptors, tags, and places on the views that are ready."""
        tags = [tag.strip()] if tag.strip() else []
        entries = session.bank.search(text or None, tags=tags, limit=limit)
        return {"entries": _entries(session, entries), "count": len(session.bank)}

    @router.post("", status_code=201, summary="Add a sound")
    def keep(request: KeepRequest) -> dict[str, Any]:
        """Written to disk before the answer; a sound that is there already stays as it is, and ``new`` is false."""
        sound = session.sound(request.spec)
        added = session.bank.add(session.preset(sound), request.name or None, request.tags)
        return _entries(session, [session.entry(added.id)])[0] | {"new": added.new}

    @router.get("/tags", summary="List tags")
    def tags() -> dict[str, int]:
        """Every tag, and how many presets have it."""
        return session.bank.tags()

    @router.get("/{number}", summary="One preset")
    def one(number: Number) -> dict[str, Any]:
        """A preset of the bank."""
        return _entries(session, [session.entry(number)])[0]

    @router.patch("/{number}", summary="Rename or retag")
    def change(number: Number, request: ChangeRequest) -> dict[str, Any]:
        """Another name, more tags, fewer tags."""
        session.entry(number)
        if request.add or request.remove:
            session.bank.retag(number, request.add, request.remove)
        if request.name is not None:
            session.bank.rename(number, request.name)
        return _entries(session, [session.entry(number)])[0]

    @router.delete("/{number}", summary="Remove a preset")
    def remove(number: Number) -> dict[str, Any]:
        """The removed preset, so that it can be restored."""
        entry = session.entry(number)
        session.bank.remove(number)
        return _entries(session, [entry])[0]

    @router.get("/{number}/thumbnail", responses=_PNG, response_class=Response, summary="Spectrogram of a preset")
    def thumbnail(number: Number) -> Response:
        """A small log-mel spectrogram, low notes at the bottom."""
        session.entry(number)
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}  # a number is never given twice
        return Response(session.bank.thumbnail(number), media_type="image/png", headers=headers)

    return router


def _entries(session: Session, entries: list[Entry] | tuple[Entry, ...]) -> list[dict[str, Any]]:
    places = session.entry_places(entries)
    return [entry.to_dict() | {"places": place} for entry, place in zip(entries, places, strict=True)]
