"""Whether the map shows what is audible: distances between neighbours, of dragging, and names of regions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from synthvae.exploration.plane import local_plane
from synthvae.maps.clusters import AROUND, Clusters
from synthvae.maps.nearest import Atlas
from synthvae.metrics.logmel_distance import paired
from synthvae.studio.session import Session

__all__ = ["STAGE", "MapMeasurement", "map_table", "measure_map"]

#: CSS pixels of the map in a window of usual size, and the margin around the local plane's square (`overlay.js`).
STAGE, PLANE_MARGIN = (1000, 700), 120
#: Pixels that a hand moves by.
SHORT, LONG = 5, 25
#: Presets whose local planes are measured, and steps on each.
PLANES, STEPS = 20, 10
#: The limits, in dB and as a share.
LIMITS = {"neighbour": 9.0, "snapped": 8.0, "drag": 8.0, "plane": 2.0, "true": 0.6}

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class MapMeasurement:
    """What was measured; distances are medians in dB.

    Attributes:
        view: name of the view.
        neighbour: distance from a dot to the nearest other one.
        snapped: distance from a dot to what its position snaps to without it.
        between: distance from a dot to what is interpolated at its position without it.
        random: between two dots drawn at random.
        drag: between the sounds of two positions 5 px apart.
        far_drag: between the sounds of two positions 25 px apart.
        plane: between two positions 5 px apart on a local plane.
        regions: number of regions or clusters.
        named: how many of them have a name.
        true: smallest share of a named region's members that its name is true of; None where none has a name.
    """

    view: str
    neighbour: float
    snapped: float
    between: float
    random: float
    drag: float
    far_drag: float
    plane: float
    regions: int
    named: int
    true: float | None

    @property
    def passed(self) -> bool:
        """Whether every limit is met."""
        distances = all(getattr(self, name) <= limit for name, limit in LIMITS.items() if name != "true")
        return distances and (self.true is None or self.true >= LIMITS["true"])


def measure_map(session: Session, view: str = "sound", seed: int = 0, count: int = 1000) -> MapMeasurement:
    """Measure a view that is ready.

    Args:
        session: the studio's; all of its sounds have to be measured for the names.
        view: which view.
        seed: seed of the positions.
        count: positions that are dragged from.
    """
    atlas, generator = session.view(view), np.random.default_rng(seed)
    low, high = atlas.bounds[:2], atlas.bounds[2:]
    scale = float(((high - low) / np.array(STAGE)).max())  # map units a pixel
    starts = atlas.points[generator.permutation(len(atlas.points))[:count]] + generator.normal(
        0.0, SHORT * scale, (min(count, len(atlas.points)), 2)
    )
    here = _snapped(session, atlas, starts)

    def dragged(pixels: int) -> float:
        turn = generator.uniform(0.0, 2.0 * np.pi, len(starts))
        ends = starts + pixels * scale * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        return float(np.median(_apart(session, here, _snapped(session, atlas, ends))))

    clusters = session.maps.clusters()
    names = [] if clusters is None else session.cluster_names(clusters)
    shares = [] if clusters is None else _true(session, clusters, names)
    return MapMeasurement(
        view=view,
        neighbour=atlas.neighbour,
        snapped=atlas.snapped,
        between=atlas.between,
        random=atlas.null,
        drag=dragged(SHORT),
        far_drag=dragged(LONG),
        plane=_plane(session, generator),
        regions=len(names),
        named=len(shares),
        true=min(shares, default=None),
    )


def map_table(result: MapMeasurement) -> str:
    """Measurements and their limits as a Markdown table."""
    rows = [
        ("from a dot to the nearest other one", result.neighbour, LIMITS["neighbour"]),
        ("from a dot to what its position snaps to without it", result.snapped, LIMITS["snapped"]),
        ("from a dot to what is interpolated at its position without it", result.between, None),
        (f"between positions {SHORT} px apart", result.drag, LIMITS["drag"]),
        (f"between positions {LONG} px apart", result.far_drag, None),
        (f"between positions {SHORT} px apart on a local plane", result.plane, LIMITS["plane"]),
        ("between two dots drawn at random", result.random, None),
    ]
    lines = [f"| view {result.view}, audible distance, medians | dB | limit |", "|---|---|---|"]
    lines += [f"| {name} | {value:.2f} | {'' if limit is None else f'{limit:g}'} |" for name, value, limit in rows]
    true = "none is named" if result.true is None else f"names are true of at least {result.true:.0%} of the members"
    return "\n".join([*lines, "", f"{result.named} of {result.regions} regions have a name; {true}"])


def _snapped(session: Session, atlas: Atlas, places: NDArray[np.floating]) -> Floats:
    return session.collection.rows[[atlas.at(x, y).point for x, y in places.tolist()]]


def _apart(session: Session, first: Floats, second: Floats) -> NDArray[np.float64]:
    spectra = [torch.from_numpy(session.source.spectrograms("sound", unit)) for unit in (first, second)]
    return paired(*spectra)


def _plane(session: Session, generator: np.random.Generator) -> float:
    """Median distance of 5 px on the local planes of some presets."""
    step = 2.0 * SHORT / (min(STAGE) - PLANE_MARGIN)
    first, second = [], []
    for number in generator.permutation(len(session.collection))[:PLANES]:
        plane = local_plane(session.run, torch.from_numpy(session.collection.rows[number]))
        for a, b, turn in generator.uniform((-0.9, -0.9, 0.0), (0.9, 0.9, 2.0 * np.pi), (STEPS, 3)).tolist():
            first.append(plane.at(a, b).numpy())
            second.append(plane.at(a + step * np.cos(turn), b + step * np.sin(turn)).numpy())
    return float(np.median(_apart(session, np.stack(first), np.stack(second))))


def _true(session: Session, clusters: Clusters, names: list[str]) -> list[float]:
    """Share of the members that bear the words of each name and lie around its note.

    Words behind a comma compare a region with another one of the same name, and are left out.
    """
    own, pitches = session.measured.names, session.measured.values("pitch")
    semitones = 12.0 * np.log2(np.where(pitches > 0, pitches, np.nan) / 440.0)
    shares = []
    for label, name in enumerate(names):
        if not name:
            continue
        members = np.flatnonzero(clusters.labels == label)
        text, _, note = name.partition(", ")[0].partition(" around ")
        words = set(text.split()) - {"sounds"}
        bears = np.array([words <= set((own[number] or "").partition(",")[0].split()) for number in members])
        if note:
            bears &= np.abs(semitones[members] - np.nanmedian(semitones[members])) <= AROUND
        shares.append(float(bears.mean()))
    return shares
