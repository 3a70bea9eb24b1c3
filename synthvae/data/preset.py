"""Single-preset files: all 78 parameters by name in human units, with the sound beside the file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.errors import UserError, reason, shown
from synthvae.core.files import atomic_write
from synthvae.core.json import dump_json, load_json, require_fields
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.registry import synth_kind
from synthvae.synths.rendering import render_rows, whole_seconds
from synthvae.synths.settings import FEWEST_CONTROL_POINTS, RenderSettings, check_format

__all__ = [
    "LATENTS_FORMAT",
    "TORCHSYNTH_FORMAT",
    "Preset",
    "check_descriptors",
    "check_name",
    "json_files",
    "preset_json",
    "read_preset",
    "read_presets",
    "render_preset",
    "round_significant",
    "units",
    "with_release",
    "with_values",
    "write_preset",
]

DIGITS = 9
_POWERS = np.array([float(f"1e{k}") for k in range(-323, 309)])
_SCALES = np.array([float(f"1e{k}") for k in range(0, 301)])


def round_significant(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to nine significant digits, identically on every machine; magnitudes below 1e-290 are unchanged.

    The decade is found by comparison with a table, and the rounding is one multiplication and one division, whose
    results IEEE 754 fixes exactly; a logarithm would depend on the mathematics library.
    """
    decade = np.searchsorted(_POWERS, np.abs(values), side="right") - 324
    shift = DIGITS - 1 - decade
    scale = _SCALES[np.clip(shift, 0, len(_SCALES) - 1)]
    rounded: NDArray[np.float64] = np.where((shift >= 0) & (shift < 299), np.rint(values * scale) / scale, values)
    return rounded


FORMAT = "synthvae-preset"
VERSION = 1
#: Format of files of latents, which `encode` may have written beside the presets.
LATENTS_FORMAT = "synthvae-latents"
#: Format of presets for torchsynth, which `export` may have written there.
TORCHSYNTH_FORMAT = "synthvae-torchsynth"
LONGEST_NAME = 200


@dataclass(frozen=True)
class Preset:
    """One preset.

    Attributes:
        parameters: the columns.
        human: values ``(P,)`` in human units.
        settings: render settings.
        origin: origin of the preset, as strings and numbers.
        name: human-readable name in one line; empty for none.
        descriptors: measured descriptors of its sound, None for an undefined one; see `synthvae.naming`.
    """

    parameters: ParameterSpace
    human: NDArray[np.float64]
    settings: RenderSettings
    origin: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    descriptors: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def unit(self) -> NDArray[np.float64]:
        """Unit parameters ``(P,)`` in [0, 1]."""
        return self.parameters.normalise(self.human)


def units(presets: Sequence[Preset]) -> Tensor:
    """Unit parameters ``(N, P)`` float32 of presets."""
    return torch.from_numpy(np.stack([preset.unit for preset in presets]).astype(np.float32))


def write_preset(path: Path, preset: Preset) -> None:
    """Write `preset_json` to a file.

    Raises:
        UserError: if `path` cannot be written, a value is not finite, or the name is not a single line.
    """
    atomic_write(path, preset_json(preset, path))


def preset_json(preset: Preset, path: Path) -> str:
    """A preset as JSON for the file `path`, self-contained: it includes the fixed parameters.

    Raises:
        UserError: if a value is not finite, or the name is not a single line.
    """
    for name, value in zip(preset.parameters.names, preset.human.tolist(), strict=True):
        if not math.isfinite(value):
            raise UserError(
                path, path, "not written, check what made it", f"{name} would be {value}, not a finite number"
            )
    document = {
        "format": FORMAT,
        "version": VERSION,
        "synth": synth_kind(preset.settings.synth).header,
        **({"name": check_name(preset.name, f"{path}: name")} if preset.name else {}),
        **({"descriptors": check_descriptors(preset.descriptors, str(path))} if preset.descriptors else {}),
        **preset.settings.to_dict(),
        "origin": dict(preset.origin),
        "units": {p.name: p.unit for p in preset.parameters if p.unit},
        "values": preset.parameters.to_dict(round_significant(preset.human)),
    }
    return dump_json(document, path) + "\n"


def read_preset(path: Path, parameters: ParameterSpace | None = None) -> Preset:
    """Read a preset into a given set of parameters, by default all of its synth, and check every value.

    A preset in which a parameter that `parameters` fixes has another value is rejected.

    Raises:
        UserError: if the file is missing, truncated or not a preset, or a value is missing, unknown or invalid.
    """
    return _preset(_load(path), path, parameters)


