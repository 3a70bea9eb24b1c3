"""Registry of synthesizer kinds by name.

A package can provide a synth through an entry point of the group ``synthvae.synths``, whose name is the name of the
synth and whose object is its `SynthKind`. Every process then finds it, including those that the studio starts. A
program that uses the library can call `register_synth` instead.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from synthvae.core.errors import UserError, shown
from synthvae.synths.base import SynthKind

__all__ = ["DEFAULT", "known_synth", "register_synth", "synth_kind", "synth_names"]

#: The default synth.
DEFAULT = "torchsynth.Voice"
#: Modules that define a ``KIND``, imported on first use.
_MODULES = {DEFAULT: "synthvae.synths.voice.kind"}
_KINDS: dict[str, SynthKind] = {}
_GROUP = "synthvae.synths"


def register_synth(kind: SynthKind) -> None:
    """Register a kind of synthesizer, so that commands, files and the studio can refer to it by name.

    Raises:
        ValueError: if another kind has the same name.
    """
    if kind.name in _MODULES or _KINDS.get(kind.name, kind) is not kind:
        raise ValueError(f"there is a synth {kind.name!r} already; give this one another name")
    _KINDS[kind.name] = kind


def synth_names() -> tuple[str, ...]:
    """The names of all kinds, sorted."""
    return tuple(sorted({*_MODULES, *_KINDS, *entry_points(group=_GROUP).names}))


def synth_kind(name: str) -> SynthKind:
    """Look up a kind by name.

    Args:
        name: name of the synth.

    Raises:
        UserError: if there is no kind of that name.
    """
    if name not in _KINDS:
        if name in _MODULES:
            _KINDS[name] = importlib.import_module(_MODULES[name]).KIND
        elif name in (found := entry_points(group=_GROUP)).names:
            _KINDS[name] = found[name].load()
        else:
            raise UserError("synth", name, f"choose one of {', '.join(synth_names())}, or install what brings it")
    return _KINDS[name]


def known_synth(header: Any, source: str) -> SynthKind:  # noqa: ANN401
    """Look up the kind given in the field ``synth`` of a file.

    Args:
        header: value of the field.
        source: file name for messages.

    Raises:
        UserError: if it has no name, the kind is not registered, or its setup differs.
    """
    name = header.get("name") if isinstance(header, dict) else None
    if not isinstance(name, str) or not (name in _KINDS or name in synth_names()):
        raise UserError(
            f"{source}: synth",
            header,
            "presets of it do not fit, install what brings it or give another file",
            why=f"none of {', '.join(synth_names())}",
        )
    kind = synth_kind(name)
    if header != kind.header:
        raise UserError(
            f"{source}: synth",
            header,
            "presets of it do not fit, make the file again with this version",
            why=f"not {shown(kind.header)}",
        )
    return kind
