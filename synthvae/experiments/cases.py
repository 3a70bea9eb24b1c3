"""Experiment cases: one TOML file each, settings over a base, with a table ``[case]`` that describes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthvae.core.errors import UserError
from synthvae.losses import LOSSES
from synthvae.training.config import PRESETS, Overlay, TrainConfig, read_overlay, resolve_config
from synthvae.training.settings import refuse_unknown

__all__ = [
    "FULL_SIZE",
    "SOURCE",
    "Case",
    "dataset_size",
    "find_overlay",
    "list_cases",
    "scale_label",
    "scaled",
    "select_cases",
]

#: The thesis whose experiments exp1 to exp3 repeat; "the thesis" elsewhere.
SOURCE = (
    "Ipek Korkmaz, Designing Loss Functions for Learning Sound Timbre Audio Representations in Variational "
    "Autoencoders, master's thesis, Chalmers University of Technology and University of Gothenburg, 2025"
)

#: Radius of DBSCAN on the map; a case may have another in ``eps``.
EPS = 0.04
#: In a checkout the cases lie at its top; an installation has a copy of them beside this file.
CHECKOUT = Path(__file__).parents[2] / "experiments"
INSTALLED = Path(__file__).parent / "overlays"


#: Presets of the thesis: 100,000 for training, 20,000 each for validation and test.
FULL_SIZE = 140_000
LEAST_SIZE = 70
#: Below full scale a loss through the Voice compares every n-th frame of a sound per step, with this n.
FRAME_STEP = 4
LEAST_BATCH, LEAST_VALIDATION = 8, 200


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: name of its file, such as ``exp2-scl``.
        overlay: the file and those below it, read.
        about: description in a line.
        thesis: its row in the tables of the thesis, or empty where it has none.
        eps: radius of DBSCAN on its latent map.
        group: the experiment that it belongs to, such as ``exp2`` or ``exp2-500``.
    """

    name: str
    overlay: Overlay
    about: str
    thesis: str
    eps: float
    group: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.overlay.path

    def config(self, data: Path, seed: int = 0) -> TrainConfig:
        """Its settings at full scale.

        Raises:
            UserError: if the file cannot be used.
        """
        return resolve_config(self.overlay, {"data": str(data), "seed": seed})


def list_cases(directory: Path | None = None) -> list[Case]:
    """All cases of a directory, by name; files without a table ``[case]`` are skipped.

    Args:
        directory: where the files lie; the ones that come with synthvae by default.

    Raises:
        UserError: if a file cannot be read.
    """
    place = directory or _own_files()
    found = [read_overlay(path) for path in sorted(place.glob("*.toml"), key=lambda path: path.stem)]
    return [_case(overlay) for overlay in found if overlay.own_case and PRESETS in overlay.tasks]


def find_overlay(path: Path) -> Path:
    """A TOML file; where there is none, the one of that name under ``experiments/`` that comes with synthvae."""
    if not path.exists() and path.parts[:1] == ("experiments",):
        own = _own_files().joinpath(*path.parts[1:])
        if own.is_file():
            return own
    return path


def _own_files() -> Path:
    return CHECKOUT if (CHECKOUT / "base").is_dir() else INSTALLED


def select_cases(names: Sequence[str]) -> list[Case]:
    """The cases of some names.

    Args:
        names: names of cases (``exp2-scl``) or of experiments (``exp2``), or paths of TOML files (``mine.toml``).

    Returns:
        Each once, in the order given.

    Raises:
        UserError: if there is no such case.
    """
    cases = list_cases()
    chosen: dict[str, Case] = {}
    for name in names:
        if name.endswith(".toml"):
            path = Path(name)
            overlay = read_overlay(path)
            if PRESETS not in overlay.tasks:
                raise UserError(
                    path, path, f"train it by 'synthvae train --config {path}'", "is no training on presets"
                )
            own = _case(overlay) if overlay.own_case else Case(path.stem, overlay, "", "", EPS, path.stem)
            if own.name in chosen and chosen[own.name].path.resolve() != path.resolve():
                raise UserError(path, path, "rename the file", f"there is another case called {own.name!r}")
            chosen[own.name] = own
            continue
        found = [case for case in cases if name in (case.name, case.group)]
        if not found:
            raise UserError(
                "names", name, "'synthvae experiment list' shows them all", f"no case or experiment is called {name!r}"
            )
        chosen |= {case.name: case for case in found}
    return list(chosen.values())


