"""A folder of files as they are found on disks: many formats, rates and channels, and much that cannot be imported."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from synthvae.data.library import Library

__all__ = ["IMPORTED", "Mixed", "check_import", "write_mixed_folder"]

#: Stands for a reason: the file is imported.
IMPORTED = "imported"
LABELS = ("bass", "bell", "clap", "hat", "kick", "pluck", "snare", "tom")
Floats = NDArray[np.float64]
Maker = Callable[[Path, Floats, int], str]

RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000)
#: File names' endings, formats and subtypes as libsndfile calls them.
KINDS = (
    ("wav", "WAV", "PCM_U8"),
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "PCM_24"),
    ("wav", "WAV", "PCM_32"),
    ("wav", "WAV", "FLOAT"),
    ("wav", "WAV", "DOUBLE"),
    ("wav", "WAVEX", "PCM_24"),
    ("wav", "RF64", "PCM_16"),
    ("aif", "AIFF", "PCM_S8"),
    ("aiff", "AIFF", "PCM_24"),
    ("flac", "FLAC", "PCM_16"),
    ("flac", "FLAC", "PCM_24"),
    ("ogg", "OGG", "VORBIS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
)
#: Rates that Layer III has.
MP3_RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000)


def _sound(draw: np.random.Generator, rate: int, channels: int) -> Floats:
    """A decaying mixture of a tone and noise, ``(T, channels)``, of 0.05 to 3 s."""
    count = round(float(draw.uniform(0.05, 3.0)) * rate)
    time = np.arange(count) / rate
    tone = np.sin(2 * np.pi * draw.uniform(40, 0.4 * rate) * time + draw.uniform(0, 6))
    mixed = tone[:, None] + draw.uniform(0, 1) * draw.standard_normal((count, channels))
    sound = mixed * np.exp(-time * draw.uniform(1, 20))[:, None]
    return draw.uniform(0.1, 0.9) * sound / np.abs(sound).max()


def _write_sound(folder: Path, name: str, number: int, draw: np.random.Generator) -> Path:
    ending, kind, subtype = KINDS[number % len(KINDS)]
    lossy = kind in ("OGG", "MP3")
    rates = MP3_RATES if kind == "MP3" else RATES
    channels = int(draw.integers(1, 3 if lossy else 9))
    rate = rates[int(draw.integers(len(rates)))]
    path = folder / f"{name}.{ending}"
    soundfile.write(path, _sound(draw, rate, channels), rate, subtype, format=kind)
    return path


def _text(path: Path, sound: Floats, rate: int) -> str:
    path.write_text("This is not a sound.\n" * 20)
    return "not audio that can be read"


def _picture(path: Path, sound: Floats, rate: int) -> str:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    return "not audio that can be read"


def _nothing(path: Path, sound: Floats, rate: int) -> str:
    path.write_bytes(b"")
    return "empty"


def _no_samples(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, sound[:0], rate)
    return "holds no samples"


def _silence(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, np.zeros_like(sound), rate)
    return "silent"


def _short(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, sound[: rate // 1000], rate)
    return "too short"


def _not_finite(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, np.where(np.arange(len(sound))[:, None] == 9, np.nan, sound), rate, "FLOAT")
    return "sample 9 is not finite"


def _fast(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, sound, 768000)
    return "its sample rate is 768000 Hz"


def _loud(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, 32768 * sound, rate, "FLOAT")
    return "peak out of range"


def _cut_head(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, sound, rate)
    path.write_bytes(path.read_bytes()[:30])
    return "not audio that can be read"


def _cut_short(path: Path, sound: Floats, rate: int) -> str:
    """A WAV file cut short is read as far as it goes."""
    soundfile.write(path, sound, rate)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return IMPORTED


def _cut_flac(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, sound, rate, format="FLAC")
    path.write_bytes(path.read_bytes()[:60])
    return "not audio that can be read"


def _unreadable(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, sound, rate)
    path.chmod(0)
    return IMPORTED if os.access(path, os.R_OK) else "cannot read"  # whoever is root reads it


def _own_folder(path: Path, sound: Floats, rate: int) -> str:
    path.symlink_to(path.parent, target_is_directory=True)
    return "symbolic link loop"


def _itself(path: Path, sound: Floats, rate: int) -> str:
    path.symlink_to(path.name)
    return "symbolic link loop"


def _lost_link(path: Path, sound: Floats, rate: int) -> str:
    path.symlink_to("nowhere.wav")
    return "broken symbolic link"


def _pipe(path: Path, sound: Floats, rate: int) -> str:
    os.mkfifo(path)
    return "not a plain file"


def _hidden(path: Path, sound: Floats, rate: int) -> str:
    soundfile.write(path, sound, rate)
    return "hidden"


#: What is made of every fourth file, in turn: names, and what is done about them.
ODD: tuple[tuple[str, Maker], ...] = (
    ("text{}.txt", _text),
    ("song{}.wav", _text),
    ("cover{}.png", _picture),
    ("nothing{}.wav", _nothing),
    ("no samples {}.wav", _no_samples),
    ("silence{}.wav", _silence),
    ("click{}.wav", _short),
    ("nan{}.wav", _not_finite),
    ("fast{}.wav", _fast),
    ("integers{}.wav", _loud),
    ("head{}.wav", _cut_head),
    ("half{}.wav", _cut_short),
    ("half{}.flac", _cut_flac),
    ("locked{}.wav", _unreadable),
    ("again{}", _own_folder),
    ("circle{}.wav", _itself),
    ("lost{}.wav", _lost_link),
    ("pipe{}.wav", _pipe),
    (".hidden{}.wav", _hidden),
    ("._sound{}.wav", _hidden),
)


@dataclass
class Mixed:
    """What was written.

    Attributes:
        reasons: expected result by path below the folder: the start of the reason for skipping, or `IMPORTED`.
        copies: the files of equal content, by the first of them that was written.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    copies: dict[str, list[str]] = field(default_factory=dict)


