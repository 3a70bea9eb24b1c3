"""The thesis's published figures, and their comparison with the nulls measured here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

import pandas as pd

from synthvae.analysis.sounds import MAPPED
from synthvae.maps.clusters import MapSettings
from synthvae.maps.nulls import Expected
from synthvae.maps.stability import leads

__all__ = ["THESIS_DIMENSIONS", "lead_in_words", "thesis_clusters", "thesis_figures", "thesis_settings"]

#: Of the thesis's latent space.
THESIS_DIMENSIONS = 16
#: DBSCAN's radius where it is not that of `MapSettings`, by experiment.
RADII = {"Exp3": 0.05}


def thesis_figures() -> dict[str, dict[str, float]]:
    """The thesis's own figures by case (``Exp1-LMSL``) and column."""
    with (resources.files("synthvae.analysis") / "thesis.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, index_col="case").astype(float).to_dict("index")


def thesis_settings(case: str) -> MapSettings:
    """The thesis's map and cluster settings of one of its cases."""
    radius = RADII.get(case.partition("-")[0])
    return MapSettings() if radius is None else MapSettings(eps=radius)


def thesis_clusters(settings: MapSettings, points: int, dimension: int, nulls: Mapping[str, Expected | None]) -> str:
    """Sentence on whether the thesis's DBCVs lead nulls measured with its settings.

    Args:
        settings: settings of the nulls' maps.
        points: points of a map.
        dimension: dimension of the latent space.
        nulls: DBCV of each null by its name.

    Returns:
        Sentences; empty where the thesis has no figure for these settings, or other points or dimensions.
    """
    printed = {case: row["dbcv"] for case, row in thesis_figures().items() if thesis_settings(case) == settings}
    if not printed or (points, dimension) != (MAPPED, THESIS_DIMENSIONS):
        return ""
    span = f"{min(printed.values()):.2f} to {max(printed.values()):.2f}"
    return f"The thesis reports DBCVs of {span} at eps {settings.eps:g}: {lead_in_words(printed, nulls)}."


def lead_in_words(dbcvs: Mapping[str, float | None], nulls: Mapping[str, Expected | None]) -> str:
    """Sentence on how many DBCVs lead each null, which do not, and the null's DBCV.

    Args:
        dbcvs: DBCVs by name.
        nulls: DBCV of each null by its name.
    """
    parts = []
    for name, null in nulls.items():
        behind = [case for case, dbcv in dbcvs.items() if not leads(dbcv, null)]
        count = "all" if not behind else "none" if len(behind) == len(dbcvs) else str(len(dbcvs) - len(behind))
        which = f" (not {', '.join(behind)})" if 0 < len(behind) < len(dbcvs) else ""
        parts.append(f"{count} of {len(dbcvs)} lead the {name}{which}, which has {null.words if null else 'no DBCV'}")
    return "; ".join(parts)
