"""The map: its views, its points, and columns to colour them by."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Annotated, Any

import numpy as np
import torch
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray

from synthvae.audio.descriptors import PRESET_DESCRIPTORS
from synthvae.studio.api.specs import LARGEST, View
from synthvae.studio.errors import NotFoundError
from synthvae.studio.session import Session

__all__ = ["column", "columns", "routes"]

#: Bands and frames of a picture of the grid.
PICTURE = (48, 64)
Coordinate = Annotated[float, Query(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
#: Columns of labels: those of the library, and those of a classifier.
LABELLED = {"label": "label", "guess": "class guess"}


def columns(session: Session) -> list[dict[str, Any]]:
    """All columns there are: name, label, unit and kind; of labels also their names by number."""
    found: list[dict[str, Any]] = [{"name": "cluster", "label": "cluster", "unit": "", "kind": "cluster"}]
    for measured in PRESET_DESCRIPTORS.values():
        found.append({"name": measured.name, "label": measured.name, "unit": measured.unit, "kind": "descriptor"})
    if session.label_names:
        found = [column for column in found if column["kind"] != "cluster"]
    libraries = {"guess": session.collection.named_by, "label": session.collection.library}
    for name, library in libraries.items():
        if library is not None and (name != "label" or len(session.collection.labels)):
            column = {"name": name, "label": LABELLED[name], "unit": "", "kind": "label"}
            found.insert(0, column | {"names": list(library.labels)})
    for parameter in session.run.parameters if "parameters" in session.source.tools else ():
        label = parameter.name.replace(".", " ").replace("_", " ")
        found.append({"name": parameter.name, "label": label, "unit": parameter.unit, "kind": "parameter"})
    return found


def column(session: Session, name: str) -> tuple[NDArray[np.float32] | None, float]:
    """A column ``(N,)``, or None and how far it is while it is being made.

    Raises:
        NotFoundError: if there is none of this name.
    """
    if name == "label" and len(session.collection.labels):
        return session.collection.labels.astype(np.float32), 1.0
    if name == "guess" and session.collection.named_by is not None:
        guesses = session.maps.guesses()
        return (None, session.maps.progress("sound")) if guesses is None else (guesses.astype(np.float32), 1.0)
    if name == "cluster":
        clusters = session.maps.clusters()
        return (None, session.maps.progress("sound")) if clusters is None else (clusters.labels.astype(np.float32), 1.0)
    if "parameters" in session.source.tools and name in (space := session.run.parameters).names:
        human = space.denormalise(session.collection.rows.astype(np.float64))
        return human[:, space.index(name)].astype(np.float32), 1.0
    if name in PRESET_DESCRIPTORS:
        return session.measured.column(name)
    raise NotFoundError("column", name, "GET /api/v1/session lists them")


_BINARY: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "Little-endian float32."}
}
_LATER: dict[int | str, dict[str, Any]] = {202: {"description": "It is being made: progress from 0 to 1, and stage."}}


def routes(session: Session) -> APIRouter:
    """GET /maps/{view}, /maps/{view}/points, /columns/{name} and /playable."""
    router = APIRouter(tags=["map"])

    @router.get("/maps/{view}", summary="A view of the map", responses=_LATER, response_model=None)
    def view_of(view: View) -> dict[str, Any] | Response:
        """Bounds, the hull, the grid of confidence, clusters and the round trip; 202 while it is being made."""
        atlas = session.maps.atlas(session.known_view(view))
        if atlas is None:
            return _later(session.maps.progress(view), f"laying out {len(session.collection):,} sounds")
        height, width = atlas.trust.shape
        return {
            "view": view,
            "count": len(atlas.points),
            "bounds": atlas.bounds.tolist(),
            "hull": [ring.tolist() for ring in atlas.rings],
            "grid": {
                "width": width,
                "height": height,
                "bounds": atlas.bounds.tolist(),
                "confidence": base64.b64encode(atlas.trust.tobytes()).decode(),
            },
            "clusters_named": session.clusters_named(),  # first: the names may become final in between
            "clusters": session.clusters_on(view),
            "clusters_by": session.clusters_by(),
            "distances": {
                "neighbour": atlas.neighbour,
                "snapped": atlas.snapped,
                "between": atlas.between,
                "random": atlas.null,
                "unit": "dB",
            },
            "key": session.collection.key,
        }

    @router.get(
        "/maps/{view}/points", responses={**_BINARY, **_LATER}, response_class=Response, summary="Points of a view"
    )
    def points(view: View) -> Response:
        """The x and y of each point, one after the other."""
        atlas = session.maps.atlas(session.known_view(view))
        if atlas is None:
            return _later(session.maps.progress(view), f"laying out {len(session.collection):,} sounds")
        return _floats(atlas.points)

    @router.get("/maps/{view}/grid", summary="Spectrograms of a grid of positions")
    def grid(
        view: View,
        left: Coordinate,
        bottom: Coordinate,
        right: Coordinate,
        top: Coordinate,
        size: Annotated[int, Query(ge=2, le=16, description="Positions along each side.")] = 8,
    ) -> dict[str, Any]:
        """What is decoded at size by size positions, evenly spread over a rectangle, rows from the top down.

        Cells outside the hull have no picture. A picture is ``height`` by ``width`` bytes in base64, low notes last.
        """
        atlas = session.view(view)
        x, y = np.meshgrid(_middles(left, right, size), _middles(top, bottom, size))
        spots = [atlas.at(*place) for place in zip(x.ravel().tolist(), y.ravel().tolist(), strict=True)]
        inside = [spot for spot in spots if spot.inside]
        pictures = iter(())
        if inside:
            drawn = session.source.pictures(np.stack([spot.latent for spot in inside]))
            small = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(drawn)[:, None], PICTURE)[:, 0]
            pictures = iter((255.0 * small.flip(1)).round().to(torch.uint8).numpy())
        return {
            "height": PICTURE[0],
            "width": PICTURE[1],
            "cells": [
                {
                    "x": spot.x,
                    "y": spot.y,
                    "confidence": spot.confidence,
                    "picture": base64.b64encode(next(pictures).tobytes()).decode(),
                }
                if spot.inside
                else None
                for spot in spots
            ],
        }

    @router.get(
        "/columns/{name}",
        responses={**_BINARY, **_LATER},
        response_class=Response,
        summary="Values of a column, one per point",
    )
    def values(name: str) -> Response:
        """One number for each point, NaN where it has none; 202 while it is being measured."""
        found, progress = column(session, name)
        return _later(progress, "measuring sounds") if found is None else _floats(found)

    @router.get("/playable", summary="Which points are playable")
    def playable() -> dict[str, Any]:
        """Numbers of the points that are not, how many there are for each reason, and whether all are measured."""
        reasons = session.measured.unplayable()
        left_out = np.flatnonzero(reasons != "")
        counts = Counter(reasons[left_out].tolist())
        return {
            "left_out": left_out.tolist(),
            "reasons": dict(counts.most_common()),
            "complete": session.measured.progress == 1.0,
        }

    return router


def _middles(first: float, last: float, size: int) -> NDArray[np.float64]:
    """Middles of so many equal parts of a line."""
    return first + (last - first) * (np.arange(size) + 0.5) / size


def _floats(array: np.ndarray[Any, Any]) -> Response:
    return Response(np.ascontiguousarray(array, "<f4").tobytes(), media_type="application/octet-stream")


def _later(progress: float, stage: str) -> JSONResponse:
    return JSONResponse({"progress": round(progress, 3), "stage": stage}, 202)
