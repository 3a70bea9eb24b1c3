"""``match`` and ``train-encoder`` as typed, and their rejected input."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.data.preset import read_preset
from synthvae.synths.rendering import whole_seconds
from synthvae.training.run import load_run
from tests.cli.conftest import Command
from tests.cli.refusal import refused

RATE = 16000


@pytest.fixture
def bell(tmp_path: Path) -> Path:
    time = np.arange(RATE // 4) / RATE
    sound = np.exp(-8 * time) * np.sin(2 * np.pi * 440 * time + 2 * np.sin(2 * np.pi * 620 * time))
    soundfile.write(tmp_path / "bell.wav", 0.5 * sound, RATE)
    return tmp_path / "bell.wav"


def test_a_match_is_written_and_the_same_again(run: Command, bell: Path, small_run: Path, tmp_path: Path):
    arguments = ("match", bell.name, "--run", small_run, "--budget", 500, "--top", 3, "--no-index", "--seed", 2)
    code, out, _ = run(*arguments)
    assert code == 0
    folder = tmp_path / "matches" / "bell"
    summary = json.loads((folder / "match.json").read_text())
    assert len(summary["answers"]) == 3
    assert f"{summary['answers'][0]['distance']:.2f} dB  {summary['answers'][0]['sound']}" in out
    assert "a random preset" in out
    assert summary["verdict"] in out
    parameters = load_run(small_run).parameters
    for answer in summary["answers"]:
        preset = read_preset(folder / answer["file"], parameters)
        assert preset.name == answer["name"]
        assert preset.descriptors["loudness"] is not None
        audio, rate = soundfile.read(folder / answer["sound"])
        whole = whole_seconds(preset.human, parameters, preset.settings)  # with its release
        assert (rate, len(audio)) == (RATE, round(whole * RATE))
        assert preset.settings.seconds == whole
        assert audio[-1] == pytest.approx(0, abs=1e-4)
    assert len(soundfile.read(folder / "target.wav")[0]) == RATE // 4
    page = (folder / "match.html").read_text()
    assert "default-src 'none'" in page
    assert page.count("data:audio/wav") == 4
    assert summary["answers"][0]["name"] in page
    first = (folder / summary["answers"][0]["file"]).read_bytes()
    run(*arguments)
    assert (folder / summary["answers"][0]["file"]).read_bytes() == first


def test_names_from_outside_are_escaped_on_the_page(run: Command, bell: Path, small_run: Path, tmp_path: Path):
    shutil.copy(bell, tmp_path / "<b>&.wav")
    code, _, _ = run("match", "<b>&.wav", "--run", small_run, "--budget", 300, "--no-index", "--out", "m")
    assert code == 0
    page = (tmp_path / "m" / "match.html").read_text()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;.wav" in page


def test_a_recording_whose_name_is_not_utf_8_is_matched(run: Command, bell: Path, small_run: Path, tmp_path: Path):
    name = os.fsdecode(b"caf\xe9.wav")
    try:
        bell.rename(tmp_path / name)
    except OSError:
        pytest.skip("the file system takes names in UTF-8 alone")
    code, out, err = run("match", name, "--run", small_run, "--budget", 300, "--no-index")
    assert code == 0, err
    assert "matches/caf\\udce9/match.html" in out
    folder = tmp_path / "matches" / os.fsdecode(b"caf\xe9")
    summary = json.loads((folder / "match.json").read_bytes().decode("utf-8"))
    assert summary["target"] == name
    assert "caf\\udce9.wav" in (folder / "match.html").read_bytes().decode("utf-8")
    assert read_preset(folder / summary["answers"][0]["file"]).name == summary["answers"][0]["name"]


def write(kind: str, path: Path) -> None:
    """A file that cannot be matched."""
    if kind == "text":
        path.write_text("not a sound")
    elif kind == "empty":
        path.touch()
    elif kind == "none":
        soundfile.write(path, np.zeros(0), RATE)
    elif kind == "silent":
        soundfile.write(path, np.zeros(RATE), RATE)
    elif kind == "nan":
        soundfile.write(path, np.full(RATE, np.nan), RATE, subtype="FLOAT")
    elif kind == "long":
        soundfile.write(path, np.zeros(700 * 1000, np.int16), 1000)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "not audio"),
        ("empty", "not audio"),
        ("none", "no samples"),
        ("silent", "silent"),
        ("nan", "not finite"),
        ("long", "minutes long"),
        ("missing", "No such file"),
    ],
)
def test_what_is_no_sound_is_one_line_and_leaves_nothing(run: Command, tmp_path: Path, kind: str, message: str):
    write(kind, tmp_path / "x.wav")
    refused(run("match", "x.wav", "--budget", 300, "--no-index"), message)
    assert not (tmp_path / "matches").exists()


def test_eight_channels_are_mixed_and_said(run: Command, bell: Path, small_run: Path, tmp_path: Path):
    audio, rate = soundfile.read(bell)
    soundfile.write(tmp_path / "eight.wav", np.repeat(audio[:, None], 8, axis=1), rate)
    code, out, _ = run("match", "eight.wav", "--run", small_run, "--budget", 300, "--no-index")
    assert code == 0
    assert "8 channels mixed to one" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--budget", 300, "--seconds", 3), "give one of them"),
        (("--budget", 3), "--budget is 3"),
        (("--top", 0, "--budget", 300), "--top is 0"),
        (("--search", "luck"), "choose one of random, cma, combined"),
        (("--parameters", 64), "--parameters is 64"),
        (("--format", "mp3"), "--format is 'mp3'"),
        (("--run", "nowhere"), "not a run directory"),
    ],
)
def test_options_that_do_not_fit_are_refused(run: Command, bell: Path, options: tuple[object, ...], message: str):
    refused(run("match", bell.name, "--no-index", *options), message)


def test_an_encoder_is_trained_and_used(run: Command, bell: Path, small_run: Path, tmp_path: Path):
    model = shutil.copytree(small_run, tmp_path / "model")
    code, out, _ = run("train-encoder", model, "--presets", 128)
    assert code == 0
    assert "128 presets" in out
    assert "another preset" in out
    assert "no closer than the mean preset and does not help match" in out  # two steps of training
    code, _, _ = run("match", bell.name, "--run", model, "--budget", 300, "--no-index")
    assert code == 0
    refused(run("train-encoder", model, "--presets", 3), "--presets is 3")
    encoder = (model / "audio-encoder.safetensors").read_bytes()
    refused(run("train-encoder", model, "--presets", 64, "--seed", 1), "is there already", "--resume", "--overwrite")
    refused(run("train-encoder", model, "--presets", 64, "--resume", "--overwrite"), "leave one of them out")
    assert (model / "audio-encoder.safetensors").read_bytes() == encoder
    assert run("train-encoder", model, "--presets", 64, "--seed", 1, "--overwrite")[0] == 0
    assert (model / "audio-encoder.safetensors").read_bytes() != encoder


def test_without_the_package_cma_the_search_by_it_says_what_to_install(
    run: Command, bell: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(__import__("sys").modules, "cma", None)
    code, _, _ = run("match", bell.name, "--run", small_run, "--budget", 300, "--no-index")
    assert code == 0  # ours does without
    refused(
        run("match", bell.name, "--run", small_run, "--budget", 300, "--no-index", "--search", "cma"),
        "pip install 'synthvae[match]'",
    )
