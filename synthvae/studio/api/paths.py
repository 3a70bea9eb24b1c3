"""Paths between sounds: as points, as one sound, as presets."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Response
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from synthvae.audio.files import wav_bytes
from synthvae.audio.joining import joined
from synthvae.audio.loudness import levelled
from synthvae.data.names import numbered
from synthvae.data.preset import Preset
from synthvae.studio.api.files import as_file
from synthvae.studio.api.specs import Point, Spec, Strict, View
from synthvae.studio.archives import export_all, export_recordings
from synthvae.studio.session import Session
from synthvae.studio.sources import Moved

__all__ = ["routes"]

Floats = NDArray[np.float32]

#: Corners of a walk: what is drawn by hand has hundreds of places, and is taken at so many, evenly along its length.
CORNERS = 24
#: Walks that stay in memory: a smooth one takes seconds, and is wanted as points, as a sound and as presets.
KEPT = 8
_WAV: dict[int | str, dict[str, Any]] = {200: {"content": {"audio/wav": {}}, "description": "A mono WAV file."}}
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}}, "description": "A JSON and a WAV file for each step."}
}


class PathRequest(Strict):
    """A walk: either past some sounds, or along a line on a view."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"specs": [{"point": 3}, {"point": 8}], "steps": 9}]})

    specs: Annotated[list[Spec], Field(min_length=2, max_length=64)] | None = None
    places: Annotated[list[Point], Field(min_length=2, max_length=2048)] | None = None
    view: View | None = None
    steps: Annotated[int, Field(ge=2, le=64)] = 16
    way: Annotated[
        Literal["latent", "parameters", "smooth"] | None,  # metric takes seconds between each two sounds
        Field(description="Kind of path; by default smooth past sounds, and latent along a line."),
    ] = None
    even: Annotated[bool | None, Field(description="Whether steps are perceptually equal; by default as `way`.")] = None

    @model_validator(mode="after")
    def _one_kind(self) -> PathRequest:
        if (self.specs is None) == (self.places is None):
            raise ValueError("give either specs or places")
        if self.places is not None and self.view is None:
            raise ValueError("places need the view that they are on")
        return self


class PathAudioRequest(PathRequest):
    """A path to render."""

    gap: Annotated[
        float, Field(allow_inf_nan=False, ge=-2.0, le=2.0, description="Seconds between steps; below 0 they overlap.")
    ] = 0.0
    level: Annotated[bool, Field(description="Whether all steps have the loudness of exports.")] = True


def routes(session: Session) -> APIRouter:
    """POST /paths, /paths/audio and /paths/presets."""
    router = APIRouter(prefix="/paths", tags=["path"])
    walks = _Walks(session)

    @router.post("", summary="Steps of a path")
    def path(request: PathRequest) -> dict[str, Any]:
        """Latents, values and places of the steps, and the audible distance in dB from each to the next."""
        walk = walks.of(request)
        places = session.places(walk.rows, walk.latents)
        view = request.view if request.view in places[0] else next(iter(places[0]))
        return {
            "latents": walk.latents.tolist(),
            "values": [session.source.values(row) for row in walk.rows],
            "places": [place[view] for place in places],
            "view": view,
            "distances": walk.distances.tolist(),
        }

    @router.post("/audio", responses=_WAV, response_class=Response, summary="Render a path as one sound")
    def audio(request: PathAudioRequest) -> Response:
        """The steps one after the other, crossfaded where they overlap; the last one rings out.

        The others give way to the next at the length of the run's sounds: with the release of each a path would
        take a minute.
        """
        source, rows = session.source, walks.of(request).rows
        rate = source.sample_rate
        sounds = [*source.samples(rows[:-1]), source.played(rows[-1])]
        if request.level:
            sounds = [levelled(sound, rate) for sound in sounds]
        return Response(wav_bytes(joined(sounds, rate, request.gap), rate, "int16"), media_type="audio/wav")

    @router.post("/presets", responses=_ZIP, response_class=Response, summary="Export a path as presets")
    def presets(request: PathRequest) -> Response:
        """A ZIP with a preset and a sound for each step; of recorded sounds with the sounds alone."""
        walk = walks.of(request)
        run = session.run
        names = numbered("step", len(walk.rows))
        if "parameters" not in session.source.tools:
            sounds = [session.source.played(row) for row in walk.rows]
            return as_file(export_recordings(sounds, session.source.sample_rate, names, "wav", "path"))
        human = run.parameters.denormalise(walk.rows.astype(np.float64))
        found = [
            Preset(run.parameters, row, run.settings, {"run": run.name, "step": number, "latent": latent})
            for number, (row, latent) in enumerate(zip(human, walk.latents.tolist(), strict=True))
        ]
        return as_file(export_all(found, names, "path"))

    return router


class _Walks:
    """The last walks of a session, each computed once, however many requests want it at the same time.

    Args:
        session: whose model and map they are of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: OrderedDict[tuple[bytes, int, str | None, bool | None], Future[Moved]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, request: PathRequest) -> Moved:
        """The steps that a request asks for."""
        way = request.way or (None if request.specs is not None else "latent")
        corners = _corners(self._session, request)
        key = (corners.tobytes(), request.steps, way, request.even)
        with self._lock:
            future = self._found.pop(key, None)
            new = future is None
            future = self._found[key] = future or Future()
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        if new:
            try:
                future.set_result(self._compute(corners, request.steps, way, request.even))
            except BaseException as error:
                with self._lock:
                    self._found.pop(key, None)
                future.set_exception(error)
        return future.result()

    def _compute(self, corners: Floats, steps: int, way: str | None, even: bool | None) -> Moved:
        return self._session.source.path(corners, steps, way, even)


def _corners(session: Session, request: PathRequest) -> Floats:
    """Unit parameters ``(N, P)`` of the presets that a walk goes through."""
    if request.specs is not None:
        return np.stack([session.sound(spec).row for spec in request.specs])
    atlas = session.view(request.view or session.source.at_once)
    line = _evenly(np.array(request.places, np.float64), min(CORNERS, request.steps))
    points = [atlas.at(x, y).point for x, y in line.tolist()]
    corners = session.collection.rows[[point for point, _ in itertools.groupby(points)]]
    # A line may be so short that it stays at one point.
    return corners.repeat(2, axis=0) if len(corners) == 1 else corners


def _evenly(line: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """So many places ``(count, 2)`` along a line ``(M, 2)``, at equal distances, both ends included."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    wanted = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(wanted, along, line[:, axis]) for axis in (0, 1)], axis=1)
