"""The readers of files and requests from outside, each with an undamaged file to change."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import functools
import importlib.util
import io
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from synthvae.analysis import saved
from synthvae.analysis.listening import COLUMNS, REFERENCE, analyse_answers, read_answers
from synthvae.audio.files import read_stamp
from synthvae.audio.recordings import read_recording, read_windows
from synthvae.bank import Bank
from synthvae.bank.transfer import read_bank_json
from synthvae.core.errors import UserError
from synthvae.core.files import temporary_folder
from synthvae.core.json import read_record
from synthvae.core.shards import ShardFolder
from synthvae.core.store import Store
from synthvae.data.generation import generate_dataset
from synthvae.data.importing import import_library, plan_import
from synthvae.data.library import read_library
from synthvae.data.library_writing import Entry, Plan, Sound, build_library
from synthvae.data.preset import Preset, read_preset, write_preset
from synthvae.data.presets import read_dataset
from synthvae.experiments.measures import NullMeasures
from synthvae.exploration.latent_files import read_latents
from synthvae.maps.clusters import Clusters
from synthvae.matching.index import open_index
from synthvae.models.audio_encoder import read_encoder
from synthvae.scale.works import GenerateWork
from synthvae.studio.packing import pack_map, unpack_map
from synthvae.synths.sensitivity import PerceptualMetric, read_metric, write_metric
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.training.checkpoint import Position, read_position, restore_checkpoint, save_checkpoint
from synthvae.training.config import read_overlay
from synthvae.training.log import read_metrics
from synthvae.training.run import Run, load_run

if TYPE_CHECKING:
    from starlette.testclient import TestClient

__all__ = ["Reader", "readers", "write_answers"]

SPACE = Path(str(resources.files("synthvae") / "spaces" / "voice-16"))
SHORT = RenderSettings(sample_rate=16000, seconds=0.25, control_rate=160)
PRESET = Preset(VOICE_63, VOICE_63.denormalise(np.full(63, 0.5)), SHORT, name="middle")
_SOUNDS = {"WAV": "PCM_16", "AIFF": "PCM_24", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": None, "AU": "ULAW"}


@dataclass(frozen=True)
class Reader:
    """A reader, and how the files are written of which one is changed.

    Attributes:
        name: name of the format.
        file: name of the file that is changed.
        write: function that writes the undamaged files to an empty directory.
        read: function that reads the directory.
    """

    name: str
    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]


def readers() -> list[Reader]:
    """The readers of all formats; Parquet and the HTTP API only where their extras are installed."""
    found = [
        _one("dataset", "d.json", _write_dataset, _read_dataset),
        _one("preset", "p.json", lambda path: write_preset(path, PRESET), read_preset),
        *(Reader(file, file, _copy_run, _read_run) for file in ("run.json", "weights.safetensors")),
        Reader("space manifest", "manifest.json", _copy_space, _read_run),
        _one("packed map", "map.safetensors", _write_map, lambda path: unpack_map(path, path.parent / "cache")),
        Reader("stored result", _stored_name(), _write_result, _read_result),
        _one("audio encoder", "e.safetensors", lambda path: shutil.copy(SPACE / _ENCODER, path), read_encoder),
        _one("checkpoint", "c.safetensors", _write_checkpoint, _read_checkpoint),
        _one("metrics.csv", "m.csv", _write_metrics, read_metrics),
        _one("metric", "m.safetensors", _write_metric, _read_metric),
        _one("sound index", "i.safetensors", _read_index, _read_index),
        _one("overlay", "o.toml", lambda path: path.write_text(_OVERLAY), read_overlay),
        _one("latents JSON", "z.json", _write_latents, lambda path: read_latents(path, _space())),
        _one("latents CSV", "z.csv", _write_latents, lambda path: read_latents(path, _space())),
        _one("bank", "b.sqlite", lambda path: Bank(path).add(PRESET, tags=["keeper"]), _read_bank),
        _one("bank JSON", "b.json", _export_bank, read_bank_json),
        Reader("library header", "library.json", _write_library, _read_library),
        Reader("library items", "items.csv", _write_library, _read_library),
        Reader("unfinished library", "lib.part/log.jsonl", _write_unfinished, _resume_library),
        _one("analysis", "metrics.json", _write_analysis, _read_analysis),
        _one("measures", "measures.json", _write_measures, lambda path: read_record(NullMeasures, path, "remove it")),
        Reader("labels CSV", "labels.csv", _write_labels, lambda place: _plan(place, place / "labels.csv")),
        Reader("labels of NSynth", "examples.json", _write_nsynth, lambda place: _plan(place, None)),
        Reader("plan of shards", "plan.json", _write_shards, _finalize),
        Reader("shard", "00001-of-00002.shard", _write_shards, _finalize),
        _one("answers", "a.csv", write_answers, lambda path: analyse_answers(read_answers([path]))),
    ]
    for kind, subtype in _SOUNDS.items():
        name = f"{kind} {subtype}" if subtype else kind
        found.append(_one(name, f"s.{kind.lower()}", _sound_writer(kind, subtype), _read_recording))
    if importlib.util.find_spec("pyarrow"):
        found.insert(1, _one("Parquet", "d.parquet", _write_dataset, _read_dataset))
    if importlib.util.find_spec("fastapi"):
        found.append(_one("HTTP API", "requests.txt", _write_requests, _send_requests))
        found.append(_one("HTTP upload", "s.wav", _sound_writer("WAV", "PCM_16"), _upload))
    return found


def _one(name: str, file: str, write: Callable[[Path], object], read: Callable[[Path], object]) -> Reader:
    """A reader of a single file, which is written and read by its path."""
    return Reader(name, file, lambda own: write(own / file), lambda place: read(place / file))


_ENCODER = "audio-encoder.safetensors"
_OVERLAY = """
loss = "sclp"
synth_layer = true
feature = "logmel"
epochs = 10
lr = 1e-3
kl_weight = 1e-4
architecture = "512-512-16"
"""


@functools.cache
def _space() -> Run:
    return load_run(SPACE)


def _write_dataset(path: Path) -> None:
    generate_dataset(path, VOICE_63, 8, settings=SHORT)


def _read_dataset(path: Path) -> object:
    dataset = read_dataset(path)
    return [dataset.split(name) for name in dataset.header.splits]


def _copy_run(own: Path) -> None:
    for name in ("run.json", "weights.safetensors"):
        shutil.copy(SPACE / name, own)


def _copy_space(own: Path) -> None:
    shutil.copytree(SPACE, own, dirs_exist_ok=True)


def _read_run(place: Path) -> object:
    return load_run(place).decode(torch.zeros(1, 16))


def _clusters() -> Clusters:
    return Clusters(np.arange(40) % 4 - 1, "density")


def _write_result(own: Path) -> None:
    Store(own).get(Clusters, "result-1", (), _clusters)


def _read_result(place: Path) -> None:
    """A result that is damaged is computed again."""
    found = Store(place).get(Clusters, "result-1", (), _clusters)
    if not isinstance(found.labels, np.ndarray) or not isinstance(found.by, str):
        raise TypeError(f"another result: {found}")


def _stored_name() -> str:
    with tempfile.TemporaryDirectory() as folder:
        _write_result(Path(folder))
        return next(Path(folder).iterdir()).name


def _write_map(path: Path) -> None:
    cache = path.parent / "made"
    _write_result(cache)
    pack_map(cache, path)
    shutil.rmtree(cache)


def _model() -> tuple[dict[str, torch.nn.Module], torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 8)
    return {"model": model}, torch.optim.Adam(model.parameters())


def _write_checkpoint(path: Path) -> None:
    modules, optimiser = _model()
    modules["model"](torch.ones(2, 8)).sum().backward()
    optimiser.step()
    position = Position(epoch=3, step=2, best_epoch=1, best_terms={"spectral": 0.5}, seconds=2.5)
    save_checkpoint(path, modules, optimiser, {"spectral": torch.tensor(0.25)}, position)


def _read_checkpoint(path: Path) -> None:
    read_position(path, 1)
    modules, optimiser = _model()
    restore_checkpoint(path, modules, optimiser, 1)
    modules["model"](torch.ones(2, 8)).sum().backward()
    optimiser.step()


def _write_metrics(path: Path) -> None:
    rows = [f"{epoch},{20 / (epoch + 1)!r},{21 / (epoch + 1)!r},0.001" for epoch in range(6)]
    path.write_text("\n".join(["epoch,train/spectral,validation/spectral,lr", *rows, ""]))


def _write_metric(path: Path) -> None:
    matrices = torch.rand(4, 63, 63, generator=torch.Generator().manual_seed(0))
    matrices = matrices @ matrices.mT
    mean, effect = matrices.mean(0).double(), torch.ones(63, dtype=torch.float64)
    tensors = (mean, mean.clone(), effect, effect.clone(), matrices)  # safetensors refuses shared memory
    write_metric(path, PerceptualMetric(*tensors, 4, "logmel", "0" * 64, VOICE_63.hash))


def _read_metric(path: Path) -> object:
    metric = read_metric(path)
    return metric.limited_presets.sum() + (metric.mean @ metric.slope + metric.limited @ metric.effect).sum()


def _read_index(path: Path) -> object:
    """An index that is damaged is computed again."""
    return open_index(VOICE_63, SHORT, 4, path).nearest(torch.zeros(4000), 2)


def _write_latents(path: Path) -> None:
    rows = torch.randn(4, 16, generator=torch.Generator().manual_seed(0)).tolist()
    if path.suffix == ".csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    else:
        path.write_text(str(rows))


def _read_bank(path: Path) -> object:
    bank = Bank(path, create=False)
    return [bank.search("middle"), bank.tags(), bank.list(), *(bank.embedding(entry.id) for entry in bank.list())]


def _export_bank(path: Path) -> None:
    bank = Bank(path.with_suffix(".sqlite"))
    bank.add(PRESET, tags=["keeper"])
    bank.export_json(path)
    for left in path.parent.glob("b.sqlite*"):
        left.unlink()


def _write_library(own: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(4):
            label = Path(folder) / ("kick" if number % 2 else "snare")
            label.mkdir(exist_ok=True)
            soundfile.write(label / f"{number}.wav", _noise(number), 8000)
        own.rmdir()
        import_library(Path(folder), own, seconds=0.1, sample_rate=8000)


def _read_library(place: Path) -> object:
    library = read_library(place)
    library.verify()
    return library.skipped


_PLAN = Plan("sounds", 8000, 800, "50,25,25", 0, {}, [Entry(f"{number}.wav", "ab"[number % 2]) for number in range(4)])


def _read_entry(entry: Entry) -> list[Sound]:
    return [Sound(_noise(int(entry.file[0])).astype(np.float32)[:800], 0.0, 1, 8000)]


def _write_unfinished(own: Path) -> None:
    """A library of which three sounds were read."""

    def stop(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        build_library(own / "lib", _PLAN, _read_entry, progress=stop)


def _resume_library(place: Path) -> object:
    build_library(place / "lib", _PLAN, _read_entry)
    return _read_library(place / "lib")


def _write_analysis(path: Path) -> None:
    document = {"format": "synthvae-analysis", "version": saved.VERSION, "runs": {"a": {"epochs": 3}}}
    path.write_text(json.dumps(document))
    (path.parent / "reconstruction_a.csv").write_text("preset,logmel_mse\n4,0.5\n")


def _read_analysis(path: Path) -> object:
    analysis = saved.load_analysis(path.parent)
    return analysis.runs, analysis.reconstruction


def _write_measures(path: Path) -> None:
    errors = {"logmel": [1.5, 2.5]}
    nulls = NullMeasures("key", 2, {"mean": errors}, {"mean": errors}, {"rms": errors}, 0.5, 1.5, [0.1, 0.2])
    path.write_text(json.dumps(dataclasses.asdict(nulls)))


def _write_notes(own: Path) -> list[str]:
    """Sounds in the layout of NSynth; returns their names."""
    (own / "audio").mkdir()
    names = [f"guitar_{number}" for number in range(4)]
    for number, name in enumerate(names):
        soundfile.write(own / "audio" / f"{name}.wav", _noise(number), 8000)
    return names


def _write_labels(own: Path) -> None:
    lines = [f"audio/{name}.wav,label {name},{60 + at},g" for at, name in enumerate(_write_notes(own))]
    (own / "labels.csv").write_text("\n".join(["file,label,pitch,group", *lines, ""]))


def _write_nsynth(own: Path) -> None:
    notes = {name: {"instrument_family_str": "guitar", "pitch": 60 + at} for at, name in enumerate(_write_notes(own))}
    (own / "examples.json").write_text(json.dumps(notes))


def _plan(place: Path, labels: Path | None) -> object:
    return plan_import(place, place / "out", 0.1, 8000, labels=labels).plan


def _work(own: Path) -> GenerateWork:
    return GenerateWork(str(own / "d.json"), 8, 3, "uniform", None, "torchsynth.Voice", 63, 16000, 0.25, 160)


def _write_shards(own: Path) -> None:
    # The output is named by what does not change when the folder is copied.
    work = _work(Path("out"))
    folder = ShardFolder.begin(own, work, 2)
    for number in (1, 2):
        folder.make(work, number)


def _finalize(place: Path) -> object:
    folder = ShardFolder.open(place)
    return folder.finalize(_work(place), keep=True)


def write_answers(path: Path) -> None:
    """Write answers of six listeners to a MUSHRA test of two systems."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for listener, trial, system in itertools.product("abcdef", range(3), ("ours", "theirs", REFERENCE)):
            answer = 100 if system == REFERENCE else 60 + trial
            rows.writerow([listener, "t", "mushra", f"sound {trial}", system, "", "", answer, 3])


