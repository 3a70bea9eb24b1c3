"""A sound as a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from synthvae.data.preset import check_name
from synthvae.studio.api.files import as_file
from synthvae.studio.api.specs import Spec, Strict
from synthvae.studio.archives import FORMATS, export
from synthvae.studio.session import Session

__all__ = ["routes"]

_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {} for kind in dict.fromkeys(FORMATS.values())}, "description": "The file."}
}


class ExportRequest(Strict):
    """A sound to take home."""

    spec: Spec
    name: Annotated[str, Field(max_length=200, description="What to call it; measured by default.")] = ""
    to: Literal["json", "wav", "flac", "sfz", "torchsynth"] = "json"


def routes(session: Session) -> APIRouter:
    """POST /export."""
    router = APIRouter(tags=["export"])

    @router.post("/export", responses=_FILE, response_class=Response, summary="A sound as a file")
    def take(request: ExportRequest) -> Response:
        """A preset as JSON, a sound as WAV or FLAC, an instrument of many notes as SFZ, or torchsynth's own form."""
        name = check_name(request.name.strip())
        sound = session.sound(request.spec)
        measured, descriptors = session.described(sound)
        preset = replace(session.preset(sound, name or measured), descriptors=descriptors)
        return as_file(export(preset, name or measured, request.to))

    return router
