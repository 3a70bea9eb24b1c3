"""Training by two processes: the curve of one, and an end that all of them reach."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from synthvae.core.files import load_tensors
from synthvae.data.presets import Dataset
from synthvae.training.log import read_metrics

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not os.environ.get("SYNTHVAE_SCALE"), reason="make test-scale")

TRAIN = ("train", "--loss", "scl", "--synth-layer", "--epochs", "3", "--batch-size", "15", "--seed", "4")
TRAIN += ("--network", "mlp", "--architecture", "exp1")


def begin(
    data: Path, out: Path, *more: str, launcher: tuple[str, ...] = (), variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, "-m", "synthvae", *TRAIN, "--data", str(data), "--out", str(out), *more]
    known = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(variables or {})}
    return subprocess.Popen(
        command, cwd=out.parent, env=known, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    )


def train(data: Path, out: Path, *more: str, launcher: tuple[str, ...] = ()) -> str:
    """Train to the end; what was printed."""
    process = begin(data, out, *more, launcher=launcher)
    printed, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    return printed


def test_two_processes_have_the_curve_of_one(small_dataset: Dataset, tmp_path: Path):
    items = len(small_dataset.split("train"))
    assert items % 15 % 2 == 1, "the last batch is to be one that two processes cannot halve"
    plain = ("--loss", "none", "--no-synth-layer")
    train(small_dataset.path, tmp_path / "one", *plain)
    printed = train(small_dataset.path, tmp_path / "two", *plain, "--devices", "2", "--strategy", "ddp")
    assert printed.count("3 epochs in ") == 1
    before, after = (read_metrics(tmp_path / name / "metrics.csv") for name in ("one", "two"))
    assert list(before.columns) == list(after.columns)
    np.testing.assert_allclose(after.to_numpy(), before.to_numpy(), rtol=1e-4, atol=1e-5)
    weights, others = (load_tensors(tmp_path / name / "weights.safetensors")[0] for name in ("one", "two"))
    for name, value in weights.items():
        np.testing.assert_allclose(others[name].numpy(), value.numpy(), rtol=1e-3, atol=1e-5)


def test_two_processes_share_a_loss_of_sounds(small_dataset: Dataset, tmp_path: Path):
    train(small_dataset.path, tmp_path / "one")
    train(small_dataset.path, tmp_path / "two", "--devices", "2")
    before, after = (read_metrics(tmp_path / name / "metrics.csv").filter(like="train/") for name in ("one", "two"))
    # Adam moves a weight by the sign of its first gradient, however small: what is rounding in the first epoch has
    # grown in the second.
    np.testing.assert_allclose(after.to_numpy()[0], before.to_numpy()[0], rtol=1e-4)
    np.testing.assert_allclose(after.to_numpy(), before.to_numpy(), rtol=0.05)
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29617")
    printed = train(small_dataset.path, tmp_path / "three", "--devices", "2", launcher=torchrun)
    assert printed.count("3 epochs in ") == 1
    for name in ("weights.safetensors", "metrics.csv"):
        assert (tmp_path / "three" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_two_tasks_of_slurm_train_together(small_dataset: Dataset, tmp_path: Path):
    job = {"SLURM_JOB_ID": "29621", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"}
    job |= {"SLURM_NODELIST": "127.0.0.1", "SLURM_NODEID": "0", "SLURM_NNODES": "1"}
    more = ("--devices", "2", "--epochs", "1")
    tasks = [
        begin(
            small_dataset.path, tmp_path / "out", *more,
            variables={**job, "SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)},
        )
        for number in range(2)
    ]  # fmt: skip
    printed = [task.communicate(timeout=120) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], printed
    assert [text.count("1 epoch in ") for text, _ in printed] == [1, 0]
    alone = {**job, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    task = begin(small_dataset.path, tmp_path / "alone", "--epochs", "1", variables=alone)
    complaints = task.communicate(timeout=120)[1]
    assert task.returncode == 0, complaints  # a training of one process is none of SLURM's business


def test_ctrl_c_stops_both_after_the_same_step(small_dataset: Dataset, tmp_path: Path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    long = ("--devices", "2", "--epochs", "40")
    train(small_dataset.path, whole, *long)
    process = begin(small_dataset.path, out, *long)
    try:
        until = time.monotonic() + 120
        while not (out / "metrics.csv").exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        complaints = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130, complaints
    assert complaints.count("run the same command with --resume") == 1
    assert len(read_metrics(out / "metrics.csv")) < 40
    train(small_dataset.path, out, *long, "--resume")
    for name in ("weights.safetensors", "metrics.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_killed_process_ends_the_other_with_a_line(small_dataset: Dataset, tmp_path: Path):
    out = tmp_path / "out"
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29618")
    process = begin(small_dataset.path, out, "--devices", "2", "--epochs", "2000", "--patience", "0", launcher=torchrun)
    try:
        until = time.monotonic() + 120
        while not (out / "metrics.csv").exists() and time.monotonic() < until:
            time.sleep(0.05)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
        os.kill(int(children.stdout.split()[1]), signal.SIGKILL)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode != 0
    train(small_dataset.path, out, "--devices", "2", "--epochs", "3", "--patience", "0", "--resume")


def test_what_torchrun_started_has_to_be_what_is_trained_by(small_dataset: Dataset, tmp_path: Path):
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29619")
    process = begin(small_dataset.path, tmp_path / "out", launcher=torchrun)
    complaints = process.communicate(timeout=120)[1]
    assert process.returncode != 0
    assert "--devices is 1, times 1 --nodes, but TorchElastic started 2 processes" in complaints
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_not_finite_is_one_line(small_dataset: Dataset, tmp_path: Path):
    process = begin(small_dataset.path, tmp_path / "out", "--devices", "2", "--lr", "1e20")
    complaints = process.communicate(timeout=120)[1]
    assert process.returncode == 2
    assert complaints.count("error: ") == 1
    assert "not finite in epoch 1" in complaints
