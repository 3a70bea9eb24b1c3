from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.core.executor import (
    Stopped,
    compute_in_processes,
    isolated_spawn,
    on_threads,
    report,
    run_tasks,
    stop_requested,
)

PARENT = """
from synthvae.core.executor import run_tasks
from tests.core.test_executor import outlive

if __name__ == "__main__":
    run_tasks(outlive, [1], 1, lambda name, value: print(name, flush=True))
"""


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets how many threads PyTorch uses, until the test ends."""
    before = torch.get_num_threads()  # not always that of tests/conftest.py: UMAP's compiled code changes it
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def two_threads(threads: Callable[[int], None]) -> None:
    threads(2)


def test_results_come_in_order_and_parts_share_nothing_out(two_threads: None):
    both = threading.Barrier(2, timeout=10)  # broken where one thread does all

    def square(number: int) -> tuple[int, int]:
        both.wait()
        assert list(on_threads(abs, [-1, -2])) == [1, 2]
        return number**2, torch.get_num_threads()

    assert list(on_threads(square, range(6))) == [(number**2, 1) for number in range(6)]
    assert torch.get_num_threads() == 2


def test_what_one_part_raises_arrives_and_the_rest_is_left(two_threads: None):
    begun: list[int] = []

    def fail(number: int) -> None:
        begun.append(number)
        raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError, match="^0$"):
        list(on_threads(fail, range(1000)))
    assert len(begun) < 1000
    assert torch.get_num_threads() == 2


def test_one_thread_is_this_one(threads: Callable[[int], None]):
    threads(1)
    assert list(on_threads(lambda part: threading.current_thread(), [0])) == [threading.current_thread()]


def work(task: int) -> None:
    if task == 13:
        raise UserError("task", task, "give another")
    report(f"threads {torch.get_num_threads()}", task)


def wait_for_the_end(task: Path) -> None:
    report("began", 1)
    for _ in range(1200):
        if stop_requested():
            task.write_text("asked to stop")
            return
        time.sleep(0.05)


def outlive(task: int) -> None:
    report("began", task)
    time.sleep(60.0)
    print("outlived its parent", flush=True)
    os._exit(0)


COMPUTING = """
import sys, time
import numpy as np
from synthvae.core.executor import compute_in_processes

def compute(task):
    print("began", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    try:
        compute_in_processes(compute, [np.zeros(1_000_000)] * 6, 1, print)
    except KeyboardInterrupt:
        print("stopped")
"""


def double(task: int) -> int:
    return 2 * task


def die(task: int) -> None:
    os._exit(9)


def test_tasks_are_done_in_processes_of_their_own_and_failures_are_kept():
    heard: list[tuple[str, int]] = []
    done: list[int] = []
    failed = run_tasks(work, [1, 13, 2], 2, lambda name, value: heard.append((name, value)), done.append)
    assert sorted(done) == [1, 2, 13]
    assert [(task, str(error)) for task, error in failed] == [(13, "task is 13; give another")]
    share = max(1, (os.cpu_count() or 1) // 2)
    assert set(heard) <= {(f"threads {share}", 1), (f"threads {share}", 2)}
    assert heard


def test_ctrl_c_lets_workers_end_on_their_own(tmp_path: Path):
    begun: list[str] = []

    def interrupt(name: str, value: int) -> None:
        if not begun:
            threading.Timer(0.1, _thread.interrupt_main).start()
        begun.append(name)

    with pytest.raises(Stopped):
        run_tasks(wait_for_the_end, [tmp_path / name for name in "abc"], 1, interrupt)
    assert begun == ["began"]
    assert (tmp_path / "a").read_text() == "asked to stop"
    assert not (tmp_path / "c").exists()


def test_workers_end_with_a_parent_that_is_terminated(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout.readline() == b"began\n"
        parent.terminate()
        assert parent.wait() == -signal.SIGTERM
        assert parent.stdout.read() == b"", "at its end when all have ended who could write to it"


def test_computations_in_processes_end_at_once_on_ctrl_c(tmp_path: Path):
    """Their arguments do not fit into a pipe, which blocked the parent for good when the workers had ended."""
    script = tmp_path / "computing.py"
    script.write_text(COMPUTING)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as parent:
        assert parent.stdout.readline() == b"began\n"
        os.killpg(parent.pid, signal.SIGINT)
        out, err = parent.communicate(timeout=60)
    assert (parent.returncode, out, err) == (0, b"stopped\n", b"")
    assert not list(tmp_path.glob("synthvae-*"))


def test_results_of_computations_in_processes_come_in_order():
    told: list[int] = []
    assert compute_in_processes(double, [3, 1, 2], 2, told.append) == [6, 2, 4]
    assert sorted(told) == [1, 2, 3]
    with pytest.raises(UserError, match="workers is 2, a process was killed.*use one worker"):
        compute_in_processes(die, [1, 2], 2, told.append)


def test_a_killed_worker_is_said():
    with pytest.raises(UserError, match="a process was killed.*`jobs` 1"):
        run_tasks(die, [1], 1, lambda name, value: None)


def test_a_process_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in ("multiprocessing", "pickle", "signal", "socket", "tempfile"):
        (tmp_path / f"{module}.py").write_text(f"open('executed', 'w').write({module!r})\n")
    monkeypatch.chdir(tmp_path)
    with isolated_spawn() as context:
        process = context.Process(target=os.getpid)
        process.start()
        process.join()
    assert process.exitcode == 0
    assert not (tmp_path / "executed").exists()
    assert "PYTHONSAFEPATH" not in os.environ
