"""The cases: one TOML file each, settings over a base, with a table ``[case]`` that says what it is for."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthvae.errors import UserError
from synthvae.training.config import TrainConfig, resolve_config

__all__ = ["Case", "list_cases", "select_cases"]

#: Radius of DBSCAN on the map; a case may have another in ``eps``.
EPS = 0.04
#: In a checkout the cases lie at its top; an installation has a copy of them beside this file.
CHECKOUT = Path(__file__).parents[2] / "experiments"
INSTALLED = Path(__file__).parent / "overlays"


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: of its file, such as ``exp2-scl``.
        path: the file.
        about: what it is, in a line.
        study: its row in the study's tables, or empty for our own.
        eps: radius of DBSCAN on its latent map.
    """

    name: str
    path: Path
    about: str
    study: str
    eps: float

    @property
    def experiment(self) -> str:
        """What stands before the first hyphen: ``exp2`` of ``exp2-scl``."""
        return self.name.partition("-")[0]

    def config(self, data: Path, seed: int = 0) -> TrainConfig:
        """Its settings at full scale.

        Raises:
            UserError: if the file cannot be used.
        """
        return resolve_config(self.path, {"data": str(data), "seed": seed})


def list_cases(directory: Path | None = None) -> list[Case]:
    """All cases of a directory, by name; files without a table ``[case]`` are none.

    Args:
        directory: where the files lie; the ones that come with synthvae by default.

    Raises:
        UserError: if a file cannot be read.
    """
    place = directory or (CHECKOUT if (CHECKOUT / "base").is_dir() else INSTALLED)
    found = [_read(path) for path in sorted(place.glob("*.toml"))]
    return [case for case in found if case is not None]


def select_cases(names: Sequence[str], directory: Path | None = None) -> list[Case]:
    """The cases of some names.

    Args:
        names: of cases (``exp2-scl``), of experiments (``exp2``), or TOML files of one's own (``mine.toml``).
        directory: as for `list_cases`.

    Returns:
        Each once, in the order given.

    Raises:
        UserError: if there is no such case.
    """
    cases = list_cases(directory)
    chosen: dict[str, Case] = {}
    for name in names:
        if name.endswith(".toml"):
            path = Path(name)
            own = _read(path) or Case(path.stem, path, "", "", EPS)
            if own.name in chosen and chosen[own.name].path.resolve() != path.resolve():
                raise UserError(f"{path}: there is another case called {own.name!r}; rename the file")
            chosen[own.name] = own
            continue
        found = [case for case in cases if name in (case.name, case.experiment)]
        if not found:
            experiments = sorted({case.experiment for case in cases})
            raise UserError(
                f"no case or experiment is called {name!r}; the experiments are {', '.join(experiments)}, and "
                "'synthvae experiment list' names their cases"
            )
        chosen |= {case.name: case for case in found}
    return list(chosen.values())


def _read(path: Path) -> Case | None:
    """The case of a file, with what its base says of cases; None where the file itself has no table."""
    tables: list[Any] = []
    name: str | None = path.name
    here = path.parent
    while name is not None and len(tables) < 8:  # circles are refused where settings are resolved
        file = here / name
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{file}: cannot read ({error.strerror}); name a TOML file") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{file}: not TOML ({error}); correct that line") from None
        tables.append(values.get("case"))
        here, name = file.parent, values.get("base")
    if not isinstance(tables[0], dict):
        return None
    below = next((t["eps"] for t in tables if isinstance(t, dict) and "eps" in t), EPS)
    own = tables[0]
    for key in own.keys() - {"about", "study", "eps"}:
        raise UserError(f"{path}: case.{key} is unknown; a case has about, study and eps")
    if not isinstance(below, (int, float)) or isinstance(below, bool) or not below > 0:
        raise UserError(f"{path}: case.eps is {below!r}; give a radius above 0")
    return Case(path.stem, path, str(own.get("about", "")), str(own.get("study", "")), float(below))
