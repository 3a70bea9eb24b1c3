"""Files that were written, as they are listed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["print_files"]

#: Files that are printed one by one.
LISTED = 8


def print_files(directory: Path, paths: Sequence[Path], what: str) -> None:
    """Print how many there are, and the first few and the last by name."""
    print(f"{directory}: {len(paths)} {what}")
    for path in paths[:LISTED]:
        print(f"  {path.name}")
    if len(paths) > LISTED:
        print(f"  and {len(paths) - LISTED} more, up to {paths[-1].name}")
