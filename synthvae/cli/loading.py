"""Imports of slow packages: a line on standard error meanwhile, and no garbage collection."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from threading import Timer
from types import ModuleType
from typing import Any

from synthvae.cli.logs import tell

__all__ = ["announce_loading", "uncollected"]

#: Seconds after which the line is printed if standard error is not a terminal.
PATIENCE = 1.0


@contextmanager
def uncollected() -> Iterator[None]:
    """Import with garbage collection off, which would take a fifth of the time and free almost nothing.

    Later collections skip the imported objects: a full collection would stop every thread for 0.1 s, which delays the
    sounds of `explore`.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def announce_loading(package: str) -> None:
    """Print ``loading PACKAGE ...`` when the package is first imported: at once on a terminal, else after one second.

    The second counts from this call. Nothing is printed if the package is imported before it has passed, or has been
    imported before.
    """
    if package not in sys.modules:
        sys.meta_path.insert(0, _Finder(package, time.monotonic()))


class _Finder(MetaPathFinder):
    """Finds one package, once, by the other finders."""

    def __init__(self, package: str, began: float) -> None:
        self._package, self._began = package, began

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._package:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, fullname, self._began)
        return spec


class _Loader(Loader):
    """Loads a package with its original loader, and restores that on the module."""

    def __init__(self, loader: Any, package: str, began: float) -> None:  # noqa: ANN401
        self._loader, self._package, self._began = loader, package, began

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        wait = 0.0 if sys.stderr.isatty() else max(0.0, PATIENCE - (time.monotonic() - self._began))
        timer = Timer(wait, self._announce)
        timer.daemon = True
        timer.start()
        try:
            with uncollected():
                self._loader.exec_module(module)
        finally:
            timer.cancel()

    def _announce(self) -> None:
        tell("loading", f"loading {self._package} ...", package=self._package)
