"""``morph``, ``vary`` and ``blend`` as a user types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import soundfile
import torch

from synthvae.data.preset import read_preset
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.training.run import load_run
from tests.cli.refusal import refused


def values(path: Path) -> dict[str, float]:
    return json.loads(path.read_text())["values"]


@pytest.fixture
def preset(run, small_dataset, tmp_path: Path) -> Path:
    """Preset 7 of the dataset in a file."""
    assert run("render", small_dataset.path, "--index", 7, "--out", tmp_path / "given")[0] == 0
    (path,) = (tmp_path / "given").glob("preset_000007_*.json")
    return path


def test_morph_writes_steps_and_prints_them_beside_plain_parameters(run, small_run: Path, preset: Path, tmp_path: Path):
    code, out, err = run("morph", preset, 30, "--steps", 5, "--run", small_run, "--out", "m", "--gap", 0.05)
    assert code == 0, err
    names = [f"step_{i:03d}" for i in range(5)]
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == sorted(
        ["joined.wav", *(f"{name}.{ending}" for name in names for ending in ("json", "wav"))]
    )
    assert values(tmp_path / "m/step_000.json") == values(preset)
    frames = [soundfile.info(tmp_path / f"m/{name}.wav").frames for name in names]
    assert frames == [16000 * json.loads((tmp_path / f"m/{name}.json").read_text())["seconds"] for name in names]
    assert soundfile.info(tmp_path / "m/joined.wav").frames == sum(frames) + 4 * 800
    lines = out.splitlines()
    assert lines[0].split()[:6] == ["file", "position", "dB", "to", "next", "plain"]
    assert str(preset) in lines[1]
    assert [line.split()[0] for line in lines[1:6]] == [f"{name}.wav" for name in names]
    table = {line.rsplit(maxsplit=3)[0].strip(): line.split() for line in lines if re.search(r"^(latent|plain)", line)}
    assert float(table["latent"][-3]) <= 1.5
    assert set(table) == {"latent", "plain parameters"}
    steps = [float(line.split()[2]) for line in lines[1:5]]
    assert float(table["latent"][-2]) == pytest.approx(sum(steps), abs=0.05)
    origin = json.loads((tmp_path / "m/step_002.json").read_text())["origin"]
    assert origin["morph"] == [str(preset), "30"]


def test_a_smooth_morph_takes_equal_steps_of_position_and_names_its_seed(run, small_run: Path, tmp_path: Path):
    options = ("--steps", 4, "--way", "smooth", "--seed", 3, "--run", small_run)
    code, out, err = run("morph", 1, 2, *options, "--out", "s")
    assert code == 0, err
    assert [line.split()[1] for line in out.splitlines()[1:5]] == ["0.000", "0.333", "0.667", "1.000"]
    assert json.loads((tmp_path / "s/step_001.json").read_text())["origin"]["seed"] == 3
    code, out, err = run("morph", 1, 2, *options, "--even", "--out", "e")
    assert code == 0, err
    assert [line.split()[1] for line in out.splitlines()[1:5]] != ["0.000", "0.333", "0.667", "1.000"]


def test_morph_through_three_presets_beyond_their_ends_and_twice_the_same(run, small_run: Path, tmp_path: Path):
    for out in ("a", "b"):
        code, _, err = run(
            "morph", 1, 2, 3, "--steps", 7, "--extrapolate", 0.2, "--run", small_run, "--out", out, "--format", "int16"
        )
        assert code == 0, err
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert soundfile.info(tmp_path / "a/joined.wav").subtype == "PCM_16"


def test_vary_keeps_what_it_is_told_to(run, small_run: Path, preset: Path, tmp_path: Path):
    code, out, err = run("vary", preset, "--count", 4, "--keep", "pitch,duration", "--run", small_run, "--out", "v")
    assert code == 0, err
    found = [values(tmp_path / f"v/variation_00{i}.json") for i in range(4)]
    given = values(preset)
    for one in found:
        assert all(one[name] == given[name] for name in ("keyboard.midi_f0", "keyboard.duration", "vco_1.tuning"))
        assert one["mixer.vco_1"] != given["mixer.vco_1"]
    distances = [float(line.split()[1]) for line in out.splitlines() if line.startswith("variation_")]
    assert distances == sorted(distances)
    assert "amount 1 is" in out
    assert run("vary", preset, "--amount", 0, "--count", 1, "--run", small_run, "--out", "same")[0] == 0
    assert values(tmp_path / "same/variation_000.json") == given


def test_blend_takes_weights_in_the_order_of_the_presets(run, small_run: Path, preset: Path, tmp_path: Path):
    code, out, err = run(
        "blend", "--plus", preset, "--minus", 3, "--plus=4", "--weights", "1,0.5,0.25", "--run", small_run, "--out", "b"
    )
    assert code == 0, err
    rows = {line.split()[0]: float(line.split()[1]) for line in out.splitlines()[1:4]}
    assert rows == {str(preset): 1.0, "3": -0.5, "4": 0.25}
    from synthvae.exploration import blend, find_preset

    model = load_run(small_run)
    unit = torch.stack([find_preset(model, text) for text in (str(preset), "3", "4")])
    mixed = read_preset(tmp_path / "b/blend.json", VOICE_63).unit
    expected = blend(model, unit, torch.tensor([1.0, -0.5, 0.25]))
    torch.testing.assert_close(torch.from_numpy(mixed).float(), expected, atol=1e-6, rtol=0)
    assert run("blend", "--plus", preset, "--run", small_run, "--out", "one", "--name", "same")[0] == 0
    assert values(tmp_path / "one/same.json") == values(preset)


def test_presets_of_other_settings_are_rendered_as_by_the_run_and_it_is_reported(run, small_run: Path, tmp_path: Path):
    assert run("generate-dataset", "--size", 9, "--seconds", 0.5, "--out", "long.json")[0] == 0
    assert run("render", "long.json", "--index", 1, "--out", "given")[0] == 0
    (path,) = (tmp_path / "given").glob("*.json")
    code, out, err = run("blend", "--plus", path, "--run", small_run)
    assert code == 0, err
    assert "made for 0.5 s at 44100 Hz" in out.splitlines()[0]
    assert "0.25 s at 16000 Hz" in out.splitlines()[0]
    document = json.loads((tmp_path / "blend/blend.json").read_text())
    sound = soundfile.info(tmp_path / "blend/blend.wav")
    assert (document["seconds"], document["sample_rate"]) == (sound.frames / 16000, sound.samplerate)


@pytest.mark.usefixtures("no_space")
def test_without_run_the_last_one_is_taken_and_named(run, small_run: Path, tmp_path: Path):
    refused(run("morph", 1, 2), "experiments/runs", "--run")
    (tmp_path / "experiments/runs").mkdir(parents=True)
    (tmp_path / "experiments/runs/mine").symlink_to(small_run)
    code, out, err = run("vary", 3, "--count", 2)
    assert code == 0, err
    assert out.startswith("run experiments/runs/mine: the only run there")


def test_every_help_has_an_example(run):
    for command in (["morph"], ["vary"], ["blend"]):
        code, out, _ = run(*command, "--help")
        assert code == 0
        assert "Example:" in out
        assert f"synthvae {' '.join(command)}" in out


def test_bad_input_is_one_line_and_nothing_is_written(run, small_run: Path, preset: Path, tmp_path: Path):
    document = json.loads(preset.read_text())
    broken = {
        "synth": document | {"synth": {"name": "other.Synth"}},
        "text": document | {"values": document["values"] | {"mixer.noise": "loud"}},
        "missing": document | {"values": {k: v for k, v in document["values"].items() if k != "mixer.noise"}},
        "route": document | {"values": document["values"] | {"mod_matrix.adsr_2->vco_1_pitch": 0.5}},
        "high": document | {"values": document["values"] | {"keyboard.midi_f0": 200.0}},
    }
    for name, content in broken.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "nan.json").write_text(preset.read_text().replace('"mixer.noise": ', '"mixer.noise": NaN, "x": '))
    (tmp_path / "cut.json").write_text(preset.read_text()[:300])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    at = ("--run", small_run)
    refused(run("morph", "synth.json", 2, *at), "synth.json", "other.Synth", "do not fit")
    refused(run("morph", 1, "text.json", *at), "text.json", "mixer.noise is 'loud'")
    refused(run("vary", "missing.json", *at), "missing.json", "mixer.noise is missing")
    refused(run("vary", "route.json", *at), "route.json", "holds it at 0")
    refused(run("blend", "--plus", "high.json", *at), "high.json", "200", "0 to 127")
    refused(run("blend", "--plus", "nan.json", *at), "nan.json")
    refused(run("vary", "cut.json", *at), "cut.json")
    refused(run("morph", 1, "none.json", *at), "none.json", "neither a preset's number nor its file")
    refused(run("morph", 1, "none_*.json", *at), "none_*.json", "a pattern that no file matches")
    refused(run("blend", "--plus", 1, "--minus", "none.json", *at), "--minus is 'none.json'")
    refused(run("morph", 1, *at), "morph: one preset to morph; give two or more")
    refused(run("morph", 1, 64, *at), "no preset 64", "0 to 63")
    refused(run("morph", 1, 2, "--steps", -1, *at), "--steps is -1")
    refused(run("morph", 1, 2, 3, "--steps", 2, *at), "3 presets", "at least 3")
    refused(run("morph", 1, 2, "--way", "scenic", *at), "'scenic'", "latent, metric, parameters, smooth")
    refused(run("morph", 1, 2, "--extrapolate", "nan", *at), "--extrapolate is nan")
    refused(run("morph", 1, 2, "--gap", -1, *at), "--gap is -1")
    refused(run("morph", 1, 2, "--format", "mp3", *at), "'mp3'", "float, int16")
    refused(run("morph", 1, 2, "--out", "/proc/m", *at), "/proc/m", "cannot write", "--out")
    refused(run("morph", 1, 2, "--run", "nowhere"), "nowhere", "not a run directory")
    refused(run("vary", 1, "--amount", -0.5, *at), "--amount is -0.5", "0 (the preset itself)")
    refused(run("vary", 1, "--amount", "nan", *at), "--amount is nan")
    refused(run("vary", 1, "--count", -2, *at), "--count is -2")
    refused(run("vary", 1, "--keep", "pich", *at), "'pich'", "did you mean pitch")
    refused(run("vary", 1, "--seed", -1, *at), "--seed is -1")
    refused(run("blend", *at), "at least one preset")
    refused(run("blend", "--plus", 1, "--weights", "1,2", *at), "'1,2'", "2 for 1 preset")
    refused(run("blend", "--plus", 1, "--weights", "nan", *at), "holds nan")
    refused(run("blend", "--plus", 1, "--weights", "much", *at), "'much'")
    refused(run("blend", "--plus", 1, "--weights", "0", *at), "all 0")
    refused(run("blend", "--plus", 1, "--name", "a/b", *at), "'a/b'")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} <= {"given"}