def _read_recording(path: Path) -> object:
    read_stamp(path)
    content = path.read_bytes()
    return read_recording(io.BytesIO(content), name="s"), list(read_windows(path, 4000, 16000, 4000))


def _sound_writer(kind: str, subtype: str | None) -> Callable[[Path], object]:
    return lambda path: soundfile.write(path, _noise(0), 8000, format=kind, subtype=subtype)


def _noise(seed: int) -> NDArray[np.float64]:
    return 0.3 * np.random.default_rng(seed).uniform(-1.0, 1.0, 4000)


#: Requests to the API of `explore`: method, address, and body.
_REQUESTS = (
    ("GET", "/session", None),
    ("GET", "/maps/sound?limit=3", None),
    ("GET", "/maps/sound/grid?left=0.1&right=0.4&top=0.4&bottom=0.1&columns=2&rows=2", None),
    ("GET", "/columns/centroid", None),
    ("GET", "/points/5", None),
    ("GET", "/search?text=bright&tag=keeper", None),
    ("GET", "/duplicates?distance=1.0", None),
    ("GET", "/bank?text=middle&tag=keeper&limit=20", None),
    ("PATCH", "/bank/1", {"name": "mine", "add": ["dark"], "remove": ["pad"]}),
    ("POST", "/bank", {"spec": {"point": 3}, "tags": ["warm", "pad"], "name": "three"}),
    ("POST", "/render", {"spec": {"point": 5}, "note": 60, "hold": 0.5, "format": "int16"}),
    ("POST", "/render", {"spec": {"near": {"base": {"point": 5}, "u": 0.2, "v": -0.3}}}),
    ("POST", "/sounds", {"spec": {"place": {"view": "sound", "x": 0.2, "y": 0.3, "between": True}}}),
    ("POST", "/plane", {"spec": {"point": 5}}),
    ("POST", "/paths", {"specs": [{"point": 1}, {"point": 2}], "steps": 4, "way": "parameters", "even": False}),
    ("POST", "/paths/audio", {"specs": [{"point": 1}, {"point": 2}], "steps": 3, "gap": -0.1, "level": True}),
    ("POST", "/vary", {"spec": {"point": 1}, "amount": 0.2, "count": 3, "keep": ["pitch"], "seed": 1}),
    ("POST", "/blend", {"specs": [{"point": 1}, {"point": 2}], "weights": [1, -0.5], "base": {"point": 3}}),
    ("POST", "/rank", {"spec": {"point": 5}, "count": 10, "shifts": {"brightness": 1}, "playable": True}),
    ("POST", "/export", {"spec": {"point": 3}, "name": "three", "to": "wav"}),
    ("POST", "/library", {"sounds": [{"spec": {"point": 3}, "name": "three"}], "name": "kit", "kit": True}),
    ("POST", "/marks", {"points": [1, 2], "kind": "favourites", "on": True}),
)