def write_mixed_folder(folder: Path, count: int, seed: int = 0) -> Mixed:
    """Write a folder of `count` files and links in folders named by labels.

    Of eight, five are sounds of different formats, rates and channels, one is a copy of an earlier file, and two are
    what cannot be imported, or not easily.

    Args:
        folder: folder that is made.
        count: how many; 150 have each kind once or more.
        seed: seed of the sounds.
    """
    draw = np.random.default_rng(seed)
    mixed = Mixed()
    sounds: list[Path] = []
    odd = 0
    for number in range(count):
        below = folder / LABELS[number % len(LABELS)]
        if number % 3 == 2:
            below = below / f"pack {number % 5}" / "ünïcode"
        below.mkdir(parents=True, exist_ok=True)
        turn = number // len(LABELS) + number  # so that no label has all of one kind
        if turn % 8 in (3, 7):
            name, make = ODD[odd % len(ODD)]
            odd += 1
            path = below / name.format(number)
            rate = RATES[int(draw.integers(len(RATES)))]
            reason = make(path, _sound(draw, rate, int(draw.integers(1, 3))), rate)
        elif turn % 8 == 5 and sounds:
            original = sounds[number % len(sounds)]
            path = below / f"copy{number}{original.suffix}"
            shutil.copy(original, path)
            name = original.relative_to(folder).as_posix()
            mixed.copies.setdefault(name, [name]).append(path.relative_to(folder).as_posix())
            reason = IMPORTED
        else:
            path = _write_sound(below, f"sound{number:05d}", len(sounds), draw)
            sounds.append(path)
            reason = IMPORTED
        mixed.reasons[path.relative_to(folder).as_posix()] = reason
    return mixed


def check_import(library: Library, mixed: Mixed) -> list[str]:
    """What is wrong with a library that was imported of a mixed folder, in lines for people; none if all is right."""
    wrong = []
    imported = set(library.items["file"])
    skipped = dict(zip(library.skipped["file"], library.skipped["reason"], strict=True))
    files = library.header.files
    if files != {"found": len(mixed.reasons), "imported": len(imported), "skipped": len(skipped)}:
        wrong.append(f"{len(mixed.reasons)} files, {len(imported)} imported, {len(skipped)} skipped; header: {files}")
    if both := imported & skipped.keys():
        wrong.append(f"imported and skipped: {sorted(both)}")
    copies = {name for names in mixed.copies.values() for name in names}
    for name, reason in mixed.reasons.items():
        found = IMPORTED if name in imported else skipped.get(name, "in neither table")
        if name not in copies and not found.startswith(reason):
            wrong.append(f"{name}: {found}, not {reason}")
    for names in mixed.copies.values():
        first = min(names, key=os.fsencode)
        reasons = {skipped.get(name) for name in names if name != first}
        if first not in imported or reasons != {f"duplicate (of {first})"}:
            wrong.append(f"copies {names}: {reasons}")
    if library.items.groupby("group")["split"].nunique().max() > 1:
        wrong.append("a group is in two splits")
    for label, items in library.items.groupby("label"):
        for split, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
            count = int((items["split"] == split).sum())
            if abs(count - share * len(items)) >= 2:
                wrong.append(f"{count} of {len(items)} items of label {label} are in {split}, not {share:.0%}")
    return wrong
