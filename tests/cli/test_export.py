"""``export`` and ``play`` as a user types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.data.preset import Preset, write_preset
from synthvae.data.presets import Dataset
from tests.cli.refusal import refused
from tests.conftest import SHORT

KEYS = ("--lowest", "C4", "--highest", "C5", "--every", 12, "--lengths", "own,0.3")


@pytest.fixture
def sounds(small_dataset: Dataset, tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    for number in (3, 5, 8):
        preset = Preset(small_dataset.parameters, small_dataset.values[number], SHORT, {"index": number})
        write_preset(folder / f"preset_{number}.json", preset)
    return folder


@pytest.mark.parametrize("command", ["export", "play"])
def test_help_has_an_example(run, command: str):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"synthvae {command}" in out.split("Example:")[1]


@pytest.mark.parametrize("to", ["wav", "flac", "json", "torchsynth"])
def test_a_folder_becomes_files_with_names_that_say_what_they_are(run, sounds: Path, tmp_path: Path, to: str):
    code, out, err = run("export", sounds, "--to", to, "--out", "pack")
    assert code == 0, err
    assert f"pack: 3 {'samples' if to in ('wav', 'flac') else 'presets'}, " in out
    names = [path.name for path in (tmp_path / "pack").iterdir()]
    assert len(names) == 3
    assert not any("preset_" in name or " " in name or name.startswith(".") for name in names)
    code, out, _ = run("export", sounds, "--to", to, "--out", "pack")
    assert code == 0
    assert "pack: 0 " in out
    assert ", 3 exist already, " in out


def test_one_preset_becomes_an_instrument_of_the_name_given(run, sounds: Path, tmp_path: Path):
    code, out, err = run("export", sounds / "preset_5.json", "--to", "sfz", "--name", "My Bass!", *KEYS)
    assert code == 0, err
    assert "exports/My-Bass/My-Bass.sfz: 1 instrument" in out
    assert (tmp_path / "exports/My-Bass/My-Bass.sfz").read_text().startswith("// My Bass!\n")
    assert len(list((tmp_path / "exports/My-Bass/samples").iterdir())) in (2, 3, 4)
    assert (
        "My-Bass.sfz: exists already"
        in run("export", sounds / "preset_5.json", "--to", "sfz", "--name", "My Bass!", *KEYS)[1]
    )


def test_the_options_reach_the_files(run, sounds: Path, tmp_path: Path):
    assert run("export", sounds, "--to", "wav", "--format", "int16", "--out", "a")[0] == 0
    assert {soundfile.info(path).subtype for path in (tmp_path / "a").iterdir()} == {"PCM_16"}
    assert (
        run("export", sounds, "--to", "wav", "--format", "float", "--loudness", "off", "--whole", "--out", "b")[0] == 0
    )
    assert {soundfile.info(path).subtype for path in (tmp_path / "b").iterdir()} == {"FLOAT"}
    assert {soundfile.info(path).frames for path in (tmp_path / "b").iterdir()} != {4000}


def test_presets_of_another_synth_and_damaged_files_are_a_line_and_nothing_is_written(
    run, sounds: Path, tmp_path: Path
):
    last = sounds / "preset_8.json"
    whole = last.read_text()
    damage = {
        "synth is": whole.replace("torchsynth.Voice", "Serum"),
        "not a whole JSON document": whole[: len(whole) // 2],
        "format is": whole.replace("synthvae-preset", "patch"),
        "vco_1.tuning": json.dumps(json.loads(whole) | {"values": json.loads(whole)["values"] | {"vco_1.tuning": 99}}),
    }
    for message, content in damage.items():
        last.write_text(content)
        for to in ("wav", "sfz", "torchsynth"):
            refused(run("export", sounds, "--to", to, "--out", "pack"), str(last), message)
        refused(run("play", last), str(last), message)
    last.write_bytes(b"RIFF\xff\xfe")
    refused(run("export", last, "--to", "flac", "--out", "pack"), str(last))
    refused(run("export", "missing.json", "--to", "flac", "--out", "pack"), "missing.json", "cannot read")
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--to", "mp3"], ["--to is 'mp3'", "wav, flac, sfz"]),
        (["--to", "wav", "--loudness", "loud"], ["--loudness is 'loud'", "off"]),
        (["--to", "wav", "--loudness", "nan"], ["--loudness"]),
        (["--to", "flac", "--format", "float"], ["FLAC"]),
        (["--to", "sfz", "--lowest", "H2"], ["--lowest is 'H2'"]),
        (["--to", "sfz", "--lengths", "long"], ["--lengths is 'long'"]),
        (["--to", "sfz", "--lengths", "9"], ["--lengths is 9.0"]),
        (["--to", "wav", "--name", "x"], ["--name is 'x'", "3 presets"]),
    ],
)
def test_wrong_options_are_refused(run, sounds: Path, tmp_path: Path, arguments, parts):
    refused(run("export", sounds, *arguments), *parts)
    assert not (tmp_path / "exports").exists()


def test_an_export_that_is_stopped_says_how_to_go_on(run, sounds: Path, tmp_path: Path, monkeypatch):
    from synthvae.export import instrument

    whole, calls = instrument.render_preset, []

    def stopping(preset):
        calls.append(preset)
        if len(calls) == 6:  # the third that is exported: each was rendered once before, to be named
            raise KeyboardInterrupt
        return whole(preset)

    monkeypatch.setattr(instrument, "render_preset", stopping)
    code, out, err = run("export", sounds, "--to", "wav", "--out", "pack")
    assert code == 130
    assert out == ""
    assert "pack: 2 of 3 are written; run the same command again to continue" in err
    assert len(list((tmp_path / "pack").iterdir())) == 2
    assert "pack: 1 sample, 2 exist already" in run("export", sounds, "--to", "wav", "--out", "pack")[1]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, int]]:
    """What a sound card was given to play."""
    import types

    played: list[tuple[np.ndarray, int]] = []
    device = types.SimpleNamespace(
        play=lambda sound, rate: played.append((sound, rate)),
        wait=lambda: None,
        stop=lambda: None,
        PortAudioError=ZeroDivisionError,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    return played


def test_play_plays_at_the_note(run, sounds: Path, tmp_path: Path, played):
    from synthvae.audio.pitch import track_pitch

    steady = json.loads((sounds / "preset_3.json").read_text())
    values = steady["values"]
    values |= {
        name: 0.0 for name in values if name.startswith(("mixer.", "mod_matrix.", "vco_1.")) or ".attack" in name
    }
    values |= {"mixer.vco_1": 0.5, "mod_matrix.adsr_2->vco_1_amp": 1.0, "adsr_2.sustain": 1.0, "keyboard.duration": 1.0}
    (tmp_path / "steady.json").write_text(json.dumps(steady | {"values": values | {"vco_1.tuning": 3.3}}))
    for arguments, hz in (((), None), (("--note", "A4"), 440.0), (("--note", "57"), 220.0)):
        code, out, err = run("play", "steady.json", *arguments)
        assert (code, out) == (0, ""), err
        sound, rate = played[-1]
        assert rate == 16000
        assert sound.dtype == np.float32
        assert hz is None or track_pitch(sound[None, :4000], rate).frequency[0] == pytest.approx(hz, rel=0.002)
    release = values["adsr_2.release"]
    assert 0.0 < len(sound) / rate - (1.0 + release) <= 0.25 + 0.02, "the key is down for a second"
    assert np.abs(sound[-160:]).max() < 1e-3 < np.abs(sound[: 16000 + round(0.5 * release * 16000)][-160:]).max()
    refused(run("play", "steady.json", "--note", "H4"), "--note is 'H4'")


def test_play_takes_a_name_or_a_number_of_the_bank(run, small_bank, played):
    small_bank.rename(2, "glass drop")
    for name in ("2", "glass drop", "Glass"):
        code, out, err = run("play", name, "--bank", small_bank.path)
        assert (code, out) == (0, ""), err
    assert all(np.array_equal(sound, played[0][0]) for sound, _ in played)
    refused(run("play", "brass drop", "--bank", small_bank.path), "'brass drop'")
    refused(run("play", "sounds/glass drop", "--bank", small_bank.path), "sounds/glass drop: cannot read")
    refused(run("play", "9999", "--bank", small_bank.path), "no preset number 9999 in the bank; its numbers run from 1")
    refused(run("play", "glass drop", "--bank", "none.sqlite"), "none.sqlite", "no preset bank there")
    assert not Path("none.sqlite").exists()


def test_play_says_what_is_missing(run, sounds: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    refused(run("play", sounds / "preset_3.json"), "play: the package sounddevice is missing", "synthvae[play]")
