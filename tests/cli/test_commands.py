"""Every command as a user types it, in one process: printed output, written files, and rejected input."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
import typer

from synthvae import cli
from synthvae.data.names import slug
from synthvae.data.presets import Dataset
from synthvae.experiments.cases import list_cases
from synthvae.experiments.recorded_sounds import SOUND_CASES
from synthvae.naming import name_sounds
from tests.cli.refusal import refused

ROOT = Path(__file__).resolve().parents[2]
#: Runs commands of the installed package and prints what each printed; the first that fails ends it.
RUN_COMMANDS = """
import contextlib, io, json, sys
from synthvae.cli import main

printed = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["synthvae", *arguments]
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            main()
    except SystemExit as stop:
        assert not stop.code, (arguments, stop.code)
    printed.append(output.getvalue())
print(json.dumps(printed))
"""


def test_help_is_fast_and_imports_nothing_heavy():
    code = (
        "import sys\nfrom synthvae import cli\nsys.argv = ['synthvae', '--help']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'scipy', 'pandas', 'matplotlib', 'torchsynth', 'numba', 'umap'}\n"
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_importing_the_package_is_light():
    code = (
        "import sys, synthvae; dir(synthvae); assert 'torch' not in sys.modules\n"
        "assert len(synthvae.VOICE_63) == 63 and 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def commands(group: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """The words of every command of a group and of the groups in it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield *names, name


def test_every_command_has_an_example_in_its_help(run):
    every = list(commands(typer.main.get_command(cli.app)))
    assert {("train",), ("explore",), ("bank", "search"), ("experiment", "run")} <= set(every)
    for command in every:
        code, out, _ = run(*command, "-h")
        assert code == 0
        assert f"Example: synthvae {' '.join(command)}" in " ".join(out.replace("`", "").split()), command


def test_the_version_is_that_of_the_package(run):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert run("--version") == (0, f"synthvae {project['version']}\n", "")


def test_both_spellings_of_help_print_the_same(run):
    for command in ((), ("decode",), ("bank",), ("bank", "tag")):
        assert run(*command, "-h") == run(*command, "--help")


@pytest.mark.usefixtures("no_space")
@pytest.mark.usefixtures("sketched_figures")
def test_the_three_commands_run_as_they_stand_one_after_the_other(run, tmp_path: Path):
    refused(run("train"), "no dataset in it; make one with 'synthvae generate-dataset'")
    refused(run("analyze"), "no trained run in it")
    code, out, _ = run("generate-dataset", "--size", 70, "--seconds", 0.25)
    assert (code, out.split(":")[0]) == (0, "datasets/presets.json")
    code, out, err = run("train", "--loss", "sclp", "--synth-layer", "--epochs", 1)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].startswith("dataset datasets/presets.json: the one that 'generate-dataset' writes")
    assert lines[1].startswith("50 presets in 1 step: about ")
    assert "an epoch on this machine; 1 epoch, or until 20 in a row bring no improvement" in lines[1]
    code, out, err = run("analyze", "--limit", 10, "--map-presets", 10, "--map-nulls", 1)
    assert code == 0, err
    assert out.splitlines()[0] == "run experiments/runs/sclp-stft-synth-0: the only run there"
    assert (tmp_path / "analysis" / "sclp-stft-synth-0" / "report.html").is_file()


def test_generate_and_render(run, tmp_path: Path):
    code, out, _ = run("generate-dataset", "--size", 64, "--seconds", 0.25, "--out", "data/small.json")
    assert code == 0
    summary = ": 64 presets of 63 parameters (46 train, 9 validation, 9 test), 0.1 MB\n"
    assert out == f"data/small.json{summary}"
    for shard in ("1/2", "2/2"):
        assert run("generate-dataset", "--size", 64, "--seconds", 0.25, "--out", "s.json", "--shard", shard)[0] == 0
    assert run("finalize", "s.json.shards")[:2] == (0, f"s.json{summary}")
    code, out, _ = run("render", "data/small.json", "--index", "3,17", "--out", "sounds", "--format", "int16")
    assert code == 0
    paths = sorted((tmp_path / "sounds").iterdir())
    assert [path.name[:14] + path.suffix for path in paths] == [
        "preset_000003_.json",
        "preset_000003_.wav",
        "preset_000017_.json",
        "preset_000017_.wav",
    ]
    info = soundfile.info(paths[1])
    assert (info.samplerate, info.frames, info.channels, info.subtype) == (44100, 11025, 1, "PCM_16")
    preset = json.loads(paths[0].read_text())
    assert preset["origin"]["index"] == 3
    assert paths[0].stem == paths[1].stem == f"preset_000003_{slug(preset['name'])}"
    assert out.splitlines() == ["sounds: 2 sounds with their presets", f"  {paths[1].name}", f"  {paths[3].name}"]
    refused(run("generate-dataset", "--size", 64, "--out", "data/small.json"), "exists already", "--overwrite")
    assert run("generate-dataset", "--size", 64, "--out", "data/small.json", "--overwrite")[0] == 0


