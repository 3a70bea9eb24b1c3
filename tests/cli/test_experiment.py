"""``experiment`` as a user types it, on 70 presets."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from synthvae.data.presets import read_dataset
from synthvae.metrics.embeddings import build_embedding
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance
from synthvae.training.run import load_run
from tests.metrics.embeddings.drawn_weights import write_panns, write_vggish

Command = Callable[..., tuple[int, str, str]]
SCALE = ("--scale", 0.0005)
MAPS = ("--map-presets", 60, "--map-nulls", 2)


def test_list_names_every_case(run: Command):
    code, out, _ = run("experiment", "list")
    assert code == 0
    assert out.startswith("exp1 to exp3 are from Ipek Korkmaz, ")
    cases = [line.split() for line in out.splitlines() if line.startswith("  ")]
    assert {"exp1-lmsl", "exp2-logslp", "exp3-cqt", "best-16", "pnp-16", "r-beta", "g-vae-06"} <= {
        words[0] for words in cases
    }
    assert all(len(words) > 3 for words in cases)


@pytest.mark.slow
def test_run_skips_what_is_done_and_report_writes_tables(run: Command, tmp_path: Path, weights_dir: Path):
    names = ("exp1-scl", "exp2-scl", "exp3-phase1")
    code, out, err = run("experiment", "run", *names, *SCALE, "--seeds", 2, "--out", "runs", "--jobs", 2)
    assert code == 0, err
    assert "runs: 6 runs done" in out
    weights = tmp_path / "runs/scale-0.0005/exp2-scl/seed-1/weights.safetensors"
    before = weights.stat().st_mtime_ns
    code, out, err = run("experiment", "run", *names, *SCALE, "--seeds", 2, "--out", "runs")
    assert code == 0, err
    assert "all 6 runs are done" in out
    assert weights.stat().st_mtime_ns == before

    code, _, err = run("experiment", "report", *SCALE, "--runs", "runs", "--out", "analysis", "--example", 3)
    assert (code, err.count("\n")) == (2, 1)
    assert "--example is 3; give the number of a test preset that is measured, 60 to 69" in err
    assert not (tmp_path / "analysis").exists()
    code, out, err = run("experiment", "report", *SCALE, "--runs", "runs", "--out", "analysis", "--jobs", 2, *MAPS)
    assert code == 0, err
    folder = tmp_path / "analysis/thesis/scale-0.0005"
    page = (folder / "report.md").read_text()
    assert "# The thesis's experiments at scale 0.0005" in page
    assert "Does the gradient of the spectral term through the synthesizer help?" in page
    assert "Does the level of reconstructions rise towards the end" in page
    assert "Test preset 60, fixed before any measurement" in page
    assert "![waveforms](figures/waveforms.png)" in page
    assert "![exp1-waveform](figures/exp1-waveform.png)" in page
    for line in page.splitlines():
        if line.startswith("!["):
            assert (folder / line.partition("(")[2].rstrip(")")).stat().st_size > 5000
    tables = sorted(path.name for path in (folder / "tables").iterdir())
    assert tables == ["audible.csv", *(f"table-5.{n:02d}.csv" for n in range(1, 13))]
    rows = list(csv.DictReader((folder / "tables/audible.csv").open()))
    assert [row["case"] for row in rows] == ["exp1-scl", "exp2-scl", "exp3-phase1"]
    verdicts = list(csv.DictReader((folder / "conclusions.csv").open()))
    assert {row["verdict"] for row in verdicts} <= {"lower", "higher", "undecided"}
    assert {row["seeds"] for row in verdicts} == {"2"}
    slopes = [row for row in verdicts if row["unit"] == "dB/s"]
    assert [(row["case"], row["against"]) for row in slopes] == [
        (name, other) for other in ("the originals", "the mean preset") for name in names
    ]
    for number in (3, 7, 11):
        case, *nulls = csv.DictReader((folder / f"tables/table-5.{number:02d}.csv").open())
        assert [row["case"] for row in nulls] == ["*mean preset*", "*mean spectrogram*", "*random preset*", "*silence*"]
        assert float(case["complex STFT / silence low"]) < float(case["complex STFT / silence"])
        assert nulls[3]["correlation"] == "0"
        assert float(nulls[2]["rise of the level (dB/s)"]) == pytest.approx(0.0, abs=1e-6)
    check_pretrained_embeddings(run, tmp_path, weights_dir)


def check_pretrained_embeddings(run: Command, tmp_path: Path, weights_dir: Path):
    """VGGish and PANNs fill the columns of the thesis, from weight files that have everything but its numbers."""
    report = ("experiment", "report", *SCALE, "--runs", "runs", "--out", "analysis", "--jobs", 2, *MAPS)
    for name, part in (("openl3", "'openl3'"), ("panns", "w: no such folder")):
        code, _, err = run(*report, "--embedding", name, "--weights-dir", "w")
        assert (code, err.count("\n")) == (2, 1)
        assert part in err
    write_vggish(weights_dir)
    write_panns(weights_dir)
    asked = ("--embedding", "vggish,panns", "--weights-dir", weights_dir, "--fad-limit", 3)
    code, _, err = run(*report, *asked)
    assert code == 0, err
    folder = tmp_path / "analysis/thesis/scale-0.0005"
    for number in (2, 6, 10):
        *cases, floor, mean_preset = csv.DictReader((folder / f"tables/table-5.{number:02d}.csv").open())
        assert (floor["case"], mean_preset["case"]) == ("*floor*", "*mean preset*")
        for label in ("VGGish", "PANNs"):
            for split in ("test", "train"):
                values = [float(row[f"{label} {split}"]) for row in (*cases, floor, mean_preset)]
                assert all(value > 0 for value in values)
        assert (cases[0]["thesis: VGGish test"] == "") == (cases[0]["case"] == "exp3-phase1")
    page = (folder / "report.md").read_text()
    assert "VGGish: 3 test and 3 training sounds, 128 dimensions" in page
    assert "of the log-mel embedding of 64 dimensions" in page

    unit = read_dataset(tmp_path / "runs/scale-0.0005/dataset.json").split("test")[:3]
    embedding = build_embedding("vggish", 44_100, weights_dir)
    expected = []
    for seed in (0, 1):
        found = load_run(tmp_path / f"runs/scale-0.0005/exp1-scl/seed-{seed}")
        with torch.inference_mode():
            sounds = found.voice(unit), found.voice(found.decode(found.encode(unit)))
        first, second = (GaussianStatistics.of(embedding.embed(audio, 44_100)) for audio in sounds)
        expected.append(frechet_distance(first, second, allow_small=True).value)
    row = next(iter(csv.DictReader((folder / "tables/table-5.02.csv").open())))
    assert float(row["VGGish test"]) == pytest.approx(sum(expected) / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("run", "exp4"), "'exp4'; 'synthvae experiment list' shows them all"),
        (("run", "mine.toml"), "mine.toml: cannot read"),
        (("run", "exp1", "--scale", 2), "--scale is 2"),
        (("run", "exp1", "--scale", 0.0001), "leaves 14 presets"),
        (("run", "exp1", "--seeds", 0), "--seeds is 0"),
        (("run", "exp1", "--jobs", 0), "--jobs is 0"),
        (("run", "exp1", "--device", "tpu"), "'tpu'"),
        (("report", "--runs", "empty"), "empty/scale-1: no finished run"),
        (("report", "--limit", 1), "--limit is 1"),
        (("report", "--fad-limit", 1), "--fad-limit is 1"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(run: Command, tmp_path: Path, arguments: tuple[object, ...], part: str):
    code, out, err = run("experiment", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert part in err
    assert list(tmp_path.iterdir()) == []
