"""Rendering and description of sounds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from synthvae.audio.files import wav_bytes
from synthvae.audio.loudness import LOUDNESS, common_level, sample_peak
from synthvae.studio.api.specs import Note, Spec, Strict, View
from synthvae.studio.session import Session

__all__ = ["routes"]

_WAV: dict[int | str, dict[str, Any]] = {200: {"content": {"audio/wav": {}}, "description": "A mono WAV file."}}


class RenderRequest(Strict):
    """A sound to render."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"spec": {"point": 3}, "note": 60, "hold": 0.5}]})

    spec: Spec
    note: Note | None = None
    hold: (
        Annotated[float, Field(allow_inf_nan=False, gt=0.0, le=60.0, description="Seconds that the key is down.")]
        | None
    ) = None
    format: Literal["float", "int16"] = "float"


class SoundRequest(Strict):
    """A sound to be described."""

    spec: Spec
    view: View | None = None


def routes(session: Session) -> APIRouter:
    """POST /render and /sounds, GET /points/{id}."""
    router = APIRouter(tags=["sound"])

    @router.post("/render", responses=_WAV, response_class=Response, summary="Render a sound")
    async def render(request: RenderRequest) -> Response:
        """The sound as a WAV, with its release, at the synth's own level; the low-latency route of a click.

        ``X-Gain`` is what brings it to the loudness of exports.

        On the server's own thread, because a sound takes half a millisecond and handing it to another thread takes
        longer where others are at work.
        """
        sound = session.sound(request.spec)
        audio = session.played(sound, request.note, request.hold)
        rate = session.source.sample_rate
        # The gain of exports, but for the true peak, which takes longer than the rest of the answer.
        headers = {"X-Gain": f"{common_level([audio], rate, LOUDNESS, sample_peak).gain:.6g}"}
        if sound.spot is not None and request.spec.place is not None:
            point, x, y = sound.origin.get("point"), sound.spot.x, sound.spot.y
            if point is not None:
                x, y = session.view(request.spec.place.view).points[point].tolist()
            headers |= {
                "X-Place": f"{x:.6g},{y:.6g}",
                "X-Point": "" if point is None else str(point),
                "X-Inside": str(int(sound.spot.inside)),
                "X-Confidence": f"{sound.spot.confidence:.3f}",
            }
        content = wav_bytes(audio, rate, request.format)
        return Response(content, media_type="audio/wav", headers=headers)

    @router.post("/sounds", summary="Describe a sound")
    def describe(request: SoundRequest) -> dict[str, Any]:
        """Its measured name and descriptors, its values, its latent, and where it lies on each view."""
        return _described(session, request)

    @router.get("/points/{number}", summary="Describe a point")
    def point(number: Annotated[int, Field(ge=0, le=2**53)]) -> dict[str, Any]:
        """As POST /sounds of {"point": number}."""
        return _described(session, SoundRequest(spec=Spec(point=number)))

    return router


def _described(session: Session, request: SoundRequest) -> dict[str, Any]:
    sound = session.sound(request.spec)
    latent = session.latent_of(sound)
    name, descriptors = session.described(sound)
    point = sound.origin.get("point")
    if point is not None:
        places = {view: atlas.points[point].tolist() for view, atlas in session.maps.ready().items()}
    else:
        places = session.places(sound.row[None], latent[None])[0]
    inside, confidence, moved = True, 1.0, None
    if sound.spot is not None and request.spec.place is not None:
        if point is None:
            places[request.spec.place.view] = [sound.spot.x, sound.spot.y]
        inside, confidence = sound.spot.inside, sound.spot.confidence
        moved = None if inside else places[request.spec.place.view]
    return {
        "name": name,
        "point": point,
        "descriptors": descriptors,
        "values": session.source.values(sound.row),
        "latent": latent.tolist(),
        "places": places,
        "inside": inside,
        "moved_to": moved,
        "confidence": confidence,
        "nearest": session.nearest(sound),
    }
