"""Presets as files for other programs: samples, instruments, and parameters.

Every file holds a hash of its inputs. An existing file with the same hash is left unchanged, so that an interrupted
export can continue; any other existing file is overwritten only on request.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthvae.audio.files import (
    SamplerData,
    Stamp,
    check_flac,
    flac_bytes,
    has_stamp,
    quantise,
    read_stamp,
    sampler_wav_bytes,
)
from synthvae.audio.loudness import Level, common_level
from synthvae.audio.notes import midi_number
from synthvae.core.errors import UserError, reason
from synthvae.core.files import atomic_write, copy_rights, ensure_directory, move_into_place, staging_folder
from synthvae.core.json import dump_json
from synthvae.data.names import slug
from synthvae.data.preset import Preset, check_name, preset_json, render_preset, round_significant
from synthvae.export.options import ExportOptions, length_name
from synthvae.export.sampling import sample_keys, sampled_keys, whole_sound
from synthvae.export.sfz import has_instrument, instrument_files
from synthvae.export.torchsynth_format import torchsynth_document
from synthvae.naming import name_sounds
from synthvae.synths.registry import synth_kind
from synthvae.synths.rendering import fade_out

__all__ = ["Exported", "described", "export_presets", "file_stems", "without_note", "write_folder"]

_NOTE = re.compile(r", [A-G]#?-?\d+$")


def described(presets: Sequence[Preset], progress: Callable[[int], object] = lambda done: None) -> list[Preset]:
    """Presets with a name and descriptors: their own where they have them, else measured (`synthvae.naming`)."""
    found = []
    for preset in presets:
        if not (preset.name and preset.descriptors):
            named = name_sounds(render_preset(preset)[None], preset.settings.sample_rate)[0]
            preset = dataclasses.replace(
                preset, name=preset.name or named.name, descriptors=preset.descriptors or named.descriptors
            )
        found.append(preset)
        progress(len(found))
    return found


def without_note(name: str) -> str:
    """A measured name without its note, for what plays on all keys: ``bright pluck, A3`` becomes ``bright pluck``."""
    return _NOTE.sub("", name) or name


def file_stems(names: Sequence[str]) -> list[str]:
    """A file name without ending for each name; the second and later ones that have the same get a number.

    Of two names that differ in capitals some file systems keep one, so these count as the same.
    """
    taken: set[str] = set()
    stems = []
    for name in names:
        first = stem = slug(name)
        number = 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{first}-{number}"
        taken.add(stem.casefold())
        stems.append(stem)
    return stems


def write_folder(folder: Path, files: Mapping[str, bytes], is_ours: Callable[[Path], bool]) -> None:
    """Write files into a folder that takes its name only when all of them are in it.

    Where the folder is there already, the files are written beside it first and then moved in, so that a full disk or
    a key stroke leaves the old ones, whose modes and links stay; what else is in it stays as well, but for files of
    ours that are no longer among them.

    Args:
        folder: where to.
        files: contents by path within the folder; the last one names the others, and is there only while they are.
        is_ours: whether a file that is in the way of none was written here, and may go.

    Raises:
        UserError: if it cannot be written.
    """
    ensure_directory(folder.parent)
    try:
        with staging_folder(folder) as stage:
            new = stage / "new"
            new.mkdir()
            for name, content in files.items():
                atomic_write(new / name, content)
            if folder.exists():
                _move_in(new, folder, list(files))
                _remove_old(folder, files, is_ours)
            else:
                os.rename(new, folder)
    except OSError as error:
        raise UserError(
            folder, folder, "make room or choose another `out`", f"cannot write ({reason(error)})"
        ) from None


def _move_in(stage: Path, folder: Path, names: list[str]) -> None:
    last = folder / names[-1]
    if last.exists() and not last.is_symlink():
        copy_rights(last, stage / names[-1])
        last.unlink()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        move_into_place(stage / name, folder / name)


def _remove_old(folder: Path, files: Mapping[str, bytes], is_ours: Callable[[Path], bool]) -> None:
    """Remove old files from the folders that files were written to, not from subfolders of other origin."""
    for place in {(folder / name).parent for name in files}:
        for path in place.iterdir():
            if path.is_file() and path.relative_to(folder).as_posix() not in files and is_ours(path):
                path.unlink()


#: Of what is made of a preset with given options; a file of another edition is made again.
EDITION = 1

FADE = 0.005
"""Seconds at the end of a sample that would otherwise stop in the middle of a sound."""

_ENDS_QUIETLY = 1e-3  # of full scale


@dataclass(frozen=True)
class Exported:
    """Result of exporting one preset.

    Attributes:
        path: path of its file, or of the SFZ file of its folder.
        new: whether it was written; False where the same was there.
        remark: what the user should know, or nothing.
    """

    path: Path
    new: bool
    remark: str = ""


def export_presets(
    presets: Sequence[Preset],
    names: Sequence[str],
    directory: Path,
    to: str,
    options: ExportOptions | None = None,
    progress: Callable[[int], object] = lambda done: None,
    report: Callable[[Exported], object] = lambda exported: None,
) -> list[Path]:
    """Write presets for other programs.

    Args:
        presets: what is written; `synthvae.export.instrument.described` gives them names and descriptors.
        names: what each is called, for people; file names are made of them, with a number where two are the same.
        directory: where to.
        to: ``wav`` or ``flac``: a sample each. ``sfz``: a folder each, with the instrument and its samples. ``json``:
            the preset as this program reads it. ``torchsynth``: see `synthvae.export.torchsynth_format`.
        options: how.
        progress: called with the number of presets done.
        report: called with what became of each.

    Returns:
        A path for each preset, in order, whether it was written or there already; of an instrument its SFZ file.

    Raises:
        UserError: for options that do not fit or a name that is no line, before anything is written; for something
            else in the place of a file, likewise; or if a file cannot be written.
    """
    options = options or ExportOptions()
    options.check(to)
    for synth in sorted({preset.settings.synth for preset in presets}):
        options.check(to, synth)
    if len(presets) != len(names):
        raise ValueError(f"{len(presets)} presets and {len(names)} names")
    if to == "flac":
        for rate in sorted({preset.settings.sample_rate for preset in presets}):
            check_flac(rate, options.sample_format)
    whole = [_in_all(preset) for preset in presets]
    titles = [check_name(without_note(name) if to == "sfz" else name).strip() or "preset" for name in names]
    ensure_directory(directory)
    jobs = [
        _Job(preset, title, stem, directory, to, options)
        for preset, title, stem in zip(whole, titles, file_stems(titles), strict=True)
    ]
    there = [job.check() for job in jobs]
    paths = []
    for job, done in zip(jobs, there, strict=True):
        report(Exported(job.path, False) if done else Exported(job.path, True, job.write()))
        paths.append(job.path)
        progress(len(paths))
    return paths


@dataclass(frozen=True)
class _Job:
    """One preset on its way to its files."""

    preset: Preset
    title: str
    stem: str
    directory: Path
    to: str
    options: ExportOptions

    @property
    def path(self) -> Path:
        if self.to == "sfz":
            return self.directory / self.stem / f"{self.stem}.sfz"
        return self.directory / f"{self.stem}.{'torchsynth.json' if self.to == 'torchsynth' else self.to}"

    def check(self) -> bool:
        """Whether the very same is there.

        Raises:
            UserError: if something else is, and may not be replaced.
        """
        place = self.path.parent if self.to == "sfz" else self.path
        if not place.exists():
            return False
        if place.is_dir() != (self.to == "sfz"):
            kind = "a directory or a device, not a plain file" if self.to != "sfz" else "a file, not a folder"
            raise UserError(place, place, "choose another `out`", f"is {kind}")
        if self._is_same():
            return True
        if not self.options.overwrite:
            raise UserError(
                place,
                place,
                "add `overwrite` to replace it, or choose another `out`",
                "exists already and holds something else",
            )
        return False

    def write(self) -> str:
        """Make the files; returns a remark."""
        if self.to == "sfz":
            return self._write_instrument()
        if self.to in ("wav", "flac"):
            return self._write_sample()
        atomic_write(self.path, self._text())
        return ""

    def _is_same(self) -> bool:
        if self.to == "sfz":
            return has_instrument(self.path, self._source)
        if self.to in ("wav", "flac"):
            return has_stamp(self.path, self._source)
        try:
            return self.path.read_bytes() == self._text().encode()
        except OSError:
            return False

    @property
    def _source(self) -> str:
        """A hash of the preset, its title and the options that touch its files, 16 hexadecimal digits."""
        relevant = {"sfz": ("sample_format", "loudness", "lowest", "highest", "every", "lengths")}
        names = relevant.get(self.to, ("sample_format", "loudness", "whole"))
        content = {
            "edition": EDITION,
            "to": self.to,
            "title": self.title,
            "values": round_significant(self.preset.human).tolist(),
            "settings": self.preset.settings.to_dict(),
            "pitch": self.preset.descriptors.get("pitch"),
            "options": {name: getattr(self.options, name) for name in names},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def _text(self) -> str:
        if self.to == "json":
            return preset_json(dataclasses.replace(self.preset, name=self.title), self.path)
        return dump_json(torchsynth_document(self.preset, self.title), self.path) + "\n"

    def _write_sample(self) -> str:
        preset, options = self.preset, self.options
        rate = preset.settings.sample_rate
        sound = whole_sound(preset) if options.whole else render_preset(preset)
        level = common_level([sound], rate, options.loudness)
        if options.loudness is not None:
            sound = sound * level.gain
            if np.abs(sound[-round(FADE * rate) :]).max(initial=0.0) > _ENDS_QUIETLY:
                sound = fade_out(sound, rate, FADE)
        samples, stamp = quantise(sound, options.sample_format), Stamp(self.title, self._source)
        if self.to == "flac":
            content = flac_bytes(samples, rate, options.sample_format, stamp)
        else:
            pitch = preset.descriptors.get("pitch")
            sampler = SamplerData(midi_number(pitch)) if pitch else None
            content = sampler_wav_bytes(samples, rate, options.sample_format, stamp, sampler)
        atomic_write(self.path, content)
        return _remark(level)

    def _write_instrument(self) -> str:
        options = self.options
        keys = sampled_keys(options.lowest, options.highest, options.every)
        hold = synth_kind(self.preset.settings.synth).require_hold()
        lengths = options.held(self.preset.parameters.to_dict(self.preset.human)[hold])
        articulations = [sample_keys(self.preset, keys, seconds) for seconds in lengths]
        files, level = instrument_files(
            self.preset,
            articulations,
            (options.lowest, options.highest),
            self.stem,
            Stamp(self.title, self._source),
            options.sample_format,
            options.loudness,
        )
        write_folder(self.path.parent, files, lambda path: read_stamp(path) is not None)
        vague = [length_name(one.seconds) for one in articulations if not (one.pitched or level.silent)]
        return _remark(level, f"no pitch that could be tuned, held for {' or '.join(vague)}" if vague else "")


def _in_all(preset: Preset) -> Preset:
    """The preset with every parameter of its synth as a column, so that each can be changed."""
    space = synth_kind(preset.settings.synth).every
    return dataclasses.replace(preset, parameters=space, human=space.from_dict(preset.parameters.to_dict(preset.human)))


def _remark(level: Level, *more: str) -> str:
    found = ["silent"] if level.silent else ["quieter than asked for, its peak is at -1 dB"] if level.limited else []
    return "; ".join([*found, *filter(None, more)])
