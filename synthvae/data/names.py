"""Names of presets as names of files, and the files that an earlier name left behind."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from synthvae.data.preset import FORMAT

__all__ = ["earlier_files", "numbered", "slug"]

#: Of a file name, ending excluded: every file system takes so many.
LONGEST_SLUG = 80


def slug(name: str) -> str:
    """A name as a file name without ending: ``bright noisy pluck, C#3`` becomes ``bright-noisy-pluck_Cs3``.

    Only letters and digits of ASCII and single ``-`` and ``_`` remain, so that it is one word in any shell and a file
    in any file system; a comma becomes ``_``, a sharp ``s``. Different names can have the same slug.

    Args:
        name: any text.

    Returns:
        At most 80 characters, at least one.
    """
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=[A-G])[#♯](?=-?\d)", "s", name.replace(",", "_")))
    words = re.sub(r"[^A-Za-z0-9_]+", "-", plain.encode("ascii", "ignore").decode())
    return re.sub(r"-*_[-_]*", "_", words).strip("-_")[:LONGEST_SLUG].strip("-_") or "preset"


def numbered(stem: str, count: int, digits: int = 3) -> list[str]:
    """File names whose alphabetical order is that of their numbers: ``step_000``, ``step_001``...

    Args:
        stem: what they begin with.
        count: how many.
        digits: at least so many; more where the largest number has more.
    """
    width = max(digits, len(str(count - 1)))
    return [f"{stem}_{number:0{width}d}" for number in range(count)]


def earlier_files(directory: Path, stems: Iterable[str]) -> dict[str, list[Path]]:
    """Presets that were written to a directory under a stem and another name, or none.

    A file counts only if it is a preset and its name is what was given to it: ``STEM.json``, or ``STEM_SLUG.json`` with
    the slug of the preset's own name. One that somebody has renamed does not.

    Args:
        directory: where they are.
        stems: what their names begin with.

    Returns:
        The JSON files by stem; stems without any are left out.
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
    """The name in a preset's file, empty where it has none; None if the file is no preset."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return None
    return str(document.get("name", ""))
