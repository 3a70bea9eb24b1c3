"""Cache of analysis results on disk, keyed by a hash of their inputs."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors

__all__ = ["Agenda", "Step", "Store"]

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
ENDING = ".safetensors"
#: JSON types, which are read unchanged.
PLAIN = (bool, int, float, str, type(None))


Progress = Callable[[float, str], object]


class _MismatchError(TypeError):
    """The content of a file does not have the form of the dataclass, as in a file of another version."""


class Store:
    """A directory of results, each a dataclass of arrays, numbers and strings, in a file named by a hash of its inputs.

    A stored result is read instead of being computed. Files are safetensors; nothing is unpickled.
    """

    def __init__(self, directory: Path | None) -> None:
        """Open the directory, which is created on the first write; None stores nothing."""
        self.directory = directory

    def has(self, name: str, inputs: Sequence[object]) -> bool:
        """Whether a result has a file; `find` also checks that it can be read."""
        return self.directory is not None and self._path(self.directory, name, inputs).exists()

    def find(self, kind: type[Result], name: str, inputs: Sequence[object]) -> Result | None:
        """A result from its file; None if there is no file, it is damaged, or it has other fields than `kind`.

        Raises:
            TypeError: if a field of the dataclass has a type that cannot be read from a file.
        """
        if self.directory is None or not self.has(name, inputs):
            return None
        try:
            arrays, state = load_tensors(self._path(self.directory, name, inputs))
            return typing.cast(Result, _unpack(kind, state.get("result"), arrays, "result"))
        except (UserError, _MismatchError):
            return None

    def get(self, kind: type[Result], name: str, inputs: Sequence[object], compute: Callable[[], Result]) -> Result:
        """A result, read from its file or else computed, and stored if the directory is writable.

        Args:
            kind: dataclass of the result.
            name: name of the result, with the version of its computation.
            inputs: everything the result depends on, as strings and numbers: hashes of weights and data, seeds, limits.
            compute: function that computes the result.

        Raises:
            TypeError: if the result could not be read back.
        """
        if (found := self.find(kind, name, inputs)) is not None:
            return found
        result = compute()
        if self.directory is not None:
            arrays: dict[str, Tensor] = {}
            tree = _pack(result, "result", arrays)
            _unpack(kind, tree, arrays, "result")  # fails in the run that writes the file, not in the one that reads it
            try:
                save_tensors(self._path(self.directory, name, inputs), arrays, {"result": tree})
            except UserError as error:  # the result is returned anyway
                _log.warning("%s: not kept, and computed again next time", error)
        return result

    @staticmethod
    def _path(directory: Path, name: str, inputs: Sequence[object]) -> Path:
        text = "\0".join([name, *map(str, inputs)])
        return directory / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:24]}{ENDING}"


def _pack(value: Any, place: str, arrays: dict[str, Tensor]) -> Any:  # noqa: ANN401
    """Convert a value to JSON types; arrays are moved to `arrays` under their path."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _pack(getattr(value, name), f"{place}.{name}", arrays) for name in names}
    if isinstance(value, dict):
        return [[_pack(k, "", arrays), _pack(v, f"{place}.{n}", arrays)] for n, (k, v) in enumerate(value.items())]
    if isinstance(value, (list, tuple)):
        return [_pack(part, f"{place}.{number}", arrays) for number, part in enumerate(value)]
    if isinstance(value, Tensor):
        arrays[place] = value.clone()  # safetensors rejects tensors that share memory
        return place
    if isinstance(value, np.ndarray):
        arrays[place] = torch.tensor(value)
        return place
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{place}: a {type(value).__name__} cannot be kept")


