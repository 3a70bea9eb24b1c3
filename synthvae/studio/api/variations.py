"""Sample variations of a sound, and mixtures of several."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from pydantic import ConfigDict, Field, model_validator

from synthvae.naming import name_sounds
from synthvae.naming.changes import changes
from synthvae.studio.api.specs import Number, Spec, Strict
from synthvae.studio.session import Session

__all__ = ["routes"]


class VaryRequest(Strict):
    """Sample variations of a sound."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"spec": {"point": 3}, "amount": 0.2, "count": 16}]})

    spec: Spec
    amount: Annotated[float, Field(allow_inf_nan=False, ge=0.0, le=1.0, description="How far they may go.")] = 0.3
    count: Annotated[int, Field(ge=1, le=64)] = 16
    keep: Annotated[
        list[Annotated[str, Field(max_length=80)]],
        Field(max_length=100, description="Parameters, or groups of them, that stay as they are."),
    ] = Field([])
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    far: Annotated[bool, Field(description="Whether half of them go up to three times as far.")] = False


class BlendRequest(Strict):
    """Blend sounds."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"specs": [{"point": 3}, {"point": 8}], "weights": [1.5, -0.5]}]}
    )

    specs: Annotated[list[Spec], Field(min_length=1, max_length=64)]
    weights: Annotated[list[Number], Field(min_length=1, max_length=64, description="One for each; any sign.")]
    base: Annotated[Spec, Field(description="What they are added to, as a direction from it.")] | None = None

    @model_validator(mode="after")
    def _as_many(self) -> BlendRequest:
        if len(self.specs) != len(self.weights):
            raise ValueError(f"give as many weights as specs; there are {len(self.specs)} specs")
        return self


class PlaneRequest(Strict):
    """The sound at the centre of a local plane."""

    spec: Spec


def routes(session: Session) -> APIRouter:
    """POST /vary, /blend and /plane."""
    router = APIRouter(tags=["variation"])

    @router.post("/vary", summary="Sample variations of a sound")
    def neighbours(request: VaryRequest) -> dict[str, Any]:
        """So many variations, in the order of their audible distance in dB from the sound.

        With ``far`` half of them are spread evenly up to ``amount`` and half up to three times as far. ``changed`` says
        what is different about each.
        """
        sound = session.sound(request.spec)
        found = session.source.vary(
            session.collection, sound.row, request.amount, request.count, request.keep, request.seed, request.far
        )
        audio = np.concatenate([session.samples(sound)[None], session.source.samples(found.rows)])
        named = name_sounds(audio, session.source.sample_rate)
        places = session.places(found.rows, found.latents)
        return {
            "remark": found.remark,
            "sounds": [
                {
                    "latent": found.latents[number].tolist(),
                    "values": session.source.values(found.rows[number]),
                    "place": places[number],
                    "distance": float(found.distances[number]),
                    "name": named[number + 1].name,
                    "changed": changes(named[0].descriptors, named[number + 1].descriptors),
                }
                for number in range(len(found.rows))
            ],
        }

    @router.post("/blend", summary="Blend sounds")
    def mixture(request: BlendRequest) -> dict[str, Any]:
        """Its latent, values and place; with weights of either sign, arithmetic on sounds.

        With ``base`` each sound adds its difference from the base, times its weight; where the sum is silent, ``share``
        says how much of it is audible still.
        """
        rows = np.stack([session.sound(spec).row for spec in request.specs])
        base = None if request.base is None else session.sound(request.base).row
        row, share = session.source.blend(session.collection, rows, np.array(request.weights, np.float32), base)
        latent = session.encode(row)
        place = session.places(row[None], latent[None])[0]
        return {"latent": latent.tolist(), "values": session.source.values(row), "place": place, "share": share}

    @router.post("/plane", summary="Describe the local plane around a sound")
    def plane(request: PlaneRequest) -> dict[str, Any]:
        """Its two most audible latent directions: ``{"near": {"values", "x", "y"}}`` with both from -1 to 1 is a sound.

        For each edge what changes towards it, and how far it is in dB.
        """
        values = session.source.values(session.sound(request.spec).row)
        found = session.plane(values or {})
        names = (("left", "right"), ("bottom", "top"))
        return {
            "values": values,
            "edges": {
                names[axis][sign]: {"words": found.words[axis][sign], "distance": float(found.distances[axis, sign])}
                for axis in (0, 1)
                for sign in (0, 1)
            },
        }

    return router
