"""Options of an export, checked before rendering."""

from __future__ import annotations

import math
from dataclasses import dataclass

from synthvae.audio.files import SAMPLER_FORMATS
from synthvae.audio.loudness import LOUDNESS, check_loudness
from synthvae.audio.notes import HIGHEST_NOTE
from synthvae.core.errors import UserError, choose_one
from synthvae.export.sampling import sampled_keys, switch_keys
from synthvae.synths.registry import DEFAULT, synth_kind

__all__ = ["TARGETS", "ExportOptions", "length_name"]

TARGETS = ("wav", "flac", "sfz", "json", "torchsynth")


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    Attributes:
        sample_format: format of the samples of WAV and FLAC: ``float`` (WAV only), ``int16`` or ``int24``.
        loudness: loudness in LUFS, or None for the Voice's own samples, neither scaled nor faded.
        whole: whether WAV and FLAC last until the sound has rung out, rather than as long as the preset's own settings
            say.
        lowest: lowest key of an SFZ instrument, a MIDI number.
        highest: highest key of an SFZ instrument.
        every: semitones from one sample of an SFZ instrument to the next.
        lengths: seconds for which a key of an SFZ instrument is held, each in its own samples; None for the preset's
            own.
        overwrite: whether files that hold something else may be replaced.
    """

    sample_format: str = "int24"
    loudness: float | None = LOUDNESS
    whole: bool = False
    lowest: int = 36
    highest: int = 96
    every: int = 3
    lengths: tuple[float | None, ...] = (None, 2.0)
    overwrite: bool = False

    def check(self, to: str, synth: str = DEFAULT) -> None:
        """Refuse what cannot be exported.

        Args:
            to: one of `TARGETS`.
            synth: synth of the presets.

        Raises:
            UserError: naming the argument, its value and what to give.
        """
        if to not in TARGETS:
            raise UserError("to", to, choose_one(to, TARGETS))
        if self.sample_format not in SAMPLER_FORMATS:
            raise UserError("sample_format", self.sample_format, choose_one(self.sample_format, SAMPLER_FORMATS))
        if to == "flac" and self.sample_format == "float":
            raise UserError(
                "sample_format", "float", "choose int16 or int24, or `to` wav", why="and FLAC holds whole numbers"
            )
        check_loudness(self.loudness)
        if to == "sfz":
            self._check_keys(synth)
        if to == "torchsynth" and synth != DEFAULT:
            raise UserError("to", to, choose_one(to, TARGETS[:-1]), why=f"and the preset is of {synth}")

    def _check_keys(self, synth: str) -> None:
        kind = synth_kind(synth)
        kind.require_note()
        held = kind.require_hold()
        for name, key in (("lowest", self.lowest), ("highest", self.highest)):
            if not 0 <= key <= HIGHEST_NOTE:
                raise UserError(name, key, f"give a MIDI number from 0 to {HIGHEST_NOTE}")
        sampled_keys(self.lowest, self.highest, self.every)
        duration = kind.every.parameters[kind.every.index(held)]
        if not self.lengths:
            raise UserError("lengths", self.lengths, "give at least one length in seconds, or own")
        for length in self.lengths:
            if length is not None and not (math.isfinite(length) and duration.minimum <= length <= duration.maximum):
                limits = f"{duration.minimum:g} to {duration.maximum:g} s"
                raise UserError("lengths", length, f"{kind.name} holds a key for {limits}, give such a length")
        if len(set(self.lengths)) > 1:
            switch_keys(len(set(self.lengths)), self.lowest, self.highest)

    def held(self, own: float) -> list[float]:
        """The lengths, ascending, those that read the same once.

        Args:
            own: seconds for which the preset itself holds its key.
        """
        lengths = {length_name(own): own} if None in self.lengths else {}
        lengths |= {length_name(length): length for length in self.lengths if length is not None}
        return sorted(lengths.values())


def length_name(seconds: float) -> str:
    """A length as it stands in file names and labels: ``0.167s``."""
    return f"{seconds:.3g}s"
