from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import TypeAliasType, TypeVar

from synthvae.core.store import Agenda, Store

Number = TypeVar("Number", bound=np.generic)
#: As NDArray is defined since NumPy 2.5; with parameters in another order than in what it stands for; optional.
Rows = TypeAliasType("Rows", np.ndarray[tuple[int, int], np.dtype[Number]], type_params=(Number,))
First, Second = TypeVar("First"), TypeVar("Second")
Swapped = TypeAliasType("Swapped", tuple[Second, First], type_params=(First, Second))
Optional = TypeAliasType("Optional", First | None, type_params=(First,))


@dataclass(frozen=True)
class Part:
    name: str
    values: NDArray[np.float64]
    share: float | None


@dataclass(frozen=True)
class Whole:
    parts: dict[str, Part]
    labels: NDArray[np.intp]
    tensor: Tensor
    pair: tuple[int, float]
    several: tuple[Part, ...]
    by_number: dict[int, list[str]]
    missing: Part | None
    flag: bool


def whole() -> Whole:
    part = Part("p", np.array([1.0, np.pi]), None)
    return Whole(
        {"a": part, "b": Part("q", np.zeros((0, 3)), 0.1)}, np.array([3, -1]), torch.arange(6.0).view(2, 3), (1, 2.0),
        (part, part), {7: ["x", "y"]}, None, True,
    )  # fmt: skip


def same(first: object, second: object) -> bool:
    if isinstance(first, (np.ndarray, Tensor)):
        return type(first) is type(second) and first.dtype == second.dtype and bool((first == second).all())
    if hasattr(first, "__dataclass_fields__"):
        return type(first) is type(second) and same(vars(first), vars(second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(v, second[k]) for k, v in first.items())
    if isinstance(first, (list, tuple)):
        return type(first) is type(second) and len(first) == len(second) and all(map(same, first, second))
    return first == second and type(first) is type(second)


def fail() -> Whole:
    raise AssertionError("computed again")


def test_a_result_comes_back_as_it_was(tmp_path: Path):
    store = Store(tmp_path / "cache")
    assert not store.has("step", ["x", 1])
    store.get(Whole, "step", ["x", 1], whole)
    assert store.has("step", ["x", 1])
    assert same(store.get(Whole, "step", ["x", 1], fail), whole())


@dataclass(frozen=True)
class Aliased:
    rows: Rows[np.float64]
    swapped: Swapped[str, Rows[np.intp]]
    optional: Optional[Swapped[int, float]]
    absent: Optional[Part]
    alias_of_an_alias: Swapped[Swapped[str, int], Part]


def test_type_aliases_are_read_as_what_they_stand_for(tmp_path: Path):
    def aliased() -> Aliased:
        part = Part("p", np.ones(2), 0.5)
        return Aliased(np.eye(2), (np.array([[1, 2]]), "x"), (0.5, 3), None, (part, (4, "y")))

    Store(tmp_path).get(Aliased, "step", [], aliased)
    assert same(Store(tmp_path).get(Aliased, "step", [], fail), aliased())


def test_other_inputs_are_other_results(tmp_path: Path):
    store = Store(tmp_path)
    store.get(Whole, "step", ["x", 1], whole)
    for name, inputs in (("step", ["x", 2]), ("step", ["x1"]), ("other", ["x", 1]), ("step", ["x", 1, ""])):
        with pytest.raises(AssertionError, match="computed again"):
            store.get(Whole, name, inputs, fail)


@pytest.mark.parametrize("left", [0, 4, 40, -1])
def test_a_damaged_file_is_computed_again(tmp_path: Path, left: int):
    store = Store(tmp_path)
    store.get(Whole, "step", [], whole)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:left])
    assert store.find(Whole, "step", []) is None
    assert same(store.get(Whole, "step", [], whole), whole())
    assert same(store.get(Whole, "step", [], fail), whole())


def changed(kind: object) -> type:
    """`Part` of another version: with another type for `share`."""
    return make_dataclass("Part", [("name", str), ("values", NDArray[np.float64]), ("share", kind)])


@pytest.mark.parametrize(
    ("stored", "value", "wanted"),
    [
        (int, 1, str),
        (int, 1, NDArray[np.float64]),
        (int, 1, dict[int, int]),
        (int, 1, tuple[int, ...]),
        (str, "result.share", NDArray[np.float64]),
        (list[int], [1], tuple[int, int]),
        (list[int], [1], dict[int, int]),
    ],
)
def test_a_result_whose_field_has_another_type_is_computed_again(
    tmp_path: Path, stored: object, value: object, wanted: object
):
    store, old = Store(tmp_path), changed(stored)
    store.get(old, "step", [], lambda: old("p", np.ones(2), value))
    assert store.find(changed(wanted), "step", []) is None
    assert store.find(old, "step", []).share == value


