"""Explore the sounds of a synthesizer.

The names below are imported when they are first used, so that ``import synthvae`` itself takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthvae.analysis.saved import load_analysis
    from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
    from synthvae.synths.voice.voice import Voice
    from synthvae.training.run import load_run

__all__ = ["VOICE_63", "VOICE_78", "Voice", "load_analysis", "load_run"]

__version__ = "0.1.0"

_HOMES = {
    "VOICE_63": "synthvae.synths.voice.parameters",
    "VOICE_78": "synthvae.synths.voice.parameters",
    "Voice": "synthvae.synths.voice.voice",
    "load_analysis": "synthvae.analysis.saved",
    "load_run": "synthvae.training.run",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module 'synthvae' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
