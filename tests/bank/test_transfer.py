from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import soundfile

from synthvae.bank import Bank, transfer
from synthvae.bank.transfer import FORMAT, file_names, read_bank_json, write_files
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset, read_preset
from synthvae.naming import name_sounds
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_78


def without_time(bank: Bank) -> list[dict[str, object]]:
    return [entry.to_dict() | {"added": None} for entry in bank.list()]


def test_export_and_import_keep_everything(small_bank: Bank, tmp_path: Path):
    small_bank.rename(2, 'Ärger "mit" Zeichen\\')
    small_bank.retag(2, add=["größe"])
    path = tmp_path / "all.json"
    assert small_bank.export_json(path) == 12
    other, done = Bank(tmp_path / "other.sqlite"), []
    added = other.import_json(path, lambda *progress: done.append(progress))
    assert [one.new for one in added] == [True] * 12
    assert done == [(12, 12)]
    assert without_time(other) == without_time(small_bank)
    assert all(other.thumbnail(i) == small_bank.thumbnail(i) for i in range(1, 13))
    assert (other.embedding(3) == small_bank.embedding(3)).all()


def test_importing_twice_changes_nothing(small_bank: Bank, tmp_path: Path):
    path = tmp_path / "all.json"
    small_bank.export_json(path)
    small_bank.rename(2, "renamed since")
    small_bank.remove(3)
    before = small_bank.list()
    added = small_bank.import_json(path)
    assert [one.new for one in added] == [number == 2 for number in range(12)]
    assert [entry for entry in small_bank.list() if entry.id < 13] == list(before), "who is there stays as it is"
    assert [one.new for one in small_bank.import_json(path)] == [False] * 12


def test_some_are_exported(small_bank: Bank, tmp_path: Path):
    assert small_bank.export_json(tmp_path / "a.json", [7, "2"]) == 2
    document = json.loads((tmp_path / "a.json").read_text())
    assert (document["format"], document["version"]) == (FORMAT, 1)
    assert [preset["origin"]["index"] for preset in document["presets"]] == [6, 1]
    assert {"id", "distance"}.isdisjoint(document["presets"][0])
    with pytest.raises(UserError, match="no preset number 99"):
        small_bank.export_json(tmp_path / "b.json", [99])
    assert not (tmp_path / "b.json").exists()


def test_no_descriptor_of_a_file_is_believed(small_bank: Bank, tmp_path: Path):
    path = tmp_path / "a.json"
    small_bank.export_json(path, [4])
    document = json.loads(path.read_text())
    document["presets"][0] |= {"descriptors": {"pitch": "high"}, "hash": "wrong"}
    path.write_text(json.dumps(document))
    other = Bank(tmp_path / "other.sqlite")
    other.import_json(path)
    assert other.get(1).descriptors == small_bank.get(4).descriptors
    assert other.get(1).hash == small_bank.get(4).hash


PRESET_FAULTS = [
    ({"values": None}, "values is null, not an object"),
    ({"values": {"adsr_1.attack": 0.5}}, "is missing"),
    ({"tags": "dark"}, "tags is 'dark', not a list"),
    ({"tags": [3]}, "not a list of words"),
    ({"tags": ["two words"]}, "not one word"),
    ({"name": None}, "name is null, not a text"),
    ({"name": " "}, "name is ' ', which is empty"),
    ({"name": "a\nb"}, "not one line"),
    ({"sample_rate": "fast"}, "sample_rate is 'fast', not a number"),
    ({"sample_rate": 10}, "sample_rate is 10"),
    ({"seconds": 100}, r"seconds is 100\.0; a bank takes at most 60"),
    ({"seconds": float("nan")}, "seconds is nan"),
    ({"control_rate": None}, "control_rate is null"),
    ({"origin": {"latent": [float("inf")]}}, "origin is not what JSON can hold"),
]


