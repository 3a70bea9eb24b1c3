"""``decode``, ``encode``, ``interpolate`` and ``morph`` with runs on recorded sounds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from synthvae import load_analysis
from synthvae.core.errors import UserError
from synthvae.training.run import load_run
from synthvae.training.sounds import SoundRun
from tests.cli.refusal import refused
from tests.report.documented import documented, used
from tests.tones import tone
from tests.training.sounds import RATE, SAMPLES

Command = Callable[..., tuple[int, str, str]]


def read(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    return samples


def test_draws_are_the_models_and_come_again(run: Command, trained: Path, tmp_path: Path):
    arguments = ("decode", trained / "plain", "--random", 3, "--seed", 4, "--loudness", "off")
    code, out, err = run(*arguments, "--out", "a")
    assert code == 0, err
    assert "drawn from the distribution of the training sounds' latents" in out
    names = [f"random_4_{number:04d}" for number in range(3)]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["latents.json", *(f"{n}.wav" for n in names)]
    model = SoundRun(load_run(trained / "plain"))
    expected = model.decode(model.sample(3, 4)).numpy()
    for name, sound in zip(names, expected, strict=True):
        np.testing.assert_allclose(read(tmp_path / "a" / f"{name}.wav"), sound, atol=1e-6)
        assert len(sound) == SAMPLES
    # The latents that lie beside them give the same sounds.
    code, _, err = run("decode", trained / "plain", "--z", "a/latents.json", "--loudness", "off", "--out", "b")
    assert code == 0, err
    for name in names:
        np.testing.assert_allclose(
            read(tmp_path / "b" / f"{name}.wav"), read(tmp_path / "a" / f"{name}.wav"), atol=1e-6
        )
    code, out, _ = run(*arguments, "--prior", "normal", "--out", "c")
    assert code == 0
    assert "drawn from the standard normal distribution" in out
    normal = json.loads((tmp_path / "c/latents.json").read_text())["latents"]
    np.testing.assert_allclose(normal, model.sample(3, 4, "normal").tolist(), rtol=1e-6)


def test_draws_around_a_sound(run: Command, trained: Path, tmp_path: Path):
    for near in ("3", "kick.wav"):
        soundfile.write(tmp_path / "kick.wav", np.sin(np.arange(9000) / 20).astype(np.float32), RATE)
        code, _, err = run("decode", trained / "plain", "--near", near, "--random", 2, "--out", "near")
        assert code == 0, err
        stem = near.removesuffix(".wav")
        assert {path.name for path in (tmp_path / "near").glob(f"near_{stem}_*")} == {
            f"near_{stem}_0000.wav",
            f"near_{stem}_0001.wav",
        }


def test_draws_have_a_pitch(run: Command, trained: Path, tmp_path: Path):
    arguments = ("decode", trained / "pitches", "--random", 2, "--loudness", "off")
    for pitch in (50, 70):
        code, _, err = run(*arguments, "--pitch", pitch, "--out", str(pitch))
        assert code == 0, err
    model = SoundRun(load_run(trained / "pitches"))
    expected = model.decode(model.sample(2, 0), torch.full((2, 1), (70 - 60) / 24)).numpy()
    for number, sound in enumerate(expected):
        low, high = (read(tmp_path / pitch / f"random_0_{number:04d}.wav") for pitch in ("50", "70"))
        np.testing.assert_allclose(high, sound, atol=1e-6)
        assert np.abs(high - low).max() > 1e-4
    refused(run(*arguments), "--pitch: missing")
    refused(run(*arguments, "--pitch", 128), "--pitch is 128.0; give a MIDI note number, 0 to 127")
    refused(run("decode", trained / "plain", "--pitch", 60), "--pitch is 60.0", "was trained with condition none")


def test_recordings_are_encoded_and_decoded(run: Command, trained: Path, tmp_path: Path):
    (tmp_path / "in").mkdir()
    for number, rate in enumerate((RATE, 44100)):
        audio = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate // 5) / rate)
        soundfile.write(tmp_path / "in" / f"tone{number}.flac", audio, rate)
    (tmp_path / "in/readme.txt").write_text("no sound")
    code, out, err = run("encode", trained / "plain", "in", "in/tone0.flac", "--out", "z.json")
    assert code == 0, err
    assert out == "z.json: latents of 3 recordings, 3 dimensions each\n"
    document = json.loads((tmp_path / "z.json").read_text())
    assert document["names"] == ["tone0", "tone1", "tone0"]
    assert document["weights_hash"] == load_run(trained / "plain").weights_hash
    first, second, again = (torch.tensor(row) for row in document["latents"])
    assert torch.equal(first, again)
    assert (first - second).norm() < 0.5 * first.norm(), "the same tone at another rate"
    document["names"] = ["one", "two", "three"]
    (tmp_path / "z.json").write_text(json.dumps(document))
    code, _, err = run("decode", trained / "plain", "--z", "z.json", "--out", "s")
    assert code == 0, err
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"one.wav", "two.wav", "three.wav", "latents.json"}
    code, _, err = run("decode", trained / "labels", "--z", "z.json", "--label", "tone", "--out", "t")
    assert code == 2
    assert "z.json: weights_hash is" in err


def test_analyze_writes_a_report(run: Command, trained: Path, tmp_path: Path):
    code, out, err = run("analyze", trained / "plain", "--out", "a", "--plan")
    assert code == 0, err
    assert [line.split(maxsplit=2)[1:] for line in out.splitlines()[:4]] == [
        ["s", f"{step} of plain"] for step in ("reconstructions", "latents", "sounds", "draws")
    ]
    assert not (tmp_path / "a").exists()
    code, out, err = run("analyze", trained / "plain", trained / "labels", trained / "frames", "--out", "a")
    assert code == 0, err
    assert out.startswith("a/report.html: the report")
    folder = tmp_path / "a"
    metrics = json.loads((folder / "metrics.json").read_text())
    known = documented("SoundMetricsDocument")
    missing = known - used(metrics, known)
    # So small a library has too few sounds for distances, bins and round trips, so short sounds no click crest.
    # Accuracy is that of magnitude and phase, and the programs may be missing.
    assert {path[2] for path in missing} <= {"draws", "crest", "accuracy", "programs", "round_trips", "sets"}
    assert list(metrics["runs"]) == ["frames", "labels", "plain"]
    page = (folder / "report.html").read_text()
    sounds = 6 * 4 + 3 * 16  # an original and three reconstructions of each test sound, and the draws
    assert page.count("data:audio/wav") == sounds
    for text in ("Squared error by label", "mean of the label", "nearest training sound", "Rebnord (2022)"):
        assert text in page
    for name in ("plain", "labels", "frames"):
        table = pd.read_csv(folder / f"reconstruction_{name}.csv")
        quality = metrics["runs"][name]["quality"]
        share = table["squared_error"].sum() / table["mean_spectrogram"].sum()
        assert share == pytest.approx(quality["model"]["value"])
        assert len(table) == quality["sounds"] == 6
        assert len(read(folder / f"draws_{name}" / "draw_15.wav")) == SAMPLES
    code, _, err = run("analyze", trained / "plain", "--data", trained / "lib", "--limit", 3, "--out", "b")
    assert code == 0, err
    assert json.loads((tmp_path / "b/metrics.json").read_text())["runs"]["plain"]["quality"]["sounds"] == 3
    with pytest.raises(UserError, match="not an analysis of presets"):
        load_analysis(folder)


def test_runs_that_cannot_be_compared(run: Command, trained: Path, small_run: Path, tmp_path: Path):
    refused(
        run("analyze", trained / "plain", small_run), "plain is a run on recorded sounds, and others are on presets"
    )
    shutil.copytree(trained / "plain", tmp_path / "other")
    document = json.loads((tmp_path / "other/run.json").read_text())
    (tmp_path / "other/run.json").write_text(json.dumps({**document, "dataset_hash": "0"}))
    refused(run("analyze", trained / "plain", "other"), "they were trained on different libraries")
    refused(run("analyze", "other", "--data", trained / "lib"), "which is not the library that other was trained on")


@pytest.mark.parametrize("command", ["morph", "interpolate"])
def test_a_path_between_two_sounds(command: str, run: Command, trained: Path, tmp_path: Path):
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(3000) / 9).astype(np.float32), RATE)
    ends = ("a.wav", "5", "--run", trained / "plain", "--way", "latent") if command == "morph" else (
        trained / "plain", "--from", "a.wav", "--to", "5"
    )  # fmt: skip
    code, out, err = run(command, *ends, "--steps", 4, "--loudness", "off", "--out", "m")
    assert code == 0, err
    assert "4 steps from a to 5" in out
    model = SoundRun(load_run(trained / "plain"))
    latents = torch.tensor(json.loads((tmp_path / "m/latents.json").read_text())["latents"])
    torch.testing.assert_close(latents[1] - latents[0], latents[3] - latents[2])
    sound = torch.nn.functional.pad(torch.from_numpy(read(tmp_path / "a.wav")), (0, SAMPLES - 3000))[None]
    torch.testing.assert_close(latents[:1], model.encode(sound), atol=1e-4, rtol=1e-3)
    steps = [read(tmp_path / "m" / f"step_{number:03d}.wav") for number in range(4)]
    for step, expected in zip(steps, model.decode(latents).numpy(), strict=True):
        np.testing.assert_allclose(step, expected, atol=1e-5)
    assert len(read(tmp_path / "m/joined.wav")) >= 4 * SAMPLES


def test_recordings_are_morphed_without_a_run(run: Command, trained: Path, tmp_path: Path):
    for name, rate, hertz in (("low.wav", RATE, 220.0), ("high.wav", 2 * RATE, 330.0)):
        soundfile.write(tmp_path / name, tone(hertz, seconds=0.4, rate=rate), rate)
    code, out, err = run("morph", "low.wav", "high.wav", "--steps", 3, "--out", "m", "--loudness", "off")
    assert code == 0, err
    assert "3 steps from low to high" in out
    figures = json.loads((tmp_path / "m/morph.json").read_text())["figures"]["low to high"]
    assert figures["transport"]["on_middle_series"] > 0.9 > 0.5 > figures["blend"]["on_middle_series"]
    end, rate = soundfile.read(tmp_path / "m/step_002.wav", dtype="float32")
    assert rate == 2 * RATE
    np.testing.assert_array_equal(end, soundfile.read(tmp_path / "high.wav", dtype="float32")[0])
    assert not (tmp_path / "m/latents.json").exists()
    code, out, err = run(
        "morph", "0", "3", "5", "--data", trained / "lib", "--way", "blend", "--steps", 4, "--out", "n"
    )
    assert code == 0, err
    assert [line.split()[0] for line in out.splitlines()[1:3]] == ["0", "3"]
    refused(run("morph", "low.wav", "high.wav", "--even"), "--even is true, and these are recordings; leave it out")
    refused(run("morph", "low.wav", "high.wav", "--label", "tone"), "--label is 'tone', and transport takes no label")
    refused(run("morph", "low.wav", "high.wav", "--way", "latent"), "give a run on recorded sounds with --run")
    refused(run("morph", "low.wav", "gone.wav"), "neither a sound's number nor its file")
    refused(run("morph", "low.wav", "high.wav", "--way", "metric"), "--way is 'metric', between recorded sounds")
    mixed = run("morph", "low.wav", "a.json", "--run", trained / "plain", "--way", "latent")
    refused(mixed, "'a.json', a JSON file; give", "presets go with presets, recordings with recordings or sounds")
    refused(run("morph", "low.wav", "high.wav", "--steps", "1"), "--steps is 1; give at least 2")


def test_labels_are_asked_for_where_the_run_has_them(run: Command, trained: Path, tmp_path: Path):
    code, _, err = run("decode", trained / "labels", "--random", 2)
    assert (code, "--label: missing; give one" in err) == (2, True), err
    code, _, err = run("decode", trained / "labels", "--random", 2, "--label", "gong")
    assert (code, "--label is 'gong'; choose one of noise, tone" in err) == (2, True), err
    code, _, err = run("decode", trained / "labels", "--random", 2, "--label", "tone", "--out", "s")
    assert code == 0, err


def test_a_run_of_frames_takes_any_length(run: Command, trained: Path, tmp_path: Path):
    for name, length in (("short.wav", 1700), ("long.wav", 12345)):
        soundfile.write(tmp_path / name, np.sin(np.arange(length) / 9).astype(np.float32), RATE)
        code, _, err = run("morph", name, name, "--run", trained / "frames", "--steps", 2, "--out", "m")
        assert code == 0, err
        assert len(read(tmp_path / "m/step_000.wav")) == length
    code, _, err = run("decode", trained / "frames", "--random", 2, "--out", "s")
    assert code == 0, err
    assert len(read(tmp_path / "s/random_0_0001.wav")) == SAMPLES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("decode", "{run}", "--all"), "--all is true, and plain is a run on recorded"),
        (("decode", "{run}", "--near", "3", "--prior", "normal"), "--near is '3'"),
        (("decode", "{run}", "--prior", "flat"), "--prior is 'flat'; choose one of aggregate, normal"),
        (("decode", "{run}", "--near", "99"), "the numbers run from 0 to 39"),
        (("decode", "{run}", "--near", "none.wav"), "neither a sound's number nor its file"),
        (("decode", "{run}", "--pitch", "60"), "plain was trained with condition none; leave it out"),
        (("encode", "{run}", "empty"), "no recordings in it"),
        (("morph", "1", "2", "3", "--run", "{run}", "--steps", "2"), "--steps is 2; give at least 3"),
        (
            ("morph", "1", "2", "--run", "{run}", "--way", "metric"),
            "--way is 'metric', between recorded sounds; choose one of",
        ),
        (("morph", "1", "2", "--run", "{run}", "--even"), "--even is true, and plain is a run on recorded"),
        (("vary", "1", "--run", "{run}"), "which has no parameters"),
        (("blend", "--plus", "1", "--plus", "2", "--run", "{run}"), "which has no parameters"),
        (("analyze", "{run}", "--eps", "0.04"), "--eps is 0.04, and plain is a run on recorded sounds; leave it out"),
        (("analyze", "{run}", "--embedding", "logmel"), "--embedding is 'logmel', and plain is a run on recorded"),
        (("analyze", "{run}", "--min-dist", "0"), "--min-dist is 0.0, and plain is a run on recorded"),
        (("analyze", "{run}", "--map-grid"), "--map-grid is true, and plain is a run on recorded"),
        (("analyze", "{run}", "--example", "3"), "--example is 3, and plain is a run on recorded"),
        (("analyze", "{run}", "{run}"), "two runs are called 'plain'"),
        (("train", "--data", "none"), "--data is 'none', not there; make presets with generate-dataset, or a library"),
        (("train", "--data", "."), "--data is '.', a folder, but no library; make presets with"),
        (
            ("train", "--network", "dense", "--frames", "4"),
            "or name a library made with import-library or make-library",
        ),
        (("explore", "{run}", "--of-bank"), "--of-bank is true, but"),
        (("match", "x.wav", "--run", "{run}"), "which has no parameters"),
        (("train-encoder", "{run}"), "which has no parameters"),
    ],
)
def test_what_such_a_run_cannot_do_is_said_in_one_line(
    arguments: tuple[str, ...], message: str, run: Command, trained: Path, tmp_path: Path
):
    (tmp_path / "empty").mkdir()
    soundfile.write(tmp_path / "x.wav", np.sin(np.arange(9000) / 20).astype(np.float32), RATE)
    code, _, err = run(*(str(trained / "plain") if part == "{run}" else part for part in arguments))
    assert code == 2
    assert message in err
    lines = [line for line in err.splitlines() if not line.endswith("...")]
    assert len(lines) == 1, err


@pytest.mark.parametrize("option", [("--prior", "normal"), ("--near", "3"), ("--label", "a"), ("--pitch", "60")])
def test_what_a_run_on_presets_does_not_take_is_refused(option: tuple[str, str], run: Command, small_run: Path):
    code, _, err = run("decode", small_run, *option)
    assert code == 2
    assert f"{option[0]} is" in err
    assert "is a run on presets" in err
