"""Session data of the page: the run, its parameters, the views and the columns."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from synthvae.audio.descriptors import PRESET_DESCRIPTORS
from synthvae.maps.aspects import ASPECTS
from synthvae.studio.api.maps import columns
from synthvae.studio.session import Session
from synthvae.synths.parameters import Parameter
from synthvae.synths.registry import synth_kind

__all__ = ["routes"]


def routes(session: Session) -> APIRouter:
    """GET /session."""
    router = APIRouter(tags=["session"])

    @router.get("/session", summary="Run, parameters, views, columns and abilities")
    def describe() -> dict[str, Any]:
        """Everything a page needs before it asks for the map."""
        run = session.run
        presets = "parameters" in session.source.tools
        kind = synth_kind(run.settings.synth) if presets else None
        return {
            "version": 1,
            "run": {"name": run.name, "hash": run.weights_hash[:16], "latent_size": session.source.latent_size},
            "settings": {"sample_rate": session.source.sample_rate, "seconds": session.source.seconds}
            | (run.settings.to_dict() if presets else {}),
            "parameters": [_parameter(parameter) for parameter in run.parameters] if presets else [],
            "fixed": dict(run.parameters.fixed) if presets else {},
            "routes": _routes(session) if presets else [],
            "played": {"note": kind and kind.note, "hold": kind and kind.hold},
            "views": list(session.source.views),
            "layouts": [
                {"name": layout.name, "label": layout.label, "meaning": layout.meaning}
                for layout in session.source.layouts.values()
            ],
            "columns": columns(session),
            "descriptors": [
                {"name": d.name, "unit": d.unit, "meaning": d.meaning} for d in PRESET_DESCRIPTORS.values()
            ],
            "aspects": [vars(aspect) for aspect in ASPECTS.values()] if session.can()["originals"] else [],
            "count": len(session.collection),
            "bank": {"path": str(session.bank.path), "count": len(session.bank)},
            "can": session.can(),
            "building": session.building(),
        }

    return router


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "module": parameter.module,
        "label": parameter.name.split(".", 1)[1].replace("_", " "),
        "unit": parameter.unit,
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
        "curve": parameter.curve,
        "symmetric": parameter.symmetric,
        "description": parameter.description,
    }


def _routes(session: Session) -> list[dict[str, Any]]:
    """The modulation matrix: open routes are parameters, the others are held at a value."""
    space = session.run.parameters
    found = []
    for name in (*space.names, *space.fixed):
        source, arrow, target = name.split(".", 1)[1].partition("->")
        if arrow:
            column = name if name in space.names else None
            found.append({"source": source, "target": target, "parameter": column, "value": space.fixed.get(name)})
    return found
