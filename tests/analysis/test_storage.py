from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.analysis.storage import Store


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


def test_other_inputs_are_other_results(tmp_path: Path):
    store = Store(tmp_path)
    store.get(Whole, "step", ["x", 1], whole)
    for name, inputs in (("step", ["x", 2]), ("step", ["x1"]), ("other", ["x", 1]), ("step", ["x", 1, ""])):
        with pytest.raises(AssertionError, match="computed again"):
            store.get(Whole, name, inputs, fail)


def test_a_damaged_file_is_computed_again(tmp_path: Path):
    store = Store(tmp_path)
    store.get(Whole, "step", [], whole)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:40])
    assert same(store.get(Whole, "step", [], whole), whole())
    assert same(store.get(Whole, "step", [], fail), whole())


def test_a_result_of_an_older_version_is_computed_again(tmp_path: Path):
    store = Store(tmp_path)
    store.get(Part, "step", [], lambda: Part("p", np.ones(2), 0.5))
    assert same(store.get(Whole, "step", [], whole), whole())


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