def test_train_from_flags_and_toml(run, small_dataset: Dataset, tmp_path: Path):
    (tmp_path / "c.toml").write_text(f'data = "{small_dataset.path}"\nepochs = 9\nbatch_size = 32\n')
    code, out, err = run("train", "--config", "c.toml", "--epochs", 1, "--loss", "scl", "--out", "r")
    assert code == 0, err
    assert "no gradient (add --synth-layer for that)" in out
    assert ": 1 epoch in " in out
    config = json.loads((tmp_path / "r/run.json").read_text())["config"]
    assert (config["epochs"], config["batch_size"], config["loss"]) == (1, 32, "scl")
    code, out, _ = run("train", "--config", "c.toml", "--epochs", 1, "--loss", "scl", "--out", "r", "--resume")
    assert code == 0
    assert "nothing left to train; 1 epoch in " in out
    refused(run("train", "--config", "experiments/none.toml"), "experiments/none.toml: cannot read")
    (tmp_path / "bad.toml").write_text("epoch = 3\n")
    refused(run("train", "--config", "bad.toml"), "bad.toml", "unknown setting 'epoch'", "did you mean epochs")


def test_decode_encode_interpolate(run, small_run: Path, small_dataset: Dataset, tmp_path: Path):
    code, _, err = run("decode", small_run, "--random", 3, "--seed", 1, "--all", "--out", "a")
    assert code == 0, err
    stems = sorted(p.stem for p in (tmp_path / "a").glob("*.wav"))
    assert [stem[:14] for stem in stems] == ["random_1_0000_", "random_1_0001_", "random_1_0002_"]
    code, _, err = run("encode", small_run, "a", "--out", "z.json")
    assert code == 0, err
    latents = json.loads((tmp_path / "z.json").read_text())
    assert latents["names"] == stems
    assert [len(row) for row in latents["latents"]] == [16] * 3
    assert run("decode", small_run, "--z", "z.json", "--out", "b")[0] == 0
    assert len(list((tmp_path / "b").glob("latent_*.wav"))) == 3
    with (tmp_path / "z.csv").open("w", newline="") as file:
        csv.writer(file).writerows(latents["latents"])
    assert run("decode", small_run, "--z", "z.csv", "--out", "c")[0] == 0
    same = [next((tmp_path / folder).glob("latent_0002_*.wav")).read_bytes() for folder in "bc"]
    assert same[0] == same[1]

    arguments = ("--from", 12, "--to", 48, "--steps", 5, "--out", "walk")
    code, _, err = run("interpolate", small_run, *arguments)
    assert code == 0, err
    steps = sorted(p.stem for p in (tmp_path / "walk").glob("*.wav"))
    assert [stem.rpartition("step_")[2][:4] for stem in steps] == [f"00{i}_" for i in range(5)]
    assert all(stem.startswith("from_12_to_48_step_") for stem in steps)
    code, out, _ = run("interpolate", small_run, "--from", f"a/{stems[0]}.json", "--to", 3, "--steps", 10)
    assert code == 0
    assert out.startswith("interpolation: 10 steps\n")
    assert out.count("\n") == 10, "eight by name, and one line for the others"
    assert "and 2 more, up to from_random_1_0000_" in out


