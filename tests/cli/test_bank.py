"""``bank`` as a user types it: what is printed and written, and every refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from PIL import Image

from synthvae import cli
from synthvae.audio.descriptors import PRESET_DESCRIPTORS
from synthvae.bank import Bank
from synthvae.bank import bank as module
from synthvae.data.preset import Preset, read_preset, write_preset
from synthvae.synths.voice.parameters import VOICE_78
from tests.cli.refusal import refused

Command = Callable[..., tuple[int, str, str]]
COMMANDS = list(typer.main.get_command(cli.app).commands["bank"].commands)


@pytest.fixture
def bank(run: Command, small_bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bank:
    """The bank that commands use: 12 presets, 1 and 2 with names of their own."""
    monkeypatch.setenv("SYNTHVAE_BANK", str(small_bank.path))
    small_bank.rename(1, "glass drop")
    small_bank.rename(2, "Glass Organ, C#3")
    return small_bank


@pytest.fixture
def folder(small_presets: list[Preset], tmp_path: Path) -> Path:
    """Three presets that are not in the bank, and one that is."""
    for number in (12, 13, 14, 5):
        write_preset(tmp_path / f"presets/preset_{number:02d}.json", small_presets[number])
    return tmp_path / "presets"


def test_help_alone_is_no_error(run: Command):
    code, out, err = run("bank")
    assert code == 2
    assert err == ""
    assert all(f" {command} " in out for command in COMMANDS)


def test_add(run: Command, bank: Bank, folder: Path):
    code, out, err = run("bank", "add", folder, "--tag", "New", "--tag", "first-try")
    assert code == 0, err
    lines = out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["#13", "#14", "#15"]
    assert lines[:3] == [f"added #{n} {bank.get(n).name}" for n in (13, 14, 15)]
    assert lines[3:] == [
        f"already in the bank: {folder}/preset_05.json is #6 {bank.get(6).name}",
        "3 presets added, 1 already in the bank",
    ]
    assert bank.get(13).tags == ("first-try", "new")
    assert bank.get(6).tags == ("odd", "other")


def test_add_one_by_name_to_a_bank_that_is_made(run: Command, folder: Path, tmp_path: Path):
    preset = folder / "preset_12.json"
    code, out, err = run("bank", "add", preset, "--name", "my own", "--bank", "deep/new.sqlite")
    assert code == 0, err
    assert out == "added #1 my own\n1 preset added, 0 already in the bank\n"
    assert Bank(tmp_path / "deep/new.sqlite", create=False).get("my own").id == 1


def test_add_of_many_is_short(run: Command, small_presets: list[Preset], tmp_path: Path):
    for number, preset in enumerate(small_presets):
        write_preset(tmp_path / f"p/{number:02d}.json", preset)
    code, out, _ = run("bank", "add", "p", "--bank", "b.sqlite")
    assert code == 0
    assert out.splitlines()[20:] == ["and 4 more, up to #24", "24 presets added, 0 already in the bank"]
    code, out, _ = run("bank", "add", "p", "--bank", "b.sqlite")
    assert code == 0
    assert out.splitlines()[20:] == ["and 4 more", "0 presets added, 24 already in the bank"]


def test_ctrl_c_keeps_what_is_done_and_says_so(
    run: Command, small_presets: list[Preset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for number, preset in enumerate(small_presets[:20]):
        write_preset(tmp_path / f"p/{number:02d}.json", preset)
    analyse, calls = module.analyse, []

    def interrupted(presets: list[Preset]):
        calls.append(len(presets))
        if len(calls) > 1:
            raise KeyboardInterrupt
        return analyse(presets)

    monkeypatch.setattr(module, "analyse", interrupted)
    code, out, err = run("bank", "add", "p", "--bank", "b.sqlite")
    assert (code, out) == (130, "")
    assert err.splitlines()[0] == "16 of 20 presets are in the bank; run the same command again to add the rest"
    assert "Traceback" not in err
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert run("bank", "add", "p", "--bank", "b.sqlite")[1].endswith("4 presets added, 16 already in the bank\n")


def test_adding_refuses_before_anything_is_added(run: Command, bank: Bank, folder: Path, tmp_path: Path):
    good = json.loads((folder / "preset_12.json").read_text())
    faults = {
        "cut.json": (json.dumps(good)[:-9], ("not a whole JSON document",)),
        "other.json": ('{"format": "other"}', ("format is 'other'",)),
        "foreign.json": (json.dumps(good | {"synth": {"name": "Serum"}}), ("synth is", "Serum", "torchsynth.Voice")),
        "nan.json": (json.dumps(good | {"values": good["values"] | {"adsr_1.attack": float("nan")}}), ("is nan",)),
        "long.json": (json.dumps(good | {"seconds": 3600}), ("seconds is 3600", "at most 60")),
        "longer.json": (json.dumps(good | {"seconds": 36000}), ("seconds is 36000",)),
    }
    for name, (text, parts) in faults.items():
        (tmp_path / name).write_text(text)
        refused(run("bank", "add", folder, name), name, *parts)
    (tmp_path / "empty").mkdir()
    soundfile.write(tmp_path / "sound.wav", np.ones(99), 44100)
    refused(run("bank", "add", "empty"), "no preset's *.json in it")
    refused(run("bank", "add", "none.json"), "none.json", "cannot read")
    refused(run("bank", "add", "sound.wav"), "sound.wav", "not JSON, which is text in UTF-8")
    (tmp_path / "sound.json").write_text("{}")
    refused(run("bank", "add", "sound.wav"), "sound.wav", "give sound.json, beside it")
    refused(run("bank", "add", folder, "--tag", "two words"), "--tag", "'two words'", "not one word")
    refused(run("bank", "add", folder, "--name", "x"), "--name is 'x'", "4 presets")
    refused(run("bank", "add", folder / "preset_12.json", "--name", " "), "--name", "empty")
    refused(run("bank", "add"), "PRESET.json")
    assert len(bank) == 12
    refused(run("bank", "add", "cut.json", "--bank", "fresh.sqlite"), "cut.json")
    assert not (tmp_path / "fresh.sqlite").exists(), "no bank is made for nothing"


def test_list(run: Command, bank: Bank):
    code, out, _ = run("bank", "list")
    assert code == 0
    assert out.splitlines()[-1] == "12 presets"
    for entry in bank.list():
        (line,) = [line for line in out.splitlines()[:-1] if line.split()[:1] == [str(entry.id)]]
        assert entry.name in line
        assert line.rstrip().endswith(" ".join(entry.tags))
        pitch = entry.descriptors["pitch"]
        shown = line.split(entry.name)[1].split()[0]
        assert shown == "-" if pitch is None else float(shown) == pytest.approx(pitch, rel=2e-3)
    _, out, _ = run("bank", "list", "--tag", "odd", "--tag", "other", "--limit", 2, "--sort", "name", "--json")
    assert [entry["id"] for entry in json.loads(out)] == [
        entry.id for entry in bank.search(tags=["odd"], sort="name", limit=2)
    ]
    assert run("bank", "list", "--tag", "never")[1] == "no preset matches\n"
    assert run("bank", "list", "--tag", "never", "--json")[1] == "[]\n"
    assert run("bank", "remove", *(entry.id for entry in bank.list()))[0] == 0
    assert run("bank", "list")[1].startswith("the bank is empty")


def test_search_by_words_and_ranges(run: Command, bank: Bank):
    def ids(*arguments: object) -> list[int]:
        code, out, err = run("bank", "search", *arguments, "--json")
        assert code == 0, err
        return [entry["id"] for entry in json.loads(out)]

    assert ids("glass") == [1, 2]
    assert ids("organ", "GLASS", "--tag", "odd") == [2]
    assert ids("glass organ") == [2]
    values = {entry.id: entry.descriptors for entry in bank.list()}
    for name in PRESET_DESCRIPTORS:
        known = {key: value[name] for key, value in values.items() if value[name] is not None}
        middle = sorted(known.values())[len(known) // 2] if known else 0.0
        assert ids(f"--{name}", f"{middle!r}:") == [key for key, value in known.items() if value >= middle]
        assert ids(f"--{name}", f" : {middle!r}") == [key for key, value in known.items() if value <= middle]
        assert ids(f"--{name}={middle!r}:{middle!r}") == [key for key, value in known.items() if value == middle]
    notes = {key: value["note"] for key, value in values.items() if value["note"] is not None}
    assert notes, "or the next lines would show nothing"
    assert ids("--note", "C2:") == [key for key, note in notes.items() if note >= 36]
    assert ids("--note", ":c#7") == [key for key, note in notes.items() if note <= 97]
    some = next(iter(notes.values()))
    assert ids("--note", some) == [key for key, note in notes.items() if note == some]
    assert ids("--loudness", "-30:-10", "--sort", "loudness", "--limit", 3) == [
        entry.id for entry in bank.search(ranges={"loudness": (-30, -10)}, sort="loudness", limit=3)
    ]
    assert run("bank", "search", "nothing of that kind")[1] == "no preset matches\n"


def test_search_by_sound(run: Command, bank: Bank, small_presets: list[Preset], tmp_path: Path):
    number = next(e.id for e in bank.list() if (e.descriptors["loudness"] or -99) > -35)
    assert run("bank", "export", "sounds", str(number))[0] == 0
    (path,) = (tmp_path / "sounds").glob("*.wav")
    sound, rate = soundfile.read(path)
    quiet = np.pad(0.3 * sound, (5000, 9000))
    soundfile.write(tmp_path / "eight.flac", np.stack([quiet] * 8, axis=1), rate)
    soundfile.write(tmp_path / "a.ogg", np.pad(sound, 500), rate)
    soundfile.write(tmp_path / "gsm.wav", sound, rate, "GSM610")  # which libsndfile cannot seek
    for like in (path.relative_to(tmp_path), path.with_suffix(".json"), "eight.flac", "a.ogg", "gsm.wav"):
        code, out, err = run("bank", "search", "--like", like, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert found[0]["id"] == number, like
        assert len(found) == 10, "as many as help says"
        distances = [entry["distance"] for entry in found]
        assert distances == sorted(distances)
    _, out, _ = run("bank", "search", "--like", "glass drop", "--limit", 3, "--json")
    expected = bank.search(like=bank.embedding(1), limit=4)[1:]
    assert [entry["id"] for entry in json.loads(out)] == [entry.id for entry in expected], "all but itself"
    _, out, _ = run("bank", "search", "--tag", "odd", "--like", 1, "--limit", 20)
    assert out.splitlines()[-1] == "6 presets"
    assert "distance" in out


def test_searches_that_cannot_be(run: Command, bank: Bank, tmp_path: Path):
    search = ("bank", "search")
    refused(run(*search, "--pitch", "440"), "--pitch is '440', not a range", "LOW:HIGH")
    refused(run(*search, "--pitch", ":"), "--pitch is ':', not a range")
    refused(run(*search, "--pitch", "A4:"), "'A4' is no number; write LOW:HIGH, LOW: or :HIGH in Hz, such as 200:500")
    refused(run(*search, "--attack", "100ms:1"), "'100ms' is no number", "in seconds, such as 0.01:0.1")
    refused(run(*search, "--noisiness", "a:"), "'a' is no number", "from 0 to 1, such as 0.1:0.5")
    refused(run(*search, "--note", "H4"), "'H4' is no note or number", "in notes or MIDI numbers, such as C3:C5")
    refused(run(*search, "--pitch", "1:2:3"), "'2:3' is no number")
    refused(run(*search, "--decay", "3:1"), "--decay: 3:1 is backwards; write 1:3")
    refused(run(*search, "--decay", "nan:1"), "--decay", "not finite")
    refused(run(*search, "--note", "H2"), "--note is 'H2'", "no note or number")
    refused(run(*search, "--size", "1:2"), "--size")
    refused(run(*search, "--sort", "size"), "no descriptor 'size'", "pitch, note")
    refused(run(*search, "--limit", 0), "--limit is 0")
    refused(run(*search, "--like", "1", "--limit", 0), "--limit is 0")
    refused(run(*search, "--like", "1", "--sort", "name"), "--sort is 'name'", "--like")
    refused(run(*search, "--like", "nothing"), "no preset is called 'nothing'")
    refused(run(*search, "--like", "9999"), f"{bank.path}: no preset number 9999 in the bank; its numbers run from 1")
    refused(run(*search, "--like", "none.wav"), "none.wav", "cannot read")
    refused(run(*search, "--like", "none.flac"), "none.flac", "cannot read")
    refused(run(*search, "--like", "none.json"), "none.json", "cannot read")
    (tmp_path / "text.wav").write_text("a song")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 44100)
    soundfile.write(tmp_path / "silent.wav", np.zeros(999), 44100)
    soundfile.write(tmp_path / "nan.wav", np.full(999, np.nan), 44100, "FLOAT")
    soundfile.write(tmp_path / "long.wav", np.ones(61_000) * 0.1, 1000)
    refused(run(*search, "--like", "text.wav"), "text.wav", "not audio that can be read")
    refused(run(*search, "--like", "empty.wav"), "empty.wav", "holds no samples")
    refused(run(*search, "--like", "silent.wav"), "silent.wav", "silent")
    refused(run(*search, "--like", "nan.wav"), "nan.wav", "not finite")
    refused(run(*search, "--like", "long.wav"), "long.wav", "61 s long, at most 60 s")
    refused(run(*search, "--like", tmp_path), "is a directory")


def test_show(run: Command, bank: Bank, tmp_path: Path):
    code, out, _ = run("bank", "show", "glass d", "--picture", "a/p.png")
    assert code == 0
    lines = out.splitlines()
    entry = bank.get(1)
    assert lines[:2] == ["#1 glass drop", "tags        even"]
    assert [line.split()[0] for line in lines[2:15]] == list(PRESET_DESCRIPTORS)
    assert f"hash        {entry.hash}" in lines
    assert "settings    0.25 s at 16000 Hz, control rate 160 Hz" in lines
    assert 'origin      {"dataset": "small.json", "index": 0}' in lines
    assert (tmp_path / "a/p.png").read_bytes() == bank.thumbnail(1)
    assert Image.open(tmp_path / "a/p.png").size == (96, 64)
    refused(run("bank", "show", 1, "--picture", "a/p.png"), "a/p.png", "exists already", "--picture")
    assert run("bank", "show", 1, "--picture", "a/p.png", "--overwrite")[0] == 0
    _, out, _ = run("bank", "show", 1, "--values")
    for name in VOICE_78.names:
        assert sum(line.split()[0] == name for line in out.splitlines()) == 1
    _, out, _ = run("bank", "show", 1, "--json")
    assert json.loads(out) == json.loads(json.dumps(entry.to_dict()))
    refused(run("bank", "show", "glass"), "'glass' fits 2 presets: 1 (glass drop), 2 (Glass Organ, C#3)")
    refused(run("bank", "show", 13), "no preset number 13 in the bank; its numbers run from 1 to 12; ")


def test_tag_and_tags(run: Command, bank: Bank):
    assert run("bank", "tag", 1, "+Dark", "-even", "--add", "loud") == (0, "#1 glass drop: dark, loud\n", "")
    assert run("bank", "tag", "glass drop", "-dark", "--remove", "loud") == (0, "#1 glass drop: no tags\n", "")
    assert run("bank", "tags") == (0, "     5  even\n     6  odd\n     6  other\n", "")
    refused(run("bank", "tag", 1, "dark"), "'dark' has no sign", "+dark", "-dark")
    refused(run("bank", "tag", 1, "--dark"), "'--dark' has no sign")
    refused(run("bank", "tag", 1), "there is no tag to add or remove in '1'")
    refused(run("bank", "tag", 1, "+a", "-A"), "'a' is both added and removed")
    refused(run("bank", "tag", 1, "+"), "tag", "not one word")
    refused(run("bank", "tag", 1, "+two words"), "'two words', not one word")
    refused(run("bank", "tag", 99, "+a"), "no preset number 99 in the bank")
    assert bank.tags() == {"even": 5, "odd": 6, "other": 6}


def test_rename_and_remove(run: Command, bank: Bank):
    assert run("bank", "rename", 3, "organ") == (0, "#3 organ\n", "")
    refused(run("bank", "rename", 3, ""), "NEW", "empty")
    refused(run("bank", "rename", 3, "a\nb"), "NEW", "not one line")
    refused(run("bank", "rename", "never", "x"), "no preset is called 'never'")
    refused(run("bank", "remove", 3, "never"), "no preset is called 'never'")
    assert bank.get(3).name == "organ"
    assert run("bank", "remove", "organ", 1) == (0, "removed #3 organ\nremoved #1 glass drop\n", "")
    assert [entry.id for entry in bank.list()] == [2, *range(4, 13)]


def test_export_and_import(run: Command, bank: Bank, tmp_path: Path):
    assert run("bank", "export", "odd.json", "--tag", "odd") == (0, "odd.json: 6 presets\n", "")
    refused(run("bank", "export", "odd.json"), "odd.json", "exists already", "--overwrite")
    refused(run("bank", "export", "x.json", "never"), "no preset is called 'never'")
    refused(run("bank", "export", "x.json", "1", "--tag", "odd"), "--tag is 'odd'", "'1' is named")
    refused(run("bank", "export", "x.json", "--tag", "never"), "no preset to export")
    assert not (tmp_path / "x.json").exists()
    assert run("bank", "export", "out", "2", "2", "1") == (0, "out: 2 presets with their sounds\n", "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "Glass-Organ_Cs3.json",
        "Glass-Organ_Cs3.wav",
        "glass-drop.json",
        "glass-drop.wav",
    ]
    assert read_preset(tmp_path / "out/Glass-Organ_Cs3.json", VOICE_78).name == "Glass Organ, C#3"
    refused(run("bank", "export", "out", "1"), "glass-drop", "exists already", "--overwrite")
    assert run("bank", "export", "out", "1", "--overwrite")[1] == "out: 1 preset with its sound\n"

    code, out, _ = run("bank", "import", "odd.json", "--bank", "other.sqlite")
    assert code == 0
    assert out.splitlines()[0] == "added #1 Glass Organ, C#3"
    assert out.splitlines()[-1] == "6 presets added, 0 already in the bank"
    assert Bank(tmp_path / "other.sqlite").tags() == {"odd": 6, "other": 6}
    code, out, _ = run("bank", "import", "odd.json")
    assert code == 0
    assert out.splitlines()[0] == "already in the bank: presets[0] is #2 Glass Organ, C#3"
    refused(run("bank", "import", "none.json"), "none.json", "cannot read")
    refused(run("bank", "import", "out/glass-drop.json"), "format is 'synthvae-preset', not 'synthvae-bank'")
    refused(run("bank", "import", "none.json", "--bank", "fresh.sqlite"), "none.json")
    assert not (tmp_path / "fresh.sqlite").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("search", "x"),
        ("search", "--like", "1"),
        ("show", "1"),
        ("tag", "1", "+a"),
        ("tags",),
        ("rename", "1", "x"),
        ("remove", "1"),
        ("export", "x.json"),
    ],
)
def test_where_there_is_no_bank(arguments: tuple[str, ...], run: Command, tmp_path: Path):
    refused(run("bank", *arguments, "--bank", "none.sqlite"), "none.sqlite", "no preset bank there", "--bank")
    (tmp_path / "text.sqlite").write_text("a song " * 99)
    refused(run("bank", *arguments, "--bank", "text.sqlite"), "text.sqlite", "not an SQLite file", "--bank")
    assert [path.name for path in tmp_path.iterdir()] == ["text.sqlite"]