def test_a_result_with_other_fields_is_computed_again(tmp_path: Path):
    store = Store(tmp_path)
    store.get(Part, "step", [], lambda: Part("p", np.ones(2), 0.5))
    assert same(store.get(Whole, "step", [], whole), whole())


def test_an_error_in_the_dataclass_is_not_taken_for_damage(tmp_path: Path):
    @dataclass(frozen=True)
    class Faulty:
        number: int

        def __post_init__(self) -> None:
            if reading:
                raise TypeError("a fault of the program")

    reading = False
    store = Store(tmp_path)
    store.get(Faulty, "step", [], lambda: Faulty(1))
    reading = True
    with pytest.raises(TypeError, match="a fault of the program"):
        store.get(Faulty, "step", [], fail)


@pytest.mark.parametrize("kind", [object, set[int], int | str, list])
def test_a_type_that_cannot_be_read_is_an_error_when_the_file_would_be_written(tmp_path: Path, kind: object):
    unreadable = changed(kind)
    with pytest.raises(TypeError, match=r"result.share: .* is not a type that can be read from a file"):
        Store(tmp_path).get(unreadable, "step", [], lambda: unreadable("p", np.ones(2), 1))
    assert list(tmp_path.iterdir()) == []


def test_a_value_of_another_type_than_its_field_is_an_error_when_the_file_would_be_written(tmp_path: Path):
    with pytest.raises(TypeError, match=r"result.name: expected a value of type str, got 3"):
        Store(tmp_path).get(Part, "step", [], lambda: Part(3, np.ones(2), None))
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_nothing_is_kept():
    store = Store(None)
    assert not store.has("step", [])
    calls = []
    for _ in range(2):
        store.get(Whole, "step", [], lambda: calls.append(1) or whole())
    assert len(calls) == 2


def test_what_cannot_be_kept_is_named(tmp_path: Path):
    @dataclass(frozen=True)
    class Odd:
        thing: object

    with pytest.raises(TypeError, match="result.thing: a set cannot be kept"):
        Store(tmp_path).get(Odd, "step", [], lambda: Odd({1}))
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class StepNumber:
    value: float


def make(store: Store, calls: list[str], heard: list[tuple[float, str]] | None = None):
    agenda = Agenda(store)
    if heard is not None:
        agenda.progress = lambda seconds, what: heard.append((seconds, what))

    def first(tell) -> StepNumber:
        calls.append("first")
        tell("half")
        return StepNumber(2.0)

    one = agenda.add(StepNumber, "one", "the first", ["x"], 3.0, first)

    def second(tell) -> StepNumber:
        calls.append("second")
        return StepNumber(one.result.value + 1)

    return agenda, one, agenda.add(StepNumber, "two", "the second", ["y"], 5.0, second)


def test_every_step_is_computed_once_and_kept(tmp_path: Path):
    calls: list[str] = []
    agenda, one, two = make(Store(tmp_path), calls)
    assert agenda.seconds == 8.0
    assert not one.kept
    agenda.run()
    assert calls == ["first", "second"]
    assert (one.result, two.result) == (StepNumber(2.0), StepNumber(3.0))
    assert agenda.seconds == 0.0

    again, _, two = make(Store(tmp_path), calls)
    assert again.seconds == 0.0
    assert two.result == StepNumber(3.0)
    assert calls == ["first", "second"]


def test_a_step_runs_the_steps_that_it_needs():
    calls: list[str] = []
    agenda, _, two = make(Store(None), calls)
    assert two.result == StepNumber(3.0)
    assert calls == ["second", "first"]
    agenda.run()
    assert calls == ["second", "first"]


def test_progress_counts_seconds_and_says_what_is_done():
    heard: list[tuple[float, str]] = []
    make(Store(None), [], heard)[0].run()
    assert (0.0, "the first: half") in heard
    assert heard[-1] == (8.0, "the second")
    assert [seconds for seconds, _ in heard] == sorted(seconds for seconds, _ in heard)


def test_a_folder_that_cannot_be_written_keeps_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("x")
    store = Store(tmp_path / "file" / "cache")
    assert same(store.get(Whole, "whole", [1], whole), whole())
    assert "computed again next time" in caplog.text
