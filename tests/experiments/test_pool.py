from __future__ import annotations

import _thread
import os
import threading
import time

import pytest
import torch

from synthvae.errors import UserError
from synthvae.experiments.pool import Stopped, report, run_tasks, stop_requested


def work(task: int) -> None:
    if task == 13:
        raise UserError("thirteen")
    report(f"threads {torch.get_num_threads()}", task)


def wait_for_the_end(task: int) -> None:
    report("began", task)
    for _ in range(600):
        if stop_requested():
            return
        time.sleep(0.05)


def die(task: int) -> None:
    os._exit(9)


def test_tasks_are_done_in_processes_of_their_own_and_failures_are_kept():
    heard: list[tuple[str, int]] = []
    done: list[int] = []
    failed = run_tasks(work, [1, 13, 2], 2, lambda name, value: heard.append((name, value)), done.append)
    assert sorted(done) == [1, 2, 13]
    assert [(task, str(error)) for task, error in failed] == [(13, "thirteen")]
    share = max(1, (os.cpu_count() or 1) // 2)
    assert set(heard) <= {(f"threads {share}", 1), (f"threads {share}", 2)}
    assert heard


def test_ctrl_c_lets_workers_end_on_their_own():
    begun: list[str] = []
    started = 0.0

    def interrupt(name: str, value: int) -> None:
        nonlocal started
        if not begun:
            started = time.monotonic()  # what a process takes to start depends on who else is at work
            threading.Timer(0.1, _thread.interrupt_main).start()
        begun.append(name)

    with pytest.raises(Stopped):
        run_tasks(wait_for_the_end, [1, 2, 3], 1, interrupt)
    assert begun == ["began"]
    assert time.monotonic() - started < 25


def test_a_killed_worker_is_said():
    with pytest.raises(UserError, match="a process was killed.*--jobs 1"):
        run_tasks(die, [1], 1, lambda name, value: None)
