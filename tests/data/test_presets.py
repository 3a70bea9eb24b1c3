from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.data.generation import generate_dataset, parse_splits
from synthvae.data.presets import Dataset, read_dataset, write_dataset
from synthvae.data.sampling import synth1b1_unit, uniform_unit
from synthvae.data.writing import parse_indices
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from synthvae.synths.voice.voice import Voice
from tests.errors import user_error


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


def test_uniform_in_human_units(tmp_path: Path):
    path = tmp_path / "human.json"
    generate_dataset(path, VOICE_63, 3000, seed=5, source="uniform-human")
    dataset = read_dataset(path)
    assert dataset.header.source == "uniform-human"
    low, high = (np.array([getattr(p, bound) for p in VOICE_63]) for bound in ("minimum", "maximum"))
    share = (dataset.values - low) / (high - low)
    np.testing.assert_allclose(share, uniform_unit(5, 0, 3000, 63), atol=1e-7)
    attack = VOICE_63.index("adsr_1.attack")  # whose curve is 0.5: half of its range is 0.71 of the unit
    assert np.median(dataset.values[:, attack]) == pytest.approx(1.0, abs=0.06)
    assert float(dataset.unit[:, attack].median()) == pytest.approx(0.5**0.5, abs=0.03)


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


def _set(*keys: Any, value: object) -> Callable[[dict[str, Any]], object]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


