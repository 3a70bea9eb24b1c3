"""The cases: one TOML file each, settings over a base, with a table ``[case]`` that says what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthvae.core.errors import UserError
from synthvae.training.config import Overlay, TrainConfig, read_overlay, resolve_config
from synthvae.training.settings import refuse_unknown

__all__ = ["SOURCE", "Case", "list_cases", "select_cases"]

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


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: of its file, such as ``exp2-scl``.
        overlay: the file and those below it, read.
        about: what it is, in a line.
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
    """All cases of a directory, by name; files without a table ``[case]`` are none.

    Args:
        directory: where the files lie; the ones that come with synthvae by default.

    Raises:
        UserError: if a file cannot be read.
    """
    place = directory or (CHECKOUT if (CHECKOUT / "base").is_dir() else INSTALLED)
    found = [read_overlay(path) for path in sorted(place.glob("*.toml"), key=lambda path: path.stem)]
    return [_case(overlay) for overlay in found if overlay.own_case]


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
            overlay = read_overlay(path)
            own = _case(overlay) if overlay.own_case else Case(path.stem, overlay, "", "", EPS, path.stem)
            if own.name in chosen and chosen[own.name].path.resolve() != path.resolve():
                raise UserError(f"{path}: there is another case called {own.name!r}; rename the file")
            chosen[own.name] = own
            continue
        found = [case for case in cases if name in (case.name, case.group)]
        if not found:
            experiments = sorted({case.group for case in cases})
            raise UserError(
                f"no case or experiment is called {name!r}; the experiments are {', '.join(experiments)}, and "
                "'synthvae experiment list' names their cases"
            )
        chosen |= {case.name: case for case in found}
    return list(chosen.values())


def _case(overlay: Overlay) -> Case:
    """The case of a file, with what its bases say of cases."""
    path, case = overlay.path, overlay.case
    refuse_unknown(case, ("about", "thesis", "eps", "group"), str(path), "case.")
    eps = case.get("eps", EPS)
    if not isinstance(eps, (int, float)) or isinstance(eps, bool) or not eps > 0:
        raise UserError(f"{path}: case.eps is {eps!r}; give a radius above 0")
    group = str(case.get("group", path.stem.partition("-")[0]))
    return Case(path.stem, overlay, str(case.get("about", "")), str(case.get("thesis", "")), float(eps), group)
