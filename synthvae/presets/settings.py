"""How a preset is rendered, and the header fields that say so in every file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from synthvae.errors import UserError

__all__ = ["SYNTH", "RenderSettings", "check_format"]

#: The synthesizer that all files are for: torchsynth's Voice, its default curves, its noise seed.
SYNTH = {"name": "torchsynth.Voice", "nebula": "default", "noise_seed": 13}


@dataclass(frozen=True)
class RenderSettings:
    """What a Voice needs to know besides the parameters.

    Attributes:
        sample_rate: Hz.
        seconds: length of a sound.
        control_rate: rate of envelopes and LFOs in Hz.
    """

    sample_rate: int = 44100
    seconds: float = 1.0
    control_rate: int = 441

    def to_dict(self) -> dict[str, Any]:
        """As header fields; also the keyword arguments of `synthvae.synth.Voice`."""
        return asdict(self)

    @classmethod
    def from_header(cls, header: Mapping[str, Any], source: str) -> RenderSettings:
        """Read and check the fields of a file's header.

        Raises:
            UserError: if one is missing, no number, or not positive.
        """
        values: dict[str, Any] = {}
        for name, kind in (("sample_rate", int), ("seconds", float), ("control_rate", int)):
            value = header.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
                raise UserError(f"{source}: {name} is {value!r}, not a positive number; repair the header")
            values[name] = kind(value)
        return cls(**values)


def check_format(header: Any, wanted: str, version: int, source: str) -> Mapping[str, Any]:  # noqa: ANN401
    """Check that a parsed file is what it is read as.

    Args:
        header: the parsed JSON document.
        wanted: the value of its field ``format``.
        version: the value of its field ``version``.
        source: file name for messages.

    Returns:
        The document, known to be an object.

    Raises:
        UserError: for another format, version or synthesizer.
    """
    found = header.get("format") if isinstance(header, dict) else None
    if found != wanted:
        raise UserError(f"{source}: format is {found!r}, not {wanted!r}; give a file that synthvae wrote as one")
    if header.get("version") != version:
        raise UserError(
            f"{source}: version is {header.get('version')!r}, this synthvae reads version {version}; "
            "write the file again with this synthvae, or install the one that wrote it"
        )
    if header.get("synth") != SYNTH:
        raise UserError(f"{source}: synth is {header.get('synth')!r}, not {SYNTH['name']}; presets of it do not fit")
    return dict(header)