@pytest.mark.parametrize("command", ["render", "decode", "interpolate"])
def test_sounds_are_named_after_what_is_measured_of_them(
    command: str, run, small_run: Path, small_dataset: Dataset, tmp_path: Path
):
    arguments = {
        "render": ("render", small_dataset.path, "--index", "0-2"),
        "decode": ("decode", small_run, "--random", 3, "--seed", 1, "--all", "--loudness", "off"),
        "interpolate": ("interpolate", small_run, "--from", 0, "--to", 1, "--steps", 3, "--loudness", "off"),
    }[command]
    assert run(*arguments, "--out", "a")[0] == 0
    paths = sorted((tmp_path / "a").glob("*.wav"))
    for path in paths:
        sound, rate = soundfile.read(path, dtype="float32")
        preset = json.loads(path.with_suffix(".json").read_text())
        (named,) = name_sounds(sound[None], rate)
        assert (preset["name"], preset["descriptors"]) == named
        assert path.stem.endswith(f"_{slug(named.name)}")

    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    document = json.loads(paths[0].with_suffix(".json").read_text())
    old = paths[0].stem.removesuffix(slug(document["name"])) + "glass-drop"
    paths[0].with_suffix(".json").unlink()
    paths[0].rename(tmp_path / f"a/{old}.wav")
    (tmp_path / f"a/{old}.json").write_text(json.dumps(document | {"name": "glass drop"}))
    assert run(*arguments, "--out", "a")[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before, "nothing old is left"


def test_decode_twice_gives_the_same_bytes(run, small_run: Path, tmp_path: Path):
    for out in ("a", "b"):
        assert run("decode", small_run, "--random", 2, "--seed", 5, "--all", "--out", out)[0] == 0
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_metric_ranks_parameters(run, small_dataset: Dataset, tmp_path: Path):
    shutil.copy(small_dataset.path, tmp_path / "d.json")
    code, out, err = run("metric", "d.json", "--limit", 16, "--keep", 2)
    assert code == 0, err
    assert "the metric of 16 presets" in out
    with (tmp_path / "d.logmel-metric.csv").open() as file:
        rows = list(csv.DictReader(file))
    changes = [float(row["rms_change_over_range"]) for row in rows]
    assert changes == sorted(changes, reverse=True)
    assert len(rows) == 63
    assert rows[0]["parameter"] == out.splitlines()[2].split()[0]
    assert {p.name for p in tmp_path.iterdir()} == {"d.json"} | {
        f"d.logmel-metric.{ending}" for ending in ("safetensors", "csv", "png")
    }
    refused(run("metric", "d.json"), "exists", "--overwrite")
    figure = (tmp_path / "d.logmel-metric.png").read_bytes()
    for ending in ("png", "csv"):  # as where it was stopped before it was written
        (tmp_path / f"d.logmel-metric.{ending}").unlink()
    again = run("metric", "d.json")
    assert (again[0], again[1]) == (0, out)
    assert (tmp_path / "d.logmel-metric.png").read_bytes() == figure
    refused(run("metric", "d.json", "--limit", 1), "--limit is 1")
    refused(run("metric", "d.json", "--feature", "chroma"), "'chroma'", "logmel")


def test_bad_arguments_are_refused_in_one_line(run, small_run: Path, small_dataset: Dataset, tmp_path: Path):
    data = small_dataset.path
    (tmp_path / "cut.json").write_text(data.read_text()[:5000])
    (tmp_path / "wide.csv").write_text("1,2,3\n")
    (tmp_path / "nan.csv").write_text(",".join(["nan"] * 16) + "\n")
    before = sorted(tmp_path.iterdir())
    refused(run("generate-dataset", "--size", 0, "--out", "x.json"), "--size is 0", "at least 3")
    refused(run("generate-dataset", "--size", "many"), "many")
    refused(run("generate-dataset", "--size", 9, "--parameters", 64, "--out", "x.json"), "64", "63", "78")
    refused(run("generate-dataset", "--size", 9, "--splits", "9,0,0", "--out", "x.json"), "--splits", "at least 1")
    refused(run("generate-dataset", "--size", 9, "--seconds", -1, "--out", "x.json"), "--seconds is -1.0")
    refused(run("generate-dataset", "--size", 9, "--out", "/proc/x/y.json"), "/proc/x", "cannot write")
    refused(run("render", "cut.json", "--index", 1, "--out", "s"), "cut.json", "not a whole JSON document")
    refused(run("render", data, "--index", 64, "--out", "s"), "no preset 64", "0 to 63")
    refused(run("render", data, "--index", 1, "--out", "s", "--format", "mp3"), "'mp3'", "float, int16")
    refused(run("render", data, "--index", 1, "--out", "/proc/s"), "/proc/s", "cannot write", "--out")
    refused(run("train", "--data", "none.json"), "none.json", "generate-dataset")
    refused(run("train"), "no dataset in it")
    refused(run("train", "--data", data, "--loss", "mse", "--out", "r"), "'mse'", "sclp")
    refused(run("train", "--data", data, "--epochs", 0, "--out", "r"), "epochs is 0")
    refused(run("train", "--data", data, "--synth-layer", "--out", "/proc/r"), "/proc/r", "cannot write")
    refused(run("train", "--data", data, "--epoch", 3), "--epoch")
    refused(run("analyze", "nowhere"), "nowhere", "not a run directory")
    refused(run("analyze", small_run, "--limit", 1), "--limit is 1")
    refused(run("analyze", small_run, small_run, "--out", "a"), "two runs are called 'small'")
    refused(run("decode", "nowhere", "--random", 2), "not a run directory")
    refused(run("decode", small_run, "--random", 2, "--z", "none.json"), "--random is 2, and --z is none.json")
    refused(run("decode", small_run, "--all", "--z", "none.json"), "--all is true, and --z names the latents")
    refused(run("decode", small_run, "--loudness", "loud"), "--loudness is 'loud'", "off")
    refused(run("decode", small_run, "--loudness", "3"), "--loudness is 3.0", "-60 to 0 LUFS")
    refused(run("encode", small_run, "a", "b"), "encode: 3 paths; give one run")
    refused(run("decode", small_run, "--random", 0), "--random is 0")
    refused(run("decode", small_run, "--z", "none.json"), "none.json", "cannot read")
    refused(run("decode", small_run, "--z", "wide.csv"), "wide.csv", "16 numbers")
    refused(run("decode", small_run, "--z", "nan.csv"), "nan.csv", "row 0", "not finite")
    refused(run("encode", small_run, "cut.json"), "cut.json", "not a whole JSON document")
    refused(run("interpolate", small_run, "--from", 1, "--to", 64), "no preset 64")
    refused(run("interpolate", small_run, "--from", 1, "--to", 2, "--steps", 1), "--steps is 1")
    refused(run("polish"), "polish")
    assert sorted(tmp_path.iterdir()) == before


def test_foreign_parameters_are_refused_by_hash(run, small_run: Path, tmp_path: Path):
    assert run("generate-dataset", "--size", 20, "--parameters", 78, "--out", "all.json")[0] == 0
    refused(run("analyze", small_run, "--data", "all.json"), "all.json", "hash", "78", "63")
    refused(run("interpolate", small_run, "--data", "all.json", "--from", 1, "--to", 2), "all.json", "hash")
    assert run("generate-dataset", "--size", 20, "--out", "long.json")[0] == 0
    refused(run("analyze", small_run, "--data", "long.json"), "long.json", "seconds=1.0", "seconds=0.25")


@pytest.mark.slow
def test_the_wheel_works_in_another_folder(tmp_path: Path):
    """Every command, from the built wheel, with nothing of the checkout in reach."""
    source, site, work = tmp_path / "source", tmp_path / "site", tmp_path / "work"
    source.mkdir()
    work.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "experiments", source / "experiments", ignore=shutil.ignore_patterns("runs"))
    shutil.copytree(ROOT / "synthvae", source / "synthvae", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, source], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("synthvae-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True, capture_output=True)
    top = {p.name for p in site.iterdir() if not p.name.endswith(".dist-info")}
    assert top == {"synthvae", "bin"}, "only the package itself may land in site-packages"

    own = {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {**os.environ, **own}

    def python(*words: object) -> str:
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commands(*lines: tuple[object, ...]) -> list[str]:
        """What each command prints, run one after the other in one process, which imports and compiles once."""
        output = python("-c", RUN_COMMANDS, json.dumps([[str(word) for word in line] for line in lines]))
        return json.loads(output)

    assert python("-c", "import synthvae; print(synthvae.__file__)").startswith(str(site))
    python(site / "bin" / "synthvae", "--help")
    assert wheel.stat().st_size < 10_000_000
    first = python(site / "bin" / "synthvae", "decode", "--random", 1, "--out", "first")
    assert "run voice-16: comes with synthvae" in first
    d, r = "datasets/presets.json", "experiments/runs/sclp-stft-synth-0"
    commands(
        ("generate-dataset", "--size", 64, "--seconds", 0.25),
        ("train", "--loss", "sclp", "--synth-layer", "--epochs", 2),
        ("render", d, "--index", "3,17", "--out", "sounds"),
        ("train", "--loss", "logsl", "--feature", "mfcc", "--epochs", 2, "--out", "q"),
        ("analyze", r, "q", "--map-presets", 60, "--map-nulls", 1, "--out", "a"),
        ("decode", r, "--random", 2, "--all", "--out", "s"),
        ("encode", r, "s", "--out", "z.json"),
        ("interpolate", r, "--from", 1, "--to", 2, "--steps", 2, "--out", "w"),
    )
    assert (work / "a" / "report.html").is_file()
    sound = next((work / "s").glob("*.wav"))
    added, similar, cases = commands(
        ("bank", "add", "s", "--bank", "b.sqlite"),
        ("bank", "search", "--like", sound, "--bank", "b.sqlite"),
        ("experiment", "list"),
    )
    assert "2 presets added" in added
    assert "2 presets" in similar
    listed = {line.split()[0] for line in cases.splitlines() if line.startswith("  ")}
    assert listed == {case.name for case in list_cases()}.union(*SOUND_CASES.values())
    assert {"sounds", "q", "a", "s", "z.json", "w"} <= {p.name for p in work.iterdir()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"synthvae-{project['version']}-" in wheel.name
