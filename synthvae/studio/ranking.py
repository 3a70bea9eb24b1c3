"""Points of the map most like a sound, with descriptors moved: "more like this, but brighter"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synthvae.core.errors import UserError
from synthvae.maps.aspects import aspect_distances, typical_distances
from synthvae.naming.changes import CHANGES
from synthvae.studio.errors import ConflictError
from synthvae.studio.session import Session, Sound

__all__ = ["SHIFTED", "Ranked", "rank"]

#: Descriptors that can be moved.
SHIFTED = ("pitch", "brightness", "attack", "decay", "noisiness", "loudness")
#: What a step of a descriptor off the wanted value counts, in shares of the distance of two random sounds.
STEP_WEIGHT = 0.15
#: Steps that a descriptor counts for where a point has none.
MISSING = 6.0


@dataclass(frozen=True)
class Ranked:
    """A point in the list.

    Attributes:
        point: its number.
        distance: audible distance from the sound in dB: root mean square difference of log-mel spectrograms.
        off: sum over the moved descriptors of the steps that it is away from what was wanted.
        score: what the list is sorted by, lower is better.
        aspects: distances by aspect, None where one has none; empty where none was asked for.
    """

    point: int
    distance: float
    off: float
    score: float
    aspects: Mapping[str, float | None] = field(default_factory=dict)


def rank(
    session: Session,
    sound: Sound,
    shifts: Mapping[str, float] | None = None,
    among: Sequence[int] | None = None,
    count: int = 50,
    playable: bool = False,
    aspects: Sequence[str] = (),
) -> list[Ranked]:
    """Points like a sound, the best first.

    Args:
        session: the studio's.
        sound: the sound.
        shifts: steps (`synthvae.naming.changes.CHANGES`) by which the descriptors of the points should differ from the
            sound's, by name. With a shift of pitch or loudness, sounds are compared at one key and level where the
            timbre layout is ready.
        among: numbers of points to choose from; all by default.
        count: points at most.
        playable: whether to leave out what is not playable, as far as that is measured.
        aspects: aspects of recorded sounds (`synthvae.maps.aspects.ASPECTS`), in which they are compared; by the whole
            spectrogram where none is given. Each counts as much, in shares of its typical distance.

    Raises:
        UserError: for a descriptor that cannot be moved, or one that the sound does not have.
        ConflictError: if the sounds of the map are not compared yet.
    """
    for name in shifts or {}:
        if name not in SHIFTED:
            raise UserError("shifts", name, f"choose among {', '.join(SHIFTED)}", "is no descriptor that can be moved")
    shifts = {name: steps for name, steps in (shifts or {}).items() if steps}
    ready = session.maps.ready()
    layout = "timbre" if {"pitch", "loudness"} & set(shifts) and "timbre-pca" in ready else "sound"
    atlas = ready.get(f"{layout}-pca")
    if atlas is None:
        raise ConflictError("view", "sound", "try again in a few seconds", why="which is being computed")
    numbers = np.arange(len(atlas.points)) if among is None else np.unique([session.point(one) for one in among])
    if playable:
        numbers = numbers[session.measured.playable()[numbers]]
    if among is None and session.collection.library is not None:
        numbers = numbers[~session.marks.marked("hidden")[numbers]]
    features = session.features(layout, sound)
    distance = np.linalg.norm(atlas.features[numbers] - features, axis=1)
    off = np.zeros(len(numbers))
    if shifts:
        _, own = session.described(sound)
        for name, steps in shifts.items():
            off += _off(name, own, steps, session.measured.values(name)[numbers])
    apart: dict[str, NDArray[np.float64]] = {}
    if aspects:
        apart, score = _by_aspect(session, sound, numbers, aspects)
        score = score + STEP_WEIGHT * off
    else:
        score = distance / atlas.null + STEP_WEIGHT * off if atlas.null else distance
    order = np.argsort(score, kind="stable")[:count]
    return [
        Ranked(
            int(numbers[row]),
            float(distance[row]),
            float(off[row]),
            float(score[row]),
            {name: float(values[row]) if np.isfinite(values[row]) else None for name, values in apart.items()},
        )
        for row in order.tolist()
    ]


def _by_aspect(
    session: Session, sound: Sound, numbers: NDArray[np.intp], aspects: Sequence[str]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Distances of points by every aspect, and the mean of those chosen in shares of their typical ones."""
    own, every = session.aspects(sound), session.maps.aspects() or {}
    pitches, pitch = session.measured.values("pitch"), None
    if sound.original is not None:
        pitch = float(pitches[sound.original])
    elif "pitch" in aspects:
        pitch = session.described(sound)[1]["pitch"]
    typical = typical_distances(every, pitches)
    pitch = pitch if pitch is not None and np.isfinite(pitch) else None
    apart = aspect_distances({name: rows[numbers] for name, rows in every.items()}, own, pitches[numbers], pitch)
    # Without a pitch of its own a sound is compared in the other aspects; points without one come after all others.
    chosen = [name for name in aspects if name != "pitch" or pitch is not None or len(aspects) == 1]
    shares = [np.nan_to_num(apart[name] / typical[name], nan=MISSING) for name in chosen]
    return apart, np.mean(shares, axis=0)


def _off(
    name: str, own: Mapping[str, float | None], steps: float, values: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Steps that values ``(N,)`` of a descriptor are away from the sound's own, moved by some steps."""
    here = own[name]
    _, _, logarithmic, step = CHANGES[name]
    if here is None or (logarithmic and here <= 0):
        raise UserError("shifts", name, "move another one", "is a descriptor that this sound does not have")
    if logarithmic:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.abs(np.log2(np.where(values > 0, values, np.nan) / here) / step - steps)
    else:
        found = np.abs((values - here) / step - steps)
    return np.nan_to_num(found, nan=MISSING)
