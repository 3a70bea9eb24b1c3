"""Sample variations of a sound, and mixtures of several."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from fastapi import APIRouter
from pydantic import ConfigDict, Field, model_validator

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


class BlendRequest(Strict):
    """Blend sounds."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"specs": [{"point": 3}, {"point": 8}], "weights": [1.5, -0.5]}]}
    )

    specs: Annotated[list[Spec], Field(min_length=1, max_length=64)]
    weights: Annotated[list[Number], Field(min_length=1, max_length=64, description="One for each; any sign.")]

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
        """So many variations, in the order of their audible distance in dB from the sound."""
        from synthvae.exploration.vary import vary

        unit = torch.from_numpy(session.sound(request.spec).unit)
        found = vary(session.run, unit, request.amount, request.count, tuple(request.keep), request.seed)
        latents, units = found.latent.numpy(), found.unit.numpy()
        places = session.places(units, latents)
        return {
            "remark": found.remark,
            "sounds": [
                {
                    "latent": latents[number].tolist(),
                    "values": session.values(units[number]),
                    "place": places[number],
                    "distance": float(found.distances[number]),
                }
                for number in range(len(units))
            ],
        }

    @router.post("/blend", summary="Blend sounds")
    def mixture(request: BlendRequest) -> dict[str, Any]:
        """Its latent, values and place; with weights of either sign, arithmetic on sounds."""
        from synthvae.exploration.morph import blend

        units = np.stack([session.sound(spec).unit for spec in request.specs])
        unit = blend(session.run, torch.from_numpy(units), torch.tensor(request.weights)).numpy()
        latent = session.encode(unit)
        place = session.places(unit[None], latent[None])[0]
        return {"latent": latent.tolist(), "values": session.values(unit), "place": place}

    @router.post("/plane", summary="Describe the local plane around a sound")
    def plane(request: PlaneRequest) -> dict[str, Any]:
        """Its two most audible latent directions: ``{"near": {"values", "x", "y"}}`` with both from -1 to 1 is a sound.

        For each edge what changes towards it, and how far it is in dB.
        """
        values = session.values(session.sound(request.spec).unit)
        found = session.plane(values)
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