BROKEN = {
    "cut short": (lambda text: text[: len(text) // 2], "not a whole JSON document"),
    "empty": (lambda text: "", "not a whole JSON document"),
    "another format": (_document(lambda d: d.update(format="preset")), "format is 'preset'"),
    "a list": (lambda text: "[1, 2]", "not a JSON object"),
    "no format": (_document(lambda d: d.pop("format")), "format is missing; give a file of format 'synthvae-dataset'"),
    "null format": (_document(lambda d: d.update(format=None)), "format is null, not 'synthvae-dataset'"),
    "no version": (_document(lambda d: d.pop("version")), "version is missing; write the file again"),
    "no synth": (_document(lambda d: d.pop("synth")), "synth is missing; write the file again"),
    "no seed": (_document(lambda d: d.pop("seed")), "seed is missing; generate the file again"),
    "wrong version": (_document(lambda d: d.update(version=99)), "version is 99"),
    "another synth": (_document(lambda d: d.update(synth={"name": "DX7"})), "synth is"),
    "missing parameter": (_document(lambda d: d["parameters"].pop()), "parameter_hash"),
    "foreign hash": (_document(lambda d: d.update(parameter_hash="0" * 16)), "parameter_hash is '0000"),
    "no table": (_document(lambda d: d.pop("parameters")), "parameters is missing"),
    "extra value": (_document(lambda d: d["values"][7].append(0.5)), "preset 7 has 64 values"),
    "missing value": (_document(lambda d: d["values"][7].pop()), "preset 7 has 62 values"),
    "NaN": (_document(_set("values", 3, 1, value=math.nan)), r"preset 3, keyboard\.duration is nan"),
    "Infinity": (_document(_set("values", 3, 1, value=-math.inf)), r"preset 3, keyboard\.duration is -inf"),
    "a number without end": (_document(_set("values", 3, 1, value=10**400)), r"preset 3, keyboard\.duration is inf"),
    "NaN in the header": (_document(_set("seconds", value=math.nan)), "seconds is nan"),
    "NaN in the table": (_document(_set("parameters", 2, "curve", value=math.nan)), r"parameters\[2\]\.curve is nan"),
    "NaN cut short": (lambda text: text.replace("[[", "[[NaN,")[: len(text) // 2], "not a whole JSON document"),
    "null": (_document(_set("values", 3, 1, value=None)), r"preset 3, keyboard\.duration is null"),
    "a number in quotes": (_document(_set("values", 3, 1, value="0.5")), r"preset 3, keyboard\.duration is '0\.5'"),
    "truth": (_document(_set("values", 3, 1, value=True)), r"preset 3, keyboard\.duration is true"),
    "version true": (_document(_set("version", value=True)), "version is true"),
    "version 1.0": (_document(_set("version", value=1.0)), r"version is 1\.0"),
    "size true": (_document(_set("size", value=True)), "size is true"),
    "seed in quotes": (_document(_set("seed", value="5")), "seed is '5'"),
    "seed with a point": (_document(_set("seed", value=5.5)), r"seed is 5\.5"),
    "seed below 0": (_document(_set("seed", value=-1)), "seed is -1"),
    "seed null": (_document(_set("seed", value=None)), "seed is null"),
    "source 3": (_document(_set("source", value=3)), "source is 3"),
    "split of truths": (_document(_set("splits", "train", value=[False, True])), "split train is"),
    "splits overlap": (_document(_set("splits", "test", value=[25, 30])), r"validation \[22, 26\] and test \[25, 30\]"),
    "two of one name": (
        _document(_set("parameters", 1, "name", value="keyboard.midi_f0")),
        r"parameters\[1\]\.name is",
    ),
    "broken sample rate": (_document(_set("sample_rate", value=44100.7)), r"sample_rate is 44100\.7, not a whole"),
    "broken control rate": (_document(_set("control_rate", value=440.5)), r"control_rate is 440\.5, not a whole"),
    "sample rate true": (_document(_set("sample_rate", value=True)), "sample_rate is true"),
    "sample rate too low": (_document(_set("sample_rate", value=999)), "sample_rate is 999; give 1000 to 384000 Hz"),
    "control above sample rate": (_document(_set("control_rate", value=44101)), "control_rate is 44101; .* 44100 Hz"),
    "one control point": (_document(_set("control_rate", value=1)), r"seconds is 1\.0; give at least 2 s"),
    "an hour and more": (_document(_set("seconds", value=3601)), r"seconds is 3601\.0"),
    "text": (_document(lambda d: d["values"][3].__setitem__(1, "x")), "preset 3, keyboard.duration is 'x'"),
    "out of range": (_document(lambda d: d["values"][3].__setitem__(0, 128.0)), "preset 3, keyboard.midi_f0 is 128"),
    "a preset less": (_document(lambda d: d["values"].pop()), "values hold 29 presets, size says 30"),
    "no values": (_document(lambda d: d.pop("values")), "values is missing"),
    "null values": (_document(_set("values", value=None)), "values hold null presets"),
    "size 0": (_document(lambda d: d.update(size=0)), "size is 0"),
    "empty split": (_document(lambda d: d["splits"].update(test=[30, 30])), r"split test is \[30, 30\]"),
    "split too long": (_document(lambda d: d["splits"].update(test=[26, 31])), "split test"),
    "split missing": (_document(lambda d: d["splits"].pop("test")), "splits must name exactly"),
    "no sample rate": (_document(lambda d: d.pop("sample_rate")), "sample_rate is missing"),
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
    ("arguments", "argument", "value", "message"),
    [
        ({"size": 0}, "size", 0, ""),
        ({"size": 2}, "size", 2, ""),
        ({"size": 10, "seed": -1}, "seed", -1, ""),
        ({"size": 10, "seed": 2**63}, "seed", 2**63, ""),
        ({"size": 10, "settings": RenderSettings(seconds=0.001)}, "seconds", 0.001, "at least"),
        ({"size": 10, "settings": RenderSettings(sample_rate=0)}, "sample_rate", 0, "give 1000 to 384000 Hz"),
        ({"size": 10, "settings": RenderSettings(control_rate=0)}, "control_rate", 0, "give 1 to 44100 Hz"),
        ({"size": 10, "settings": RenderSettings(seconds=math.nan)}, "seconds", math.nan, ""),
        ({"size": 10, "source": "magic"}, "source", "magic", ""),
        ({"size": 10, "source": "synth1b1"}, "parameters", 63, "use `parameters` 78"),
        ({"size": 10, "splits": "8,2,0"}, "splits", "8,2,0", ""),
        ({"size": 10, "splits": "8,2"}, "splits", "8,2", ""),
        ({"size": 10, "splits": "8,1,2"}, "splits", "8,1,2", "add up to `size` 10"),
        ({"size": 10, "splits": "a,b,c"}, "splits", "a,b,c", "not three whole numbers"),
    ],
)
def test_bad_requests_write_nothing(
    arguments: dict[str, Any], argument: str, value: object, message: str, tmp_path: Path
):
    with user_error(argument, value, message):
        generate_dataset(tmp_path / "out.json", VOICE_63, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_ending_of_another_format_is_refused(tmp_path: Path):
    path = tmp_path / "out.csv"
    with user_error("out", path, "ends in .json or .parquet"):
        generate_dataset(path, VOICE_63, 10)
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_are_not_finite_are_never_written(file: Path, tmp_path: Path):
    dataset = read_dataset(file)
    values = dataset.values.copy()
    values[7, 2] = math.nan
    with pytest.raises(UserError, match=r"preset 27, adsr_1\.attack is nan"):
        write_dataset(tmp_path / "out.json", dataset.header, [dataset.values[:20], values])
    header = dataclasses.replace(dataset.header, settings=RenderSettings(seconds=math.inf))
    with pytest.raises(UserError, match=r"out\.json.*not finite"):
        write_dataset(tmp_path / "out.json", header, [dataset.values])
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("points", [2, 3])
def test_the_fewest_control_points_are_those_a_voice_renders(points: int):
    settings = RenderSettings(16000, points / 160, 160)
    settings.check()
    assert Voice(VOICE_63, **settings.to_dict()).control_size == points
    with user_error("seconds"):
        RenderSettings(16000, 1.4 / 160, 160).check()
    with pytest.raises(ValueError, match="two control points"):
        Voice(VOICE_63, **RenderSettings(16000, 1.4 / 160, 160).to_dict())


def test_a_whole_rate_may_be_written_with_a_point(file: Path):
    file.write_text(file.read_text().replace('"sample_rate": 44100', '"sample_rate": 44100.0'))
    assert read_dataset(file).header.settings == RenderSettings()


def test_a_crash_leaves_nothing(tmp_path: Path):
    def crash(done: int) -> None:
        raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        generate_dataset(tmp_path / "out.json", VOICE_63, 10, progress=crash)
    assert list(tmp_path.iterdir()) == []


def test_the_splits_of_the_thesis():
    assert parse_splits(None, 140_000) == {
        "train": (0, 100_000),
        "validation": (100_000, 120_000),
        "test": (120_000, 140_000),
    }
    assert parse_splits("7/2/1", 10)["validation"] == (7, 9)
    assert parse_splits(None, 3) == {"train": (0, 1), "validation": (1, 2), "test": (2, 3)}


def test_indices():
    assert parse_indices("3, 17,5-7,6", 20, "x") == [3, 17, 5, 6, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("20", "no preset 20"),
        ("18-20", "no preset 18-20"),
        ("7-5", "7-5 is backwards; write 5-7"),
        ("a", "'a' is neither a number"),
        ("", "'' is neither a number"),
        ("3,", "'' is neither a number"),
        ("-3", "'-3' is neither a number"),
        ("3-", "'3-' is neither a number nor a range"),
        ("3-4-5", "'3-4-5' is neither a number"),
        ("\u00b2", "is neither a number"),
        ("\u0663", "is neither a number"),
        ("7" * 5000, "is neither a number"),
    ],
)
def test_bad_indices(text: str, message: str):
    with pytest.raises(UserError, match=message) as caught:
        parse_indices(text, 20, "x")
    assert (caught.value.argument, caught.value.value) == ("index", text)
    assert len(str(caught.value)) < 300


def test_a_dataset_of_another_parameter_set_is_read_with_its_own_table():
    """Its five routes are those that synthvae took before table 4.1 of the thesis was checked."""
    dataset = read_dataset(Path(__file__).parent / "other_routes.json")
    routes = {name.removeprefix("mod_matrix.") for name in dataset.parameters.names if name.startswith("mod_matrix.")}
    assert routes == {
        "adsr_1->vco_1_pitch",
        "adsr_2->vco_1_amp",
        "lfo_1->vco_2_pitch",
        "lfo_2->vco_2_amp",
        "adsr_1->noise_amp",
    }
    assert dataset.parameters.hash == "27ae5a960e7cd686" != VOICE_63.hash
    np.testing.assert_allclose(dataset.unit, uniform_unit(0, 0, 8, 63), rtol=0, atol=1e-6)
    settings = dataset.header.settings.to_dict()
    audio = Voice(dataset.parameters, **settings)(dataset.unit)
    every = torch.tensor([[human[name] for name in VOICE_78.names] for human in _all_values(dataset)])
    torch.testing.assert_close(audio, Voice(VOICE_78, **settings)(VOICE_78.normalise(every)), rtol=0, atol=1e-3)
    with torch.no_grad():
        other = Voice(VOICE_63, **settings)(dataset.unit)
    assert (audio - other).abs().amax(1).max() > 0.1, "the same numbers mean another sound in the other set"


def _all_values(dataset: Dataset) -> list[dict[str, float]]:
    rows = dataset.values.tolist()
    return [{**dataset.parameters.fixed, **dict(zip(dataset.parameters.names, row, strict=True))} for row in rows]
