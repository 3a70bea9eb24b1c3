"""Hash of the source files that the Voice's kernels are compiled from."""

from __future__ import annotations

from pathlib import Path

from synthvae.core.compile import hash_of

__all__ = ["sources"]


def sources() -> str:
    """The hash; every kernel closes over it, see `synthvae.core.compile.cached`."""
    here = Path(__file__).parent
    package = here.parents[2]
    others = ("core/compile.py", "features/fourier.py", "synths/voice/reference.py")
    return hash_of([*here.glob("*.py"), *package.glob("features/kernels/*.py"), *(package / name for name in others)])