def _unpack(kind: Any, tree: Any, arrays: dict[str, Tensor], place: str) -> Any:  # noqa: ANN401
    """Rebuild a value of a type from `tree`, the inverse of `_pack`; `place` is its name in messages."""

    def expect(fits: bool, what: str) -> None:
        if not fits:
            raise _MismatchError(f"{place}: expected {what}, got {tree!r:.80}")

    kind = _without_aliases(kind)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType) and type(None) in inner:
        present = tuple(part for part in inner if part is not type(None))
        return None if tree is None else _unpack(typing.Union[present], tree, arrays, place)  # noqa: UP007
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        expect(isinstance(tree, dict) and tree.keys() == set(names), f"the fields of {kind.__name__}")
        return kind(**{name: _unpack(hints[name], tree[name], arrays, f"{place}.{name}") for name in names})
    if kind is Tensor or np.ndarray in (kind, origin):
        expect(isinstance(tree, str) and tree in arrays, "an array")
        return arrays[tree] if kind is Tensor else arrays[tree].numpy()
    if isinstance(origin, type) and issubclass(origin, Mapping):
        expect(isinstance(tree, list), "pairs of keys and values")
        pair = types.GenericAlias(tuple, inner)
        return dict(_unpack(pair, entry, arrays, place) for entry in tree)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        expect(isinstance(tree, list), "a list")
        if origin is not tuple or Ellipsis in inner:
            inner = inner[:1] * len(tree)
        expect(len(tree) == len(inner), f"{len(inner)} entries")
        found = [_unpack(part, value, arrays, place) for part, value in zip(inner, tree, strict=True)]
        return tuple(found) if origin is tuple else found
    if kind not in PLAIN:
        raise TypeError(f"{place}: {kind} is not a type that can be read from a file")
    if kind is float and type(tree) is int:
        return float(tree)
    expect(isinstance(tree, kind), f"a value of type {kind.__name__}")
    return tree


def _without_aliases(kind: Any) -> Any:  # noqa: ANN401
    """The type that an alias refers to: since NumPy 2.5 NDArray is ``type NDArray[T] = ndarray[..., dtype[T]]``."""
    alias = typing.get_origin(kind) or kind
    if not (hasattr(alias, "__value__") and hasattr(alias, "__type_params__")):
        return kind
    given = dict(zip(alias.__type_params__, typing.get_args(kind), strict=False))
    free = getattr(alias.__value__, "__parameters__", ()) if given else ()
    return _without_aliases(alias.__value__[tuple(given[name] for name in free)] if free else alias.__value__)


@dataclasses.dataclass(eq=False)
class Step(Generic[Result]):
    """One step of an analysis.

    Attributes:
        agenda: the agenda that it belongs to.
        kind: dataclass of the result.
        name: name of the result, with the version of its computation.
        label: human-readable description.
        inputs: everything the result depends on (`Store.get`).
        seconds: approximate duration on two cores.
        compute: function that computes the result; its argument is a function that reports what is being done.
    """

    agenda: Agenda
    kind: type[Result]
    name: str
    label: str
    inputs: Sequence[object]
    seconds: float
    compute: Callable[[Callable[[str], object]], Result]
    _result: Result | None = None

    @property
    def kept(self) -> bool:
        """Whether the result is stored already."""
        return self._result is not None or self.agenda.store.has(self.name, self.inputs)

    @property
    def result(self) -> Result:
        """The result, computed if missing."""
        if self._result is None:
            tell, kept = self.agenda.tell, self.kept
            tell(self.label)
            self._result = self.agenda.store.get(
                self.kind, self.name, self.inputs, lambda: self.compute(lambda what: tell(f"{self.label}: {what}"))
            )
            self.agenda.finish(self, 0.0 if kept else self.seconds)
        return self._result


class Agenda:
    """All steps of an analysis, in the order in which they run.

    A step may use the result of an earlier one, which is then computed first.

    Attributes:
        progress: called with the estimated seconds of work done and what is being done.
    """

    def __init__(self, store: Store) -> None:
        """Create an empty agenda whose results are stored in `store`."""
        self.store = store
        self.steps: list[Step[Any]] = []
        self.progress: Progress = lambda seconds, what: None
        self._done = 0.0

    def add(
        self,
        kind: type[Result],
        name: str,
        label: str,
        inputs: Sequence[object],
        seconds: float,
        compute: Callable[[Callable[[str], object]], Result],
    ) -> Step[Result]:
        """Add a step; arguments as in `Step`."""
        step = Step(self, kind, name, label, inputs, seconds, compute)
        self.steps.append(step)
        return step

    @property
    def seconds(self) -> float:
        """Estimated duration of all steps whose results are not stored."""
        return sum(step.seconds for step in self.steps if not step.kept)

    def run(self) -> None:
        """Run every step."""
        for step in self.steps:
            step.result  # noqa: B018 - computes it

    def tell(self, what: str) -> None:
        """Report what is being done."""
        self.progress(self._done, what)

    def finish(self, step: Step[Any], seconds: float) -> None:
        """Mark a step as done and add its estimated work to the progress."""
        self._done += seconds
        self.progress(self._done, step.label)
