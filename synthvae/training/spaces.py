"""Spaces: trained runs in the form in which they are shared, and those shipped with synthvae.

A space is a run directory that needs no other file; ``pack`` creates one.

================================  ======================================================================
``run.json``, and the weights     as of any run, and ``presets``: how the presets of its map are drawn
``audio-encoder.safetensors``     of the run, if it has one
``map.safetensors``               the finished map of sounds
``README.md``                     model card: data, figures with their nulls, limits, how to reproduce it
``manifest.json``                 SHA-256 of every other file
================================  ======================================================================
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson

from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write, user_cache

__all__ = ["DEFAULT_SPACE", "MANIFEST", "check_manifest", "find_space", "is_space", "space_cache"]
__all__ += ["space_names", "write_manifest"]

#: Directory of the spaces shipped with synthvae, one subdirectory each.
SHIPPED = Path(__file__).parents[1] / "spaces"
#: Space used where no run is named and none was trained.
DEFAULT_SPACE = "voice-16"
MANIFEST = "manifest.json"
FORMAT, VERSION = "synthvae-space", 1


def find_space(name: str) -> Path | None:
    """Directory of a space shipped with synthvae, by its name; None if there is none."""
    folder = SHIPPED / name
    return folder if "/" not in name and (folder / MANIFEST).is_file() else None


def space_names() -> list[str]:
    """Names of the spaces shipped with synthvae."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST}"))


def is_space(directory: Path) -> bool:
    """Whether a run directory is a space."""
    return (directory / MANIFEST).is_file()


def space_cache(directory: Path) -> Path:
    """Cache directory of a space, whose own directory may be read-only and is never changed."""
    digest = hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()[:16]
    return user_cache() / "spaces" / f"{directory.name}-{digest}"


def write_manifest(directory: Path) -> None:
    """Write the SHA-256 of every file in a directory, which makes it a space.

    Raises:
        UserError: if it cannot be written.
    """
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.name != MANIFEST)
    document = {"format": FORMAT, "version": VERSION, "sha256": {path.name: _digest(path) for path in files}}
    atomic_write(directory / MANIFEST, orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def check_manifest(directory: Path) -> None:
    """Check every file of a space against its SHA-256.

    Raises:
        UserError: naming a file that is missing or differs, or if the manifest is damaged.
    """
    path, remedy = directory / MANIFEST, "copy the space again, whole"
    try:
        document = orjson.loads(path.read_bytes())
        kind, version, sums = document["format"], document["version"], dict(document["sha256"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise UserError(path, path, remedy, "not a whole manifest") from None
    if (kind, version) != (FORMAT, VERSION):
        raise UserError(path, f"{kind} {version}", "use a newer synthvae", f"not {FORMAT} {VERSION}")
    for name, expected in sums.items():
        file = directory / name
        if Path(name).name != name or not file.is_file():
            raise UserError(file, name, remedy, "a file of the space is missing")
        if _digest(file) != expected:
            raise UserError(file, name, remedy, "differs from its sum in the manifest")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
