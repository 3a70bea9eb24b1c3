"""Imports flow one way: a module may import modules of lower levels and of its own package, and no two each other."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "synthvae"
#: From the bottom to the top. Packages of one level do not import each other.
LEVELS = (
    ("core",),
    ("features",),
    ("losses", "models", "synths"),
    ("audio",),
    ("metrics", "naming"),
    ("data", "maps"),
    ("training", "export", "bank"),
    ("analysis", "exploration", "matching"),
    ("report", "studio"),
    ("experiments", "spaces"),
    ("scale",),
    ("cli",),
    ("benchmarks", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(path): path for path in [*PACKAGE.rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]}


def imports(path: Path) -> set[str]:
    """Modules of this project that a file imports, wherever in it: inside functions and for types alone as well."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else node.module for name in names}
    return found & FILES.keys()


def package(module: str) -> str:
    """The first name below ``synthvae``; ``benchmarks`` for those."""
    first, *rest = module.split(".")
    return rest[0] if first == "synthvae" and rest else first


GRAPH = {module: imports(path) - {module} for module, path in FILES.items()}


def test_every_package_has_a_level():
    packages = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    assert packages | {"benchmarks", "__main__"} == LEVEL.keys()
    assert {p.name for p in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_no_import_points_upwards_or_sideways():
    wrong = []
    for module, below in GRAPH.items():
        if module == "synthvae":
            continue  # the public face names modules of all levels, lazily
        own = package(module)
        for other in sorted(below - {"synthvae"}):
            if package(other) != own and LEVEL[package(other)] >= LEVEL[own]:
                wrong.append(f"{module} ({LEVEL[own]}) imports {other} ({LEVEL[package(other)]})")
    assert wrong == []


def test_no_modules_import_each_other():
    # A package's __init__ passes on what its modules define, so that it alone may be imported from above only.
    try:
        graphlib.TopologicalSorter(GRAPH).prepare()
    except graphlib.CycleError as error:
        raise AssertionError(" imports ".join(reversed(error.args[1]))) from None


def test_models_features_and_parameter_spaces_know_no_synthesizer():
    for path in [*(PACKAGE / "models").rglob("*.py"), *(PACKAGE / "features").rglob("*.py")]:
        assert "import torchsynth" not in path.read_text()
    for path in (PACKAGE / "synths").glob("*.py"):
        assert "import torchsynth" not in path.read_text()
    below = {name for name in GRAPH["synthvae.synths.parameters"] if package(name) == "synths"}
    assert below == set()
