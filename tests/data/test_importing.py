from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.mixed_folder import check_import, write_mixed_folder
from synthvae.audio.recordings import read_recording
from synthvae.audio.resampling import resample
from synthvae.data.importing import UNLABELLED, import_library, scan_folder
from synthvae.data.library import Library, read_library
from tests.errors import user_error

RATE = 8000


def sound(number: int, seconds: float = 0.2, rate: int = RATE) -> np.ndarray:
    return np.random.default_rng(number).uniform(-0.5, 0.5, round(seconds * rate))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten sounds in two folders."""
    for number in range(10):
        path = tmp_path / "in" / ("kick", "snare")[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound(number), RATE)
    return tmp_path / "in"


def imported(folder: Path, **options: object) -> Library:
    out = folder.with_name("lib")
    import_library(folder, out, overwrite=True, **({"seconds": 0.25, "sample_rate": RATE} | options))
    return read_library(out)


def reasons(library: Library) -> dict[str, str]:
    return dict(zip(library.skipped["file"], library.skipped["reason"], strict=True))


def test_every_file_of_a_mixed_folder_is_imported_or_skipped_with_its_reason(tmp_path: Path):
    mixed = write_mixed_folder(tmp_path / "in", 160)
    done: list[tuple[int, int]] = []
    import_library(tmp_path / "in", tmp_path / "lib", progress=lambda *state: done.append(state))
    library = read_library(tmp_path / "lib")
    assert check_import(library, mixed) == []
    assert done[-1] == (len(done) - 1, len(done) - 1)
    assert {1, 2, 8} <= set(library.items["channels"])
    assert {8000, 44100, 192000} <= set(library.items["sample_rate"])
    row = library.items.iloc[7]
    whole = read_recording(tmp_path / "in" / row["file"])
    wanted = resample(whole.audio, whole.sample_rate, 16000)[:32000]
    np.testing.assert_allclose(library.audio[7][: len(wanted)], wanted, atol=1e-5)
    assert not library.audio[7][len(wanted) :].any()


def test_labels_are_the_first_folders(folder: Path):
    (folder / "kick" / "deep").mkdir()
    soundfile.write(folder / "kick" / "deep" / "a.flac", sound(20), RATE)
    soundfile.write(folder / "b.wav", sound(21), RATE)
    library = imported(folder)
    assert library.labels == ("kick", "snare", UNLABELLED)
    label = dict(zip(library.items["file"], library.items["label"], strict=True))
    assert label["kick/deep/a.flac"] == "kick"
    assert label["b.wav"] == UNLABELLED
    assert label["snare/3.wav"] == "snare"
    assert library.header.options["labels"] == "folders"


def test_escape_sequences_in_the_name_of_a_folder_are_shown_by_their_codes(tmp_path: Path):
    for name in ("a\x1b[2J", "b\n"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(3):
            soundfile.write(tmp_path / "in" / name / f"{number}.wav", sound(number + len(name)), RATE)
    library = import_library(tmp_path / "in", tmp_path / "lib", seconds=0.1, sample_rate=RATE)
    assert library.labels == ("a\\x1b[2J", "b\\n")


@pytest.mark.parametrize("separator", [",", ";"])
def test_labels_of_a_table(separator: str, folder: Path, tmp_path: Path):
    rows = [("File", "label", "group"), *((f"{('kick', 'snare')[n % 2]}/{n}.wav", f"l{n // 5}", "") for n in range(8))]
    rows[1] = (str(folder / "kick" / "0.wav"), "l0", "together")
    rows[4] = ("./snare/3.wav", "l0", "together")
    rows.append(("gone.wav", "l9", ""))
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    library = imported(folder, labels=tmp_path / "labels.csv")
    assert library.labels == ("l0", "l1")
    items = library.items.set_index("file")
    assert items["label"]["snare/7.wav"] == "l1"
    assert items["group"]["kick/0.wav"] == items["group"]["snare/3.wav"]
    assert items["group"].nunique() == 7
    assert reasons(library) == {"kick/8.wav": "no label (in labels.csv)", "snare/9.wav": "no label (in labels.csv)"}


def test_labels_of_nsynth(tmp_path: Path):
    folder = tmp_path / "in"
    (folder / "audio").mkdir(parents=True)
    notes = {}
    for number in range(9):
        name = f"{('bass', 'organ')[number % 2]}_synthetic_000-{number:03d}-075"
        soundfile.write(folder / "audio" / f"{name}.wav", sound(number, 0.3), RATE)
        notes[name] = {"note_str": name, "instrument_family_str": ("bass", "organ")[number % 2], "pitch": number}
    del notes[name]
    (folder / "examples.json").write_text(json.dumps(notes))
    library = imported(folder)
    assert library.labels == ("bass", "organ")
    assert len(library) == 8
    assert reasons(library) == {f"audio/{name}.wav": "no label (in NSynth)", "examples.json": "table of labels"}
    assert library.items["pitch"].tolist() == [int(file.split("-")[1]) for file in library.items["file"]]
    notes["x"] = {"pitch": 3}
    (folder / "examples.json").write_text(json.dumps(notes))
    with user_error(f"{folder}/examples.json: x", match="instrument_family_str"):
        imported(folder)


def test_a_table_may_have_pitches(folder: Path, tmp_path: Path):
    names = [f"{label}/{number}.wav" for number, label in enumerate(("kick", "snare") * 5)]
    rows = [f"{name},a,{60.5 + number if number else ''}" for number, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,pitch", *rows]))
    library = imported(folder, labels=tmp_path / "labels.csv")
    expected = {name: 60.5 + number for number, name in enumerate(names)} | {names[0]: math.nan}
    np.testing.assert_array_equal(library.items["pitch"], [expected[file] for file in library.items["file"]])
    before = library.hash
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,pitch", *rows[:-1], f"{names[-1]},a,3"]))
    assert imported(folder, labels=tmp_path / "labels.csv").hash != before


TABLES = {
    "file,label\na.wav,x\n": "names no file in",
    "file\na.wav\n": "has the columns file; give it the columns file,label",
    "": "has the columns none",
    "file,label\nkick/0.wav,\n": "file or label is missing",
    "file,label\nkick/0.wav,a\nkick/0.wav,b\n": "line 3.*kick/0.wav was labelled a before",
    "file,label,pitch\nkick/0.wav,a,C4\n": "line 2: pitch is 'C4'; give a MIDI note number, 0 to 127",
    "file,label,pitch\nkick/0.wav,a,128\n": "line 2: pitch is '128'",
}


@pytest.mark.parametrize("text", TABLES)
def test_wrong_tables_are_refused(text: str, folder: Path, tmp_path: Path):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=TABLES[text]):
        imported(folder, labels=tmp_path / "labels.csv")
    with user_error("labels", tmp_path / "none.csv", match="cannot read"):
        imported(folder, labels=tmp_path / "none.csv")
    (tmp_path / "labels.csv").write_bytes(b"file,label\n\xff,a\n")
    with user_error(tmp_path / "labels.csv", match="not UTF-8"):
        imported(folder, labels=tmp_path / "labels.csv")


def test_windows_of_one_recording_are_in_one_split(folder: Path):
    soundfile.write(folder / "kick" / "long.wav", sound(30, 3.0), RATE)
    soundfile.write(
        folder / "kick" / "louder.wav", 0.3 * sound(30, 3.0), RATE
    )  # cut alike, so they are near-duplicates
    gap = np.concatenate([sound(31, 0.25), np.zeros(RATE // 2), sound(31, 0.25)])
    soundfile.write(folder / "snare" / "gap.wav", gap, RATE)
    library = imported(folder, overlap=0.5)
    items = library.items
    starts = sorted(items["start"][items["file"] == "kick/long.wav"])
    assert starts == pytest.approx(np.arange(0, 2.8, 0.125))
    assert items.groupby("file")["split"].nunique().max() == 1
    assert items["group"][items["file"].isin(["kick/long.wav", "kick/louder.wav"])].nunique() == 1
    assert library.header.left_out == {"silent": 3, "duplicate": 1}
    for number in (0, len(items) - 1):
        assert library.audio[number].shape == (RATE // 4,)
    none = imported(folder, overlap=0.0).items
    assert sorted(none["start"][none["file"] == "kick/long.wav"]) == pytest.approx(np.arange(0, 3, 0.25))


def test_copies_in_other_formats_rates_and_levels_share_a_split(folder: Path):
    original = sound(40)
    soundfile.write(folder / "kick" / "half.wav", original / 2, RATE)
    soundfile.write(folder / "kick" / "loud.aiff", original, RATE, "PCM_24")
    soundfile.write(folder / "snare" / "up.wav", resample(original, RATE, 48000), 48000)
    soundfile.write(folder / "snare" / "stereo.flac", np.stack([original, 0.8 * original], axis=1), RATE)
    library = imported(folder)
    items = library.items.set_index("file")
    group = items["group"][["kick/half.wav", "kick/loud.aiff", "snare/up.wav", "snare/stereo.flac"]]
    assert group.nunique() == 1
    assert items["group"].nunique() == 11


def test_the_same_content_in_another_format_is_a_duplicate(folder: Path):
    soundfile.write(folder / "snare" / "copy.flac", soundfile.read(folder / "kick" / "0.wav", dtype="int16")[0], RATE)
    assert reasons(imported(folder)) == {"snare/copy.flac": "duplicate (of kick/0.wav)"}


def test_links_are_followed_once_and_never_in_circles(folder: Path, tmp_path: Path):
    outside = tmp_path / "elsewhere" / "more"
    outside.mkdir(parents=True)
    soundfile.write(outside / "a.wav", sound(50), RATE)
    (outside / "back").symlink_to(folder, target_is_directory=True)
    (folder / "0 link").symlink_to(folder / "kick", target_is_directory=True)
    (folder / "1 outside").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "2 outside again").symlink_to(outside, target_is_directory=True)
    (folder / "kick" / "up").symlink_to("..", target_is_directory=True)
    (folder / "kick" / "top").symlink_to(tmp_path, target_is_directory=True)
    (folder / "kick" / "file.wav").symlink_to(outside / "a.wav")
    scan = scan_folder(folder)
    names = [found.name for found in scan.files]
    assert len(names) == 12
    assert {"1 outside/more/a.wav", "kick/file.wav", "kick/0.wav"} <= set(names)
    other = "symbolic link (to a folder that is read by another name)"
    assert dict(scan.skipped) == {
        "0 link": other,
        "1 outside/more/back": other,
        "2 outside again": other,
        "kick/up": "symbolic link loop",
        "kick/top": "symbolic link loop",
    }


def test_hidden_files_and_special_files_are_not_opened(folder: Path):
    (folder / ".git" / "deep").mkdir(parents=True)
    shutil.copy(folder / "kick" / "0.wav", folder / ".git" / "deep" / "a.wav")
    shutil.copy(folder / "kick" / "0.wav", folder / "kick" / "._0.wav")
    os.mkfifo(folder / "pipe.wav")  # opening it would wait for a writer
    assert dict(scan_folder(folder).skipped) == {
        ".git/deep/a.wav": "hidden",
        "kick/._0.wav": "hidden",
        "pipe.wav": "not a plain file",
    }


def test_a_folder_that_cannot_be_read_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch):
    scandir = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "snare":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    scan = scan_folder(folder)
    assert scan.skipped == [("snare", "cannot read (Permission denied)")]
    assert len(scan.files) == 5


def test_a_file_that_cannot_be_read_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch):
    opened = Path.open

    def closed(path: Path, *mode: str, **options: object) -> object:
        if path.name == "3.wav":
            raise PermissionError(13, "Permission denied")
        return opened(path, *mode, **options)

    monkeypatch.setattr(Path, "open", closed)
    assert reasons(imported(folder)) == {"snare/3.wav": "cannot read (Permission denied)"}


def test_names_in_no_encoding_are_written(folder: Path):
    try:
        (folder / "kick" / os.fsdecode(b"\xff.wav")).write_bytes((folder / "kick" / "0.wav").read_bytes()[:-2])
    except OSError:
        pytest.skip("the file system takes UTF-8 alone")
    assert "kick/\\xff.wav" in set(imported(folder).items["file"])


def test_the_library_itself_is_not_imported(folder: Path):
    out = folder / "lib"
    import_library(folder, out, 0.25, RATE)
    import_library(folder, out, 0.25, RATE, overwrite=True)
    assert read_library(out).header.files == {"found": 10, "imported": 10, "skipped": 0}


def test_short_recordings_are_skipped(folder: Path):
    soundfile.write(folder / "kick" / "click.wav", sound(60, 0.05), RATE)
    assert len(imported(folder)) == 11
    assert reasons(imported(folder, shortest=0.06)) == {"kick/click.wav": "too short (0.05 s, less than 0.06 s)"}


def test_the_seed_moves_items_and_nothing_else(folder: Path):
    first, second = imported(folder, seed=1), imported(folder, seed=2)
    assert sorted(first.items["content_hash"]) == sorted(second.items["content_hash"])
    assert first.hash != second.hash
    assert first.hash == imported(folder, seed=1).hash


REFUSED: list[tuple[str, Callable[[Path], dict[str, object]], str]] = [
    ("seconds", lambda folder: {"seconds": 0.0}, "give "),
    ("seconds", lambda folder: {"seconds": float("nan")}, "give "),
    ("seconds", lambda folder: {"seconds": 1e6}, "give "),
    ("sample_rate", lambda folder: {"sample_rate": 10}, "give 1000 to 384000 Hz"),
    ("overlap", lambda folder: {"overlap": 1.0}, "give 0 to 0.99"),
    ("shortest", lambda folder: {"shortest": 3.0}, "the length of the items"),
    ("split", lambda folder: {"split": "80,20"}, "percentages"),
    ("seed", lambda folder: {"seed": -1}, "whole number"),
]


@pytest.mark.parametrize(("argument", "options", "message"), REFUSED)
def test_impossible_arguments_are_refused(
    argument: str, options: Callable[[Path], dict[str, object]], message: str, folder: Path
):
    with user_error(argument, match=message):
        imported(folder, **options(folder))
    assert sorted(os.listdir(folder.parent)) == ["in"]


def test_folders_without_recordings_are_refused(tmp_path: Path):
    with user_error(tmp_path / "none", match="cannot read"):
        imported(tmp_path / "none")
    (tmp_path / "in").mkdir()
    with user_error(tmp_path / "in", match="no files in it"):
        imported(tmp_path / "in")
    (tmp_path / "in" / "a.txt").write_text("text")
    with user_error(tmp_path / "in", match=r"nothing in it can be used \(1 file: not audio that can be read\)"):
        imported(tmp_path / "in")
    assert sorted(os.listdir(tmp_path)) == ["in"]