def _case(overlay: Overlay) -> Case:
    """The case of a file, merged with the tables ``[case]`` of its bases."""
    path, case = overlay.path, overlay.case
    refuse_unknown(case, ("about", "thesis", "eps", "group"), str(path), "case.")
    eps = case.get("eps", EPS)
    if not isinstance(eps, (int, float)) or isinstance(eps, bool) or not eps > 0:
        raise UserError(f"{path}: case.eps", eps, "give a radius above 0")
    group = str(case.get("group", path.stem.partition("-")[0]))
    return Case(path.stem, overlay, str(case.get("about", "")), str(case.get("thesis", "")), float(eps), group)


def dataset_size(scale: float) -> int:
    """Presets at a scale.

    Args:
        scale: a fraction, above 0 and at most 1.

    Raises:
        UserError: if it is none, or leaves too few presets.
    """
    if not 0 < scale <= 1:
        raise UserError("scale", scale, "give a fraction above 0 and at most 1, such as 0.02")
    size = round(FULL_SIZE * scale)
    if size < LEAST_SIZE:
        raise UserError("scale", scale, f"give {LEAST_SIZE / FULL_SIZE:g} or more", why=f"which leaves {size} presets")
    return size


def scale_label(scale: float) -> str:
    """Name of the scale in directories and tables."""
    return f"scale-{scale:g}"


def scaled(config: TrainConfig, scale: float) -> TrainConfig:
    """The settings of a case for a fraction s of the presets.

    Presets go with s. Where the number of epochs is fixed it goes with s^(2/3), and with it the epochs at which the
    rate drops; where early stopping ends a phase, its patience and its limit of epochs stay. The batch goes with
    s^(1/3) and the learning rate with s^(-1/3): with those of full scale a run of 0.02 would take 1/170 of the steps
    and learn nothing at all, so that every comparison would be one of initial weights. Patience stays because a
    network that leaves the middle of the cube gets worse before it gets better.

    Args:
        config: the settings at full scale.
        scale: s, above 0 and at most 1; 1 changes nothing.

    Returns:
        Settings with the same initial weights.
    """
    if scale == 1.0:
        return config
    first = _scaled(dataclasses.replace(config, then={}), scale)
    if not config.then:
        return first
    second = _scaled(config.phases[1], scale)
    changed = {name for name in _moving(config.phases[1], scale)} | set(config.then)
    return dataclasses.replace(first, then={name: getattr(second, name) for name in sorted(changed)})


def _scaled(phase: TrainConfig, scale: float) -> TrainConfig:
    return dataclasses.replace(phase, **_moving(phase, scale))


def _moving(phase: TrainConfig, scale: float) -> dict[str, Any]:
    """The settings of a phase that depend on the scale."""
    time = scale ** (2 / 3)

    def epochs(full: int) -> int:
        return max(1, round(full * time))

    return {
        "epochs": phase.epochs if phase.patience else epochs(phase.epochs),
        "batch_size": max(min(LEAST_BATCH, phase.batch_size), round(phase.batch_size * scale ** (1 / 3))),
        "lr": phase.lr * scale ** (-1 / 3),
        "lr_warmup": round(phase.lr_warmup * scale ** (4 / 3)),  # in steps
        "lr_drop_after": epochs(phase.lr_drop_after),
        "lr_drop_every": epochs(phase.lr_drop_every),
        "kl_warmup": phase.kl_warmup * time,
        "validation_limit": max(min(LEAST_VALIDATION, phase.validation_limit), round(phase.validation_limit * scale)),
        "frame_step": max(phase.frame_step, _frame_step(phase)),
    }


def _frame_step(phase: TrainConfig) -> int:
    return FRAME_STEP if phase.synth_layer and LOSSES[phase.loss].features else 1
