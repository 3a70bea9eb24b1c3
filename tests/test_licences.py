"""Packages that synthvae requires: their licences, which must not change its own, and their locked versions."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
COPYLEFT = re.compile(r"general public licen[cs]e|\bA?GPL", re.IGNORECASE)
#: The Lesser one allows to import a package that stays replaceable.
LESSER = re.compile(r"lesser|\bLGPL", re.IGNORECASE)


def installed_requirements(name: str, seen: set[str], extra: str = "") -> Iterator[metadata.Distribution]:
    """What a package requires, with an extra or without, and what that requires, each once.

    Packages that an extra alone requires are passed over where they are not installed.
    """
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        key = canonicalize_name(requirement.name)
        if key in seen or not applies(requirement, extra):
            continue
        seen.add(key)
        try:
            yield metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            if not extra:
                raise
            continue
        yield from installed_requirements(requirement.name, seen)


def applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def licences(package: metadata.Distribution) -> list[str]:
    """Licences in a package's metadata; of a full licence text the first line."""
    told = package.metadata
    text = (told["License"] or "").strip().splitlines()
    named = [told["License-Expression"] or "", *text[:1]]
    named += [line for line in told.get_all("Classifier") or [] if line.startswith("License ::")]
    return [line for line in named if line]


def is_copyleft(licence: str) -> bool:
    return bool(COPYLEFT.search(licence)) and not LESSER.search(licence)


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("License :: OSI Approved :: GNU General Public License v3 (GPLv3)", True),
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0-only", True),
        ("LGPL-2.1-or-later", False),
        ("License :: OSI Approved :: GNU Lesser General Public License v2 or later (LGPLv2+)", False),
        ("BSD-3-Clause", False),
    ],
)
def test_licences_are_told_apart(licence: str, expected: bool):
    assert is_copyleft(licence) is expected


def check_licences(packages: Sequence[metadata.Distribution]) -> None:
    told = {package.metadata["Name"]: licences(package) for package in packages}
    assert not {name: lines for name, lines in told.items() if any(map(is_copyleft, lines))}
    unknown = [name for name, lines in told.items() if not lines]
    assert not unknown, f"read their licences, and name them here: {unknown}"


def test_the_core_requires_no_package_under_the_gpl():
    packages = list(installed_requirements("synthvae", set()))
    assert len(packages) > 40
    check_licences(packages)


@pytest.mark.parametrize(("extra", "package"), [("studio", "uvicorn"), ("match", "cma"), ("scale", "pyarrow")])
def test_an_extra_requires_no_package_under_the_gpl(extra: str, package: str):
    packages = list(installed_requirements("synthvae", set(), extra))
    if package not in {one.metadata["Name"].lower() for one in packages}:
        pytest.skip(f"the extra {extra} is not installed")
    check_licences(packages)


def locked() -> dict[str, list[Requirement]]:
    """The pins of each package: several where they depend on the version of Python."""
    pins: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            pin = Requirement(line)
            pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


def test_every_requirement_has_a_locked_version_that_satisfies_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras, pins = project["optional-dependencies"], locked()
    lines = project["dependencies"] + extras["dev"] + extras["scale"] + extras["studio"] + extras["match"]
    wanted = [Requirement(line) for line in lines if not line.startswith("synthvae[")]
    assert len(wanted) > 40
    for requirement in wanted:
        found = pins.get(canonicalize_name(requirement.name), [])
        assert any(map(applies, found)) or not applies(requirement), f"{requirement} is not locked; run 'make lock'"
        for pin in found:
            (version,) = pin.specifier
            assert version.operator == "=="
            assert requirement.specifier.contains(version.version, prereleases=True), f"{requirement}, but {pin}"
