"""Numbers to colour the map by: clusters, what is measured of the sounds, and their parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthvae.audio.descriptors import PRESET_DESCRIPTORS
from synthvae.studio.errors import NotFoundError
from synthvae.studio.session import Session

__all__ = ["column", "columns"]


def columns(session: Session) -> list[dict[str, str]]:
    """All columns there are: name, label, unit and kind."""
    found = [{"name": "cluster", "label": "cluster", "unit": "", "kind": "cluster"}]
    for measured in PRESET_DESCRIPTORS.values():
        found.append({"name": measured.name, "label": measured.name, "unit": measured.unit, "kind": "descriptor"})
    for parameter in session.run.parameters:
        label = parameter.name.replace(".", " ").replace("_", " ")
        found.append({"name": parameter.name, "label": label, "unit": parameter.unit, "kind": "parameter"})
    return found


def column(session: Session, name: str) -> tuple[NDArray[np.float32] | None, float]:
    """A column ``(N,)``, or None and how far it is while it is being made.

    Raises:
        NotFoundError: if there is none of this name.
    """
    space = session.run.parameters
    if name == "cluster":
        clusters = session.maps.clusters()
        return (None, session.maps.progress("umap")) if clusters is None else (clusters.labels.astype(np.float32), 1.0)
    if name in space.names:
        human = space.denormalise(session.collection.unit.astype(np.float64))
        return human[:, space.index(name)].astype(np.float32), 1.0
    if name in PRESET_DESCRIPTORS:
        return session.measured.column(name)
    raise NotFoundError(f"no column {name[:60]!r}; GET /api/v1/session lists them")
