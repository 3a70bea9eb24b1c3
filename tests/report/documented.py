"""The keys that docs/metrics.md has, read from its tables, and those of a ``metrics.json``."""

from __future__ import annotations

import re
from pathlib import Path

METRICS = Path(__file__).parents[2] / "docs" / "metrics.md"
Keys = tuple[str, ...]


def documented(document: str = "MetricsDocument") -> set[Keys]:
    """The path of every key, from the root of a file of that kind, with placeholders such as ``<run>``."""
    sections = {}
    for section in METRICS.read_text().split("\n## ")[1:]:
        sections[section.split("\n")[0]] = re.findall(r"^\| `([^`]+)` \| (?:\[(\w+)\])?", section, re.M)

    def expand(section: str, above: Keys) -> set[Keys]:
        found = set()
        for keys, link in sections[section]:
            path = above + tuple(keys.replace("[]", "").split("."))
            found |= {path[:length] for length in range(len(above) + 1, len(path) + 1)}
            if link:
                found |= expand(link, path)
        return found

    return expand(document, ())


def used(document: object, known: set[Keys], above: Keys = ()) -> set[Keys]:
    """The paths of `known` that a document has; fails where it has a key that none of them allows."""
    found = set()
    if isinstance(document, list):
        for entry in document:
            found |= used(entry, known, above)
    if isinstance(document, dict):
        placeholders = [path for path in known if path[:-1] == above and path[-1].startswith("<")]
        for key, value in document.items():
            places = placeholders or [path for path in known if path == (*above, key)]
            assert len(places) == 1, f"{'.'.join((*above, key))} is not in {METRICS.name}"
            found |= {places[0]} | used(value, known, places[0])
    return found
