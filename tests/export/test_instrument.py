"""Exports that can be stopped, repeated and relied upon."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile

from synthvae.audio.loudness import integrated_loudness
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset, read_preset, render_preset
from synthvae.data.presets import Dataset
from synthvae.export import ExportOptions, described, export_presets
from synthvae.export.instrument import file_stems, without_note, write_folder
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from tests.errors import user_error

FAST = {"lowest": 60, "highest": 72, "every": 6, "lengths": (0.1, 0.3)}


OLD = {"samples/a.wav": b"old a", "samples/b.wav": b"old b", "x.sfz": b"old"}
NEW = {"samples/a.wav": b"new a", "samples/c.wav": b"new c", "x.sfz": b"new"}


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with the time of its last change."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def trio(make_preset) -> list[Preset]:
    return [make_preset(keyboard__midi_f0=key) for key in (57.0, 64.0, 69.0)]


def export(presets, directory, to, **options):
    return export_presets(presets, ["one", "two", "two"], directory, to, ExportOptions(**options))


@pytest.mark.parametrize("to", ["wav", "flac", "sfz", "json", "torchsynth"])
def test_an_export_is_repeated_without_a_change_and_refused_where_it_differs(trio, tmp_path: Path, to: str):
    options = FAST if to == "sfz" else {}
    paths = export(trio, tmp_path, to, **options)
    ending = "torchsynth.json" if to == "torchsynth" else to
    folder = [f"{stem}/" if to == "sfz" else "" for stem in ("one", "two", "two-2")]
    assert paths == [tmp_path / f"{f}{stem}.{ending}" for f, stem in zip(folder, ("one", "two", "two-2"), strict=True)]
    before = files(tmp_path)
    reports = []
    again = export_presets(
        trio, ["one", "two", "two"], tmp_path, to, ExportOptions(**options), report=lambda one: reports.append(one.new)
    )
    assert again == paths
    assert reports == [False, False, False]
    assert files(tmp_path) == before
    others = [dataclasses.replace(trio[0], human=trio[1].human), *trio[1:]]
    with pytest.raises(UserError, match="one.*exists already and holds something else; add `overwrite`"):
        export(others, tmp_path, to, **options)
    assert files(tmp_path) == before
    export(others, tmp_path, to, **options, overwrite=True)
    after = files(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {
        name for name in before if name.startswith(("one.", "one/"))
    }


@pytest.mark.parametrize("to", ["wav", "flac"])
def test_a_sound_is_brought_to_the_loudness_and_is_what_was_written(make_preset, tmp_path: Path, to: str):
    preset = make_preset(RenderSettings(16000, 1.0, 160), mixer__vco_1=0.3)
    (path,) = export_presets([preset], ["tone"], tmp_path, to, ExportOptions("int24", -20.0))
    read, rate = soundfile.read(path, dtype="float64")
    assert rate == 16000
    assert integrated_loudness(read, rate) == pytest.approx(-20.0, abs=0.05)
    own = render_preset(preset).astype(np.float64)
    gain = float(own[:8000] @ read[:8000] / (own[:8000] @ own[:8000]))
    np.testing.assert_allclose(read[:15900], own[:15900] * gain, atol=2.0**-23)
    assert abs(read[-1]) < 1e-3  # it would have ended with a click


def test_off_means_the_voices_own_samples_to_the_bit(trio, tmp_path: Path):
    paths = export(trio, tmp_path, "wav", sample_format="float", loudness=None)
    for path, preset in zip(paths, trio, strict=True):
        rate, read = wavfile.read(path)
        assert rate == 16000
        np.testing.assert_array_equal(read, render_preset(preset))


def test_whole_sounds_ring_out(make_preset, tmp_path: Path):
    preset = make_preset(keyboard__duration=0.5, adsr_1__release=0.5)
    (path,) = export_presets([preset], ["tone"], tmp_path, "wav", ExportOptions(whole=True))
    assert 0.7 * 16000 < soundfile.info(path).frames < 1.01 * 16000


def test_a_preset_comes_back_with_its_name_and_descriptors(trio, tmp_path: Path):
    presets = described(trio)
    paths = export_presets(presets, [preset.name for preset in presets], tmp_path, "json")
    for path, preset in zip(paths, presets, strict=True):
        back = read_preset(path, VOICE_78)
        assert back.name == preset.name
        assert dict(back.descriptors) == pytest.approx(preset.descriptors)
        np.testing.assert_allclose(back.human, preset.human, rtol=1e-8)


def test_presets_of_the_thesis_set_are_exported_too(small_dataset: Dataset, tmp_path: Path):
    preset = Preset(VOICE_63, small_dataset.values[5], RenderSettings(16000, 0.25, 160))
    for to in ("wav", "json", "sfz"):
        assert export_presets([preset], ["five"], tmp_path, to, ExportOptions(**FAST))[0].is_file()
    assert len(json.loads((tmp_path / "five.json").read_text())["values"]) == 78


@pytest.mark.parametrize("to", ["wav", "sfz"])
def test_what_was_done_before_a_key_stroke_stays_and_the_rest_follows(trio, tmp_path: Path, to: str):
    def stop(count: int) -> None:
        if count == 2:
            raise KeyboardInterrupt

    options = ExportOptions(**FAST)
    with pytest.raises(KeyboardInterrupt):
        export_presets(trio, ["a", "b", "c"], tmp_path, to, options, stop)
    assert sorted(path.name.removesuffix(".wav") for path in tmp_path.iterdir()) == ["a", "b"]
    before = files(tmp_path)
    reports = []
    export_presets(trio, ["a", "b", "c"], tmp_path, to, options, report=lambda one: reports.append(one.new))
    assert reports == [False, False, True]
    assert files(tmp_path).items() >= before.items()


def test_fewer_samples_leave_no_old_ones_behind(make_preset, tmp_path: Path):
    preset = make_preset()
    export_presets([preset], ["x"], tmp_path, "sfz", ExportOptions(**FAST))
    assert len(list((tmp_path / "x/samples").iterdir())) == 6
    (tmp_path / "x/samples/x-C4-0.1s.wav.asd").write_text("of a sequencer")
    export_presets([preset], ["x"], tmp_path, "sfz", ExportOptions(**FAST | {"every": 12, "overwrite": True}))
    assert len(list((tmp_path / "x/samples").iterdir())) == 4 + 1


def test_an_instrument_of_a_folder_with_other_things_is_refused(make_preset, tmp_path: Path):
    (tmp_path / "x").mkdir()
    with pytest.raises(UserError, match="exists already"):
        export_presets([make_preset()], ["x"], tmp_path, "sfz", ExportOptions(**FAST))
    (tmp_path / "y").write_text("")
    with pytest.raises(UserError, match="is a file, not a folder"):
        export_presets([make_preset()], ["y"], tmp_path, "sfz", ExportOptions(**FAST, overwrite=True))
    (tmp_path / "z.wav").mkdir()
    with pytest.raises(UserError, match="is a directory"):
        export_presets([make_preset()], ["z"], tmp_path, "wav", ExportOptions(overwrite=True))


def test_silence_and_noise_are_said(make_preset, tmp_path: Path):
    silent, noise = make_preset(mixer__vco_1=0.0), make_preset(mixer__vco_1=0.0, mixer__noise=0.5)
    for to in ("wav", "sfz"):
        reports = []
        options = ExportOptions(**FAST | {"lengths": (0.3,)}, loudness=-40.0)
        export_presets([silent, noise], ["silent", "noise"], tmp_path, to, options, report=reports.append)
        assert reports[0].remark == "silent"
        assert reports[1].remark == ("no pitch that could be tuned, held for 0.3s" if to == "sfz" else "")


def test_a_limited_sound_says_so(make_preset, tmp_path: Path):
    reports = []
    export_presets([make_preset()], ["x"], tmp_path, "wav", ExportOptions(loudness=0.0), report=reports.append)
    assert "quieter than asked for" in reports[0].remark
    assert np.abs(soundfile.read(reports[0].path)[0]).max() < 10 ** (-1 / 20)


@pytest.mark.parametrize(
    ("to", "options", "argument", "value"),
    [
        ("mp3", {}, "to", "mp3"),
        ("wav", {"sample_format": "int8"}, "sample_format", "int8"),
        ("flac", {"sample_format": "float"}, "sample_format", "float"),
        ("wav", {"loudness": 3.0}, "loudness", 3.0),
        ("sfz", {"lengths": ()}, "lengths", ()),
        ("sfz", {"lengths": (5.0,)}, "lengths", 5.0),
        ("sfz", {"lengths": (math.nan,)}, "lengths", math.nan),
        ("sfz", {"every": 0}, "every", 0),
        ("sfz", {"lowest": 90, "highest": 60}, "lowest", "F#6"),
        ("sfz", {"highest": 128}, "highest", 128),
        ("sfz", {"lowest": 0, "highest": 127}, "lengths", 2),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_written(
    trio, tmp_path: Path, to, options, argument, value
):
    with user_error(argument, value):
        export(trio, tmp_path / "out", to, **options)
    assert not (tmp_path / "out").exists()


def test_rates_that_flac_has_no_word_for_are_refused_before_anything_is_written(make_preset, tmp_path: Path):
    odd = make_preset(RenderSettings(65537, 0.1, 160))
    with pytest.raises(UserError, match="65537 Hz"):
        export_presets([make_preset(), odd], ["a", "b"], tmp_path / "out", "flac")
    assert not (tmp_path / "out").exists()


def test_names_are_lines_and_as_many_as_presets(make_preset, tmp_path: Path):
    with pytest.raises(UserError, match="name is"):
        export_presets([make_preset()], ["two\nlines"], tmp_path, "wav")
    with pytest.raises(ValueError, match="1 presets and 2 names"):
        export_presets([make_preset()], ["a", "b"], tmp_path, "wav")
    assert export_presets([make_preset()], [" "], tmp_path, "flac")[0].name == "preset.flac"


def test_an_own_length_that_reads_like_another_counts_once():
    options = ExportOptions(lengths=(None, 2.0, 0.5))
    assert options.held(0.1673) == [0.1673, 0.5, 2.0]
    assert options.held(2.0001) == [0.5, 2.0]


def test_a_slow_control_rate_is_no_obstacle(make_preset, tmp_path: Path):
    slow = make_preset(RenderSettings(16000, 1.0, 3), keyboard__duration=0.05)
    for to in ("wav", "sfz"):
        assert export_presets([slow], ["x"], tmp_path, to, ExportOptions(**FAST, whole=True))[0].is_file()


def test_a_directory_that_cannot_be_written_is_one_line(make_preset, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write there.*`out`"):
        export_presets([make_preset()], ["x"], tmp_path / "file/out", "wav")
    assert os.listdir(tmp_path) == ["file"]


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_wav(path: Path) -> bool:
    return path.suffix == ".wav"


def test_a_folder_appears_with_everything_in_it(tmp_path: Path):
    write_folder(tmp_path / "deep/x", OLD, is_wav)
    assert content(tmp_path / "deep") == {f"x/{name}": data for name, data in OLD.items()}


def test_a_folder_has_the_mode_that_mkdir_gives(tmp_path: Path):
    tmp_path.chmod(0o700)
    (tmp_path / "plain").mkdir()
    write_folder(tmp_path / "x", OLD, is_wav)
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "x").stat().st_mode & 0o777 != 0o700


def test_replacing_removes_what_is_ours_and_leaves_what_is_not(tmp_path: Path):
    write_folder(tmp_path / "x", OLD, is_wav)
    (tmp_path / "x/samples/a.asd").write_bytes(b"of a sequencer")
    (tmp_path / "x/mine").mkdir()
    (tmp_path / "x/mine/d.wav").write_bytes(b"mine")
    write_folder(tmp_path / "x", NEW, is_wav)
    assert content(tmp_path) == {
        "x/samples/a.asd": b"of a sequencer",
        "x/mine/d.wav": b"mine",
        **{f"x/{name}": data for name, data in NEW.items()},
    }


def test_replaced_files_keep_their_modes_and_links(tmp_path: Path):
    write_folder(tmp_path / "x", OLD, is_wav)
    name, linked = "x.sfz", "samples/a.wav"
    (tmp_path / "x" / name).chmod(0o600)
    (tmp_path / "x" / linked).rename(tmp_path / "elsewhere")
    (tmp_path / "x" / linked).symlink_to(tmp_path / "elsewhere")
    write_folder(tmp_path / "x", NEW, is_wav)
    assert (tmp_path / "x" / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "x" / linked).is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == NEW[linked]
    assert content(tmp_path / "x") == NEW


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("there", [False, True])
def test_a_stop_while_writing_leaves_everything_as_it_was(tmp_path: Path, monkeypatch, stop, there: bool):
    if there:
        write_folder(tmp_path / "x", OLD, is_wav)
    replace, calls = os.replace, []

    def failing(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise stop
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(KeyboardInterrupt if stop is KeyboardInterrupt else UserError):
        write_folder(tmp_path / "x", NEW, is_wav)
    assert content(tmp_path) == ({f"x/{name}": data for name, data in OLD.items()} if there else {})
    assert not list(tmp_path.glob(".*"))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write there"):
        write_folder(tmp_path / "file/x", OLD, is_wav)


def test_the_second_of_one_name_gets_a_number():
    assert file_stems(["pluck", "Pluck", "pluck, A3", "pluck"]) == ["pluck", "Pluck-2", "pluck_A3", "pluck-3"]
    assert file_stems(["a-2", "a", "a"]) == ["a-2", "a", "a-3"]
    assert file_stems(["???", "../../etc"]) == ["preset", "etc"]


def test_an_instrument_has_no_note_of_its_own():
    assert without_note("bright pluck, C#-1") == "bright pluck"
    assert without_note("bright pluck, soft") == "bright pluck, soft"
    assert without_note(", A3") == ", A3"


def test_presets_keep_their_names_and_get_what_they_lack(make_preset):
    calls = []
    named, measured = described([make_preset(name="mine"), make_preset()], calls.append)
    assert named.name == "mine"
    assert named.descriptors["note"] == 69.0
    assert measured.name.endswith(", A4")
    assert calls == [1, 2]
    again = described([measured])[0]
    assert (again.name, again.descriptors) == (measured.name, measured.descriptors)
