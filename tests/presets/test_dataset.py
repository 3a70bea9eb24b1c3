from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthvae.errors import UserError
from synthvae.generation import generate_dataset, parse_indices, parse_splits
from synthvae.parameters.voice import VOICE_63, VOICE_78
from synthvae.presets.dataset import read_dataset
from synthvae.presets.sampling import synth1b1_unit, uniform_unit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.json"
    generate_dataset(path, VOICE_63, 30, seed=5)
    return path


def test_reads_back_what_was_drawn(file: Path):
    dataset = read_dataset(file)
    assert dataset.parameters == VOICE_63
    assert len(dataset) == 30
    assert dataset.header.seed == 5
    assert dataset.header.splits == {"train": (0, 22), "validation": (22, 26), "test": (26, 30)}
    assert dataset.unit.dtype == torch.float32
    assert dataset.indices("test") == range(26, 30)
    torch.testing.assert_close(dataset.split("test"), dataset.unit[26:])
    drawn = VOICE_63.denormalise(uniform_unit(5, 0, 30, 63))
    np.testing.assert_allclose(dataset.values, drawn, rtol=1e-8, atol=1e-12)


def test_same_seed_same_bytes_and_prefix(tmp_path: Path, file: Path):
    again = tmp_path / "again.json"
    generate_dataset(again, VOICE_63, 30, seed=5)
    assert again.read_bytes() == file.read_bytes()
    larger = tmp_path / "larger.json"
    generate_dataset(larger, VOICE_63, 9000, seed=5)
    rows = [line.rstrip(",\n") for line in file.open() if line.startswith("[")]
    more = [line.rstrip(",\n") for line in larger.open() if line.startswith("[")]
    assert rows == more[:30]
    assert len(more) == 9000


def test_json_is_plain_and_sound_names_are_in_it(file: Path):
    document = json.loads(file.read_text())
    assert [p["name"] for p in document["parameters"]] == list(VOICE_63.names)
    assert document["fixed"] == dict(VOICE_63.fixed)
    assert document["synth"] == {"name": "torchsynth.Voice", "nebula": "default", "noise_seed": 13}
    assert len(document["values"]) == document["size"] == 30


def test_synth1b1_dataset_has_torchsynths_values(tmp_path: Path):
    path = tmp_path / "s.json"
    generate_dataset(path, VOICE_78, 40, source="synth1b1")
    human = VOICE_78.denormalise(synth1b1_unit(0, 40, VOICE_78.names))
    np.testing.assert_allclose(read_dataset(path).values, human, rtol=1e-8, atol=1e-12)


def test_progress_counts_presets(tmp_path: Path):
    done: list[int] = []
    generate_dataset(tmp_path / "p.json", VOICE_63, 9000, progress=done.append)
    assert done == [8192, 9000]


def _document(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        document = json.loads(text)
        change(document)
        return json.dumps(document)

    return apply


BROKEN = {
    "cut short": (lambda text: text[: len(text) // 2], "not a whole JSON document"),
    "empty": (lambda text: "", "not a whole JSON document"),
    "another format": (_document(lambda d: d.update(format="preset")), "format is 'preset'"),
    "a list": (lambda text: "[1, 2]", "format is None"),
    "wrong version": (_document(lambda d: d.update(version=99)), "version is 99"),
    "another synth": (_document(lambda d: d.update(synth={"name": "DX7"})), "synth is"),
    "missing parameter": (_document(lambda d: d["parameters"].pop()), "parameter_hash"),
    "foreign hash": (_document(lambda d: d.update(parameter_hash="0" * 16)), "parameter_hash is '0000"),
    "no table": (_document(lambda d: d.pop("parameters")), "parameters or fixed is missing"),
    "extra value": (_document(lambda d: d["values"][7].append(0.5)), "preset 7 has 64 values"),
    "missing value": (_document(lambda d: d["values"][7].pop()), "preset 7 has 62 values"),
    "NaN": (lambda text: text.replace('"values": [\n[', '"values": [\n[NaN,', 1), "not a whole JSON document"),
    "null": (_document(lambda d: d["values"][3].__setitem__(1, None)), "preset 3, keyboard.duration is nan"),
    "text": (_document(lambda d: d["values"][3].__setitem__(1, "x")), "preset 3, keyboard.duration is 'x'"),
    "out of range": (_document(lambda d: d["values"][3].__setitem__(0, 128.0)), "preset 3, keyboard.midi_f0 is 128"),
    "a preset less": (_document(lambda d: d["values"].pop()), "values hold 29 presets, size says 30"),
    "no values": (_document(lambda d: d.pop("values")), "values hold None presets"),
    "size 0": (_document(lambda d: d.update(size=0)), "size is 0"),
    "empty split": (_document(lambda d: d["splits"].update(test=[30, 30])), r"split test is \[30, 30\]"),
    "split too long": (_document(lambda d: d["splits"].update(test=[26, 31])), "split test"),
    "split missing": (_document(lambda d: d["splits"].pop("test")), "splits must name exactly"),
    "no sample rate": (_document(lambda d: d.pop("sample_rate")), "sample_rate is None"),
    "negative length": (_document(lambda d: d.update(seconds=-1)), "seconds is -1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_in_one_line(name: str, file: Path):
    change, message = BROKEN[name]
    file.write_text(change(file.read_text()))
    with pytest.raises(UserError, match=message) as caught:
        read_dataset(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path):
    with pytest.raises(UserError, match=r"nothing\.json: cannot read .*generate-dataset"):
        read_dataset(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "--size is 0"),
        ({"size": 2}, "--size is 2"),
        ({"size": 10, "seed": -1}, "--seed is -1"),
        ({"size": 10, "source": "magic"}, "--source is 'magic'"),
        ({"size": 10, "source": "synth1b1"}, "use --parameters 78"),
        ({"size": 10, "splits": "8,2,0"}, "--splits '8,2,0'"),
        ({"size": 10, "splits": "8,2"}, "--splits"),
        ({"size": 10, "splits": "8,1,2"}, "add up to --size 10"),
        ({"size": 10, "splits": "a,b,c"}, "not three whole numbers"),
    ],
)
def test_bad_requests_write_nothing(arguments: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(UserError, match=message):
        generate_dataset(tmp_path / "out.json", VOICE_63, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_crash_leaves_nothing(tmp_path: Path):
    def crash(done: int) -> None:
        raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        generate_dataset(tmp_path / "out.json", VOICE_63, 10, progress=crash)
    assert list(tmp_path.iterdir()) == []


def test_the_study_splits():
    assert parse_splits(None, 140_000) == {
        "train": (0, 100_000),
        "validation": (100_000, 120_000),
        "test": (120_000, 140_000),
    }
    assert parse_splits("7/2/1", 10)["validation"] == (7, 9)
    assert parse_splits(None, 3) == {"train": (0, 1), "validation": (1, 2), "test": (2, 3)}


def test_indices():
    assert parse_indices("3, 17,5-7,6", 20, "x") == [3, 17, 5, 6, 7]
    for text in ("20", "7-5", "a", "", "-3", "18-20"):
        with pytest.raises(UserError, match="--index"):
            parse_indices(text, 20, "x")
