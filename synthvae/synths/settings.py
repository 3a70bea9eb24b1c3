"""Render settings, and the header fields that store them in every file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import numpy as np

from synthvae.core.errors import UserError
from synthvae.core.json import require_fields
from synthvae.synths.registry import DEFAULT, known_synth

__all__ = ["RenderSettings", "check_format"]

SAMPLE_RATES = (1_000, 384_000)
LONGEST = 3600.0
#: Envelopes are interpolated between control points, so at least two are needed.
FEWEST_CONTROL_POINTS = 2


@dataclass(frozen=True)
class RenderSettings:
    """The synth that renders a preset, and its settings besides the parameters.

    Attributes:
        sample_rate: sample rate in Hz.
        seconds: length of a sound.
        control_rate: rate of envelopes and LFOs in Hz.
        synth: name of the kind of synth, see `synthvae.synths.registry`.
    """

    sample_rate: int = 44100
    seconds: float = 1.0
    control_rate: int = 441
    synth: str = DEFAULT

    def to_dict(self) -> dict[str, Any]:
        """Header fields and keyword arguments of a `Synth`; without the synth, whose field also stores its setup."""
        return {name: value for name, value in asdict(self).items() if name != "synth"}

    @classmethod
    def from_header(cls, header: Mapping[str, Any], source: str) -> RenderSettings:
        """Read and check the fields of a file's header; without the field ``synth``, the default synth is assumed.

        Raises:
            UserError: if a field is missing, not a number or rejected by `check`, or if the synth is unknown.
        """
        values: dict[str, Any] = {}
        require_fields(header, ("sample_rate", "seconds", "control_rate"), source, "repair the header")
        for name, kind in (("sample_rate", int), ("seconds", float), ("control_rate", int)):
            value = header[name]
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise UserError(f"{source}: {name}", value, "repair the header", why="not a number")
            if kind is int and value != int(value):
                raise UserError(f"{source}: {name}", value, "repair the header", why="not a whole number of Hz")
            values[name] = kind(value)
        settings = cls(**values, synth=known_synth(header["synth"], source).name if "synth" in header else DEFAULT)
        settings.check(source)
        return settings

    def check(self, source: str | None = None) -> None:
        """Reject settings that no synth can render.

        Args:
            source: name of the file with the settings; None if they are arguments.

        Raises:
            UserError: for a sample rate outside 1,000 to 384,000 Hz, a length outside 0 to 3600 s, a control rate
                below 1 Hz or above the sample rate, or fewer than two control points in a sound.
        """
        low, high = SAMPLE_RATES
        if not low <= self.sample_rate <= high:
            self._refuse("sample_rate", f"give {low} to {high} Hz", source)
        if not 0 < self.seconds <= LONGEST:
            self._refuse("seconds", f"give more than 0 and at most {LONGEST:g} s", source)
        if not 1 <= self.control_rate <= self.sample_rate:
            self._refuse("control_rate", f"give 1 to {self.sample_rate} Hz, the sample rate", source)
        samples = np.float32(round(self.seconds * self.sample_rate))
        points = round(float(samples / np.float32(self.sample_rate) * np.float32(self.control_rate)))  # as in `Voice`
        if points < FEWEST_CONTROL_POINTS:
            reason = f"because at {self.control_rate} control points a second this makes {points}"
            self._refuse("seconds", f"give at least {FEWEST_CONTROL_POINTS / self.control_rate:g} s, {reason}", source)

    def _refuse(self, name: str, remedy: str, source: str | None) -> NoReturn:
        raise UserError(f"{source}: {name}" if source else name, getattr(self, name), remedy)


def check_format(
    header: Any,  # noqa: ANN401
    wanted: str,
    version: int,
    source: str,
    synth: bool = True,
) -> Mapping[str, Any]:
    """Check the format and version of a parsed file, and return it as a mapping.

    Args:
        header: the parsed JSON document.
        wanted: required value of the field ``format``.
        version: required value of the field ``version``.
        source: file name for messages.
        synth: whether the file has a field ``synth``, which is then checked.

    Raises:
        UserError: for another format or version, or an unknown synthesizer.
    """
    require_fields(header, ("format",), source, f"give a file of format {wanted!r} that synthvae wrote")
    if header["format"] != wanted:
        raise UserError(
            f"{source}: format", header["format"], "give a file that synthvae wrote as one", why=f"not {wanted!r}"
        )
    again = "write the file again with this synthvae"
    require_fields(header, ("version",), source, again)
    if type(header["version"]) is not int or header["version"] != version:
        raise UserError(
            f"{source}: version",
            header["version"],
            f"{again}, or install the one that wrote it",
            why=f"this synthvae reads version {version}",
        )
    if synth:
        require_fields(header, ("synth",), source, again)
        known_synth(header["synth"], source)
    return dict(header)