def _request_lines() -> list[bytes]:
    lines = [f"{method} {address} {json.dumps(body) if body else ''}" for method, address, body in _REQUESTS]
    return [line.strip().encode() for line in lines]


def _write_requests(path: Path) -> None:
    path.write_bytes(b"\n".join(_request_lines()))


@functools.cache
def _client() -> TestClient:
    from starlette.testclient import TestClient

    from synthvae.studio.app import create_app
    from synthvae.studio.security import Access
    from synthvae.studio.serve import open_session

    folder = Path(tempfile.mkdtemp(dir=temporary_folder()))
    session = open_session(SPACE, bank=folder / "bank.sqlite", cache=folder / "cache", say=lambda text: None)
    return TestClient(create_app(session, Access()), "http://localhost:8321", raise_server_exceptions=True)


def _send_requests(path: Path) -> None:
    """Send the requests that were changed, at most eight.

    Raises:
        UserError: if all are refused; a refusal has one form.
    """
    changed = [line for line in path.read_bytes().split(b"\n") if line not in set(_request_lines())]
    refused = 0
    for line in changed[:8]:
        method, _, rest = line.partition(b" ")
        address, _, body = rest.partition(b" ")
        name = method.decode("latin-1") if re.fullmatch(rb"[A-Z]{1,12}", method) else "POST"
        place = "/" + quote(address, safe="/?=&%+").lstrip("/")
        refused += not _answered(name, place, body, {"content-type": "application/json"} if body else {})
    if changed and refused == len(changed[:8]):
        raise UserError(path, path, "send other requests", "all refused")


def _answered(method: str, place: str, body: bytes, headers: dict[str, str]) -> bool:
    """Whether a request is answered, and not refused; a refusal has one form."""
    answer = _client().request(method, f"/api/v1{place}", content=body or None, headers=headers)
    if answer.status_code >= 500:
        raise RuntimeError(f"status {answer.status_code}: {answer.text[:200]}")
    if answer.status_code >= 400 and method != "HEAD" and set(answer.json()) - {"argument"} != {"error"}:
        raise RuntimeError(f"a refusal of another form: {answer.text[:200]}")
    return answer.status_code < 400


def _upload(path: Path) -> None:
    if not _answered("POST", "/import?name=s", path.read_bytes(), {"content-type": "application/octet-stream"}):
        raise UserError(path, path, "send another recording", "refused")
    _client().delete("/api/v1/imports")
