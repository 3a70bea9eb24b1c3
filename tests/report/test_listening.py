"""Listening tests as pages."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.audio.loudness import integrated_loudness
from synthvae.core.errors import UserError
from synthvae.report.listening import low_pass, make_listening_test, plan_trials
from tests.tones import tone

RATE = 22050


def write_systems(folder: Path, systems: dict[str, float], labels: tuple[str, ...] = ("low", "high")) -> list[Path]:
    """A folder for each system with a tone for each label, at its own level."""
    for name, gain in systems.items():
        for number, label in enumerate(labels):
            (folder / name / label).mkdir(parents=True)
            sound = gain * tone(220.0 * (1 + number), seconds=0.5, rate=RATE)
            soundfile.write(folder / name / label / f"{label}_tone.wav", sound, RATE)
    return [folder / name for name in systems]


def embedded(page: Path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1])


def test_a_mushra_test_has_a_hidden_reference_and_anchors_at_one_loudness(tmp_path: Path):
    folders = write_systems(tmp_path, {"original": 1.0, "loud": 2.0, "quiet": 0.1})
    made = make_listening_test("mushra", folders, tmp_path / "t", loudness=-30.0)
    assert (made.trials, made.loudness, list(made.notes)) == (2, -30.0, [])
    data = embedded(made.page)
    conditions = [one["condition"] for one in data["pages"][0]["stimuli"]]
    assert conditions == ["reference", "loud", "quiet", "anchor35", "anchor70"]
    for page in data["pages"]:
        for one in page["stimuli"]:
            sound, rate = soundfile.read(tmp_path / "t" / one["file"])
            assert integrated_loudness(sound, rate) == pytest.approx(-30.0, abs=0.05)
    assert "://" not in made.page.read_text()  # nothing is asked of any server
    yaml = (tmp_path / "t/webmushra.yaml").read_text()
    assert yaml.count("- type: mushra") == 2
    assert f'"anchor35": "configs/resources/{data["test"]}/{data["pages"][0]["stimuli"][3]["file"]}"' in yaml


def test_webmushra_can_read_its_file(tmp_path: Path):
    yaml = pytest.importorskip("yaml")
    folders = write_systems(tmp_path, {"a": 1.0, "b": 1.0})
    for kind, page in (("classify", "likert_single_stimulus"), ("ab", "paired_comparison"), ("mushra", "mushra")):
        make_listening_test(kind, folders, tmp_path / kind, title='"Drums": a test')
        found = yaml.safe_load((tmp_path / kind / "webmushra.yaml").read_text())
        assert found["testname"] == '"Drums": a test'
        trials = found["pages"][1]
        assert trials[0] == "random"
        assert {trial["type"] for trial in trials[1:]} == {page}
        files = [file for trial in trials[1:] for file in trial["stimuli"].values()]
        assert all((tmp_path / kind / file.split("/", 3)[3]).exists() for file in files)
    assert found["pages"][1][1]["id"] == "001_high_tone|label=high"


def test_loudness_gives_way_where_a_peak_would_be_too_high(tmp_path: Path):
    folders = write_systems(tmp_path, {"a": 1.0}, ("tone",))
    click = np.zeros(RATE, np.float32)
    click[100] = 0.9
    soundfile.write(folders[0] / "click.wav", click, RATE)
    made = make_listening_test("mos", folders, tmp_path / "t", loudness=-18.0)
    assert made.loudness < -20.0
    assert "a peak would be above -1 dB" in made.notes[0]
    for one in embedded(made.page)["pages"]:
        sound, rate = soundfile.read(tmp_path / "t" / one["stimuli"][0]["file"])
        assert np.abs(sound).max() < 0.9
        assert integrated_loudness(sound, rate) == pytest.approx(made.loudness, abs=0.1)


def test_anchors_are_not_delayed_and_lack_what_is_above():
    sound = tone(1000.0, "sine", 0.5, 48000) + tone(9000.0, "sine", 0.5, 48000)
    found = low_pass(sound, 48000, 3500.0)
    assert len(found) == len(sound)
    inner = slice(1000, -1000)
    np.testing.assert_allclose(found[inner], tone(1000.0, "sine", 0.5, 48000)[inner], atol=1e-3)


def test_what_is_no_test_is_refused(tmp_path: Path):
    a, b = write_systems(tmp_path, {"a": 1.0, "b": 1.0})
    (tmp_path / "empty").mkdir()
    (tmp_path / "other/a").mkdir(parents=True)
    soundfile.write(tmp_path / "other/a/x.wav", tone(220.0, seconds=0.2), RATE)
    (tmp_path / "c/anchor35").mkdir(parents=True)
    for kind, folders, message in (
        ("rank", [a], "choose one of mushra, mos, ab, classify, smoothness"),
        ("mushra", [a], "the folder of references"),
        ("ab", [a, tmp_path / "other"], "no sound in common"),
        ("mos", [a, tmp_path / "other/a"], "a name of its own"),
        ("mos", [tmp_path / "c/anchor35"], "none of reference, anchor35"),
        ("mos", [tmp_path / "empty"], "no sounds in it"),
        ("mos", [tmp_path / "gone"], "no such folder"),
        ("classify", [tmp_path / "other"], "fewer than two labels"),
    ):
        with pytest.raises(UserError, match=message):
            plan_trials(kind, folders)
    assert [trial.name for trial in plan_trials("ab", [a, b])] == ["high_tone", "low_tone"]
    assert [(t.label, *t.files) for t in plan_trials("classify", [b])] == [("high", "b"), ("low", "b")]
