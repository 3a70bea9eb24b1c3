"""Results of an analysis on disk, found again by what they depend on."""

from __future__ import annotations

import dataclasses
import hashlib
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from synthvae.errors import UserError
from synthvae.files import ensure_directory
from synthvae.tensors import load_tensors, save_tensors

__all__ = ["Store"]

Result = TypeVar("Result")
ENDING = ".safetensors"


class Store:
    """A folder of results, each a dataclass of arrays, numbers and texts, in a file named by a hash of its inputs.

    A result that is there is read in place of being computed. Files are safetensors; nothing is unpickled.
    """

    def __init__(self, directory: Path | None) -> None:
        """Open the folder; it is made when something is kept.

        Args:
            directory: where; None keeps nothing.
        """
        self.directory = directory

    def has(self, name: str, inputs: Sequence[object]) -> bool:
        """Whether a result is there."""
        return self.directory is not None and self._path(self.directory, name, inputs).exists()

    def get(self, kind: type[Result], name: str, inputs: Sequence[object], compute: Callable[[], Result]) -> Result:
        """A result, from its file or else computed and kept.

        Args:
            kind: its dataclass.
            name: of what is computed, with the version of how.
            inputs: everything the result depends on, as texts and numbers: hashes of weights and data, seeds, limits.
            compute: makes it.

        Raises:
            UserError: if the folder cannot be written to.
        """
        if self.directory is None:
            return compute()
        path = self._path(self.directory, name, inputs)
        if path.exists():
            try:
                kept, state = load_tensors(path)
                return typing.cast(Result, _unpack(kind, state["result"], kept))
            except (UserError, KeyError, TypeError, ValueError):
                pass  # damaged, or of a version whose dataclass was another: computed again
        result = compute()
        arrays: dict[str, Tensor] = {}
        tree = _pack(result, "result", arrays)
        ensure_directory(self.directory, "--cache")
        save_tensors(path, arrays, {"result": tree})
        return result

    @staticmethod
    def _path(directory: Path, name: str, inputs: Sequence[object]) -> Path:
        text = "\0".join([name, *map(str, inputs)])
        return directory / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:24]}{ENDING}"


def _pack(value: Any, place: str, arrays: dict[str, Tensor]) -> Any:  # noqa: ANN401
    """A value as what JSON holds; arrays go to `arrays` under their place."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _pack(getattr(value, name), f"{place}.{name}", arrays) for name in names}
    if isinstance(value, dict):
        return [[_pack(k, "", arrays), _pack(v, f"{place}.{n}", arrays)] for n, (k, v) in enumerate(value.items())]
    if isinstance(value, (list, tuple)):
        return [_pack(part, f"{place}.{number}", arrays) for number, part in enumerate(value)]
    if isinstance(value, Tensor):
        arrays[place] = value.clone()  # safetensors refuses tensors that share memory
        return place
    if isinstance(value, np.ndarray):
        arrays[place] = torch.tensor(value)
        return place
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{place}: a {type(value).__name__} cannot be kept")


def _unpack(kind: Any, tree: Any, arrays: dict[str, Tensor]) -> Any:  # noqa: ANN401
    """The value of a type that was packed to `tree`."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if tree is None:
            return None
        return _unpack(next(part for part in inner if part is not type(None)), tree, arrays)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(
            **{field.name: _unpack(hints[field.name], tree[field.name], arrays) for field in dataclasses.fields(kind)}
        )
    if kind is Tensor:
        return arrays[tree]
    if kind is np.ndarray or origin is np.ndarray:
        return arrays[tree].numpy()
    if origin is not None and issubclass(origin, typing.Mapping):
        return {_unpack(inner[0], k, arrays): _unpack(inner[1], v, arrays) for k, v in tree}
    if origin is tuple:
        each = inner[:1] * len(tree) if len(inner) == 2 and inner[1] is Ellipsis else inner
        return tuple(_unpack(part, value, arrays) for part, value in zip(each, tree, strict=True))
    if origin is not None and issubclass(origin, Sequence):
        return [_unpack(inner[0], value, arrays) for value in tree]
    if kind is float and isinstance(tree, int):
        return float(tree)
    return tree
