"""The parameter space: names, ranges and curves of a parameter vector, and its map to and from [0, 1].

The map is torchsynth's own (torchsynth 1.0.2, ``parameter.py``). With u in [0, 1], curve c, range [a, b]:

* plain:      human = a + (b - a) u^(1/c)
* symmetric:  human = a + (b - a)/2 (1 + sign(d) |d|^(1/c)),  d = 2u - 1

On tensors it is computed as in torchsynth, 2^(log2(u)/c), so that float32 values are bitwise equal; guards before and
after the logarithm keep every gradient finite (at u = 0, and at u = 1/2 if symmetric, the limit of the gradient is 0
for every curve below 1). On NumPy arrays it is computed in float64 with only multiplications and additions wherever 1/c
is an integer: these round identically on every machine, so that files made with it have the same bytes everywhere.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.errors import UserError, shown

__all__ = ["Parameter", "ParameterSpace"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Parameter:
    """One column of the parameter vector.

    Attributes:
        name: ``module.parameter``, with the names of torchsynth.
        minimum: lowest value in human units.
        maximum: highest value in human units.
        curve: exponent of the map; below 1, low values take up a larger part of [0, 1].
        symmetric: whether the curve is applied around the middle of the range.
        unit: unit of the human value: ``s``, ``Hz``, ``semitones``, ``MIDI``, ``rad``, or ``""`` for a ratio.
        description: one-line description.
    """

    name: str
    minimum: float
    maximum: float
    curve: float = 1.0
    symmetric: bool = False
    unit: str = ""
    description: str = ""

    @property
    def module(self) -> str:
        """The module of the synthesizer that has the parameter: ``adsr_1`` for ``adsr_1.attack``."""
        return self.name.split(".", 1)[0]


@dataclass(frozen=True, eq=False)
class ParameterSpace:
    """An ordered set of parameters, and the fixed values of the synthesizer's other parameters.

    Two spaces are equal if their hashes are: same names, ranges, curves and fixed values in the same order.

    Attributes:
        parameters: the columns, in order.
        fixed: human values of the synthesizer's parameters that are not columns.
    """

    parameters: tuple[Parameter, ...]
    fixed: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [p.name for p in self.parameters]
        if len(set(names) | set(self.fixed)) != len(names) + len(self.fixed):
            raise ValueError("parameter names must be unique, and a fixed parameter cannot be a column too")

    def __len__(self) -> int:
        return len(self.parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParameterSpace) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"ParameterSpace({len(self)} parameters, {len(self.fixed)} fixed, hash {self.hash})"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names, ``module.parameter``, in order."""
        return tuple(p.name for p in self.parameters)

    def index(self, name: str, source: str | None = None) -> int:
        """Index of the column `name`.

        Args:
            name: ``module.parameter``.
            source: name of the file that the name is from, for the message.

        Raises:
            UserError: if there is no such column; the message suggests the most similar name.
        """
        try:
            return self.names.index(name)
        except ValueError:
            import difflib

            near = difflib.get_close_matches(name, self.names, n=1)
            remedy = f"did you mean {near[0]}?" if near else "leave it out"
            problem = f"no parameter {shown(name)} among the {len(self)} of this space"
            raise UserError(source or "name", name, remedy, problem) from None

    @cached_property
    def hash(self) -> str:
        """Hash of 16 hexadecimal digits over names, ranges, curves, order and fixed values."""
        table = [[p.name, p.minimum, p.maximum, p.curve, p.symmetric] for p in self.parameters]
        content = json.dumps([table, sorted(self.fixed.items())], separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    # -- serialisation -------------------------------------------------------------------------------

    def to_table(self) -> list[dict[str, Any]]:
        """The columns as dictionaries of JSON types."""
        return [asdict(p) for p in self.parameters]

    @classmethod
    def from_table(
        cls, table: Sequence[Mapping[str, Any]], fixed: Mapping[str, float], source: str = "parameter table"
    ) -> ParameterSpace:
        """Rebuild a space from the output of `to_table`, without any synthesizer.

        Args:
            table: one mapping per column.
            fixed: human values of the parameters that are not columns.
            source: file name for messages.

        Raises:
            UserError: if a row lacks a field or has a wrong type or an empty range, a fixed value is not a number,
                or two parameters have the same name.
        """
        if not isinstance(table, list | tuple) or not isinstance(fixed, Mapping):
            raise UserError(source, source, "write the file again", "parameters is no list or fixed is no object")
        types = {"name": str, "minimum": float, "maximum": float, "curve": float, "symmetric": bool}
        optional = {"unit": str, "description": str}
        rows = []
        for number, row in enumerate(table):
            where = f"{source}: parameters[{number}]"
            if not isinstance(row, Mapping):
                raise UserError(where, row, "write the file again with this version", why="not an object")
            values: dict[str, Any] = {}
            for key, kind in (types | optional).items():
                value = row.get(key, "" if key in optional else None)
                if kind is float and isinstance(value, int) and not isinstance(value, bool):
                    value = float(value)
                if not isinstance(value, kind) or (isinstance(value, float) and not math.isfinite(value)):
                    raise UserError(f"{where}.{key}", value, "repair the file", why=f"not a {kind.__name__}")
                values[key] = value
            parameter = Parameter(**values)
            if not (parameter.minimum < parameter.maximum and parameter.curve > 0):
                raise UserError(
                    f"{where} ({parameter.name})", row, "repair the file", "has an empty range or a curve <= 0"
                )
            rows.append(parameter)
        for name, value in fixed.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise UserError(f"{source}: fixed[{name!r}]", value, "repair the file", why="not a number")
        seen = set(fixed)
        for number, parameter in enumerate(rows):
            if parameter.name in seen:
                raise UserError(
                    source,
                    parameter.name,
                    "give every parameter its own name",
                    f"parameters[{number}].name is {parameter.name!r} as that of another column or fixed value",
                )
            seen.add(parameter.name)
        return cls(tuple(rows), dict(fixed))

    # -- the map -------------------------------------------------------------------------------------

    @overload
    def denormalise(self, unit: Tensor) -> Tensor: ...
    @overload
    def denormalise(self, unit: Array) -> Array: ...
    def denormalise(self, unit: Tensor | Array) -> Tensor | Array:
        """Convert unit values ``(..., P)`` in [0, 1] to human units, as tensors (differentiable) or float64 arrays.

        Example:
            >>> space = ParameterSpace((Parameter("filter.cutoff", 20.0, 20020.0, curve=0.5, unit="Hz"),))
            >>> space.denormalise(np.array([0.5]))
            array([5020.])

        Raises:
            ValueError: if the last dimension is not P.
        """
        self._check_width(unit)
        return self._denormalise_tensor(unit) if isinstance(unit, Tensor) else self._denormalise_array(unit)

    @overload
    def normalise(self, human: Tensor) -> Tensor: ...
    @overload
    def normalise(self, human: Array) -> Array: ...
    def normalise(self, human: Tensor | Array) -> Tensor | Array:
        """Convert human values ``(..., P)`` to unit values in [0, 1], the inverse of `denormalise`.

        The gradient is set to 0 where the curve starts, where it is infinite.

        Raises:
            ValueError: if the last dimension is not P.
        """
        self._check_width(human)
        return self._normalise_tensor(human) if isinstance(human, Tensor) else self._normalise_array(human)

    def check(self, human: Array, source: str = "presets", first: int = 0) -> None:
        """Reject human values that are not finite or outside their range.

        Args:
            human: human values ``(N, P)``.
            source: file name for the message.
            first: preset number of the first row, for the message.

        Raises:
            UserError: naming the preset, the parameter, the value and the range.
        """
        low, high = self._columns["minimum"], self._columns["maximum"]
        tolerance = 1e-6 * (high - low)
        wrong = ~((human >= low - tolerance) & (human <= high + tolerance))  # also true for NaN
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            p = self.parameters[column]
            raise UserError(
                f"{source}: preset {first + row}, {p.name}",
                float(human[row, column]),
                "correct the value or leave the preset out",
                why=f"outside {p.minimum:g} to {p.maximum:g} {p.unit or '(ratio)'}",
            )

    def to_dict(self, human: Array) -> dict[str, float]:
        """One preset ``(P,)`` in human units as ``{name: value}``, fixed parameters included."""
        self._check_width(human)
        return {**dict(zip(self.names, (float(v) for v in human), strict=True)), **self.fixed}

    def from_dict(self, values: Mapping[str, Any], source: str = "preset") -> Array:
        """Human values ``(P,)``, checked; the inverse of `to_dict`.

        Args:
            values: human values by name; fixed parameters may be left out.
            source: file name for messages.

        Raises:
            UserError: if a name is missing, unknown or fixed at another value, or a value is not a number in its range.
        """
        for name, value in values.items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise UserError(f"{source}: {name}", value, "correct the value", why="not a number")
            if name in self.fixed:
                if not abs(float(value) - self.fixed[name]) <= 1e-6:  # written so that NaN is rejected too
                    raise UserError(
                        f"{source}: {name}",
                        value,
                        "use a run or dataset made with all parameters",
                        why=f"but this parameter set holds it at {self.fixed[name]:g}",
                    )
            elif name not in self.names:
                self.index(name, source)
        missing = [name for name in self.names if name not in values]
        if missing:
            raise UserError(
                source, missing[0], "add a value for it", f"parameter {missing[0]} is missing ({len(missing)} in all)"
            )
        human = np.array([float(values[name]) for name in self.names])
        self.check(human[None], source)
        return human

    # -- private -------------------------------------------------------------------------------------

    def _check_width(self, values: Tensor | Array) -> None:
        if values.ndim == 0 or values.shape[-1] != len(self):
            raise ValueError(f"expected {len(self)} columns in the order of .names, got shape {tuple(values.shape)}")

    @cached_property
    def _columns(self) -> dict[str, NDArray[Any]]:
        return {
            key: np.array([getattr(p, key) for p in self.parameters])
            for key in ("minimum", "maximum", "curve", "symmetric")
        }

    def _column_tensors(self, like: Tensor) -> dict[str, Tensor]:
        """Columns as tensors of the type and device of `like`; ranges are computed in float64 as in torchsynth."""
        cache: dict[Any, dict[str, Tensor]] = self.__dict__.setdefault("_tensors", {})
        key = (like.dtype, like.device)
        if key not in cache:
            c = self._columns
            span = np.where(c["symmetric"], (c["maximum"] - c["minimum"]) / 2, c["maximum"] - c["minimum"])
            numbers = {"minimum": c["minimum"], "span": span, "curve": c["curve"]}
            with torch.inference_mode(False):
                tensors = {k: torch.tensor(v, dtype=like.dtype, device=like.device) for k, v in numbers.items()}
                tensors["symmetric"] = torch.tensor(c["symmetric"], device=like.device)
                tensors["linear"] = torch.tensor(c["curve"] == 1.0, device=like.device)
            cache[key] = tensors
        return cache[key]

    def _denormalise_tensor(self, unit: Tensor) -> Tensor:
        c = self._column_tensors(unit)
        distance = 2.0 * unit - 1.0
        magnitude = torch.where(c["symmetric"], distance.abs(), unit)
        positive = magnitude > 0
        # Guarded before and after: where() alone passes 0 * inf = NaN back from the branch that was not selected.
        curved = torch.exp2(torch.log2(torch.where(positive, magnitude, 1.0)) / c["curve"])
        curved = torch.where(c["linear"], magnitude, torch.where(positive, curved, 0.0))
        return c["minimum"] + c["span"] * torch.where(c["symmetric"], curved * distance.sign() + 1.0, curved)

    def _normalise_tensor(self, human: Tensor) -> Tensor:
        c = self._column_tensors(human)
        scaled = (human - c["minimum"]) / c["span"]
        distance = scaled - 1.0
        magnitude = torch.where(c["symmetric"], distance.abs(), scaled)
        positive = magnitude > 0
        curved = torch.where(positive, torch.pow(torch.where(positive, magnitude, 1.0), c["curve"]), 0.0)
        curved = torch.where(c["linear"], magnitude, curved)
        return torch.where(c["symmetric"], (1.0 + curved * distance.sign()) / 2.0, curved)

    def _denormalise_array(self, unit: Array) -> Array:
        unit = np.asarray(unit, dtype=np.float64)
        human = np.empty_like(unit)
        for column, p in enumerate(self.parameters):
            u = unit[..., column]
            if p.symmetric:
                distance = 2.0 * u - 1.0
                curved = 1.0 + np.sign(distance) * _power(np.abs(distance), 1.0 / p.curve)
                human[..., column] = p.minimum + (p.maximum - p.minimum) / 2.0 * curved
            else:
                human[..., column] = p.minimum + (p.maximum - p.minimum) * _power(u, 1.0 / p.curve)
        return human

    def _normalise_array(self, human: Array) -> Array:
        human = np.asarray(human, dtype=np.float64)
        c = self._columns
        scaled = np.clip((human - c["minimum"]) / (c["maximum"] - c["minimum"]), 0.0, 1.0)
        distance = 2.0 * scaled - 1.0
        curved = np.power(np.where(c["symmetric"], np.abs(distance), scaled), c["curve"])
        unit: Array = np.where(c["symmetric"], (1.0 + curved * np.sign(distance)) / 2.0, curved)
        return unit


def _power(base: Array, exponent: float) -> Array:
    """`base` to a power, by repeated squaring if the exponent is an integer (see the module's docstring)."""
    whole = round(exponent)
    if not math.isclose(exponent, whole, rel_tol=1e-9):
        return np.power(base, exponent)
    result, square = np.ones_like(base), base
    while whole:
        if whole & 1:
            result = result * square
        square = square * square
        whole >>= 1
    return result
