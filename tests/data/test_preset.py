from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.audio.files import wav_bytes, write_wav
from synthvae.core.errors import UserError
from synthvae.data.preset import LATENTS_FORMAT, Preset, read_preset, read_presets, write_preset
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78


@pytest.fixture
def preset() -> Preset:
    unit = np.random.default_rng(0).random(63)
    return Preset(VOICE_63, VOICE_63.denormalise(unit), RenderSettings(), {"dataset": "x.json", "index": 3})


def test_round_trip(preset: Preset, tmp_path: Path):
    path = tmp_path / "a.json"
    write_preset(path, preset)
    again = read_preset(path, VOICE_63)
    np.testing.assert_allclose(again.human, preset.human, rtol=1e-8)
    assert again.settings == preset.settings
    assert again.origin == preset.origin
    document = json.loads(path.read_text())
    assert set(document["values"]) == set(VOICE_78.names)
    assert "parameter_hash" not in document, "the values have names; a hash beside them could only contradict them"


def test_a_preset_of_63_reads_as_one_of_78_but_not_back(preset: Preset, tmp_path: Path):
    path = tmp_path / "a.json"
    write_preset(path, preset)
    full = read_preset(path, VOICE_78)
    human = full.human.copy()
    human[VOICE_78.index("mod_matrix.adsr_2->vco_1_pitch")] = 0.5
    write_preset(path, Preset(VOICE_78, human, full.settings))
    with pytest.raises(UserError, match=r"adsr_2->vco_1_pitch is 0\.5, but this parameter set holds it at 0"):
        read_preset(path, VOICE_63)


def test_directories_are_read_in_order(preset: Preset, tmp_path: Path):
    for name in ("b", "a", "c"):
        write_preset(tmp_path / f"{name}.json", preset)
    assert [path.stem for path, _ in read_presets(tmp_path, VOICE_63)] == ["a", "b", "c"]
    (tmp_path / "c.json").rename(tmp_path / "c.JSON")
    (tmp_path / "._a.json").write_bytes(b"\x00\x05\x16\x07")  # what macOS leaves on other systems' disks
    assert [path.name for path, _ in read_presets(tmp_path, VOICE_63)] == ["a.json", "b.json", "c.JSON"]
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.json").read_bytes())
    assert len(read_presets(tmp_path, VOICE_63)) == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="no .*json in it"):
        read_presets(empty, VOICE_63)


def test_files_of_latents_beside_the_presets_are_passed_over(preset: Preset, tmp_path: Path):
    (tmp_path / "latents.json").write_text(json.dumps({"format": LATENTS_FORMAT, "version": 1}))
    with pytest.raises(UserError, match="no .*json in it"):
        read_presets(tmp_path, VOICE_63)
    write_preset(tmp_path / "a.json", preset)
    assert [path.stem for path, _ in read_presets(tmp_path, VOICE_63)] == ["a"]
    (tmp_path / "b.json").write_text('{"format": "other"}')
    with pytest.raises(UserError, match=r"b\.json: format is 'other'"):
        read_presets(tmp_path, VOICE_63)


