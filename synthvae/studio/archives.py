"""Downloads of sounds: a single file, or several in a ZIP."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthvae.audio.files import Stamp, flac_bytes, quantise, sampler_wav_bytes
from synthvae.audio.loudness import levelled
from synthvae.core.errors import UserError, choose_one
from synthvae.core.files import temporary_folder
from synthvae.data.names import slug
from synthvae.data.preset import Preset, with_release
from synthvae.data.writing import write_sounds
from synthvae.export.instrument import file_stems
from synthvae.export.sfz import kit_text

__all__ = ["AUDIO_FORMATS", "FORMATS", "Download", "export", "export_all", "export_recordings"]

#: Formats, and the kind of a file in them.
FORMATS = {
    "json": "application/json",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "sfz": "application/zip",
    "torchsynth": "application/json",
}
#: Of these, those that need no preset.
AUDIO_FORMATS = ("wav", "flac")
_ZIP = "application/zip"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the same files make the same archive


class Download(NamedTuple):
    """A file.

    Attributes:
        content: its bytes.
        name: name with its extension; letters, digits, ``-``, ``_`` and ``.`` only.
        kind: media type.
    """

    content: bytes
    name: str
    kind: str


def export(preset: Preset, name: str, to: str) -> Download:
    """A preset in one of `FORMATS`; its file is called `name` without what cannot be in the name of a file.

    WAV and FLAC have the sound as it is played, with its release.

    Raises:
        UserError: if it cannot be written so.
    """
    from synthvae.export.instrument import export_presets

    stem = slug(name)
    if to in ("wav", "flac"):
        preset = with_release(preset)

    def write(folder: Path) -> None:
        export_presets([preset], [stem], folder, to)

    files = _written(write)
    if len(files) == 1 and to != "sfz":
        path, content = files[0]
        kind = "_torchsynth" if to == "torchsynth" else ""  # which is JSON as well
        return Download(content, f"{stem}{kind}{Path(path).suffix}", FORMATS[to])
    return Download(_zip(files), f"{stem}.zip", _ZIP)


def export_all(presets: Sequence[Preset], names: Sequence[str], name: str, kit: bool = False) -> Download:
    """Presets as a ZIP, called `name`, of JSON files and WAVs for listening: whole and at one loudness.

    Args:
        presets: at least one.
        names: names of their files, without extensions.
        name: name of the archive.
        kit: whether to add an SFZ instrument that has one sound on each key.
    """

    def write(folder: Path) -> None:
        paths = write_sounds(folder, names, presets)
        if kit:
            (folder / f"{slug(name)}.sfz").write_text(kit_text([path.name for path in paths]))

    return Download(_zip(_written(write)), f"{slug(name)}.zip", _ZIP)


def export_recordings(
    sounds: Sequence[NDArray[np.float32]], sample_rate: int, names: Sequence[str], to: str, archive: str = ""
) -> Download:
    """Sounds ``(T,)`` at one loudness as WAV or FLAC; in a ZIP called `archive` where that is given.

    Raises:
        UserError: if they cannot be written so.
    """
    if to not in AUDIO_FORMATS:
        raise UserError("to", to, choose_one(to, AUDIO_FORMATS), why="and recorded sounds are no presets")
    files = []
    for stem, sound in zip(file_stems(names), sounds, strict=True):
        samples, source = quantise(levelled(sound, sample_rate), "int24"), hashlib.sha256(sound.tobytes()).hexdigest()
        write = sampler_wav_bytes if to == "wav" else flac_bytes
        files.append((f"{stem}.{to}", write(samples, sample_rate, "int24", Stamp(stem, source[:16]))))
    if archive:
        return Download(_zip(files), f"{slug(archive)}.zip", _ZIP)
    return Download(files[0][1], files[0][0], FORMATS[to])


def _written(write: Callable[[Path], object]) -> list[tuple[str, bytes]]:
    """Files that a function writes to a folder: relative paths and contents."""
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
        try:
            write(Path(folder))
        except UserError as error:
            raise UserError(*(_within(folder, part) for part in error.args)) from None
        found = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in found]


def _within(folder: str, part: Any) -> Any:  # noqa: ANN401
    """A part of an error without the folder that nobody else knows."""
    return str(part).replace(folder, "").lstrip("/") if isinstance(part, str | Path) else part


def _zip(files: Sequence[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files:
            archive.writestr(zipfile.ZipInfo(path, _WHEN), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
