from __future__ import annotations

import multiprocessing
import threading

import pytest
import torch

from synthvae.core import threads
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice
from tests.synths.voice.cube import interior


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def no_team() -> None:
    return None


@pytest.fixture(params=["PyTorch's", "our own"])
def team(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    if request.param == "our own":
        monkeypatch.setattr(threads, "openmp_team", no_team)
    elif threads.openmp_team() is None:
        pytest.skip("PyTorch does not use GNU's OpenMP here")


@pytest.mark.usefixtures("team")
@pytest.mark.parametrize("size", [0, 1, 2, 7, 100])
def test_every_row_is_taken_once(size: int):
    taken: list[int] = []
    threads.over_rows(size, lambda low, high: taken.extend(range(low, high)), at_once=4)
    assert sorted(taken) == list(range(size))


@pytest.mark.usefixtures("team")
def test_several_threads_take_part():
    barrier = threading.Barrier(3, timeout=20)  # passes only if all three calls are made at the same time
    names = set()

    def work(low: int, high: int) -> None:
        barrier.wait()
        names.add(threading.get_ident())

    threads.over_rows(3, work, at_once=1)
    assert len(names) == 3
    assert threading.get_ident() in names


@pytest.mark.usefixtures("team")
def test_an_error_on_any_thread_is_raised():
    def work(low: int, high: int) -> None:
        if low == 5:
            raise ValueError("row 5")

    with pytest.raises(ValueError, match="row 5"):
        threads.over_rows(40, work, at_once=1)


@pytest.mark.usefixtures("team")
def test_callers_on_several_threads():
    voice, unit = Voice(VOICE_63, 16000, 0.125, 160), interior(20, 63)
    expected = voice(unit)
    results: list[bool] = []
    callers = [threading.Thread(target=lambda: results.append(torch.equal(voice(unit), expected))) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert results == [True] * 4


def _render_in_child(unit: torch.Tensor, connection) -> None:
    connection.send(Voice(VOICE_63, 16000, 0.125, 160).fast().render(unit.numpy())[0].sum().item())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_renders():
    unit = interior(20, 63)
    expected = Voice(VOICE_63, 16000, 0.125, 160).fast().render(unit.numpy())[0].sum().item()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_render_in_child, args=(unit, theirs))
    child.start()
    try:
        assert ours.poll(60)
        assert ours.recv() == expected
    finally:
        child.join(10)
        child.kill()
