"""Commands in shards: joined, they make what the command makes at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from synthvae.core.files import load_tensors
from synthvae.data.generation import generate_dataset
from synthvae.data.presets import Dataset, write_dataset
from synthvae.exploration.latent_files import read_latents
from synthvae.scale.works import WORKS
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.training.run import load_run
from tests.cli.conftest import Command
from tests.conftest import SHORT


def in_shards(run: Command, count: int, *arguments: object) -> None:
    """Make the shards of a command in a strange order, one of them twice, and join them."""
    out = arguments[arguments.index("--out") + 1] if "--out" in arguments else None
    for number in [*range(count, 0, -1), 1]:
        code, text, err = run(*arguments, "--shard", f"{number}/{count}")
        assert code == 0, err
        assert f"of {count} shards done" in text
    place = f"{out}.shards" if out else next(Path().rglob("*.shards"))
    assert f"{count} of {count} shards done" in run("status", place)[1]
    code, _, err = run("finalize", place)
    assert code == 0, err
    assert not Path(place).exists()


def same_files(first: Path, second: Path) -> None:
    names = [sorted(path.name for path in folder.iterdir()) for folder in (first, second)]
    assert names[0] == names[1]
    for name in names[0]:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_a_dataset(run: Command, ending: str):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="an extra")
    how = ["generate-dataset", "--size", 50, "--seed", 5, "--out"]
    in_shards(run, 4, *how, f"joined.{ending}")
    assert run(*how, f"whole.{ending}")[0] == 0
    assert Path(f"joined.{ending}").read_bytes() == Path(f"whole.{ending}").read_bytes()


def test_gaps_and_other_work_are_refused(run: Command):
    how = ["generate-dataset", "--size", 50, "--seed", 5, "--out", "data.json"]
    assert "; shards 1, 3-4 of 4 are missing" in run(*how, "--shard", "2/4")[1]
    code, _, err = run("finalize", "data.json.shards")
    assert (code, err) == (2, "error: data.json.shards: shards 1, 3-4 of 4 are missing; make them and try again\n") or (
        code == 2 and "shards 1, 3-4 of 4 are missing; make them and try again" in err
    )
    code, _, err = run("generate-dataset", "--size", 50, "--seed", 6, "--out", "data.json", "--shard", "1/4")
    assert code == 2
    assert "holds shards of other work (seed 5)" in err
    for arguments, message in (
        ([*how, "--shard", "5/4"], "--shard is '5/4'; write e.g. 3/16"),
        ([*how, "--shards", 4], "--shards is 4, but no launcher is named"),
        ([*how, "--shard", "1/4", "--launcher", "local"], "--shard is '1/4', and --launcher local makes all"),
        ([*how, "--launcher", "moon"], "--launcher is 'moon'; choose one of local, ray, slurm"),
        (["status", "."], "no folder of shards"),
    ):
        code, _, err = run(*arguments)
        assert code == 2
        assert message in err
        assert err.count("\n") == 1


@pytest.fixture
def data(small_dataset: Dataset, tmp_path: Path) -> Path:
    return shutil.copy(small_dataset.path, tmp_path / "small.json")


def test_sounds(run: Command, data: Path):
    how = ["render", "small.json", "--index", "3,20", "--out"]
    in_shards(run, 2, *how, "joined")
    assert run(*how, "whole")[0] == 0
    same_files(Path("joined"), Path("whole"))


def test_a_metric(run: Command, tmp_path: Path):
    generate_dataset(tmp_path / "small.json", VOICE_63, 16, seed=3, settings=SHORT)
    how = ["metric", "small.json", "--limit", 10, "--keep", 3]
    in_shards(run, 3, *how)
    joined = load_tensors(Path("small.logmel-metric.safetensors"))
    table = Path("small.logmel-metric.csv").read_bytes()
    assert Path("small.logmel-metric.png").exists()
    assert run(*how, "--overwrite")[0] == 0
    whole = load_tensors(Path("small.logmel-metric.safetensors"))
    assert joined[1] == whole[1]
    assert all(torch.equal(value, joined[0][name]) for name, value in whole[0].items())
    assert Path("small.logmel-metric.csv").read_bytes() == table


def test_latents(run: Command, data: Path, small_run: Path):
    assert run("render", "small.json", "--index", "0-2", "--out", "sounds")[0] == 0
    how = ["encode", small_run, "sounds", "--out"]
    in_shards(run, 3, *how, "joined.json")
    assert run(*how, "whole.json")[0] == 0
    joined, whole = (read_latents(Path(name), load_run(small_run)) for name in ("joined.json", "whole.json"))
    assert joined.names == whole.names
    torch.testing.assert_close(joined.points, whole.points)


def test_a_library(run: Command):
    for number in range(12):
        place = Path("drums") / ("kick" if number % 2 else "snare")
        place.mkdir(parents=True, exist_ok=True)
        audio = np.random.default_rng(number).uniform(-0.5, 0.5, 2000 + 100 * number).astype(np.float32)
        wavfile.write(place / f"{number}.wav", 8000, audio if number != 5 else 0 * audio)
    Path("drums/kick/broken.wav").write_bytes(b"RIFF....WAVE")
    how = ["import-library", "drums", "--seconds", 0.1, "--sample-rate", 8000, "--windows", "--out"]
    in_shards(run, 3, *how, "joined")
    assert run(*how, "whole")[0] == 0
    same_files(Path("joined"), Path("whole"))


def test_runs_of_an_experiment(run: Command, monkeypatch: pytest.MonkeyPatch):
    from synthvae.experiments import runner
    from synthvae.experiments.cases import scale_label, select_cases

    place, whole = Path("runs") / scale_label(0.001), Path("whole") / scale_label(0.001)
    generate_dataset(place / "dataset.json", VOICE_63, 140, seed=0, settings=SHORT)
    whole.mkdir(parents=True)
    shutil.copy(place / "dataset.json", whole)
    monkeypatch.setattr(runner, "prepare_data", lambda jobs, progress: Path(jobs[0].config.data))
    Path("case.toml").write_text('loss = "none"\nnetwork = "mlp"\nepochs = 1\n[case]\ngroup = "own"\nabout = "x"\n')
    how = ["experiment", "run", "case.toml", "--scale", 0.001, "--seeds", 2, "--out"]
    for shard in ("2/2", "1/2"):
        code, text, err = run(*how, "runs", "--shard", shard)
        assert code == 0, err
    code, text, err = run("finalize", f"{place}.shards")
    assert (code, "2 runs done" in text) == (0, True), err
    job = runner.plan(select_cases(["case.toml"]), 2, 0.001, Path("whole"))[1]
    runner.train_job(job)  # as without shards
    weights = (job.directory / "weights.safetensors").read_bytes()
    same = [(place / f"case/seed-{seed}/weights.safetensors").read_bytes() == weights for seed in range(2)]
    assert same == [False, True]


def test_every_work_is_named_as_its_command():
    assert all(kind.name == name for name, kind in WORKS.items())


@pytest.fixture
def both(small_dataset: Dataset, run: Command) -> None:
    """The small dataset as d.json and as d.parquet, in the folder of the command line."""
    pytest.importorskip("pyarrow", reason="an extra")
    shutil.copy(small_dataset.path, "d.json")
    write_dataset(Path("d.parquet"), small_dataset.header, [small_dataset.values])


@pytest.mark.usefixtures("both")
def test_the_metric_of_a_dataset_in_parquet_is_that_in_json(run: Command):
    found = []
    for name in ("d.json", "d.parquet"):
        code, _, err = run("metric", name, "--limit", 4, "--keep", 2)
        assert code == 0, err
        found.append(load_tensors(Path("d.logmel-metric.safetensors")))
        Path("d.logmel-metric.safetensors").unlink()
    assert found[0][0].keys() == found[1][0].keys()
    for name, value in found[0][0].items():
        torch.testing.assert_close(found[1][0][name], value, rtol=0, atol=0, msg=name)


@pytest.mark.usefixtures("both")
def test_a_run_on_a_dataset_in_parquet_is_that_on_json(run: Command):
    for name in ("json", "parquet"):
        options = ("--loss", "none", "--network", "mlp", "--epochs", 2, "--out", name)
        code, _, err = run("train", "--data", f"d.{name}", *options)
        assert code == 0, err
    tensors = [load_tensors(Path(name) / "weights.safetensors")[0] for name in ("json", "parquet")]
    assert tensors[0].keys() == tensors[1].keys()
    for name, value in tensors[0].items():
        assert torch.equal(tensors[1][name], value), name


@pytest.mark.slow
@pytest.mark.usefixtures("both", "sketched_figures")
def test_an_analysis_of_a_dataset_in_parquet_is_that_of_json(run: Command, small_run: Path, small_dataset: Dataset):
    found = []
    for name in ("json", "parquet"):
        options = ("--limit", 3, "--map-presets", 10, "--map-nulls", 1, "--out", name)
        code, _, err = run("analyze", small_run, "--data", f"d.{name}", *options)
        assert code == 0, err
        found.append(json.loads((Path(name) / "metrics.json").read_text()))
    hashes = [one.pop("dataset_hash") for one in found]
    assert hashes[0] == small_dataset.hash != hashes[1]
    assert found[0] == found[1]
    for table in Path("json").glob("*.csv"):
        assert (Path("parquet") / table.name).read_bytes() == table.read_bytes(), table.name


@pytest.mark.parametrize("name", ["labels", "frames"])
def test_latents_of_recordings(run: Command, trained: Path, name: str):
    Path("sounds").mkdir()
    for number in range(5):
        audio = np.random.default_rng(number).uniform(-0.5, 0.5, 2000 + 300 * number).astype(np.float32)
        wavfile.write(Path("sounds") / f"{number}.wav", 8000, audio)
    how = ["encode", trained / name, "sounds", *(["--label", "tone"] if name == "labels" else []), "--out"]
    in_shards(run, 2, *how, "joined.json")
    assert run(*how, "whole.json")[0] == 0
    joined, whole = (
        read_latents(Path(file), load_run(trained / name, "sounds")) for file in ("joined.json", "whole.json")
    )
    assert joined.names == whole.names
    torch.testing.assert_close(joined.points, whole.points)
