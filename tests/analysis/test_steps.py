from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synthvae.analysis.steps import Agenda
from synthvae.analysis.storage import Store


@dataclass(frozen=True)
class Number:
    value: float


def make(store: Store, calls: list[str], heard: list[tuple[float, str]] | None = None):
    agenda = Agenda(store)
    if heard is not None:
        agenda.progress = lambda seconds, what: heard.append((seconds, what))

    def first(tell) -> Number:
        calls.append("first")
        tell("half")
        return Number(2.0)

    one = agenda.add(Number, "one", "the first", ["x"], 3.0, first)

    def second(tell) -> Number:
        calls.append("second")
        return Number(one.result.value + 1)

    return agenda, one, agenda.add(Number, "two", "the second", ["y"], 5.0, second)


def test_every_step_is_computed_once_and_kept(tmp_path: Path):
    calls: list[str] = []
    agenda, one, two = make(Store(tmp_path), calls)
    assert agenda.seconds == 8.0
    assert not one.kept
    agenda.run()
    assert calls == ["first", "second"]
    assert (one.result, two.result) == (Number(2.0), Number(3.0))
    assert agenda.seconds == 0.0

    again, _, two = make(Store(tmp_path), calls)
    assert again.seconds == 0.0
    assert two.result == Number(3.0)
    assert calls == ["first", "second"]


def test_a_step_asks_for_what_it_needs():
    calls: list[str] = []
    agenda, _, two = make(Store(None), calls)
    assert two.result == Number(3.0)
    assert calls == ["second", "first"]
    agenda.run()
    assert calls == ["second", "first"]


def test_progress_counts_seconds_and_says_what_is_done():
    heard: list[tuple[float, str]] = []
    make(Store(None), [], heard)[0].run()
    assert (0.0, "the first: half") in heard
    assert heard[-1] == (8.0, "the second")
    assert [seconds for seconds, _ in heard] == sorted(seconds for seconds, _ in heard)
