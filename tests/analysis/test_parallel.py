from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import torch

from synthvae.analysis.parallel import on_threads


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
