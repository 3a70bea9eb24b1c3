"""Imports flow one way: a module may import modules of lower levels and of its own package, nothing above."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "synthvae"
LEVELS = {
    "allocator": 0,
    "errors": 0,
    "files": 0,
    "loudness": 0,
    "pages": 0,
    "provenance": 0,
    "resampling": 0,
    "tensors": 0,
    "wav": 0,
    "parameters": 0,
    "features": 0,
    "models": 0,
    "synth": 1,
    "losses": 1,
    "presets": 1,
    "generation": 2,
    "perception": 2,
    "recordings": 2,
    "training": 3,
    "analysis": 4,
    "experiments": 5,
    "naming": 5,
    "bank": 6,
    "exploration": 6,
    "instruments": 6,
    "matching": 6,
    "benchmark": 7,
    "studio": 7,
    "cli": 8,
}


def imports(path: Path) -> set[str]:
    """First-level names below ``synthvae`` that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("synthvae.")}


def test_every_module_has_a_level():
    names = {
        p.stem if p.suffix else p.name for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert names - {"__init__"} == set(LEVELS)


def test_no_import_points_upwards_or_sideways():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE)
        if place.name == "__init__.py" and len(place.parts) == 1:
            continue  # the public face names modules of all levels, lazily
        own = place.parts[0].removesuffix(".py")
        for other in imports(path):
            if other == own or other not in LEVELS:
                continue
            if LEVELS[other] > LEVELS[own]:
                wrong.append(f"{place} ({LEVELS[own]}) imports {other} ({LEVELS[other]})")
    assert wrong == []


def test_no_cycles_between_packages():
    edges = {name: set() for name in LEVELS}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE)
        if len(place.parts) > 1 or place.stem != "__init__":
            own = place.parts[0].removesuffix(".py")
            edges[own] |= {other for other in imports(path) if other in LEVELS and other != own}
    while edges:
        leaves = [name for name, below in edges.items() if not below & edges.keys()]
        assert leaves, f"a cycle among {sorted(edges)}"
        for name in leaves:
            del edges[name]


def test_models_features_and_parameter_spaces_know_no_synthesizer():
    for path in [
        *(PACKAGE / "models").rglob("*.py"),
        *(PACKAGE / "features").rglob("*.py"),
        PACKAGE / "parameters/space.py",
    ]:
        assert "import torchsynth" not in path.read_text()
        assert "synth" not in imports(path)