def _load(path: Path) -> Any:  # noqa: ANN401
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(path, path, "give a preset's JSON file", f"cannot read ({reason(error)})") from None
    beside, remedy = path.with_suffix(".json"), "give a preset's JSON file, or write it again"
    if beside != path and beside.is_file():
        remedy = f"give {beside}, beside it"
    return load_json(content, str(path), remedy)


def _preset(document: Any, path: Path, parameters: ParameterSpace | None) -> Preset:  # noqa: ANN401
    document = check_format(document, FORMAT, VERSION, str(path))
    require_fields(document, ("values",), str(path), "write the preset again")
    values, origin = document["values"], document.get("origin")
    if not isinstance(values, dict):
        raise UserError(f"{path}: values", values, "write the preset again", why="not an object of numbers by name")
    settings = RenderSettings.from_header(document, str(path))
    if parameters is None:
        parameters = synth_kind(settings.synth).every
    human = parameters.from_dict(values, str(path))
    return Preset(
        parameters,
        human,
        settings,
        origin if isinstance(origin, dict) else {},
        check_name(document.get("name", ""), f"{path}: name"),
        check_descriptors(document.get("descriptors", {}), str(path)),
    )


def check_name(name: object, argument: str = "name") -> str:
    """Check that a preset's name is a single printable line, and return it.

    Args:
        name: name from a file or an argument.
        argument: name of the argument, or the file and field, for the message.

    Raises:
        UserError: if it is not text, has a line break or another control character, or more than 200 characters.
    """
    if not isinstance(name, str) or not (name.isprintable() and len(name) <= LONGEST_NAME):
        raise UserError(argument, name, "correct it", why=f"not one line of at most {LONGEST_NAME} characters")
    return name


def check_descriptors(descriptors: object, source: str) -> dict[str, float | None]:
    """Check the measured descriptors of a preset's sound: finite numbers by name, or None.

    Args:
        descriptors: descriptors from a file or an argument.
        source: origin of the descriptors, for the message.

    Raises:
        UserError: if they are not an object, or one is neither a finite number nor null.
    """
    if not isinstance(descriptors, Mapping):
        raise UserError(f"{source}: descriptors", descriptors, "remove it", why="not an object of numbers by name")
    for name, value in descriptors.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not isinstance(name, str) or not (value is None or number):
            raise UserError(
                f"{source}: descriptors[{shown(name)}]", value, "remove it", why="neither a finite number nor null"
            )
    return {name: None if value is None else float(value) for name, value in descriptors.items()}


def read_presets(path: Path, parameters: ParameterSpace | None = None) -> list[tuple[Path, Preset]]:
    """Read one preset, or every ``*.json`` of a directory in the order of their names.

    Files of latents and presets for torchsynth in the directory are skipped, so that `encode` and `export` can write
    beside the presets and run repeatedly.

    Raises:
        UserError: as `read_preset`, or if the directory contains no preset.
    """
    if not path.is_dir():
        return [(path, read_preset(path, parameters))]
    presets = []
    for file in json_files(path):
        document = _load(file)
        if not (isinstance(document, dict) and document.get("format") in (LATENTS_FORMAT, TORCHSYNTH_FORMAT)):
            presets.append((file, _preset(document, file, parameters)))
    if not presets:
        raise UserError(path, path, "give a preset or a directory of presets", "no preset's *.json in it")
    return presets


def json_files(directory: Path) -> list[Path]:
    """The ``*.json`` files of a directory, in any case, without hidden files such as ``._NAME.json`` of macOS."""
    return sorted(file for file in directory.iterdir() if file.suffix.lower() == ".json" and file.name[0] != ".")


def render_preset(preset: Preset) -> NDArray[np.float32]:
    """Render a preset with its settings: ``(T,)``."""
    return render_rows(preset.human[None], preset.parameters, preset.settings)[0]


def with_release(preset: Preset) -> Preset:
    """The preset with the length of its sound including the release (`synthvae.synths.rendering.whole_seconds`)."""
    return with_values(preset, seconds=whole_seconds(preset.human, preset.parameters, preset.settings))


def with_values(preset: Preset, values: Mapping[str, float] | None = None, seconds: float | None = None) -> Preset:
    """The preset with other human values by name and another length, which is at least two control points."""
    human = preset.human.copy()
    for name, value in (values or {}).items():
        human[preset.parameters.index(name)] = value
    settings = preset.settings
    if seconds is not None:
        least = FEWEST_CONTROL_POINTS / settings.control_rate
        settings = dataclasses.replace(settings, seconds=max(seconds, least))
    return dataclasses.replace(preset, human=human, settings=settings)
