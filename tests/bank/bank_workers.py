"""What other processes do to a bank while a test does the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch

from synthvae.bank import Bank, queries
from synthvae.bank import bank as module
from synthvae.data.preset import Preset

torch.set_num_threads(1)  # as in the tests themselves: the machine has few cores


def add_and_tag(path: Path, presets: Sequence[Preset], own: str, start: Barrier) -> None:
    """Add presets, three at a time, all at once with others; then give number 1 twenty tags, one by one."""
    start.wait(120)
    bank = Bank(path)
    for first in range(0, len(presets), 3):
        part = presets[first : first + 3]
        bank.add_all(part, [(own,)] * len(part))
        bank.search(own, like=bank.embedding(1))
    for number in range(20):
        bank.retag(1, add=[f"{own}{number}"])


def be_killed_while_writing(path: Path, presets: Sequence[Preset], after: int) -> None:
    """Add presets; exit when `after` are written and the next is half written."""
    written = 0
    insert = queries.insert

    def insert_or_die(*arguments):
        nonlocal written
        added = insert(*arguments)
        written += 1
        if written > after:
            os.kill(os.getpid(), signal.SIGKILL)
        return added

    module.insert = insert_or_die
    Bank(path).add_all(presets, [()] * len(presets))
