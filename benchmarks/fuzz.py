"""Damaged files: whether every reader handles each of them with at most one line of error.

Each reader gets files of its own format in which some bytes, numbers or words were changed. Correct results are an
object or a `UserError`; any other exception is a fault, and so is a call that takes longer than `PATIENCE`.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import itertools
import re
import shutil
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from synthvae.analysis.listening import COLUMNS, REFERENCE, analyse_answers, read_answers
from synthvae.audio.files import read_stamp
from synthvae.audio.recordings import read_recording, read_windows
from synthvae.bank import Bank
from synthvae.bank.transfer import read_bank_json
from synthvae.core.errors import UserError
from synthvae.data.generation import generate_dataset
from synthvae.data.importing import import_library
from synthvae.data.library import read_library
from synthvae.data.preset import Preset, read_preset, write_preset
from synthvae.data.presets import read_dataset
from synthvae.exploration.latent_files import read_latents
from synthvae.models.audio_encoder import read_encoder
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.training.config import read_overlay
from synthvae.training.run import Run, load_run

__all__ = ["PATIENCE", "Reader", "Reading", "fuzz", "fuzz_table", "mutate", "readers"]

#: Seconds that a reader may take for one file.
PATIENCE = 10.0
#: Replacements of a number or a word: limits of types, and invalid values.
_ODD = [b"0", b"-1", b"1e999", b"NaN", b"9223372036854775808", b"0.5", b'""', b"null", b"true", b"[]", b"{}", b"\xff"]
_SOUNDS = {"WAV": "PCM_16", "AIFF": "PCM_24", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": None, "AU": "ULAW"}
_WORD = re.compile(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?|\"[^\"\n]{0,40}\"|[A-Za-z_]{2,}")
SHORT = RenderSettings(sample_rate=16000, seconds=0.25, control_rate=160)


@dataclass(frozen=True)
class Reader:
    """A reader, and a folder of which one file is changed.

    Attributes:
        name: name of the format.
        folder: directory of the undamaged files.
        file: name of the file that is changed.
        read: function that reads the directory or its file.
    """

    name: str
    folder: Path
    file: str
    read: Callable[[Path], object]


@dataclass
class Reading:
    """Results of a reader.

    Attributes:
        reader: name of the reader.
        read: number of files that were read.
        refused: number of files rejected with a `UserError`.
        wrong: number of files with another result, or none within `PATIENCE`.
        slowest: longest time of a call, in seconds.
        faults: last line of each exception, with the bytes of the first file that caused it.
    """

    reader: str
    read: int = 0
    refused: int = 0
    wrong: int = 0
    slowest: float = 0.0
    faults: dict[str, bytes] = field(default_factory=dict)

    def note(self, fault: str, content: bytes) -> None:
        """Count an answer that is wrong, and keep the first file with each fault."""
        self.wrong += 1
        self.faults.setdefault(fault, content)


def mutate(content: bytes, draw: np.random.Generator) -> bytes:
    """A file of which one to four things were changed: bytes, a part, a number or a word."""
    data = bytearray(content)
    for _ in range(draw.integers(1, 5)):
        kind = draw.integers(0, 7)
        at, length = int(draw.integers(0, len(data) + 1)), int(2 ** draw.uniform(0, 10))
        if kind == 0:
            for place in draw.integers(0, max(1, len(data)), draw.integers(1, 9)):
                data[place : place + 1] = bytes([draw.integers(0, 256)])
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length]
        elif kind == 4:
            data[at : at + length] = draw.bytes(min(length, len(data) - at))
        elif kind == 5:
            number = int(draw.choice([0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
            data[at : at + 4] = number.to_bytes(4, str(draw.choice(["big", "little"])))  # type: ignore[arg-type]
        else:
            words = list(_WORD.finditer(data, max(0, at - 2000), at + 2000))
            if words:
                word = words[draw.integers(0, len(words))]
                data[word.start() : word.end()] = _ODD[draw.integers(0, len(_ODD))]
    return bytes(data)


def fuzz(seconds: float, seed: int, folder: Path, progress: Callable[[float], object]) -> list[Reading]:
    """Give every reader damaged files, one after the other, for so long.

    Args:
        seconds: total seconds.
        seed: seed of the changes.
        folder: an empty one, for the files.
        progress: called with the seconds that have passed.
    """
    targets = readers(folder / "whole")
    for target in targets:
        target.read(target.folder)
    found = {target.name: Reading(target.name) for target in targets}
    whole = {target.name: (target.folder / target.file).read_bytes() for target in targets}
    started = time.monotonic()
    for number, target in enumerate(itertools.cycle(targets)):
        passed = time.monotonic() - started
        if passed > seconds:
            break
        progress(passed)
        content = mutate(whole[target.name], np.random.default_rng([seed, number]))
        _try(target, content, folder / "damaged", found[target.name])
    return list(found.values())


def _try(target: Reader, content: bytes, place: Path, reading: Reading) -> None:
    if place.exists():
        shutil.rmtree(place)
    shutil.copytree(target.folder, place)
    (place / target.file).write_bytes(content)
    begun = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(place)
        reading.read += 1
    except UserError:
        reading.refused += 1
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        reading.note(f"{type(error).__name__} in {last.name}, line {last.lineno} of {last.filename}", content)
    taken = time.monotonic() - begun
    reading.slowest = max(reading.slowest, taken)
    if taken > PATIENCE:
        reading.note(f"no answer for {PATIENCE:g} s", content)


def readers(folder: Path) -> list[Reader]:
    """Write undamaged files of every format, and return their readers.

    Args:
        folder: folder that is made, with one folder for each format.
    """
    found: list[Reader] = []

    def add(name: str, file: str, read: Callable[[Path], object], write: Callable[[Path], object]) -> None:
        own = folder / name.replace(" ", "-")
        own.mkdir(parents=True)
        write(own)
        found.append(Reader(name, own, file, read))

    def add_file(name: str, file: str, read: Callable[[Path], object], write: Callable[[Path], object]) -> None:
        add(name, file, lambda place: read(place / file), lambda own: write(own / file))

    for name, file in (("dataset", "d.json"), ("Parquet", "d.parquet")):
        if name != "Parquet" or importlib.util.find_spec("pyarrow"):
            add_file(name, file, _whole_dataset, lambda path: generate_dataset(path, VOICE_63, 8, settings=SHORT))
    preset = Preset(VOICE_63, VOICE_63.denormalise(np.full(63, 0.5)), SHORT, name="middle")
    add_file("preset", "p.json", read_preset, lambda path: write_preset(path, preset))
    space = Path(str(resources.files("synthvae") / "spaces" / "voice-16"))
    for file in ("run.json", "weights.safetensors"):
        add(file, file, _whole_run, lambda own: _copy_run(space, own))
    encoder = "audio-encoder.safetensors"
    add_file("audio encoder", encoder, read_encoder, lambda path: shutil.copy(space / encoder, path))
    add_file("overlay", "o.toml", read_overlay, lambda path: path.write_text(_OVERLAY))
    run = load_run(space)
    add_file("latents JSON", "z.json", lambda path: read_latents(path, run), lambda path: _write_latents(path, run))
    add_file("latents CSV", "z.csv", lambda path: read_latents(path, run), lambda path: _write_latents(path, run))
    add_file("bank", "b.sqlite", _whole_bank, lambda path: Bank(path).add(preset, tags=["keeper"]))
    add_file("bank JSON", "b.json", read_bank_json, lambda path: _export_bank(path, preset))
    add("library header", "library.json", _whole_library, _write_library)
    add("library items", "items.csv", _whole_library, _write_library)
    add_file("answers", "a.csv", lambda path: analyse_answers(read_answers([path])), _write_answers)
    for kind, subtype in _SOUNDS.items():
        name = f"{kind} {subtype}" if subtype else kind
        add_file(name, f"s.{kind.lower()}", _whole_recording, _sound_writer(kind, subtype))
    return found


_OVERLAY = """
loss = "sclp"
synth_layer = true
feature = "logmel"
epochs = 10
lr = 1e-3
kl_weight = 1e-4
architecture = "512-512-16"
"""


def _whole_dataset(path: Path) -> object:
    dataset = read_dataset(path)
    return [dataset.split(name) for name in dataset.header.splits]


def _whole_run(place: Path) -> object:
    return load_run(place).decode(torch.zeros(1, 16))


def _copy_run(space: Path, own: Path) -> None:
    for name in ("run.json", "weights.safetensors"):
        shutil.copy(space / name, own)


def _write_latents(path: Path, run: Run) -> None:
    rows = torch.randn(4, 16, generator=torch.Generator().manual_seed(0)).tolist()
    if path.suffix == ".csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    else:
        path.write_text(str(rows))


def _whole_bank(path: Path) -> object:
    bank = Bank(path, create=False)
    return [bank.search("middle"), bank.tags(), bank.list(), *(bank.embedding(entry.id) for entry in bank.list())]


def _export_bank(path: Path, preset: Preset) -> None:
    bank = Bank(path.with_suffix(".sqlite"))
    bank.add(preset, tags=["keeper"])
    bank.export_json(path)
    for left in path.parent.glob("b.sqlite*"):
        left.unlink()


def _whole_library(place: Path) -> object:
    library = read_library(place)
    library.verify()
    return library.skipped


def _write_library(own: Path) -> None:
    sounds = own.parent / "sounds"
    for number in range(4):
        label = sounds / ("kick" if number % 2 else "snare")
        label.mkdir(parents=True, exist_ok=True)
        soundfile.write(label / f"{number}.wav", _noise(number), 8000)
    own.rmdir()
    import_library(sounds, own, seconds=0.1, sample_rate=8000)
    shutil.rmtree(sounds)


def _write_answers(path: Path) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for listener, trial, system in itertools.product("abcdef", range(3), ("ours", "theirs", REFERENCE)):
            answer = 100 if system == REFERENCE else 60 + trial
            rows.writerow([listener, "t", "mushra", f"sound {trial}", system, "", "", answer, 3])


def _whole_recording(path: Path) -> object:
    read_stamp(path)
    content = path.read_bytes()
    return read_recording(io.BytesIO(content), name="s"), list(read_windows(path, 4000, 16000, 4000))


def _sound_writer(kind: str, subtype: str | None) -> Callable[[Path], object]:
    return lambda path: soundfile.write(path, _noise(0), 8000, format=kind, subtype=subtype)


def _noise(seed: int) -> Any:  # noqa: ANN401
    return 0.3 * np.random.default_rng(seed).uniform(-1.0, 1.0, 4000)


def fuzz_table(readings: list[Reading], kept: Path | None) -> str:
    """The answers as a table, with the faults below; files that caused them are written to `kept`."""
    lines = ["| format | read | refused | wrong | slowest (s) |", "|---|---|---|---|---|"]
    lines += [f"| {r.reader} | {r.read:,} | {r.refused:,} | {r.wrong} | {r.slowest:.2f} |" for r in readings]
    for reading in readings:
        for what, content in reading.faults.items():
            name = f"{reading.reader.replace(' ', '-')}-{hashlib.sha256(content).hexdigest()[:8]}"
            if kept:
                kept.mkdir(parents=True, exist_ok=True)
                (kept / name).write_bytes(content)
            lines.append(f"{reading.reader}: {what} ({name})")
    return "\n".join(lines)
