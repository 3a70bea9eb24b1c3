"""No package that the core imports is under a licence that would make synthvae's another one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

import pytest
from packaging.requirements import Requirement

COPYLEFT = re.compile(r"general public licen[cs]e|\bA?GPL", re.IGNORECASE)
#: The Lesser one allows to import a package that stays replaceable.
LESSER = re.compile(r"lesser|\bLGPL", re.IGNORECASE)


def installed_requirements(name: str, seen: set[str]) -> Iterator[metadata.Distribution]:
    """What a package requires without extras, and what that requires, each once."""
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        key = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if key in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(key)
        yield metadata.distribution(requirement.name)
        yield from installed_requirements(requirement.name, seen)


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


def test_the_core_requires_no_package_under_the_gpl():
    packages = list(installed_requirements("synthvae", set()))
    assert len(packages) > 40
    told = {package.metadata["Name"]: licences(package) for package in packages}
    assert not {name: lines for name, lines in told.items() if any(map(is_copyleft, lines))}
    unknown = [name for name, lines in told.items() if not lines]
    assert not unknown, f"read their licences, and name them here: {unknown}"