@pytest.mark.parametrize(("change", "message"), PRESET_FAULTS)
def test_one_faulty_preset_and_none_is_imported(
    change: dict[str, object], message: str, small_bank: Bank, tmp_path: Path
):
    path = tmp_path / "a.json"
    small_bank.export_json(path, [1, 2, 3])
    document = json.loads(path.read_text())
    document["presets"][1] |= change
    path.write_text(json.dumps(document))
    other = Bank(tmp_path / "other.sqlite")
    with pytest.raises(UserError, match=message) as caught:
        other.import_json(path)
    assert str(caught.value).startswith(f"{path}: presets[1]")
    assert len(other) == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("adsr_1.attack", 1e9, r"presets\[0\].*adsr_1\.attack is 1000000000\.0, outside 0 to 2 s"),
        ("adsr_1.attack", None, r"presets\[0\].*adsr_1\.attack is null"),
        ("filter.cutoff", 0.5, r"presets\[0\].*no parameter 'filter\.cutoff'"),
    ],
)
def test_faulty_values_are_named(name: str, value: object, message: str, small_bank: Bank, tmp_path: Path):
    path = tmp_path / "a.json"
    small_bank.export_json(path, [1])
    document = json.loads(path.read_text())
    document["presets"][0]["values"][name] = value
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=message):
        read_bank_json(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document | {"format": "synthvae-preset"}, "format is 'synthvae-preset', not 'synthvae-bank'"),
        (lambda document: document | {"version": 2}, "version is 2, this synthvae reads version 1"),
        (lambda document: document | {"synth": {"name": "other"}}, "synth is .*'other'"),
        (lambda document: document | {"presets": {}}, r"presets is \{\}, not a list"),
        (lambda document: document | {"presets": [3]}, r"presets\[0\] is 3, not an object"),
        (lambda document: [document], "not a JSON object"),
        (lambda document: document | {"presets": [{"values": {}, "name": "x"}]}, r"presets\[0\]: tags is missing"),
    ],
)
def test_other_documents_are_refused(change, message: str, small_bank: Bank, tmp_path: Path):
    path = tmp_path / "a.json"
    small_bank.export_json(path, [1])
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UserError, match=message):
        small_bank.import_json(path)
    assert len(small_bank) == 12


def test_files_that_are_not_whole(small_bank: Bank, tmp_path: Path):
    path = tmp_path / "a.json"
    small_bank.export_json(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"a\.json: not a whole JSON document .*export the bank again"):
        small_bank.import_json(path)
    with pytest.raises(UserError, match=r"none\.json: cannot read .*bank export"):
        small_bank.import_json(tmp_path / "none.json")


@pytest.mark.parametrize("levels", [1000, 100_000])
@pytest.mark.parametrize("field", ["name", "tags", "origin", "values"])
def test_brackets_in_brackets_are_one_line(field: str, levels: int, small_bank: Bank, tmp_path: Path):
    path = tmp_path / "a.json"
    small_bank.export_json(path, [1])
    document = json.loads(path.read_text())
    document["presets"][0][field] = "@"
    path.write_text(json.dumps(document).replace('"@"', '{"a": ' + "[" * levels + "]" * levels + "}"))
    with pytest.raises(UserError, match=r"^[^\n]*a\.json: (nested more than 100 levels deep|not a whole JSON)[^\n]*$"):
        read_bank_json(path)


def test_a_document_is_no_larger_than_can_be_read(small_bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, most = tmp_path / "a.json", 20_000
    monkeypatch.setattr(transfer, "MOST_BYTES", most)
    with pytest.raises(UserError, match=r"a\.json: would have [\d,]+ bytes; at most 20,000 are read again; .*in parts"):
        small_bank.export_json(path)
    assert not path.exists()
    small_bank.export_json(path, [1])
    content = path.read_bytes()
    path.write_bytes(content.rstrip().ljust(most))
    assert len(read_bank_json(path)) == 1
    path.write_bytes(content.rstrip().ljust(most + 1))
    with pytest.raises(UserError, match=r"a\.json: more than 20,000 bytes; export the bank in parts"):
        read_bank_json(path)


def test_a_folder_of_presets_and_sounds(small_bank: Bank, small_presets: list[Preset], tmp_path: Path):
    other = dataclasses.replace(small_presets[20], settings=RenderSettings(8000, 0.3, 100), name="Same Name")
    small_bank.add(other)
    small_bank.rename(1, "glass drop, C#3")
    small_bank.rename(2, "same name")
    done: list[int] = []
    entries = [small_bank.get(number) for number in (1, 13, 2)]
    assert file_names(entries) == ["glass-drop_Cs3", "Same-Name-13", "same-name-2"]
    paths = write_files(tmp_path / "out", entries, False, done.append)
    assert done == [1, 2, 3]
    assert sorted(path.name for path in paths) == ["Same-Name-13.wav", "glass-drop_Cs3.wav", "same-name-2.wav"]
    for entry, stem in zip(entries, file_names(entries), strict=True):
        preset = read_preset(tmp_path / f"out/{stem}.json", VOICE_78)
        assert (preset.name, preset.descriptors, preset.settings) == (entry.name, entry.descriptors, entry.settings)
        sound, rate = soundfile.read(tmp_path / f"out/{stem}.wav", dtype="float32")
        assert rate == entry.settings.sample_rate
        assert name_sounds(sound[None], rate)[0].descriptors == entry.descriptors
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "out/same-name-2.json").unlink()
    with pytest.raises(UserError, match=r"exists already; add `overwrite` .*another `out`"):
        write_files(tmp_path / "out", entries, False)
    assert not (tmp_path / "out/same-name-2.json").exists(), "nothing is written where one is there"
    write_files(tmp_path / "out", entries, True)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
