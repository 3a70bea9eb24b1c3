"""Launchers: each produces the output of a single process, also where a node dies during the run."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch

from synthvae.core import executor
from synthvae.core.engines import run_on
from synthvae.core.shards import ShardFolder, shards_of
from synthvae.data.preset import Preset, write_preset
from synthvae.data.presets import read_dataset
from synthvae.exploration.latent_files import read_latents
from synthvae.scale.launch import launch
from synthvae.scale.works import GenerateWork
from synthvae.training.run import load_run
from tests.cli.conftest import Command
from tests.errors import user_error

ROOT = Path(__file__).parents[2]
needs_cluster = pytest.mark.skipif(not os.environ.get("SYNTHVAE_SCALE"), reason="make test-scale")


def begin(out: Path, size: int, count: int) -> tuple[GenerateWork, ShardFolder]:
    work = GenerateWork(str(out), size, 5, "uniform", None, "torchsynth.Voice", 63, 44100, 1.0, 441)
    return work, ShardFolder.begin(shards_of(out), work, count)


@pytest.fixture(autouse=True)
def found_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes find this package and its tests."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path[1:]]))


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """The dataset that one process makes."""
    work, folder = begin(tmp_path / "whole.json", 40_000, 1)
    folder.make(work, 1)
    folder.finalize(work)
    return tmp_path / "whole.json"


def finish(work: GenerateWork, folder: ShardFolder, whole: Path) -> None:
    folder.finalize(work)
    assert Path(work.out).read_bytes() == whole.read_bytes()


@needs_cluster
def test_processes_here(whole: Path, tmp_path: Path):
    work, folder = begin(tmp_path / "out.json", 40_000, 4)
    folder.make(work, 2)
    seen: list[int] = []
    launch(folder, "local", 2, on_done=seen.append)
    assert seen == [1, 2, 3, 4]
    finish(work, folder, whole)


@needs_cluster
def test_processes_here_encode_presets_as_one_does(run: Command, small_run: Path, small_presets: list[Preset]):
    for number in range(3):
        write_preset(Path("sounds") / f"{number}.json", small_presets[number])
    how = ["encode", small_run, "sounds", "--out"]
    code, _, err = run(*how, "joined.json", "--launcher", "local", "--shards", 3)
    assert code == 0, err
    assert not Path("joined.json.shards").exists()
    assert run(*how, "whole.json")[0] == 0
    joined, whole = (read_latents(Path(name), load_run(small_run)) for name in ("joined.json", "whole.json"))
    assert joined.names == whole.names == ["0", "1", "2"]
    torch.testing.assert_close(joined.points, whole.points)


@needs_cluster
def test_a_ray_cluster_that_loses_a_node(whole: Path, tmp_path: Path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80_000_000})
    try:
        nodes = [cluster.add_node(num_cpus=1, object_store_memory=80_000_000) for _ in range(2)]
        cluster.wait_for_nodes()
        work, folder = begin(tmp_path / "out.json", 40_000, 12)
        removed: list[int] = []

        def on_done(done: int) -> None:
            if done == 2 and not removed:  # in the middle: both nodes are at work
                removed.append(done)
                cluster.remove_node(nodes[0], allow_graceful=False)

        handler = signal.getsignal(signal.SIGINT)
        launch(folder, "ray", address=cluster.address, on_done=on_done)
        assert signal.getsignal(signal.SIGINT) is handler
        assert removed
        finish(work, folder, whole)
    finally:
        cluster.shutdown()


@needs_cluster
def test_submitit_on_this_machine(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    assert shutil.which("sbatch") is None
    work, folder = begin(tmp_path / "out.json", 40_000, 3)
    launch(folder, "slurm", 2)
    finish(work, folder, whole)


@needs_cluster
def test_wrong_input_is_an_error_of_ones_own_and_not_tried_again(tmp_path: Path):
    for launcher in ("local", "slurm"):
        with user_error("size", 7, "is too odd"):
            run_on(launcher, refuse, [str(tmp_path / launcher)], 1, tmp_path / "logs")
        assert (tmp_path / launcher).read_text() == "x"


def refuse(path: str) -> str:
    from synthvae.core.errors import UserError

    with open(path, "a") as file:
        file.write("x")
    raise UserError("size", 7, "give 8", why="is too odd")


def kill_once(path: str) -> str:
    """Dies the first time."""
    if not Path(path).exists():
        Path(path).write_text("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return "digest"


@needs_cluster
@pytest.mark.parametrize("launcher", ["local", "slurm"])
def test_a_task_whose_process_died_is_begun_again(launcher: str, tmp_path: Path):
    done: list[str] = []
    run_on(launcher, kill_once, [str(tmp_path / "mark")], 1, tmp_path / "logs", None, done.append)
    assert done == [str(tmp_path / "mark")]


@needs_cluster
def test_ctrl_c_ends_it_and_what_was_made_is_kept(whole: Path, tmp_path: Path):
    # Many shards, since some are made before the first is seen to be done, and two more wait in the worker's queue.
    work, folder = begin(tmp_path / "out.json", 40_000, 40)

    def on_done(done: int) -> None:
        if done == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(executor.Stopped):
        launch(folder, "local", 1, on_done=on_done)
    assert 0 < len(folder.missing) < 40
    launch(folder, "local", 1)
    finish(work, folder, whole)
    assert len(read_dataset(whole)) == 40_000


def test_a_launcher_whose_package_is_missing_says_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for package, launcher in (("ray", "ray"), ("submitit", "slurm")):
        monkeypatch.setitem(sys.modules, package, None)
        with user_error("launcher", launcher, rf"needs the package {package}; .*'synthvae\[scale\]'"):
            run_on(launcher, refuse, ["x"], 1, tmp_path)
