"""File names for presets, and detection of files written under an earlier name."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from synthvae.data.preset import FORMAT

__all__ = ["earlier_files", "numbered", "slug"]

#: Maximum length of a file name without its suffix, which every file system supports.
LONGEST_SLUG = 80


def slug(name: str) -> str:
    """A name as a file name without extension, of 1 to 80 characters.

    Only ASCII letters and digits and single ``-`` and ``_`` remain, so that it is one word in any shell and valid in
    any file system; a comma becomes ``_``, a sharp ``s``. Different names can have the same slug.

    Example:
        >>> slug("bright noisy pluck, C#3")
        'bright-noisy-pluck_Cs3'
    """
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=[A-G])[#♯](?=-?\d)", "s", name.replace(",", "_")))
    words = re.sub(r"[^A-Za-z0-9_]+", "-", plain.encode("ascii", "ignore").decode())
    return re.sub(r"-*_[-_]*", "_", words).strip("-_")[:LONGEST_SLUG].strip("-_") or "preset"


def numbered(stem: str, count: int, digits: int = 3) -> list[str]:
    """File names with at least `digits` digits, whose alphabetical order is that of their numbers.

    Example:
        >>> numbered("step", 2)
        ['step_000', 'step_001']
    """
    width = max(digits, len(str(count - 1)))
    return [f"{stem}_{i:0{width}d}" for i in range(count)]


def earlier_files(directory: Path, stems: Iterable[str]) -> dict[str, list[Path]]:
    """JSON files of presets in a directory by the stem under which they were written, with any name or none.

    Only presets with their original file name count: ``STEM.json``, or ``STEM_SLUG.json`` with the slug of the preset's
    name. Renamed files do not.
    """
    wanted, found = set(stems), dict[str, list[Path]]()
    for path in sorted(directory.glob("*.json")):
        cuts = [match.start() for match in re.finditer("_", path.stem)]
        for stem in wanted.intersection(path.stem[:cut] for cut in (*cuts, len(path.stem))):
            name = _name_in(path)
            if name is not None and path.stem in (stem, f"{stem}_{slug(name)}"):
                found.setdefault(stem, []).append(path)
    return found


def _name_in(path: Path) -> str | None:
    """The name in a preset's file, empty if it has none; None if the file is not a preset."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return None
    return str(document.get("name", ""))
