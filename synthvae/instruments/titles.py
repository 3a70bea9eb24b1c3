"""What exported sounds are called, and what their files are."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

from synthvae.data.names import slug
from synthvae.data.preset import Preset
from synthvae.instruments.renderer import render_preset
from synthvae.naming import name_sounds

__all__ = ["described", "file_stems", "without_note"]

_NOTE = re.compile(r", [A-G]#?-?\d+$")


def described(presets: Sequence[Preset], progress: Callable[[int], object] = lambda done: None) -> list[Preset]:
    """Presets with a name and descriptors: their own where they have them, else measured (`synthvae.naming`).

    Args:
        presets: any.
        progress: called with the number of presets done.
    """
    found = []
    for preset in presets:
        if not (preset.name and preset.descriptors):
            named = name_sounds(render_preset(preset)[None], preset.settings.sample_rate)[0]
            preset = dataclasses.replace(
                preset, name=preset.name or named.name, descriptors=preset.descriptors or named.descriptors
            )
        found.append(preset)
        progress(len(found))
    return found


def without_note(name: str) -> str:
    """A measured name without its note, for what plays on all keys: ``bright pluck, A3`` becomes ``bright pluck``."""
    return _NOTE.sub("", name) or name


def file_stems(names: Sequence[str]) -> list[str]:
    """A file name without ending for each name; the second and later ones that have the same get a number.

    Of two names that differ in capitals some file systems keep one, so these count as the same.
    """
    taken: set[str] = set()
    stems = []
    for name in names:
        first = stem = slug(name)
        number = 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{first}-{number}"
        taken.add(stem.casefold())
        stems.append(stem)
    return stems
