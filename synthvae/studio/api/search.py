"""Finding sounds by words."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from synthvae.studio.session import Session

__all__ = ["routes"]


def routes(session: Session) -> APIRouter:
    """GET /search."""
    router = APIRouter(tags=["map"])

    @router.get("/search", summary="Find sounds by name or tag")
    def search(
        text: Annotated[str, Query(max_length=200, description="Words that all occur in a name, in any order.")] = "",
        tag: Annotated[str, Query(max_length=40, description="That a preset of the bank has.")] = "",
    ) -> dict[str, Any]:
        """Numbers of points whose measured name has all the words, and of presets of the bank that fit.

        ``complete`` says whether all points have their names yet.
        """
        words = text.casefold().split()
        tags = [tag.strip()] if tag.strip() else []
        if not words and not tags:
            return {"points": [], "bank": [], "complete": True}
        bank = [entry.id for entry in session.bank.search(text, tags=tags)]
        if len(session.collection.bank_ids):
            numbers = {int(number): point for point, number in enumerate(session.collection.bank_ids)}
            points = [numbers[number] for number in bank if number in numbers]
            return {"points": points, "bank": bank, "complete": True}
        points = [] if tags else session.measured.named(words)
        return {"points": points, "bank": bank, "complete": session.measured.progress == 1.0}

    return router
