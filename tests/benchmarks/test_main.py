"""``python -m benchmarks``."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from benchmarks.__main__ import app
from tests.cli.refusal import refused
from tests.cli.test_train import write_run_without_presets


def test_morph_is_measured_over_pairs(run, small_run: Path):
    code, out, err = run("morph", "--run", small_run, "--pairs", 2, "--steps", 3, "--ways", "latent")
    assert code == 0, err
    assert out.splitlines()[-1].startswith("| plain parameters | ")
    refused(run("morph", "--run", small_run, "--pairs", 0), "--pairs is 0")
    refused(run("morph", "--run", small_run, "--ways", "scenic"), "'scenic'", "latent, metric, parameters")
    refused(run("morph", "--run", small_run, "--steps", 1), "--steps is 1")


def test_benchmark_check_prints_differences(run):
    code, out, _ = run("voice", "--check", "--presets", 4)
    assert code == 0
    lines = [line for line in out.splitlines() if "float64, ours against torchsynth's" in line]
    assert len(lines) == 2
    assert all(float(line.split("largest")[1].split()[0]) < 1e-10 for line in lines)
    assert out.splitlines()[-1] == "passed"


def test_bad_input_is_one_line(run):
    refused(run("voice", "--repetitions", 0), "--repetitions is 0")
    refused(run("features", "--device", "tpu"), "'tpu'", "cpu or cuda")


def test_every_benchmark_has_an_example_in_its_help(run):
    for name in typer.main.get_command(app).commands:
        code, out, _ = run(name, "--help")
        assert code == 0
        assert f"python -m benchmarks {name}" in out


@pytest.mark.parametrize("name", ["match", "morph"])
def test_a_run_without_presets_is_refused(run, name: str, tmp_path: Path):
    out = write_run_without_presets(tmp_path)
    refused(run(name, "--run", out), "task is 'audio-encoder', which has no parameters; name a run that has")


@pytest.mark.slow
def test_a_mixed_folder_is_imported_whole_and_after_a_kill(run):
    refused(run("library", "--files", 9), "--files is 9")
    code, out, err = run("library", "--files", 150)
    assert code == 0, out + err
    rows = [[cell.strip() for cell in line.split("|")] for line in out.splitlines() if "same bytes" in line]
    assert [row[1:3] for row in rows] == [["start of each file", "150"], ["windows, half overlapping", "150"]]
    assert all(int(row[3]) + int(row[4]) == 150 for row in rows)