def test_a_number_that_is_not_finite_is_not_written(preset: Preset, tmp_path: Path):
    human = preset.human.copy()
    human[2] = np.nan
    with pytest.raises(UserError, match=r"a\.json: adsr_1\.attack would be nan"):
        write_preset(tmp_path / "a.json", dataclasses.replace(preset, human=human))
    with pytest.raises(UserError, match=r"a\.json: .*not finite"):
        write_preset(tmp_path / "a.json", dataclasses.replace(preset, origin={"latent": [np.inf]}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("adsr_1.attack", np.nan, r"adsr_1\.attack is nan"),
        ("adsr_1.attack", np.inf, r"adsr_1\.attack is inf"),
        ("adsr_1.attack", None, r"adsr_1\.attack is null, not a number"),
        ("adsr_1.attack", "0.5", r"adsr_1\.attack is '0\.5', not a number"),
        ("mod_matrix.adsr_2->vco_1_pitch", np.nan, "vco_1_pitch is nan, but"),
        ("adsr_1.atack", 0.5, r"no parameter 'adsr_1\.atack'.*did you mean adsr_1\.attack"),
        ("entirely new", 0.5, "no parameter 'entirely new'.*leave it out"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(name: str, value: object, message: str, preset: Preset, tmp_path: Path):
    path = tmp_path / "a.json"
    write_preset(path, preset)
    document = json.loads(path.read_text())
    document["values"][name] = value
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=message) as caught:
        read_preset(path, VOICE_63)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"format": "synthvae-preset"', "not a whole JSON document"),
        (b"RIFF\xff\xfe", "not JSON, which is text in UTF-8; give a preset's JSON file"),
        (b'{"format": "other"}', "format is 'other'"),
        (b'{"format": "synthvae-preset", "version": 9}', "version is 9"),
    ],
)
def test_broken_presets(text: bytes, message: str, tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(UserError, match=message):
        read_preset(path, VOICE_63)
    with pytest.raises(UserError, match="cannot read"):
        read_preset(tmp_path / "none.json", VOICE_63)


@pytest.mark.parametrize("levels", [1000, 100_000])
@pytest.mark.parametrize("field", ["format", "synth", "sample_rate", "name", "descriptors", "origin", "values"])
def test_brackets_in_brackets_are_one_line(field: str, levels: int, preset: Preset, tmp_path: Path):
    path = tmp_path / "a.json"
    write_preset(path, preset)
    text = json.dumps(json.loads(path.read_text()) | {field: "@"})
    path.write_text(text.replace('"@"', '{"a": ' + "[" * levels + "]" * levels + "}"))
    with pytest.raises(UserError, match=r"^[^\n]*a\.json: (nested more than 100 levels deep|not a whole JSON)[^\n]*$"):
        read_preset(path, VOICE_63)


def test_values_must_be_an_object(preset: Preset, tmp_path: Path):
    path = tmp_path / "a.json"
    write_preset(path, preset)
    document = json.loads(path.read_text())
    document["values"] = [1, 2]
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match="not an object of numbers by name"):
        read_preset(path, VOICE_63)


@pytest.mark.parametrize(("sample_format", "error"), [("float", 0.0), ("int16", 0.5 / 32767)])
def test_wav_reads_back(sample_format: str, error: float, tmp_path: Path):
    audio = np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)
    audio[:2] = 1.0, -1.0
    path = tmp_path / "a.wav"
    write_wav(path, audio, 44100, sample_format)
    again, rate = soundfile.read(path, dtype="float64")
    assert rate == 44100
    scale = 1.0 if sample_format == "float" else 32768 / 32767
    np.testing.assert_allclose(again * scale, audio, atol=error + 1e-9)
    assert path.read_bytes() == wav_bytes(audio, 44100, sample_format)


def test_unknown_sample_format():
    with pytest.raises(UserError, match="choose one of float, int16"):
        wav_bytes(np.zeros(3), 44100, "mp3")


def test_presets_keep_names_and_descriptors(preset: Preset, tmp_path: Path):
    path = tmp_path / "a.json"
    write_preset(path, preset)
    assert {"name", "descriptors"}.isdisjoint(json.loads(path.read_text())), "written only where there are any"
    again = read_preset(path, VOICE_63)
    assert (again.name, again.descriptors) == ("", {})
    write_preset(
        path, dataclasses.replace(preset, name="bright pluck, A3", descriptors={"pitch": 220.5, "decay": None})
    )
    again = read_preset(path, VOICE_63)
    assert (again.name, again.descriptors) == ("bright pluck, A3", {"pitch": 220.5, "decay": None})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", 3, r"a\.json: name is 3, not one line"),
        ("name", "a\nb", "not one line"),
        ("name", "x" * 201, "at most 200"),
        ("descriptors", [1], r"a\.json: descriptors is \[1\], not an object"),
        ("descriptors", {"pitch": "high"}, r"descriptors\['pitch'\] is 'high', neither a finite number nor null"),
        ("descriptors", {"pitch": True}, "is true, neither"),
        ("descriptors", {"pitch": math.nan}, "is nan, neither"),
    ],
)
def test_wrong_names_and_descriptors_are_refused(
    field: str, value: object, message: str, preset: Preset, tmp_path: Path
):
    path = tmp_path / "a.json"
    write_preset(path, preset)
    document = json.loads(path.read_text()) | {field: value}
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=message):
        read_preset(path, VOICE_63)
    before = path.read_bytes()
    with pytest.raises(UserError, match=message):
        write_preset(path, dataclasses.replace(preset, **{field: value}))
    assert path.read_bytes() == before
