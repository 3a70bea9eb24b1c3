"""A sound as a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from synthvae.core.errors import UserError
from synthvae.data.names import numbered
from synthvae.data.preset import check_name
from synthvae.export.sfz import LOWEST_PAD
from synthvae.studio.api.files import as_file
from synthvae.studio.api.specs import Spec, Strict
from synthvae.studio.archives import FORMATS, export, export_all, export_recordings
from synthvae.studio.session import Session

__all__ = ["routes"]

_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {} for kind in dict.fromkeys(FORMATS.values())}, "description": "The file."}
}


_LIBRARY: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}, "description": "The archive."}}

#: Sounds of a library, and keys from the first pad up to the highest MIDI number.
LARGEST_LIBRARY, MOST_KEYS = 2000, 128 - LOWEST_PAD


class ExportRequest(Strict):
    """A sound to export."""

    spec: Spec
    name: Annotated[str, Field(max_length=200, description="What to call it; measured by default.")] = ""
    to: Literal["json", "wav", "flac", "sfz", "torchsynth"] = "json"


class LibraryItem(Strict):
    """A sound of a library."""

    spec: Spec
    name: Annotated[str, Field(max_length=200, description="What to call it; measured by default.")] = ""


class LibraryRequest(Strict):
    """Several sounds to export as a ZIP."""

    sounds: Annotated[list[LibraryItem], Field(min_length=1, max_length=LARGEST_LIBRARY)]
    name: Annotated[str, Field(max_length=200, description="Of the archive.")] = "library"
    kit: Annotated[bool, Field(description="Whether to add an SFZ instrument with one sound on each key.")] = False


def routes(session: Session) -> APIRouter:
    """POST /export and /library."""
    router = APIRouter(tags=["export"])

    @router.post("/export", responses=_FILE, response_class=Response, summary="A sound as a file")
    def take(request: ExportRequest) -> Response:
        """A preset as JSON, a sound as WAV or FLAC, an instrument of many notes as SFZ, or torchsynth's own form."""
        name = check_name(request.name.strip())
        sound = session.sound(request.spec)
        measured, descriptors = session.described(sound)
        if "parameters" not in session.source.tools:
            rate = session.source.sample_rate
            return as_file(export_recordings([session.played(sound)], rate, [name or measured], request.to))
        preset = replace(session.preset(sound, name or measured), descriptors=descriptors)
        return as_file(export(preset, name or measured, request.to))

    @router.post("/library", responses=_LIBRARY, response_class=Response, summary="Several sounds as a ZIP")
    def library(request: LibraryRequest) -> Response:
        """A preset and a WAV for each sound, whole and at one loudness; with ``kit`` an SFZ instrument as well."""
        if request.kit and len(request.sounds) > MOST_KEYS:
            raise UserError("sounds", len(request.sounds), f"give at most {MOST_KEYS}", "are more than there are keys")
        archive = check_name(request.name.strip()) or "library"
        if "parameters" not in session.source.tools:
            if request.kit:
                raise UserError("kit", request.kit, "leave it out", why="but recorded sounds are not presets")
            sounds = [session.sound(item.spec) for item in request.sounds]
            names = [
                check_name(item.name.strip()) or session.described(sound)[0]
                for item, sound in zip(request.sounds, sounds, strict=True)
            ]
            audio = [session.played(sound) for sound in sounds]
            return as_file(export_recordings(audio, session.source.sample_rate, names, "wav", archive))
        presets = []
        for item in request.sounds:
            sound = session.sound(item.spec)
            measured, descriptors = session.described(sound)
            name = check_name(item.name.strip()) or measured
            presets.append(replace(session.preset(sound, name), descriptors=descriptors))
        stems = numbered("sound", len(presets), 2)
        return as_file(export_all(presets, stems, archive, request.kit))

    return router
