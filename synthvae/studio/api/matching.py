"""Recordings to presets: jobs, their progress, and how to stop one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from synthvae.data.preset import check_name
from synthvae.studio.imports import prepare
from synthvae.studio.jobs.queue import Found, Job
from synthvae.studio.session import Session

__all__ = ["AUDIO_BODY", "routes"]

Identity = Annotated[str, Path(max_length=64, description="Of a job.")]
#: Seconds between two looks at a job, and between two signs of life to a listener.
LOOK, ALIVE = 0.1, 15.0
#: How the document describes a body of audio.
AUDIO_BODY = {
    "requestBody": {
        "required": True,
        "description": "The bytes of a recording: WAV, FLAC, OGG, MP3 or AIFF, of whatever media type; at most 32 MB.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "The job, again whenever it changes, until it is over."}
}


def routes(session: Session) -> APIRouter:
    """POST /match, GET, DELETE /jobs/{id}, GET /jobs/{id}/events."""
    router = APIRouter(tags=["match"])

    @router.post("/match", status_code=202, openapi_extra=AUDIO_BODY, summary="Find presets like a recording")
    async def match(
        request: Request,
        seconds: Annotated[float, Query(allow_inf_nan=False, gt=0.0, le=600.0, description="For the search.")] = 20.0,
        name: Annotated[str, Query(max_length=200, description="What to call the recording.")] = "recording",
    ) -> dict[str, Any]:
        """Queues the recording; GET /jobs/{job} says how far it is."""
        called = check_name(name) or "recording"
        content = await request.body()
        target = await run_in_threadpool(prepare, content, called, session.source.sample_rate)
        return {"job": session.jobs.submit(target, seconds).id, "notes": list(target.notes)}

    @router.get("/jobs/{identity}", summary="Status of a job")
    def look(identity: Identity) -> dict[str, Any]:
        """Its state, progress and best preset so far; all results when it is done."""
        return _told(session, session.jobs.get(identity))

    @router.delete("/jobs/{identity}", summary="Stop a job")
    def stop(identity: Identity) -> dict[str, Any]:
        """Asks it to stop; the best that it has found stays."""
        return _told(session, session.jobs.stop(identity))

    @router.get(
        "/jobs/{identity}/events",
        responses=_EVENTS,
        response_class=StreamingResponse,
        summary="Stream the status of a job",
    )
    async def events(identity: Identity) -> StreamingResponse:
        """The same as server-sent events."""
        session.jobs.get(identity)
        return StreamingResponse(_events(session, identity), media_type="text/event-stream")

    return router


async def _events(session: Session, identity: str) -> AsyncIterator[str]:
    seen, quiet = -1, 0.0
    while True:
        job = session.jobs.get(identity)
        if job.version != seen:
            seen, quiet = job.version, 0.0
            yield f"data: {json.dumps(_told(session, job), allow_nan=False)}\n\n"
            if job.over:
                return
        elif quiet > ALIVE:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(LOOK)
        quiet += LOOK


def _told(session: Session, job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "progress": job.progress,
        "seconds": job.seconds,
        "renders": job.renders,
        "confidence": job.confidence,
        "best": None if job.best is None else _result(session, job.best, job.name),
        "results": [_result(session, found, job.name) for found in job.results],
        "error": job.error,
    }


def _result(session: Session, found: Found, name: str) -> dict[str, Any]:
    latent = session.encode(found.unit)
    return {
        "distance": found.distance,
        "values": session.source.values(found.unit),
        "latent": latent.tolist(),
        "place": session.places(found.unit[None], latent[None])[0],
        "name": f"like {name}",
    }
