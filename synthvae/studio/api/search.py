"""Finding sounds by words, and by their likeness to a sound."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from synthvae.maps.aspects import near_duplicates
from synthvae.studio.api.specs import Spec, Strict, Whole
from synthvae.studio.ranking import rank
from synthvae.studio.session import Session

__all__ = ["routes"]


class RankRequest(Strict):
    """Points like a sound."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"spec": {"point": 3}, "shifts": {"brightness": 2}}]})

    spec: Spec
    shifts: Annotated[
        dict[str, Annotated[float, Field(allow_inf_nan=False, ge=-20.0, le=20.0)]],
        Field(max_length=16, description="Steps by which descriptors should differ: pitch, brightness, attack, ..."),
    ] = Field({})
    points: (
        Annotated[list[Whole], Field(max_length=1_000_000, description="To choose from; all by default.")] | None
    ) = None
    count: Annotated[int, Field(ge=1, le=1000)] = 50
    playable: Annotated[bool, Field(description="Whether to leave out sounds that are not playable.")] = False
    aspects: Annotated[
        list[Literal["overall", "spectrum", "timbre", "pitch", "amplitude"]],
        Field(max_length=5, description="Of recorded sounds, in which they are compared; the spectrogram by default."),
    ] = Field([])


def routes(session: Session) -> APIRouter:
    """GET /search and POST /rank."""
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
        points = [] if tags else session.named(words)
        return {"points": points, "bank": bank, "complete": session.measured.progress == 1.0}

    @router.post("/rank", summary="Rank points by their likeness to a sound")
    def ranked(request: RankRequest) -> dict[str, Any]:
        """Points, the best first, with their names, distances in dB, and steps off the wanted descriptors."""
        found = rank(
            session,
            session.sound(request.spec),
            request.shifts,
            request.points,
            request.count,
            request.playable,
            request.aspects,
        )
        names = session.names
        return {
            "sounds": [
                {"point": one.point, "name": names[one.point], "distance": one.distance, "off": one.off}
                | ({"aspects": one.aspects} if request.aspects else {})
                for one in found
            ],
            "complete": session.measured.progress == 1.0,
        }

    @router.get("/duplicates", summary="Groups of sounds that are nearly alike")
    def duplicates(
        distance: Annotated[float, Query(gt=0.0, le=20.0, description="Of two neighbours in a group, in dB.")] = 1.0,
    ) -> dict[str, Any]:
        """Groups of points, each chained by differences of log-mel spectrograms of at most so many dB."""
        found = near_duplicates(session.view("sound-pca").features, distance)
        return {"groups": [group.tolist() for group in found], "distance": distance}

    return router
